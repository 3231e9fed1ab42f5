"""Infection: RF12."""

from __future__ import annotations

from datetime import date

from triage_rules.case import Consciousness
from triage_rules.level import Level
from triage_rules.rule import NOTHING, Evidence, Patient, both, measured, rule
from triage_rules.thresholds import limit

SINCE = date(2025, 1, 1)


NAME = "Meningitis or meningococcal disease"
SOURCE = "NICE NG240"


@rule(id="RF12", name=NAME, floor=Level.EMERGENCY, source=SOURCE, since=SINCE)
def rash_that_does_not_fade(patient: Patient) -> Evidence:
    """A rash that does not fade under pressure, or meningitis by name."""
    return patient.says("nonblanching_rash", "meningitis_word")


@rule(id="RF12", name=NAME, floor=Level.EMERGENCY, source=SOURCE, since=SINCE)
def fever_headache_and_stiff_neck(patient: Patient) -> Evidence:
    """Fever and a stiff neck, or pain in the light, with headache or an altered mind."""
    irritation = patient.says("neck_stiffness", "photophobia")
    return both(_fever(patient), irritation, _head_or_mind(patient))


def _fever(patient: Patient) -> Evidence:
    temperature = patient.vitals.temperature_c
    if temperature is not None and temperature >= limit("rules", "fever"):
        return measured("temperature", temperature, "°C")
    return patient.says("fever")


def _head_or_mind(patient: Patient) -> Evidence:
    altered = patient.consciousness not in (None, Consciousness.ALERT)
    mind = (f"consciousness {patient.consciousness}",) if altered else NOTHING
    return (*patient.says("headache", "confused", "drowsy", "unresponsive"), *mind)
