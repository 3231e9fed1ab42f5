"""Files of cases on record: handed in, scored in chunks, each exactly once, and read again.

A chunk is the outbox and the lock in one. Whoever has decided its rows finishes it by a conditional
update in the transaction of the decisions: zero rows changed means somebody was first, and then
the decisions go too.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from cryptography.fernet import InvalidToken
from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from monitoring.encryption import decrypt, encrypt
from monitoring.models import BatchChunk, BatchJob

log = structlog.get_logger(__name__)

# What was handed to the workers so long ago and still waits is handed over again.
PUBLISH_AGAIN_AFTER = timedelta(seconds=60)
# A chunk takes seconds. Whoever is at it for longer than this was killed, as a rule; if not, the
# chunk is scored by two, and the second to finish leaves nothing.
CLAIM_LASTS = timedelta(seconds=60)
# Bounds the messages of one minute: what only waits its turn is handed over again too.
MOST_AT_ONCE = 500

# The rows and their words, for those who may not see the tables.
Job = BatchJob
Chunk = BatchChunk
Format = BatchJob.Format
State = BatchJob.State


class UnreadableBatchError(Exception):
    """What is kept of a batch cannot be read: its key is not installed any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Who handed a file in, and in which request."""

    client: str
    actor: str
    request_id: uuid.UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of the rows of a chunk, in their order, and how many were answered."""

    results: Sequence[Any]
    answered: int

    @property
    def refused(self) -> int:
        """How many were not."""
        return len(self.results) - self.answered


# --- handing in and reading ----------------------------------------------------------------------


@transaction.atomic(durable=True)
def batch_create(
    chunks: Iterable[Sequence[Any]],
    *,
    sender: Sender,
    format: Format,  # noqa: A002 - the name of the column
    then: Callable[[BatchJob], None] = lambda _: None,
) -> BatchJob:
    """Put a file on record, encrypted, as one job: with all its chunks or not at all.

    ``chunks`` yields rows that JSON can hold; what it raises takes the job back, and so does what
    ``then`` raises, which is called with the job in the same transaction.
    """
    job = BatchJob.objects.create(
        client=sender.client,
        actor=sender.actor,
        request_id=sender.request_id,
        format=format,
        rows=0,
    )
    for number, rows in enumerate(chunks):
        BatchChunk.objects.create(
            job=job,
            number=number,
            first_row=job.rows + 1,
            rows=len(rows),
            published_at=job.created_at,
            rows_encrypted=_sealed(rows),
        )
        job.rows += len(rows)
    job.save(update_fields=["rows"])
    then(job)
    log.info("batch_accepted", batch=str(job.pk), rows=job.rows, format=job.format)
    return job


def batches_of(client: str) -> QuerySet[BatchJob]:
    """Return the jobs of an account, the newest first."""
    return BatchJob.objects.filter(client=client)


def batch_chunk_ids(job: BatchJob) -> list[int]:
    """Return the chunks of a job in order."""
    return list(job.chunks.order_by("number").values_list("pk", flat=True))


def batch_results(job: BatchJob) -> Iterator[tuple[int, Any]]:
    """Yield the number of each row and what became of it, a chunk in memory at a time.

    Raises
    ------
    UnreadableBatchError
        When no installed key reads them.
    """
    chunks = job.chunks.order_by("number")
    # No cursor stays open while somebody slow reads.
    for pk, first_row in list(chunks.values_list("pk", "first_row")):
        token = chunks.values_list("result_encrypted", flat=True).get(pk=pk)
        yield from enumerate(_unsealed(bytes(token)), first_row)


def batches_prune(*, now: datetime) -> int:
    """Delete the jobs that have outlived ``BATCH_RETENTION_DAYS``, with rows and results."""
    kept_from = now - timedelta(days=settings.BATCH_RETENTION_DAYS)
    _, by_model = BatchJob.objects.filter(created_at__lt=kept_from).delete()
    return by_model.get(BatchJob._meta.label, 0)


# --- scoring -------------------------------------------------------------------------------------


