"""National Early Warning Score 2 (Royal College of Physicians, 2017)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from functools import cache, lru_cache
from math import isfinite

from triage_rules.case import Consciousness, Vitals
from triage_rules.scores.consciousness import consciousness_of
from triage_rules.thresholds import load

VERSION = "1"

_WHOLE = Decimal(1)
_TENTH = Decimal("0.1")


@dataclass(frozen=True, slots=True, kw_only=True)
class News2:
    """The National Early Warning Score 2 of one patient.

    ``total`` is None when the score does not apply (under 16) or nothing was measured. With
    ``missing`` parameters it is a lower bound, never "normal".
    """

    total: int | None
    subscores: tuple[tuple[str, int], ...] = ()
    missing: tuple[str, ...] = ()
    validated: bool = True

    @property
    def has_single_three(self) -> bool:
        """Whether one parameter alone scores 3."""
        return any(points == 3 for _, points in self.subscores)


def news2(vitals: Vitals, *, age: float, pregnant: bool) -> News2:
    """Score one set of vital signs.

    Parameters
    ----------
    vitals
        What was measured. Temperature is compared at 0.1 degree, the rest as whole numbers,
        rounded half up. Consciousness falls back to the coma score.
    age
        In years. Under 16 the score does not apply and nothing is computed.
    pregnant
        The score is computed but marked as not validated.

    Returns
    -------
    News2
        Parameters that are not known are listed by the names of their fields. Oxygen that is
        not known scores as air and is listed too.
    """
    if age < load("news2")["score"]["minimum_age_years"]:
        return News2(total=None, validated=False)
    scored = tuple(_subscores(vitals))
    subscores = tuple((name, points) for name, points in scored if points is not None)
    return News2(
        total=sum(points for _, points in subscores) if subscores else None,
        subscores=subscores,
        missing=tuple(name for name, points in scored if points is None),
        validated=not pregnant,
    )


def _subscores(vitals: Vitals) -> Iterator[tuple[str, int | None]]:
    yield "respiratory_rate", _points("respiratory_rate", vitals.respiratory_rate)
    yield "spo2", _points(_spo2_row(vitals), vitals.spo2)
    yield "on_oxygen", _oxygen_points(vitals.on_oxygen)
    yield "systolic_bp", _points("systolic_bp", vitals.systolic_bp)
    yield "heart_rate", _points("heart_rate", vitals.heart_rate)
    yield "consciousness", _consciousness_points(consciousness_of(vitals))
    yield "temperature_c", _points("temperature_c", vitals.temperature_c, step=_TENTH)


def _spo2_row(vitals: Vitals) -> str:
    if vitals.spo2_scale != 2:
        return "spo2_scale_1"
    return "spo2_scale_2_on_oxygen" if vitals.on_oxygen else "spo2_scale_2_on_air"


def _oxygen_points(on_oxygen: bool | None) -> int | None:
    if on_oxygen is None:
        return None
    return int(load("news2")["score"]["oxygen_points"]) if on_oxygen else 0


def _consciousness_points(consciousness: Consciousness | None) -> int | None:
    if consciousness is None:
        return None
    if consciousness == Consciousness.ALERT:
        return 0
    return int(load("news2")["score"]["altered_consciousness_points"])


@lru_cache(maxsize=4096)
def _points(row: str, value: float | None, *, step: Decimal = _WHOLE) -> int | None:
    if value is None or not isfinite(value):
        return None
    measured = Decimal(str(value)).quantize(step, rounding=ROUND_HALF_UP)
    return next(points for upper, points in _boxes(row) if measured <= upper)


@cache
def _boxes(row: str) -> tuple[tuple[Decimal, int], ...]:
    """The boxes of one chart row, lowest first, each as its upper end and its points."""
    boxes = load("news2")[row]["boxes"]
    return tuple((Decimal(str(box.get("to", "Infinity"))), box["points"]) for box in boxes)
