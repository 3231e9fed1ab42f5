"""Infection: RF12."""

from __future__ import annotations

from datetime import date

from triage_rules.patient import Evidence, Patient
from triage_rules.rule import Flag, both

SINCE = date(2025, 1, 1)

MENINGITIS = Flag(
    id="RF12",
    name="Meningitis or meningococcal disease",
    source="NICE NG240",
    since=SINCE,
)


@MENINGITIS.emergency()
def rash_that_does_not_fade(patient: Patient) -> Evidence:
    """A rash that does not fade under pressure, or meningitis by name."""
    return patient.says("nonblanching_rash", "meningitis_word")


@MENINGITIS.emergency()
def fever_headache_and_stiff_neck(patient: Patient) -> Evidence:
    """Fever and a stiff neck, or pain in the light, with headache or an altered mind."""
    irritation = patient.says("neck_stiffness", "photophobia")
    return both(patient.fever, irritation, (*patient.says("headache"), *patient.altered_mind))
