"""Bleeding: RF20."""

from __future__ import annotations

from datetime import date

from triage_rules.patient import Evidence, Patient, words_of
from triage_rules.rule import Flag, both
from triage_rules.text.finding import Assertion

SINCE = date(2025, 1, 1)

MAJOR_BLEEDING = Flag(
    id="RF20",
    name="Major bleeding",
    source="ESI-informed steps A and B; SATS",
    since=SINCE,
    certain=True,
)
_IN_USE = frozenset({Assertion.PRESENT, Assertion.POSSIBLE})


@MAJOR_BLEEDING.emergency(immediate=True)
def spurting_or_not_controlled(patient: Patient) -> Evidence:
    """Spurting, not stopping with pressure, or held by a tourniquet."""
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


def anticoagulant(patient: Patient) -> Evidence:
    """Return an anticoagulant or antiplatelet drug that is in use, as said or as listed."""
    found = (one for one in patient.reading.findings if one.concept == "anticoagulant")
    return words_of(one for one in found if one.assertion in _IN_USE)


def _lesser_bleeding(patient: Patient) -> Evidence:
    on_anticoagulant = both(patient.says("bleeding"), anticoagulant(patient))
    return (*patient.says("nosebleed"), *on_anticoagulant)
