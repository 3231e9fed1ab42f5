"""Vulnerable patients: RF44. The reason says no more than the words that were said."""

from __future__ import annotations

from datetime import date

from triage_rules.patient import NOTHING, Evidence, Patient
from triage_rules.rule import Flag

SINCE = date(2025, 1, 1)

VULNERABLE = Flag(
    id="RF44",
    name="Vulnerable or time-critical",
    source="ESI-informed, edition 5",
    since=SINCE,
    certain=True,
)


@VULNERABLE.urgent()
def sexual_assault(patient: Patient) -> Evidence:
    """A sexual assault."""
    return patient.says("sexual_assault")


@VULNERABLE.urgent()
def needle_stick(patient: Patient) -> Evidence:
    """A needle-stick, or another's blood in the eye or mouth."""
    return patient.says("needle_stick")


@VULNERABLE.urgent()
def safeguarding_concern(patient: Patient) -> Evidence:
    """Abuse, neglect, violence at home, or an injury that may not be an accident."""
    return patient.says("safeguarding_concern", "non_accidental_injury")


@VULNERABLE.urgent()
def unexplained_injury_in_a_child(patient: Patient) -> Evidence:
    """Bruises or fractures in a child that nobody can explain."""
    return NOTHING if patient.is_adult else patient.says("unexplained_injury")
