"""Shock index: heart rate by systolic pressure. About 0.5 to 0.7 in a healthy adult."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from math import isfinite

from triage_rules.case import Vitals


@dataclass(frozen=True, slots=True, kw_only=True)
class ShockIndex:
    """The index of one patient.

    ``value`` is None when it cannot be computed; ``missing`` then names what it lacks. A pressure
    of nought is no measurement to divide by, so it is missing too.
    """

    value: float | None
    missing: tuple[str, ...] = ()


def shock_index(vitals: Vitals) -> ShockIndex:
    """Divide the heart rate by the systolic pressure, both as whole numbers, rounded half up.

    Examples
    --------
    >>> shock_index(Vitals(heart_rate=126, systolic_bp=90)).value
    1.4
    """
    heart, pressure = _whole(vitals.heart_rate), _whole(vitals.systolic_bp)
    if heart is None or not pressure:
        lacks = {"heart_rate": heart is None, "systolic_bp": not pressure}
        return ShockIndex(value=None, missing=tuple(name for name in lacks if lacks[name]))
    return ShockIndex(value=heart / pressure)


def _whole(value: float | None) -> int | None:
    if value is None or not isfinite(value):
        return None
    return int(Decimal(str(value)).to_integral_value(rounding=ROUND_HALF_UP))
