"""Eyes: RF39."""

from __future__ import annotations

from datetime import date

from triage_rules.patient import Evidence, Patient
from triage_rules.rule import Flag, both
from triage_rules.rules.neurology import came_suddenly

SINCE = date(2025, 1, 1)

EYE = Flag(
    id="RF39",
    name="Eye emergency",
    source="ESI-informed, edition 5; CTAS 2",
    since=SINCE,
)


@EYE.emergency()
def sudden_vision_loss(patient: Patient) -> Evidence:
    """Vision lost suddenly, or at no given time: a curtain, gone black, gone blind."""
    lost = patient.says_newly("sudden_vision_loss", "vision_gone")
    return lost or both(patient.says_newly("vision_loss"), came_suddenly(patient))


@EYE.emergency()
def chemical_in_eye(patient: Patient) -> Evidence:
    """A chemical splashed into the eye."""
    told_apart = both(patient.says("eye_complaint", "eye_pain"), patient.says("caustic_splash"))
    return patient.says("eye_chemical") or told_apart


@EYE.emergency()
def penetrated_eye(patient: Patient) -> Evidence:
    """An eye that was pierced, cut or burst."""
    return patient.says("eye_penetrated")


@EYE.emergency()
def painful_with_loss_or_halos(patient: Patient) -> Evidence:
    """A painful eye with halos or loss of vision, or a painful red eye with blurred vision."""
    pain = patient.says("eye_pain")
    lost = (*patient.says_newly("vision_loss"), *patient.says("halos"))
    blurred = both(patient.says("red_eye"), patient.says_newly("vision_blurred"))
    return both(pain, (*lost, *blurred)) or patient.says("acute_glaucoma")


@EYE.urgent()
def suddenly_blurred(patient: Patient) -> Evidence:
    """Vision that is suddenly blurred."""
    return both(patient.says_newly("vision_blurred"), came_suddenly(patient))
