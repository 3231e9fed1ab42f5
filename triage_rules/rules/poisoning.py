"""Poisoning: RF30."""

from __future__ import annotations

from datetime import date

from triage_rules.patient import Evidence, Patient
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
