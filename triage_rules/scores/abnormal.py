"""Which measurements are abnormal for the age, for rules that say "with abnormal vitals"."""

from __future__ import annotations

from collections.abc import Iterator

from triage_rules.case import Vitals
from triage_rules.scores.news2 import News2
from triage_rules.thresholds import load

_UNITS = {
    "respiratory_rate": ("breathing rate", "/min"),
    "spo2": ("SpO2", "%"),
    "systolic_bp": ("systolic pressure", "mmHg"),
    "heart_rate": ("heart rate", "/min"),
    "temperature_c": ("temperature", "°C"),
}


def abnormal_vitals(vitals: Vitals, *, news2: News2, age: float) -> tuple[str, ...]:
    """Return each abnormal measurement in words, such as "heart rate 128 /min".

    From 16 years: a NEWS2 parameter of 2 points or more, or a heart or breathing rate above the
    high-risk limit of the age. Under 16: above that limit, or SpO2 or pressure below theirs.
    """
    names = dict.fromkeys((*_scored(news2), *_high_risk(vitals, age)))
    return tuple(_in_words(vitals, name) for name in names if name in _UNITS)


def _scored(news2: News2) -> Iterator[str]:
    least = load("vitals")["abnormal"]["news2_points"]
    yield from (name for name, points in news2.subscores if points >= least)


def _high_risk(vitals: Vitals, age: float) -> Iterator[str]:
    band = next(row for row in load("vitals")["high_risk"]["bands"] if age < row["under_years"])
    limits = load("vitals")["abnormal"]
    if vitals.heart_rate is not None and vitals.heart_rate > band["heart_rate_above"]:
        yield "heart_rate"
    if (
        vitals.respiratory_rate is not None
        and vitals.respiratory_rate > band["respiratory_rate_above"]
    ):
        yield "respiratory_rate"
    if vitals.spo2 is not None and vitals.spo2 < limits["spo2_below"] and vitals.spo2_scale != 2:
        yield "spo2"
    if vitals.systolic_bp is not None and vitals.systolic_bp < _low_pressure(age):
        yield "systolic_bp"


def _low_pressure(age: float) -> float:
    band = next(row for row in load("vitals")["hypotension"]["bands"] if age < row["under_years"])
    return float(band["below"]) + float(band.get("per_year", 0)) * int(age)


def _in_words(vitals: Vitals, name: str) -> str:
    label, unit = _UNITS[name]
    return f"{label} {getattr(vitals, name):g} {unit}"
