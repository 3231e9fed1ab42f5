"""From the Glasgow Coma Scale to ACVPU, where consciousness itself was not recorded."""

from __future__ import annotations

from triage_rules.case import Consciousness, Vitals
from triage_rules.thresholds import load


def consciousness_from_gcs(gcs: int) -> Consciousness:
    """Return the ACVPU letter of a coma score; 14 counts as new confusion."""
    boxes = load("consciousness")["gcs"]["boxes"]
    return Consciousness(next(box["letter"] for box in boxes if gcs >= box["from"]))


def consciousness_of(vitals: Vitals) -> Consciousness | None:
    """Return what was recorded, else what the coma score says, else None for not known."""
    if vitals.consciousness is not None or vitals.gcs is None:
        return vitals.consciousness
    return consciousness_from_gcs(vitals.gcs)