def chunks_claim(*, now: datetime) -> list[int]:
    """Return the chunks to hand to the workers (again), those that wait longest first."""
    late = Q(published_at=None) | Q(published_at__lte=now - PUBLISH_AGAIN_AFTER)
    longest = _free(now).filter(late).order_by(F("published_at").asc(nulls_first=True), "pk")
    found = list(longest.values_list("pk", flat=True)[:MOST_AT_ONCE])
    BatchChunk.objects.filter(pk__in=found).update(published_at=now)
    return found


def chunk_begin(chunk_id: int) -> BatchChunk | None:
    """Claim a chunk, count the attempt, and return it with its job.

    None where it is finished, or gone, or somebody is at it: there is nothing to do then.
    """
    now = timezone.now()
    mine = _free(now).filter(pk=chunk_id).update(claimed_at=now, attempts=F("attempts") + 1)
    if not mine:
        return None
    chunk = BatchChunk.objects.select_related("job").filter(pk=chunk_id).first()
    if chunk is not None:
        queued = BatchJob.objects.filter(pk=chunk.job_id, state=BatchJob.State.QUEUED)
        queued.update(state=BatchJob.State.RUNNING)
    return chunk


def chunk_release(chunk: BatchChunk) -> None:
    """Let the next attempt begin at once; the rows are still there."""
    BatchChunk.objects.filter(pk=chunk.pk, claimed_at=chunk.claimed_at).update(claimed_at=None)


def chunk_rows(chunk: BatchChunk) -> list[Any]:
    """Return the rows of a chunk as they were handed in.

    Raises
    ------
    UnreadableBatchError
        When no installed key reads them.
    """
    return list(_unsealed(bytes(chunk.rows_encrypted)))


def chunk_finish(chunk: BatchChunk, outcome: Outcome) -> bool:
    """Keep what became of the rows and forget the rows; False when somebody else was first.

    To be called in the transaction of the decisions, which must go where this is False.
    """
    return _close(chunk, BatchChunk.State.DONE, outcome)


@transaction.atomic
def chunk_fail(chunk: BatchChunk, outcome: Outcome) -> bool:
    """Give a chunk up; False when somebody else finished it."""
    return _close(chunk, BatchChunk.State.FAILED, outcome)


def _free(now: datetime) -> QuerySet[BatchChunk]:
    """Return the chunks that are not finished and that nobody is at."""
    unclaimed = Q(claimed_at=None) | Q(claimed_at__lte=now - CLAIM_LASTS)
    return BatchChunk.objects.filter(unclaimed, state=BatchChunk.State.QUEUED)


def _close(chunk: BatchChunk, state: BatchChunk.State, outcome: Outcome) -> bool:
    is_mine = BatchChunk.objects.filter(pk=chunk.pk, state=BatchChunk.State.QUEUED).update(
        state=state,
        done_at=timezone.now(),
        rows_encrypted=b"",
        result_encrypted=_sealed(outcome.results),
    )
    if not is_mine:
        return False
    # Of two last chunks at once the second waits here, and then sees that all are finished.
    BatchJob.objects.filter(pk=chunk.job_id).update(
        answered=F("answered") + outcome.answered, refused=F("refused") + outcome.refused
    )
    _end_job(chunk.job_id)
    return True


def _end_job(job_id: uuid.UUID) -> None:
    complete = BatchJob.objects.filter(pk=job_id, rows=F("answered") + F("refused"))
    failed = BatchChunk.objects.filter(job=job_id, state=BatchChunk.State.FAILED).exists()
    state = BatchJob.State.FAILED if failed else BatchJob.State.DONE
    if complete.update(state=state, finished_at=timezone.now()):
        log.info("batch_finished", batch=str(job_id), state=state.value)


# --- at rest -------------------------------------------------------------------------------------


def _sealed(rows: Sequence[Any]) -> bytes:
    return encrypt(json.dumps(rows, separators=(",", ":"), allow_nan=False))


def _unsealed(token: bytes) -> list[Any]:
    try:
        return list(json.loads(decrypt(token)))
    except InvalidToken:
        raise UnreadableBatchError from None
