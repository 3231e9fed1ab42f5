"""Burns: RF36."""

from __future__ import annotations

from datetime import date

from triage_rules.patient import NOTHING, Evidence, Patient
from triage_rules.rule import Flag

SINCE = date(2025, 1, 1)

BURN = Flag(
    id="RF36",
    name="Dangerous burn or inhalation",
    source="SATS; CTAS",
    since=SINCE,
)


@BURN.emergency()
def burn_of_face_or_airway(patient: Patient) -> Evidence:
    """A burn of the face or the airway, or smoke or hot gas breathed in."""
    return patient.says("face_burn", "soot_or_singed_hair", "smoke_inhaled")


@BURN.emergency()
def burn_by_current_or_chemical(patient: Patient) -> Evidence:
    """A burn by electricity, lightning, acid or another chemical."""
    return patient.says("electrical_injury", "chemical_burn")


@BURN.emergency()
def burn_all_around(patient: Patient) -> Evidence:
    """A burn that goes all the way around a limb or the trunk."""
    return patient.says("circumferential_burn")


@BURN.emergency()
def large_burn(patient: Patient) -> Evidence:
    """A burn of more than 20 % of an adult's body, or said to be of most of it."""
    return patient.above("burn_percent", "large_burn") or patient.says("large_burn_words")


@BURN.emergency()
def burned_infant(patient: Patient) -> Evidence:
    """Any burn or scald under one year of age."""
    is_infant = patient.age < patient.limit("infant_burn_age")
    return patient.says("burn_injury") if is_infant else NOTHING
