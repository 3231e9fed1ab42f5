"""Pain: RF42."""

from __future__ import annotations

from datetime import date

from triage_rules.patient import NOTHING, Evidence, Patient
from triage_rules.rule import Flag, both

SINCE = date(2025, 1, 1)

SEVERE_PAIN = Flag(
    id="RF42",
    name="Severe pain",
    source="ESI-informed, edition 5, step B; SATS",
    since=SINCE,
    certain=True,
)


@SEVERE_PAIN.urgent(needs=("pain_score",))
def severe_pain(patient: Patient) -> Evidence:
    """A pain score from the severe limit on."""
    return patient.at_least("pain_score", "severe_pain")


@SEVERE_PAIN.emergency(needs=("pain_score",))
def severe_pain_with_a_cause_within(patient: Patient) -> Evidence:
    """The same with renal colic now, sickle cell disease or cancer."""
    return both(patient.at_least("pain_score", "severe_pain"), _cause_within(patient))


def _cause_within(patient: Patient) -> Evidence:
    """Return the cause; one from the lists does not explain an injury or a toothache."""
    said = patient.says("renal_colic", "sickle_cell", "cancer")
    if said or not _has_a_cause_of_its_own(patient):
        return said or patient.knows("sickle_cell", "cancer")
    return NOTHING


def _has_a_cause_of_its_own(patient: Patient) -> bool:
    return bool(patient.case.injury) or bool(patient.says("injury_word", "local_pain"))
