"""Sugar: RF29."""

from __future__ import annotations

from datetime import date

from triage_rules.patient import Evidence, Patient
from triage_rules.rule import Flag, both

SINCE = date(2025, 1, 1)

HYPOGLYCAEMIA = Flag(
    id="RF29",
    name="Hypoglycaemia",
    source="ESI-informed step A; SATS",
    since=SINCE,
    certain=True,
)


@HYPOGLYCAEMIA.emergency(needs=("glucose_mmol_l",), immediate=True)
def measured_low(patient: Patient) -> Evidence:
    """A sugar below the limit, or below the higher limit with signs of the brain."""
    return _low(patient)


@HYPOGLYCAEMIA.emergency(immediate=True)
def said_to_be_low(patient: Patient) -> Evidence:
    """Said to be low, with signs of the brain."""
    return both(patient.says("low_sugar"), _signs(patient))


def _low(patient: Patient) -> Evidence:
    """Every sugar that is known counts; the lowest may not be the one that was measured."""
    with_signs = both(patient.below("glucose_mmol_l", "low_glucose_with_signs"), _signs(patient))
    return patient.below("glucose_mmol_l", "low_glucose") or with_signs


def _signs(patient: Patient) -> Evidence:
    return (*patient.altered_mind, *patient.says("seizure", "seizure_now"))
