"""Allergy: RF06."""

from __future__ import annotations

from datetime import date

from triage_rules.patient import Evidence, Patient
from triage_rules.rule import Flag, both

SINCE = date(2025, 1, 1)

ANAPHYLAXIS = Flag(
    id="RF06",
    name="Anaphylaxis",
    source="World Allergy Organization 2020",
    since=SINCE,
)


SKIN = ("skin_reaction", "face_swelling")
BREATHING = ("breathless", "cannot_breathe", "not_breathing_well", "wheeze", "stridor", "gasping")
CIRCULATION = ("syncope", "low_pressure_words", "dizzy")
AIRWAY = ("throat_swelling", "voice_change")


@ANAPHYLAXIS.emergency(immediate=True)
def says_anaphylaxis(patient: Patient) -> Evidence:
    """Named as such, or adrenaline was already used."""
    return patient.says("anaphylaxis_word") or _adrenaline_used(patient)


def _skin(patient: Patient) -> Evidence:
    """A reaction of the skin; after an allergen a plain rash is one as well."""
    skin = patient.says(*SKIN)
    if patient.says("allergen", "likely_allergen"):
        skin = (*skin, *patient.says("plain_rash"))
    return skin


def _may_be_allergic(patient: Patient) -> bool:
    return bool(_skin(patient) or patient.says("allergen", "throat_swelling"))


@ANAPHYLAXIS.emergency(immediate=True)
def skin_and_another_system(patient: Patient) -> Evidence:
    """Acute skin or mucosal change with breathing, circulation or severe gut signs."""
    words = patient.says(*BREATHING, *CIRCULATION, *AIRWAY, "severe_gut")
    return both(_skin(patient), words)


@ANAPHYLAXIS.emergency(immediate=True)
def swollen_throat_and_another_system(patient: Patient) -> Evidence:
    """A swollen throat or tongue with breathing, circulation or severe gut signs."""
    other = patient.says(*BREATHING, *CIRCULATION, "severe_gut")
    return both(patient.says("throat_swelling"), other)


@ANAPHYLAXIS.emergency(needs=("systolic_bp",), only_if=_may_be_allergic, immediate=True)
def reaction_with_low_pressure(patient: Patient) -> Evidence:
    """A skin reaction, a swollen throat or an allergen, and a low blood pressure."""
    reaction = (*_skin(patient), *patient.says("allergen", "throat_swelling"))
    return both(reaction, patient.below("systolic_bp", "anaphylaxis_pressure"))


@ANAPHYLAXIS.emergency(immediate=True)
def reaction_to_allergen(patient: Patient) -> Evidence:
    """After an allergen: tight airways, a changed voice, a faint, or a swollen face."""
    reaction = patient.says(
        "wheeze", "stridor", "throat_swelling", "face_swelling", "voice_change",
        "low_pressure_words", "syncope", "cannot_breathe",
    )  # fmt: skip
    sting = both(patient.says("sting_or_food"), patient.says("breathless"))
    return both(patient.says("allergen"), reaction) or sting


@ANAPHYLAXIS.emergency(immediate=True)
def swelling_after_a_likely_allergen(patient: Patient) -> Evidence:
    """A swollen face or throat after food, a new drug, or in a known food or sting allergy."""
    return both(patient.says("likely_allergen"), patient.says("face_swelling", "throat_swelling"))


def _adrenaline_used(patient: Patient) -> Evidence:
    """Adrenaline as given; "used to have an EpiPen" reads alike and tells of no dose."""
    once_owned = patient.says("pen_once_owned")
    return tuple(said for said in patient.says("adrenaline_used") if said not in once_owned)
