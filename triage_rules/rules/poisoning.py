"""Poisoning: RF30."""

from __future__ import annotations

from datetime import date

from triage_rules.patient import NOTHING, Evidence, Patient
from triage_rules.rule import Flag

SINCE = date(2025, 1, 1)

POISONING = Flag(
    id="RF30",
    name="Poisoning or overdose",
    source="ESI-informed, edition 5; SATS",
    since=SINCE,
)


POISONS = (
    "overdose",
    "tablets_of_another",
    "button_battery",
    "caustic",
    "carbon_monoxide",
    "toxic_alcohol",
    "staggered_paracetamol",
)


@POISONING.emergency()
def poisoned(patient: Patient) -> Evidence:
    """An overdose, an unknown quantity, a battery, a caustic, carbon monoxide, methanol."""
    return patient.says(*POISONS)


@POISONING.emergency()
def swallowed_by_a_child(patient: Patient) -> Evidence:
    """A child who swallowed tablets, a plant or a household product."""
    is_child = patient.age < patient.limit("accidental_poisoning_age")
    return patient.says("swallowed_by_child") if is_child else NOTHING
