"""The one function that joins the five steps."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from api.errors import NotRecordedError
from api.instruments import DECISION_SECONDS
from ml.experiments import NO_PHASE, phase_current
from ml.routing import Assignment, assign
from ml.service import TriagePredictionService
from monitoring.services import Caller, prediction_log_create
from triage_rules import combine, evaluate
from triage_rules.case import TriageCase
from triage_rules.level import Abstention, Decider, Opinion
from triage_rules.outcome import Decision
from triage_rules.ruleset import Ruleset


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A decision, and the id under which it is on record; None where it is not."""

    decision: Decision
    assignment: Assignment
    prediction_id: uuid.UUID | None


@DECISION_SECONDS.time()
def triage_decide(
    *, case: TriageCase, caller: Caller, body: Mapping[str, Any], explain: bool = False
) -> Answer:
    """Decide one case: assign, evaluate the rules, predict, combine, log.

    ``body`` is the parsed request that ``case`` was built from; the record keeps it.

    Raises
    ------
    NotRecordedError
        When the decision could not be put on record: no level is given, only the red flags.
    """
    started = time.perf_counter()
    try:
        phase = phase_current()
        assignment = assign(unit=caller.patient_id, key=settings.ASSIGNMENT_KEY, phase=phase)
        verdict = evaluate(case)
        opinion = TriagePredictionService.instance().predict(case, explain=explain)
        decision = combine(verdict, opinion, assignment.decider, kill_switch=phase.kill_switch)
        prediction_id = prediction_log_create(
            caller=caller,
            case=case,
            body=body,
            assignment=assignment,
            decision=decision,
            latency_ms=(time.perf_counter() - started) * 1000,
        )
    except Exception as error:
        # Whatever broke, a nurse waits: she gets the red flags and the word to go by hand.
        raise NotRecordedError(red_flags=evaluate(case).red_flags) from error
    return Answer(decision=decision, assignment=assignment, prediction_id=prediction_id)


def triage_preview(*, case: TriageCase, patient_id: str | None) -> Answer:
    """Decide one case as ``triage_decide`` would today, and put nothing on record."""
    phase = phase_current()
    assignment = assign(unit=patient_id, key=settings.ASSIGNMENT_KEY, phase=phase)
    opinion = TriagePredictionService.instance().predict(case)
    decision = combine(evaluate(case), opinion, assignment.decider, kill_switch=phase.kill_switch)
    return Answer(decision=decision, assignment=assignment, prediction_id=None)


def triage_by_rules(*, case: TriageCase, ruleset: Ruleset) -> Answer:
    """Decide one case by rules alone, with no database and no model, and record nothing."""
    opinion = Opinion.abstain(Abstention.MODEL_UNAVAILABLE)
    decision = combine(evaluate(case, ruleset=ruleset), opinion, Decider.RULES)
    assignment = Assignment(phase=NO_PHASE, decider=Decider.RULES)
    return Answer(decision=decision, assignment=assignment, prediction_id=None)
