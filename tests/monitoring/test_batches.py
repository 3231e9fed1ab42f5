"""However often a chunk is delivered, and whatever breaks meanwhile, its rows are scored once."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.utils import timezone

from api.batches import MAX_ATTEMPTS, ChunkNotScoredError, chunk_score
from api.tasks import resume_batches
from monitoring.alerts import alert_acknowledge
from monitoring.batches import (
    CLAIM_LASTS,
    Format,
    Outcome,
    Sender,
    UnreadableBatchError,
    batch_chunk_ids,
    batch_create,
    batch_results,
    chunk_begin,
    chunk_finish,
    chunk_rows,
    chunks_claim,
)
from monitoring.key_rotation import tokens_rotate
from monitoring.models import Alert, BatchChunk, BatchJob, MLPredictionLog
from monitoring.retention import prune

SENDER = Sender(client="frontend", actor="nurse", request_id=uuid.uuid4())
ROW = {"patient_age": "40", "chief_complaint": "cough CANARY-81"}


def job_of(*chunks: Sequence[Any]) -> BatchJob:
    """Put a file on record."""
    return batch_create(chunks or ([ROW, ROW], [ROW]), sender=SENDER, format=Format.CSV)


def claims_expire() -> None:
    """Let the time pass after which whoever was at a chunk is taken to be gone."""
    BatchChunk.objects.update(claimed_at=timezone.now() - CLAIM_LASTS)


def scored(job: BatchJob) -> tuple[str, int, int]:
    """Return the state of a job, and how many of its rows were answered and refused."""
    job.refresh_from_db()
    return job.state, job.answered, job.refused


@pytest.mark.django_db
def test_a_job_is_done_when_its_last_chunk_is() -> None:
    job = job_of()
    first, second = batch_chunk_ids(job)

    chunk_score(second)
    assert scored(job) == ("running", 1, 0)
    assert job.finished_at is None
    chunk_score(first)

    assert scored(job) == ("done", 3, 0)
    assert job.finished_at is not None
    assert [number for number, _ in batch_results(job)] == [1, 2, 3]


@pytest.mark.django_db
def test_a_chunk_that_comes_again_changes_nothing() -> None:
    job = job_of()

    for chunk_id in batch_chunk_ids(job) * 3:
        chunk_score(chunk_id)

    assert scored(job) == ("done", 3, 0)
    assert MLPredictionLog.objects.count() == 3


@pytest.mark.django_db
def test_rows_are_forgotten_when_they_are_scored() -> None:
    job = job_of([ROW])
    [chunk_id] = batch_chunk_ids(job)

    chunk_score(chunk_id)

    chunk = BatchChunk.objects.get()
    assert bytes(chunk.rows_encrypted) == b""
    assert chunk.done_at is not None


@pytest.mark.django_db
def test_whoever_is_second_leaves_no_decision(monkeypatch: pytest.MonkeyPatch) -> None:
    job = job_of([ROW])
    [chunk_id] = batch_chunk_ids(job)
    theirs = chunk_begin(chunk_id)
    assert theirs is not None
    claims_expire()

    def overtaken(chunk: BatchChunk) -> list[Any]:
        assert chunk_finish(theirs, Outcome(results=["theirs"], answered=1))
        return chunk_rows(theirs)

    monkeypatch.setattr("api.batches.chunk_rows", overtaken)
    chunk_score(chunk_id)

    assert list(batch_results(job)) == [(1, "theirs")]
    assert scored(job) == ("done", 1, 0)
    assert not MLPredictionLog.objects.exists()


@pytest.mark.django_db
def test_nobody_begins_what_somebody_is_at() -> None:
    job = job_of([ROW])
    [chunk_id] = batch_chunk_ids(job)
    assert chunk_begin(chunk_id)

    chunk_score(chunk_id)

    assert scored(job) == ("running", 0, 0)
    assert BatchChunk.objects.get().attempts == 1
    assert chunks_claim(now=timezone.now() + CLAIM_LASTS / 2) == []


@pytest.mark.django_db
def test_what_broke_is_tried_again_and_may_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    job = job_of([ROW])
    [chunk_id] = batch_chunk_ids(job)

    with monkeypatch.context() as broken:
        broken.setattr("api.services.evaluate", broken_by_a_row)
        with pytest.raises(ChunkNotScoredError) as failure:
            chunk_score(chunk_id)
    assert "CANARY" not in str(failure.value)
    assert failure.value.__cause__ is None
    assert scored(job) == ("running", 0, 0)
    chunk_score(chunk_id)

    assert scored(job) == ("done", 1, 0)


def broken_by_a_row(*_: Any, **__: Any) -> None:
    """Fail as a database does, quoting what it was given."""
    raise DatabaseError("Failing row contains (CANARY-81)")


@pytest.mark.django_db
def test_a_chunk_that_fails_five_times_is_given_up_and_people_are_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = job_of([ROW, ROW], [ROW])
    first, second = batch_chunk_ids(job)
    chunk_score(second)

    monkeypatch.setattr("api.services.evaluate", broken_by_a_row)
    for _ in range(MAX_ATTEMPTS - 1):
        with pytest.raises(ChunkNotScoredError):
            chunk_score(first)
    chunk_score(first)

    assert scored(job) == ("failed", 1, 2)
    problems = [result["problem"] for _, result in batch_results(job)]
    assert [problem and problem["status"] for problem in problems] == [503, 503, None]
    alert = Alert.objects.get()
    assert (alert.policy, alert.severity) == ("batch_failed", "warning")
    assert str(job.pk) in alert.message
    assert alert_acknowledge(alert.pk, actor="operator", note="sent again")


@pytest.mark.django_db
def test_a_chunk_that_takes_its_workers_with_it_is_given_up() -> None:
    job = job_of([ROW])
    [chunk_id] = batch_chunk_ids(job)
    for _ in range(MAX_ATTEMPTS):
        assert chunk_begin(chunk_id)
        claims_expire()

    chunk_score(chunk_id)

    assert scored(job) == ("failed", 0, 1)
    assert not MLPredictionLog.objects.exists()


@pytest.mark.django_db
def test_the_chunks_of_a_deleted_job_are_left_alone() -> None:
    job = job_of()
    chunk_ids = batch_chunk_ids(job)
    job.delete()

    for chunk_id in chunk_ids:
        chunk_score(chunk_id)

    assert not MLPredictionLog.objects.exists()


@pytest.mark.django_db
def test_a_file_that_breaks_off_leaves_nothing() -> None:
    def chunks() -> Any:
        yield [ROW]
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - it is the one raised here
        batch_create(chunks(), sender=SENDER, format=Format.CSV)

    assert not BatchJob.objects.exists()
    assert not BatchChunk.objects.exists()


# --- handing over again --------------------------------------------------------------------------


@pytest.mark.django_db
def test_what_was_just_handed_over_is_left_in_peace() -> None:
    job = job_of()

    assert chunks_claim(now=job.created_at + timedelta(seconds=59)) == []


@pytest.mark.django_db
def test_what_waits_for_a_minute_or_was_never_handed_over_is_claimed_once() -> None:
    job = job_of([ROW], [ROW], [ROW])
    done, waiting, never = batch_chunk_ids(job)
    chunk_score(done)
    BatchChunk.objects.filter(pk=never).update(published_at=None)
    now = job.created_at + timedelta(seconds=61)

    assert chunks_claim(now=now) == [never, waiting]
    assert chunks_claim(now=now) == []


@pytest.mark.django_db
def test_a_minute_hands_over_so_many_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitoring.batches.MOST_AT_ONCE", 2)
    job = job_of([ROW], [ROW], [ROW])
    later = job.created_at + timedelta(hours=1)

    first, second, third = batch_chunk_ids(job)
    assert [chunks_claim(now=later), chunks_claim(now=later)] == [[first, second], [third]]


@pytest.mark.django_db
def test_resuming_scores_what_a_crash_left(tasks_in_place: None) -> None:
    job = job_of()
    BatchChunk.objects.update(published_at=timezone.now() - timedelta(minutes=2))

    resume_batches()

    assert scored(job) == ("done", 3, 0)


@pytest.mark.django_db
def test_without_a_queue_a_failure_is_tried_again_in_place(
    tasks_in_place: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_of([ROW])
    BatchChunk.objects.update(published_at=None)
    monkeypatch.setattr("api.services.evaluate", broken_by_a_row)

    resume_batches()

    assert scored(job) == ("failed", 0, 1)
    assert BatchChunk.objects.get().attempts == MAX_ATTEMPTS


# --- at once -------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_eight_at_once_score_each_row_once() -> None:
    job = job_of([ROW] * 5, [ROW] * 5, [ROW] * 5)
    gate = threading.Barrier(8)

    def deliver() -> None:
        gate.wait()
        try:
            for chunk_id in batch_chunk_ids(job):
                chunk_score(chunk_id)
        finally:
            connection.close()

    threads = [threading.Thread(target=deliver) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    answered = [result["decision"]["prediction_id"] for _, result in batch_results(job)]
    assert scored(job) == ("done", 15, 0)
    assert len(set(answered)) == MLPredictionLog.objects.count() == 15


# --- the end of it -------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_job_goes_with_all_that_is_kept_of_it(settings: Any) -> None:
    old, young = job_of(), job_of()
    [*chunk_ids] = batch_chunk_ids(old)
    for chunk_id in chunk_ids:
        chunk_score(chunk_id)
    now = young.created_at + timedelta(days=settings.BATCH_RETENTION_DAYS)
    BatchJob.objects.filter(pk=old.pk).update(created_at=now - timedelta(days=8))

    pruned = prune(now=now)

    assert pruned.others["batches"] == 1
    assert list(BatchJob.objects.values_list("pk", flat=True)) == [young.pk]
    assert {chunk.job_id for chunk in BatchChunk.objects.all()} == {young.pk}
    assert MLPredictionLog.objects.count() == 3


NEW_KEY = "bmV3LW5ldy1uZXctbmV3LW5ldy1uZXctbmV3LW5ldyE="


@pytest.mark.django_db
def test_a_change_of_keys_reaches_what_waits_and_what_was_answered(settings: Any) -> None:
    job = job_of([ROW], [ROW])
    first, second = batch_chunk_ids(job)
    chunk_score(first)
    settings.INTAKE_KEYS = [NEW_KEY, *settings.INTAKE_KEYS]

    rotated = tokens_rotate()
    settings.INTAKE_KEYS = [NEW_KEY]
    chunk_score(second)

    assert rotated.batches == 2
    assert scored(job) == ("done", 2, 0)
    assert len(list(batch_results(job))) == 2
    assert tokens_rotate().batches == 0


@pytest.mark.django_db
def test_without_its_key_nothing_is_made_up(settings: Any) -> None:
    job = job_of([ROW])
    [chunk_id] = batch_chunk_ids(job)
    chunk_score(chunk_id)

    settings.INTAKE_KEYS = [NEW_KEY]

    with pytest.raises(UnreadableBatchError):
        list(batch_results(job))
