"""Bleeding: RF20."""

from __future__ import annotations

from datetime import date

from triage_rules.patient import Evidence, Patient
from triage_rules.rule import Flag, both

SINCE = date(2025, 1, 1)

MAJOR_BLEEDING = Flag(
    id="RF20",
    name="Major bleeding",
    source="ESI-informed steps A and B; SATS",
    since=SINCE,
    certain=True,
)


@MAJOR_BLEEDING.emergency(immediate=True)
def spurting_or_not_controlled(patient: Patient) -> Evidence:
    """Spurting, or not stopping with pressure."""
    return patient.says("spurting", "uncontrolled_bleeding")


@MAJOR_BLEEDING.emergency()
def soaked_through(patient: Patient) -> Evidence:
    """Soaked through with blood."""
    return patient.says("soaked")


@MAJOR_BLEEDING.urgent()
def nosebleed_or_on_anticoagulant(patient: Patient) -> Evidence:
    """A nosebleed, or any bleeding on an anticoagulant."""
    return _lesser_bleeding(patient)


@MAJOR_BLEEDING.emergency()
def lesser_bleeding_with_abnormal_vitals(patient: Patient) -> Evidence:
    """The same with an abnormal vital sign."""
    return both(_lesser_bleeding(patient), patient.abnormal_vitals)


def _lesser_bleeding(patient: Patient) -> Evidence:
    on_anticoagulant = both(patient.says("bleeding"), patient.knows("anticoagulant"))
    return (*patient.says("nosebleed"), *on_anticoagulant)
