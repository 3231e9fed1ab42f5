"""Allergy: RF06."""

from __future__ import annotations

from datetime import date

from triage_rules.patient import NOTHING, Evidence, Patient
from triage_rules.rule import Flag, both

SINCE = date(2025, 1, 1)

ANAPHYLAXIS = Flag(
    id="RF06",
    name="Anaphylaxis",
    source="World Allergy Organization 2020",
    since=SINCE,
)


SKIN = ("skin_reaction", "face_swelling", "throat_swelling")
BREATHING = ("breathless", "cannot_breathe", "not_breathing_well", "wheeze", "stridor", "gasping")
CIRCULATION = ("syncope", "low_pressure_words", "dizzy")


@ANAPHYLAXIS.emergency(immediate=True)
def says_anaphylaxis(patient: Patient) -> Evidence:
    """Named as such, or adrenaline was already used."""
    return patient.says("anaphylaxis_word", "adrenaline_used")


@ANAPHYLAXIS.emergency(immediate=True)
def skin_and_another_system(patient: Patient) -> Evidence:
    """Acute skin or mucosal change with breathing, circulation or severe gut signs."""
    skin = patient.says(*SKIN)
    if patient.says("allergen"):
        skin = (*skin, *patient.says("plain_rash"))
    other = (*patient.says(*BREATHING, *CIRCULATION, "severe_gut"), *_low_pressure(patient))
    return both(skin, other)


@ANAPHYLAXIS.emergency(immediate=True)
def reaction_to_allergen(patient: Patient) -> Evidence:
    """After an allergen: low pressure, tight airways, a changed voice, or a swollen face."""
    reaction = (
        *patient.says("wheeze", "stridor", "throat_swelling", "face_swelling", "voice_change"),
        *patient.says("low_pressure_words", "syncope", "cannot_breathe"),
        *_low_pressure(patient),
    )
    sting = both(patient.says("sting_or_food"), patient.says("breathless"))
    return both(patient.says("allergen"), reaction) or sting


def _low_pressure(patient: Patient) -> Evidence:
    return patient.below("systolic_bp", "anaphylaxis_pressure") if patient.is_adult else NOTHING
