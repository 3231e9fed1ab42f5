"""Mental health: RF31 and RF32."""

from __future__ import annotations

from datetime import date

from triage_rules.patient import Evidence, Patient
from triage_rules.rule import Flag, both

SINCE = date(2025, 1, 1)

SUICIDE_RISK = Flag(
    id="RF31",
    name="Risk of suicide or self-harm",
    source="ESI-informed step B; CTAS 2",
    since=SINCE,
    certain=True,
    human_contact=True,
)
VIOLENCE = Flag(
    id="RF32",
    name="Violence or acute psychosis",
    source="CTAS 1-2; ESI-informed step B",
    since=SINCE,
    human_contact=True,
)


@SUICIDE_RISK.emergency()
def intent_plan_or_attempt(patient: Patient) -> Evidence:
    """Intent, a plan, means or an attempt, self-harm, or voices that command."""
    return patient.says("suicidal_intent", "self_harm", "command_hallucinations")


@SUICIDE_RISK.emergency()
def thoughts_with_a_plan(patient: Patient) -> Evidence:
    """Thoughts of suicide, and a plan told apart from them."""
    return both(patient.says("suicidal_ideation"), patient.says("has_a_plan"))


@SUICIDE_RISK.urgent()
def thoughts_without_a_plan(patient: Patient) -> Evidence:
    """Thoughts of suicide without a plan."""
    return patient.says("suicidal_ideation")


@VIOLENCE.emergency()
def danger_to_others(patient: Patient) -> Evidence:
    """Threatens or attacks others, or cannot be calmed."""
    return patient.says("threat_to_others", "homicidal", "violent", "uncontrolled_agitation")


@VIOLENCE.emergency()
def psychosis_with_agitation(patient: Patient) -> Evidence:
    """Psychosis with agitation or aggression."""
    return both(_new_psychosis(patient), patient.says("agitation"))


@VIOLENCE.urgent()
def calm_psychosis(patient: Patient) -> Evidence:
    """Voices, delusions or mania that are not of long standing."""
    return _new_psychosis(patient)


def _new_psychosis(patient: Patient) -> Evidence:
    return patient.says_newly("psychosis")
