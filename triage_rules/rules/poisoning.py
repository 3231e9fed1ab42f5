"""Poisoning: RF30."""

from __future__ import annotations

from datetime import date

from triage_rules.level import Level
from triage_rules.rule import Evidence, Patient, rule

SINCE = date(2025, 1, 1)


POISONS = (
    "overdose",
    "button_battery",
    "caustic",
    "carbon_monoxide",
    "toxic_alcohol",
    "staggered_paracetamol",
)


@rule(
    id="RF30",
    name="Poisoning or overdose",
    floor=Level.EMERGENCY,
    source="ESI-informed, edition 5; SATS",
    since=SINCE,
)
def poisoned(patient: Patient) -> Evidence:
    """An overdose, an unknown quantity, a battery, a caustic, carbon monoxide, methanol."""
    return patient.says(*POISONS)
