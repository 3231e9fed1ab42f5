"""The queues of cases that wait for a label, newest first, and the label that takes one out."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from cryptography.fernet import InvalidToken
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery

from monitoring.encryption import decrypt
from monitoring.labelling import ground_truth_record, ground_truth_review
from monitoring.labels import Label, LabelSource, LabelState
from monitoring.models import AccessEvent, GroundTruth, MLPredictionLog
from triage_rules.level import Level
from triage_rules.outcome import FallbackReason


class Queue(StrEnum):
    """Why a case is worth a clinician's time.

    A case that was drawn for the audit waits in ``AUDIT`` alone until it was judged there, or a
    reviewer has settled it: every other queue would tell something of its answer.
    """

    UNREVIEWED = "unreviewed"
    LOW_CONFIDENCE = "low-confidence"
    DIFFERING = "differing"
    HIGH_ACUITY = "high-acuity"
    AUDIT = "audit"
    CONFLICTS = "conflicts"


# Each is the condition of an index, so that a queue is read and not searched for.
_WAITING: dict[Queue, Q] = {
    Queue.UNREVIEWED: Q(ground_truth=None),
    Queue.LOW_CONFIDENCE: Q(ground_truth=None, fallback_reason=FallbackReason.LOW_CONFIDENCE),
    Queue.DIFFERING: Q(ground_truth=None)
    & (Q(model_level__lt=F("rules_level")) | Q(model_level__gt=F("rules_level"))),
    Queue.HIGH_ACUITY: Q(ground_truth=None, prediction=Level.EMERGENCY),
    Queue.AUDIT: Q(audited=True),
}


class Reviewed(StrEnum):
    """How a reviewer's answer was taken."""

    RECORDED = "recorded"
    REPEATED = "repeated"
    OVERTAKEN = "overtaken"


def queue_cases(queue: Queue, *, before: uuid.UUID | None = None) -> QuerySet[MLPredictionLog]:
    """Return the cases of a queue, newest first; ``before`` goes on after a case."""
    rows: QuerySet[Any] = MLPredictionLog.objects.order_by("-pk")
    if before is not None:
        rows = rows.filter(pk__lt=before)
    if queue is Queue.CONFLICTS:
        return out_of_audit(in_conflict(rows))
    if queue is Queue.AUDIT:
        return _with_judging_label(rows.filter(_WAITING[queue])).filter(judged_by=None)
    standing = GroundTruth.objects.filter(prediction_log=OuterRef("pk"))
    # One that nobody could assess has a label and still no level.
    has_label = Exists(standing.exclude(state=LabelState.SUPERSEDED))
    return rows.filter(_WAITING[queue], ~has_label, audited=False)


def out_of_audit(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Leave out the drawn cases that still wait for their blind label."""
    rows = _with_judging_label(rows)
    return rows.filter(Q(audited=False) | Q(judged_by__isnull=False))


def awaiting_audit(rows: Iterable[MLPredictionLog]) -> set[uuid.UUID]:
    """Return the ids of those that were drawn and still wait for their blind label."""
    drawn = {row.pk for row in rows if row.audited}
    judged = _judging_labels().filter(prediction_log__in=drawn)
    return drawn - set(judged.values_list("prediction_log_id", flat=True))


def _judging_labels() -> QuerySet[GroundTruth]:
    """Return the labels that end the wait of a drawn case: of the audit, or settling it.

    Any other may echo the answer, so that what the audit measures would no longer be blind.
    """
    standing = GroundTruth.objects.exclude(state=LabelState.SUPERSEDED).order_by()
    return standing.filter(Q(source=LabelSource.AUDIT) | Q(state=LabelState.SETTLED))


def _with_judging_label(rows: QuerySet[Any]) -> QuerySet[Any]:
    judging = _judging_labels().filter(prediction_log=OuterRef("pk"))
    # Written as EXISTS, PostgreSQL might read the whole table of labels to answer it.
    with_label: QuerySet[Any] = rows.alias(judged_by=Subquery(judging.values("pk")[:1]))
    return with_label


def conflicting() -> QuerySet[Any, Any]:
    """Return the ids of the predictions whose labels disagree."""
    disagreeing = GroundTruth.objects.filter(state=LabelState.CONFLICT).order_by()
    return disagreeing.values("prediction_log_id")


def in_conflict(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Keep the predictions whose labels disagree."""
    # A join, and not a search among ids: only so is the index of the conflicts read in its order.
    return rows.filter(labels__state=LabelState.CONFLICT).distinct()


def first_of(rows: QuerySet[Any], n: int) -> list[Any]:
    """Return the first rows of a list, of which no more than these are read.

    First the ids, which stand in the index of whatever the rows were chosen by. Asked for whole
    rows, PostgreSQL would rather walk back through all of them until it has met enough.
    """
    ids = list(rows.values_list("pk", flat=True)[:n])
    by_id = rows.model._default_manager.in_bulk(ids)
    return [by_id[pk] for pk in ids]


def is_blind(row: MLPredictionLog, *, queue: Queue) -> bool:
    """Whether the answer to a case stays hidden: it was drawn, and still waits for its label."""
    return queue is Queue.AUDIT and bool(awaiting_audit([row]))


def has_seen_answer(reviewer: User, *, row: MLPredictionLog) -> bool:
    """Whether somebody knows what was answered: they asked for it, or have looked it up."""
    name = reviewer.get_username()
    looks = AccessEvent.objects.filter(prediction_log=row, actor=name)
    # Who was refused has seen nothing.
    looks = looks.exclude(action=AccessEvent.Action.DENY)
    return row.actor == name or looks.exclude(door=AccessEvent.Door.AUDIT).exists()


@transaction.atomic
def case_review(
    *,
    prediction_id: uuid.UUID,
    reviewer: User,
    queue: Queue,
    level: Level | None,
    note: str,
    newest_seen: uuid.UUID | None,
) -> Reviewed:
    """Record what a reviewer says of a case, unless another label was quicker.

    A drawn case takes the label beside any other; everywhere else a reviewer settles the case.

    Parameters
    ----------
    prediction_id
        The case.
    reviewer
        Who says it.
    queue
        Where the case was opened.
    level
        What would have been right; None where that cannot be said.
    note
        Why; kept encrypted.
    newest_seen
        The newest label that the reviewer was shown; None for none.

    Raises
    ------
    MLPredictionLog.DoesNotExist
        When there is no such prediction.
    """
    row = MLPredictionLog.objects.select_for_update(no_key=True).get(pk=prediction_id)
    newest = row.labels.order_by("-pk").first()
    if newest is not None and newest.pk != newest_seen:
        is_own = newest.author_id == reviewer.pk and newest.level == level
        is_repeated = is_own and _note(newest) == note
        return Reviewed.REPEATED if is_repeated else Reviewed.OVERTAKEN
    if queue is Queue.AUDIT and row.audited:
        saw = has_seen_answer(reviewer, row=row)
        label = Label(level=level, source=LabelSource.AUDIT, saw_prediction=saw, note=note)
        ground_truth_record(prediction_id=prediction_id, author=reviewer, label=label)
    else:
        label = Label(level=level, source=LabelSource.CLINICIAN, saw_prediction=True, note=note)
        ground_truth_review(prediction_id=prediction_id, reviewer=reviewer, label=label)
    return Reviewed.RECORDED


def _note(label: GroundTruth) -> str | None:
    """Return the note of a label; None where no installed key reads it."""
    try:
        return decrypt(bytes(label.note_encrypted))
    except InvalidToken:
        return None
