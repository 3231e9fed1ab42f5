"""Breathing: RF04 and RF05."""

from __future__ import annotations

from datetime import date

from triage_rules.case import SymptomSeverity
from triage_rules.patient import NOTHING, Evidence, Patient
from triage_rules.rule import Flag, both
from triage_rules.text.finding import Field

SINCE = date(2025, 1, 1)

SEVERE_BREATHING_DIFFICULTY = Flag(
    id="RF04",
    name="Severe breathing difficulty",
    source="ESI-informed steps A and B; CTAS; respiratory rates: local policy",
    since=SINCE,
    certain=True,
)
LOW_OXYGEN = Flag(
    id="RF05",
    name="Low oxygen",
    source="ESI-informed step D; SATS",
    since=SINCE,
    certain=True,
)


def _is_adult(patient: Patient) -> bool:
    return patient.is_adult


def _has_no_home_oxygen(patient: Patient) -> bool:
    return patient.is_adult and not patient.knows("home_oxygen")


@SEVERE_BREATHING_DIFFICULTY.emergency()
def says_cannot_breathe(patient: Patient) -> Evidence:
    """Cannot breathe, gasping, or breathless at rest."""
    return patient.says("cannot_breathe", "not_breathing_well", "gasping")


@SEVERE_BREATHING_DIFFICULTY.emergency()
def breathlessness_marked_severe(patient: Patient) -> Evidence:
    """Breathlessness as a symptom that is marked severe."""
    marked = [
        symptom.name.replace("_", " ")
        for symptom in patient.case.symptoms
        if symptom.present and symptom.severity is SymptomSeverity.SEVERE
    ]
    return tuple(
        found.evidence
        for found in patient.said("breathless")
        if found.field is Field.SYMPTOM and any(found.evidence in name for name in marked)
    )


@SEVERE_BREATHING_DIFFICULTY.emergency(immediate=True)
def blue_exhausted_or_unable_to_speak(patient: Patient) -> Evidence:
    """Blue, exhausted, or unable to complete sentences."""
    return patient.says(
        "blue_colour", "blue_lips", "exhausted_breathing", "cannot_speak_for_breath"
    )


@SEVERE_BREATHING_DIFFICULTY.emergency(immediate=True)
def breathless_and_unable_to_speak(patient: Patient) -> Evidence:
    """Breathless or wheezing, and unable to speak."""
    breathless = patient.says("breathless", "cannot_breathe", "wheeze")
    return both(breathless, patient.says("cannot_speak"))


@SEVERE_BREATHING_DIFFICULTY.emergency(immediate=True)
def breathless_and_gone_blue(patient: Patient) -> Evidence:
    """Breathless and gone blue."""
    return both(patient.says("breathless", "cannot_breathe", "wheeze"), patient.says("gone_blue"))


@SEVERE_BREATHING_DIFFICULTY.emergency(needs=("spo2",))
def critical_saturation(patient: Patient) -> Evidence:
    """Oxygen saturation below the critical limit of its scale, at any age."""
    return patient.below("spo2", "critical_spo2")


@SEVERE_BREATHING_DIFFICULTY.emergency(needs=("respiratory_rate",), only_if=_is_adult)
def critical_breathing_rate(patient: Patient) -> Evidence:
    """An adult who breathes far too fast or far too slowly."""
    too_slow = patient.at_most("respiratory_rate", "slow_breathing_adult")
    return too_slow or patient.at_least("respiratory_rate", "fast_breathing_adult")


@LOW_OXYGEN.urgent(needs=("spo2",))
def low_saturation(patient: Patient) -> Evidence:
    """Oxygen saturation below the limit of its scale, at any age."""
    return patient.below("spo2", "low_spo2")


@LOW_OXYGEN.urgent(needs=("on_oxygen",), only_if=_has_no_home_oxygen)
def new_oxygen_need(patient: Patient) -> Evidence:
    """An adult on oxygen who has none at home."""
    return ("needs oxygen",) if patient.vitals.on_oxygen else NOTHING


@LOW_OXYGEN.urgent(only_if=_has_no_home_oxygen)
def says_new_oxygen_need(patient: Patient) -> Evidence:
    """An adult who is said to be given oxygen and has none at home."""
    return patient.says("oxygen_given")
