"""Quick Sequential Organ Failure Assessment (Sepsis-3, 2016): a signal that may only raise.

It misses more than half of those with an infection who will do badly, so a low score says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from math import isfinite
from operator import ge, le

from triage_rules.case import Consciousness, Vitals
from triage_rules.scores.consciousness import consciousness_of
from triage_rules.thresholds import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Qsofa:
    """The points of one adult.

    ``total`` is None when the score does not apply (under 16) or nothing was measured. With
    ``missing`` parameters it is a lower bound, never "normal".
    """

    total: int | None
    met: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def qsofa(vitals: Vitals, *, age: float, limits: Limits) -> Qsofa:
    """Score one set of vital signs.

    Parameters
    ----------
    vitals
        What was measured; rates and pressures are rounded half up. Slow breathing does not score.
    age
        In years. Under 16 the score does not apply and nothing is computed.
    limits
        The numbers of the day.
    """
    if age < limits.number("qsofa_age"):
        return Qsofa(total=None)
    answers = dict(_answers(vitals, limits))
    known = [answer for answer in answers.values() if answer is not None]
    return Qsofa(
        total=sum(known) if known else None,
        met=tuple(name for name, answer in answers.items() if answer),
        missing=tuple(name for name, answer in answers.items() if answer is None),
    )


def _answers(vitals: Vitals, limits: Limits) -> Iterator[tuple[str, bool | None]]:
    """Yield each parameter and whether it scores; None where it is not known."""
    breathing = _compare(vitals.respiratory_rate, ge, limits.number("qsofa_breathing"))
    pressure = _compare(vitals.systolic_bp, le, limits.number("qsofa_pressure"))
    yield "respiratory_rate", breathing
    yield "systolic_bp", pressure
    yield "consciousness", _is_altered(vitals, limits)


def _is_altered(vitals: Vitals, limits: Limits) -> bool | None:
    """Whether the letter or the coma score, whichever is worse, is less than full."""
    letter = consciousness_of(vitals)
    if letter is None:
        return None
    reduced = vitals.gcs is not None and vitals.gcs < limits.number("qsofa_coma_score")
    return letter is not Consciousness.ALERT or reduced


def _compare(
    value: float | None, compare: Callable[[float, float], bool], limit: float
) -> bool | None:
    if value is None or not isfinite(value):
        return None
    whole = Decimal(str(value)).to_integral_value(rounding=ROUND_HALF_UP)
    return compare(float(whole), limit)
