"""Sugar: RF29."""

from __future__ import annotations

from datetime import date

from triage_rules.case import Consciousness
from triage_rules.level import Level
from triage_rules.rule import NOTHING, Evidence, Patient, both, measured, rule
from triage_rules.thresholds import limit

SINCE = date(2025, 1, 1)


NAME = "Hypoglycaemia"
SOURCE = "ESI-informed step A; SATS"
SIGNS = ("confused", "drowsy", "unresponsive", "seizure", "seizure_now")


@rule(
    id="RF29",
    name=NAME,
    floor=Level.EMERGENCY,
    immediate=True,
    source=SOURCE,
    since=SINCE,
    needs=("glucose_mmol_l",),
    possible=False,
)
def measured_low(patient: Patient) -> Evidence:
    """A measured sugar below the limit, or below the higher limit with signs of the brain."""
    glucose = patient.vitals.glucose_mmol_l
    return NOTHING if glucose is None else _low(patient, glucose)


@rule(
    id="RF29",
    name=NAME,
    floor=Level.EMERGENCY,
    immediate=True,
    source=SOURCE,
    since=SINCE,
    possible=False,
)
def said_to_be_low(patient: Patient) -> Evidence:
    """A low sugar written in the text, or "low sugar" with signs of the brain."""
    written = (_low(patient, glucose) for glucose in patient.reading.glucose_mmol_l)
    return next(filter(None, written), NOTHING) or both(patient.says("low_sugar"), _signs(patient))


def _low(patient: Patient, glucose: float) -> Evidence:
    words = measured("glucose", round(glucose, 1), "mmol/L")
    if glucose < limit("rules", "low_glucose"):
        return words
    below = glucose < limit("rules", "low_glucose_with_signs")
    return both(words, _signs(patient)) if below else NOTHING


def _signs(patient: Patient) -> Evidence:
    altered = patient.consciousness not in (None, Consciousness.ALERT)
    mind = (f"consciousness {patient.consciousness}",) if altered else NOTHING
    return (*patient.says(*SIGNS), *mind)
