"""Mental health: RF31."""

from __future__ import annotations

from datetime import date

from triage_rules.level import Level
from triage_rules.rule import Evidence, Patient, rule

SINCE = date(2025, 1, 1)


NAME = "Risk of suicide or self-harm"
SOURCE = "ESI-informed step B; CTAS 2"


@rule(
    id="RF31",
    name=NAME,
    floor=Level.EMERGENCY,
    source=SOURCE,
    since=SINCE,
    human_contact=True,
    possible=False,
)
def intent_plan_or_attempt(patient: Patient) -> Evidence:
    """Intent, a plan, means or an attempt, self-harm, or voices that command."""
    return patient.says("suicidal_intent", "self_harm", "command_hallucinations")


@rule(
    id="RF31",
    name=NAME,
    floor=Level.URGENT,
    source=SOURCE,
    since=SINCE,
    human_contact=True,
    possible=False,
)
def thoughts_without_a_plan(patient: Patient) -> Evidence:
    """Thoughts of suicide without a plan."""
    return patient.says("suicidal_ideation")
