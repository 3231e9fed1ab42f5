"""The functions that join the five steps, for one case and for many."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import structlog
from django.conf import settings
from rest_framework.exceptions import APIException

from api.errors import NoneRecordedError, NotRecordedError
from api.instruments import DECISION_SECONDS
from ml.experiments import NO_PHASE, phase_current
from ml.routing import Assignment, assign
from ml.service import TriagePredictionService
from monitoring.services import Caller, Decided, prediction_logs_create
from triage_rules import combine, evaluate
from triage_rules.case import TriageCase
from triage_rules.level import Abstention, Decider, Opinion
from triage_rules.outcome import Decision, RedFlag
from triage_rules.ruleset import Ruleset

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A decision, and the id under which it is on record; None where it is not."""

    decision: Decision
    assignment: Assignment
    prediction_id: uuid.UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One checked request: who asks, the case, and the parsed body that the case was built from."""

    caller: Caller
    case: TriageCase
    body: Mapping[str, Any]


@DECISION_SECONDS.time()
def triage_decide(
    *,
    case: TriageCase,
    caller: Caller,
    body: Mapping[str, Any],
    explain: bool = False,
    then: Callable[[Answer], None] = lambda _: None,
) -> Answer:
    """Decide one case: assign, evaluate the rules, predict, combine, log.

    ``body`` is the parsed request that ``case`` was built from; the record keeps it. ``then`` is
    called in the transaction of the record: what it writes is kept exactly if the decision is.

    Raises
    ------
    NotRecordedError
        When the decision could not be put on record: no level is given, only the red flags.
    APIException
        What ``then`` raised; there is no record of the decision then.
    """
    started = time.perf_counter()
    with or_by_hand(case):
        phase = phase_current()
        assignment = assign(unit=caller.patient_id, key=settings.ASSIGNMENT_KEY, phase=phase)
        verdict = evaluate(case)
        opinion = TriagePredictionService.instance().predict(case, explain=explain)
        decision = combine(verdict, opinion, assignment.decider, kill_switch=phase.kill_switch)
        [answer] = _recorded(
            [Call(caller=caller, case=case, body=body)],
            assignments=[assignment],
            decisions=[decision],
            started=started,
            then=lambda answers: then(answers[0]),
        )
        return answer


@contextmanager
def or_by_hand(case: TriageCase) -> Iterator[None]:
    """Whatever breaks within, give the nurse who waits the red flags and the word to go by hand.

    Raises
    ------
    NotRecordedError
        In the place of whatever is not an answer already.
    """
    try:
        yield
    except APIException:
        raise
    except Exception as error:
        raise NotRecordedError(red_flags=evaluate(case).red_flags) from error


def triage_decide_many(
    calls: Sequence[Call], *, then: Callable[[Sequence[Answer]], None] = lambda _: None
) -> list[Answer]:
    """Decide many cases as ``triage_decide`` would one by one, and put them on record together.

    The phase is read once, one model is asked once, and all rows are written in one transaction:
    all answers are on record or none. ``then`` is called in that transaction, also when there is
    no call. The latency of each row is the time of all divided by their number.

    Whatever breaks is raised as it is, and there is no record of any decision then; a door at
    which a nurse waits puts ``or_all_by_hand`` around it.
    """
    started = time.perf_counter()
    cases = [call.case for call in calls]
    phase = phase_current()
    assignments = [
        assign(unit=call.caller.patient_id, key=settings.ASSIGNMENT_KEY, phase=phase)
        for call in calls
    ]
    verdicts = [evaluate(case) for case in cases]
    opinions = TriagePredictionService.instance().predict_many(cases)
    decisions = [
        combine(verdict, opinion, assignment.decider, kill_switch=phase.kill_switch)
        for verdict, opinion, assignment in zip(verdicts, opinions, assignments, strict=True)
    ]
    return _recorded(
        calls, assignments=assignments, decisions=decisions, started=started, then=then
    )


@contextmanager
def or_all_by_hand(cases: Mapping[int, TriageCase]) -> Iterator[None]:
    """Whatever breaks within, give the nurse who waits the red flags of each case by its number.

    Raises
    ------
    NoneRecordedError
        In the place of whatever is not an answer already.
    """
    try:
        yield
    except APIException:
        raise
    except Exception as error:
        flags = {number: _red_flags(case) for number, case in cases.items()}
        raise NoneRecordedError(flags) from error


def _recorded(
    calls: Sequence[Call],
    *,
    assignments: Sequence[Assignment],
    decisions: Sequence[Decision],
    started: float,
    then: Callable[[Sequence[Answer]], None],
) -> list[Answer]:
    """Put what was decided on record, and return it with the ids of the rows."""
    spent_ms = (time.perf_counter() - started) * 1000
    decided = [
        Decided(
            caller=call.caller,
            case=call.case,
            body=call.body,
            assignment=assignment,
            decision=decision,
            latency_ms=spent_ms / len(calls),
        )
        for call, assignment, decision in zip(calls, assignments, decisions, strict=True)
    ]

    def answers(ids: Sequence[uuid.UUID]) -> list[Answer]:
        return [
            Answer(decision=one.decision, assignment=one.assignment, prediction_id=prediction_id)
            for one, prediction_id in zip(decided, ids, strict=True)
        ]

    return answers(prediction_logs_create(decided, then=lambda ids: then(answers(ids))))


def _red_flags(case: TriageCase) -> tuple[RedFlag, ...]:
    """Return the red flags of a case, or none where it is the case that breaks the rules."""
    try:
        return evaluate(case).red_flags
    except Exception as error:  # noqa: BLE001 - the flags of the other cases must still be seen
        log.error("red_flags_failed", error=type(error).__name__)
        return ()


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
