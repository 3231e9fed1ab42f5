"""Vital signs against bands by age: ESI-informed high risk, PALS, NICE high and moderate risk.

A band says nothing of what was not measured: that is listed as missing, never taken as normal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import ge, gt, lt

from triage_rules.case import Vitals
from triage_rules.thresholds import Limits


@dataclass(frozen=True, slots=True)
class Row:
    """One side of a band: a vital sign lies beyond it where ``beyond(value, limit)``."""

    vital: str
    beyond: Callable[[float, float], bool]
    limit: str


Band = tuple[Row, ...]

HIGH_RISK: Band = (
    Row("heart_rate", gt, "high_risk_heart"),
    Row("respiratory_rate", gt, "high_risk_breathing"),
    Row("spo2", lt, "high_risk_spo2"),
    Row("systolic_bp", lt, "low_pressure"),
)
PALS: Band = (
    Row("heart_rate", lt, "pals_heart_from"),
    Row("heart_rate", gt, "pals_heart_to"),
    Row("respiratory_rate", lt, "pals_breathing_from"),
    Row("respiratory_rate", gt, "pals_breathing_to"),
    Row("systolic_bp", lt, "pals_pressure_from"),
    Row("systolic_bp", gt, "pals_pressure_to"),
)
NICE_HIGH: Band = (
    Row("respiratory_rate", ge, "child_high_breathing"),
    Row("heart_rate", ge, "child_high_heart"),
    Row("heart_rate", lt, "child_slow_heart"),
    Row("spo2", lt, "child_high_spo2"),
)
NICE_MODERATE: Band = (
    Row("respiratory_rate", ge, "child_moderate_breathing"),
    Row("heart_rate", ge, "child_moderate_heart"),
    Row("spo2", lt, "child_moderate_spo2"),
    Row("temperature_c", ge, "child_amber_fever"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BandReading:
    """Which vital signs lie outside a band, and which were not measured."""

    outside: tuple[str, ...]
    missing: tuple[str, ...]


def read_band(band: Band, *, vitals: Vitals, age: float, limits: Limits) -> BandReading:
    """Compare vital signs with the rows of a band that hold at an age.

    Parameters
    ----------
    band
        Its rows; one without a number at this age is passed over.
    age
        In years.
    """
    rows = [row for row in band if bound(row.limit, row.vital, vitals, age, limits) is not None]
    values = {row.vital: getattr(vitals, row.vital) for row in rows}
    return BandReading(
        outside=tuple(
            row.vital
            for row in rows
            if is_beyond(row, values[row.vital], vitals=vitals, age=age, limits=limits)
        ),
        missing=tuple(name for name, value in values.items() if value is None),
    )


def is_beyond(row: Row, value: float | None, *, vitals: Vitals, age: float, limits: Limits) -> bool:
    """Whether a value lies beyond one row; what is not known lies nowhere."""
    limit = bound(row.limit, row.vital, vitals, age, limits)
    return value is not None and limit is not None and row.beyond(value, limit)


def bound(limit: str, vital: str, vitals: Vitals, age: float, limits: Limits) -> float | None:
    """Return a number at an age; of oxygen saturation the one of the scale that is recorded."""
    if vital == "spo2" and vitals.spo2_scale == 2 and f"{limit}_scale_2" in limits.by_name:
        limit = f"{limit}_scale_2"
    return limits.at_age(limit, age)
