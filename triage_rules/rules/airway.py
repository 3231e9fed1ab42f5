"""Airway: RF01 and RF03."""

from __future__ import annotations

from datetime import date

from triage_rules.patient import Evidence, Patient
from triage_rules.rule import Flag, both

SINCE = date(2025, 1, 1)

NOT_BREATHING = Flag(
    id="RF01",
    name="Arrest or not breathing",
    source="ESI-informed step A; SATS; MTS",
    since=SINCE,
)
AIRWAY_THREAT = Flag(
    id="RF03",
    name="Airway threat",
    source="ESI-informed, edition 5, ENT; CTAS 2; MTS",
    since=SINCE,
    certain=True,
)


@NOT_BREATHING.emergency(immediate=True)
def not_breathing_or_no_pulse(patient: Patient) -> Evidence:
    """No pulse, not breathing, or gone blue."""
    return patient.says("no_pulse", "not_breathing", "arrest_word", "gone_blue")


@NOT_BREATHING.emergency(immediate=True)
def unresponsive_and_blue_or_gasping(patient: Patient) -> Evidence:
    """Unresponsive, and blue or only gasping."""
    return both(patient.says("unresponsive"), patient.says("blue_colour", "blue_lips", "gasping"))


@AIRWAY_THREAT.emergency(immediate=True)
def threatened_airway(patient: Patient) -> Evidence:
    """Stridor, drooling, saliva not swallowed, choking now, muffled voice, swollen throat."""
    return patient.says(
        "stridor", "drooling", "cannot_swallow", "choking", "muffled_voice", "throat_swelling"
    )
