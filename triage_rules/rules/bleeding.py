"""Bleeding: RF20."""

from __future__ import annotations

from datetime import date

from triage_rules.level import Level
from triage_rules.rule import Evidence, Patient, both, rule

SINCE = date(2025, 1, 1)


NAME = "Major bleeding"
SOURCE = "ESI-informed steps A and B; SATS"


@rule(
    id="RF20",
    name=NAME,
    floor=Level.EMERGENCY,
    immediate=True,
    source=SOURCE,
    since=SINCE,
    possible=False,
)
def spurting_or_not_controlled(patient: Patient) -> Evidence:
    """Spurting, or not stopping with pressure."""
    return patient.says("spurting", "uncontrolled_bleeding")


@rule(id="RF20", name=NAME, floor=Level.EMERGENCY, source=SOURCE, since=SINCE, possible=False)
def soaked_through(patient: Patient) -> Evidence:
    """Soaked through with blood."""
    return patient.says("soaked")


@rule(id="RF20", name=NAME, floor=Level.URGENT, source=SOURCE, since=SINCE, possible=False)
def nosebleed_or_on_anticoagulant(patient: Patient) -> Evidence:
    """A nosebleed, or any bleeding on an anticoagulant."""
    return _lesser_bleeding(patient)


@rule(id="RF20", name=NAME, floor=Level.EMERGENCY, source=SOURCE, since=SINCE, possible=False)
def lesser_bleeding_with_abnormal_vitals(patient: Patient) -> Evidence:
    """The same with an abnormal vital sign."""
    return both(_lesser_bleeding(patient), patient.abnormal_vitals)


def _lesser_bleeding(patient: Patient) -> Evidence:
    on_anticoagulant = both(patient.says("bleeding"), patient.knows("anticoagulant"))
    return (*patient.says("nosebleed"), *on_anticoagulant)
