"""Mental health: RF31."""

from __future__ import annotations

from datetime import date

from triage_rules.patient import Evidence, Patient
from triage_rules.rule import Flag

SINCE = date(2025, 1, 1)

SUICIDE_RISK = Flag(
    id="RF31",
    name="Risk of suicide or self-harm",
    source="ESI-informed step B; CTAS 2",
    since=SINCE,
    certain=True,
    human_contact=True,
)


@SUICIDE_RISK.emergency()
def intent_plan_or_attempt(patient: Patient) -> Evidence:
    """Intent, a plan, means or an attempt, self-harm, or voices that command."""
    return patient.says("suicidal_intent", "self_harm", "command_hallucinations")


@SUICIDE_RISK.urgent()
def thoughts_without_a_plan(patient: Patient) -> Evidence:
    """Thoughts of suicide without a plan."""
    return patient.says("suicidal_ideation")
