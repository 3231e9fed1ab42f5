"""A chunk of a file is scored: each row read, checked, decided and put on record, exactly once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from django.db import transaction
from django.utils import timezone
from rest_framework.exceptions import APIException, ValidationError

from api.batch_files import Row, body_of
from api.batch_results import RowResult, answered, refused
from api.serializers import TriageRequestSerializer
from api.services import Answer, Call, triage_decide_many
from monitoring.alerts import BATCH_FAILED, Severity, alert_raise
from monitoring.batches import (
    Chunk,
    Outcome,
    chunk_begin,
    chunk_fail,
    chunk_finish,
    chunk_release,
    chunk_rows,
)
from monitoring.selectors import site_today
from monitoring.services import Caller
from triage_rules.case import case_from_request

log = structlog.get_logger(__name__)

MAX_ATTEMPTS = 5


class ChunkNotScoredError(Exception):
    """An attempt at a chunk failed; its message names the error's type, never a patient's data."""


class _AlreadyFinishedError(APIException):
    """Somebody else finished the chunk, so our decisions must not be on record."""

    status_code = HTTPStatus.CONFLICT


class _NotScoredError(APIException):
    """No attempt at the rows of a chunk succeeded."""

    status_code = HTTPStatus.SERVICE_UNAVAILABLE
    default_detail = "This row could not be decided and put on record. Triage it by hand."


def chunk_score(chunk_id: int) -> None:
    """Score the rows of a chunk, however often it is delivered: once.

    In the order taken:

    1. A chunk that is finished, or gone with its job, or that somebody is at, is left alone.
    2. One that was begun too often without an end is given up: it takes its workers with it.
    3. Its rows are decided and the chunk is finished in one transaction. If somebody else finished
       it meanwhile, that transaction is taken back.
    4. What broke may pass, so the chunk waits for the next attempt; after the last it is given up.

    Raises
    ------
    ChunkNotScoredError
        When the attempt failed and another one is worth it.
    """
    chunk = chunk_begin(chunk_id)
    if chunk is None:
        return
    if chunk.attempts > MAX_ATTEMPTS:
        _give_up(chunk)
        return
    try:
        _score(chunk)
    except _AlreadyFinishedError:
        log.info("chunk_finished_elsewhere", batch=str(chunk.job_id), chunk=chunk.number)
    except Exception as error:
        why = error.__cause__ or error
        log.error("chunk_not_scored", batch=str(chunk.job_id), chunk=chunk.number, exc_info=why)
        if chunk.attempts >= MAX_ATTEMPTS:
            _give_up(chunk)
            return
        chunk_release(chunk)
        # The error itself may quote a row, and whoever runs tasks writes down what they raise.
        raise ChunkNotScoredError(type(why).__name__) from None


def _score(chunk: Chunk) -> None:
    # Its fields are copied when it is made, which takes longer than to check a row with it.
    checker = TriageRequestSerializer()
    read = [_read(row, chunk, checker=checker) for row in chunk_rows(chunk)]
    calls = [one for one in read if isinstance(one, Call)]

    def finish(answers: Sequence[Answer]) -> None:
        results = list(_results(read, answers))
        if not chunk_finish(chunk, Outcome(results=results, answered=len(answers))):
            raise _AlreadyFinishedError

    triage_decide_many(calls, then=finish)
    log.info("chunk_scored", batch=str(chunk.job_id), chunk=chunk.number, rows=chunk.rows)


def _read(row: Row, chunk: Chunk, *, checker: TriageRequestSerializer) -> Call | RowResult:
    """Return the request that a row stands for, or why it is none."""
    try:
        body = body_of(row)
    except APIException as error:
        return refused(error, instance=_instance(chunk))
    try:
        return _call(checker.run_validation(body), chunk)
    except ValidationError as error:
        reference = _reference(body, error)
        return refused(error, triage_log_id=reference, instance=_instance(chunk))


def _reference(body: Any, error: ValidationError) -> str:
    """Return the caller's own reference of a refused row, unless it is among what is wrong."""
    if not isinstance(body, dict) or "triage_log_id" in error.detail:
        return ""
    return body.get("triage_log_id") or ""


def _call(body: dict[str, Any], chunk: Chunk) -> Call:
    job = chunk.job
    caller = Caller.of(body, client=job.client, actor=job.actor, request_id=job.request_id)
    return Call(caller=caller, case=case_from_request(body), body=body)


def _results(read: Sequence[Call | RowResult], answers: Sequence[Answer]) -> Iterator[RowResult]:
    """Yield what became of each row, in the order of the file."""
    given = iter(answers)
    for one in read:
        if isinstance(one, Call):
            yield answered(next(given), triage_log_id=one.caller.triage_log_id)
        else:
            yield one


def _give_up(chunk: Chunk) -> None:
    """Refuse all rows of a chunk, so that its job can end, and tell people."""
    log.error("chunk_given_up", batch=str(chunk.job_id), chunk=chunk.number)
    one = refused(_NotScoredError(), instance=_instance(chunk))
    with transaction.atomic():
        if chunk_fail(chunk, Outcome(results=[one] * chunk.rows, answered=0)):
            alert_raise(
                policy=BATCH_FAILED,
                day=site_today(now=timezone.now()),
                severity=Severity.WARNING,
                message=f"{chunk.rows} rows of the batch {chunk.job_id} could not be scored.",
            )


def _instance(chunk: Chunk) -> str:
    return f"urn:uuid:{chunk.job.request_id}"
