"""Breathing: RF04 and RF05."""

from __future__ import annotations

from datetime import date

from triage_rules.case import SymptomSeverity
from triage_rules.level import Level
from triage_rules.rule import NOTHING, Evidence, Patient, measured, rule
from triage_rules.text.finding import Field
from triage_rules.thresholds import limit

SINCE = date(2025, 1, 1)


SOURCE = "ESI-informed steps A and B; CTAS; respiratory rates: local policy"


@rule(
    id="RF04",
    name="Severe breathing difficulty",
    floor=Level.EMERGENCY,
    source=SOURCE,
    since=SINCE,
    possible=False,
)
def says_cannot_breathe(patient: Patient) -> Evidence:
    """Cannot breathe, gasping, or breathless at rest."""
    return patient.says("cannot_breathe", "not_breathing_well", "gasping")


@rule(
    id="RF04",
    name="Severe breathing difficulty",
    floor=Level.EMERGENCY,
    source=SOURCE,
    since=SINCE,
    possible=False,
)
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


@rule(
    id="RF04",
    name="Severe breathing difficulty",
    floor=Level.EMERGENCY,
    immediate=True,
    source=SOURCE,
    since=SINCE,
    possible=False,
)
def blue_exhausted_or_unable_to_speak(patient: Patient) -> Evidence:
    """Blue, exhausted, or unable to complete sentences."""
    return patient.says("blue_colour", "exhausted_breathing", "cannot_speak_for_breath")


@rule(
    id="RF04",
    name="Severe breathing difficulty",
    floor=Level.EMERGENCY,
    source=SOURCE,
    since=SINCE,
    needs=("spo2",),
    possible=False,
)
def critical_saturation(patient: Patient) -> Evidence:
    """Oxygen saturation below the critical limit of its scale, at any age."""
    return _saturation_below(patient, "critical_spo2")


@rule(
    id="RF04",
    name="Severe breathing difficulty",
    floor=Level.EMERGENCY,
    source=SOURCE,
    since=SINCE,
    needs=("respiratory_rate",),
    possible=False,
)
def critical_breathing_rate(patient: Patient) -> Evidence:
    """An adult who breathes far too fast or far too slowly."""
    rate = patient.vitals.respiratory_rate
    if rate is None or not patient.is_adult:
        return NOTHING
    too_slow = rate <= limit("rules", "slow_breathing_adult")
    too_fast = rate >= limit("rules", "fast_breathing_adult")
    return measured("breathing rate", rate, "/min") if too_slow or too_fast else NOTHING


@rule(
    id="RF05",
    name="Low oxygen",
    floor=Level.URGENT,
    source="ESI-informed step D; SATS",
    since=SINCE,
    needs=("spo2",),
    possible=False,
)
def low_saturation(patient: Patient) -> Evidence:
    """Oxygen saturation below the limit of its scale, at any age."""
    return _saturation_below(patient, "low_spo2")


@rule(
    id="RF05",
    name="Low oxygen",
    floor=Level.URGENT,
    source="ESI-informed step D; SATS",
    since=SINCE,
    needs=("on_oxygen",),
    possible=False,
)
def new_oxygen_need(patient: Patient) -> Evidence:
    """An adult on oxygen who has none at home."""
    new = patient.is_adult and patient.vitals.on_oxygen and not patient.knows("home_oxygen")
    return ("needs oxygen",) if new else NOTHING


def _saturation_below(patient: Patient, name: str) -> Evidence:
    spo2 = patient.vitals.spo2
    scale = "_scale_2" if patient.vitals.spo2_scale == 2 else ""
    if spo2 is None or spo2 >= limit("rules", name + scale):
        return NOTHING
    return measured("SpO2", spo2, "%")
