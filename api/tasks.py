"""The jobs of a worker on files of cases; a message holds an id, and may come twice or never."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import structlog
from celery import shared_task
from django.conf import settings
from django.utils import timezone

from api.batches import MAX_ATTEMPTS, ChunkNotScoredError, chunk_score
from monitoring.batches import chunks_claim

log = structlog.get_logger(__name__)

# A request never waits for the broker, which may hang. One thread is enough, and never more wait.
_publisher = ThreadPoolExecutor(max_workers=1, thread_name_prefix="batch-publisher")


@shared_task(  # type: ignore[untyped-decorator]
    autoretry_for=(ChunkNotScoredError,),
    max_retries=MAX_ATTEMPTS - 1,
    retry_backoff=5,
    time_limit=300,
)
def score_chunk(chunk_id: int) -> None:
    """Score the rows of a chunk, unless that was done."""
    chunk_score(chunk_id)


@shared_task  # type: ignore[untyped-decorator]
def resume_batches() -> None:
    """Hand over again what waits for too long: its message was lost, or its worker."""
    _publish(chunks_claim(now=timezone.now()))


def chunks_publish(chunk_ids: Sequence[int]) -> None:
    """Hand chunks to the workers without waiting for it; without a broker, score them here."""
    if settings.CELERY_TASK_ALWAYS_EAGER:
        _publish(chunk_ids)
    else:
        _publisher.submit(_publish, chunk_ids)


def _publish(chunk_ids: Sequence[int]) -> None:
    """Send a message for each chunk; what cannot be sent, ``resume_batches`` finds later."""
    try:
        for chunk_id in chunk_ids:
            score_chunk.apply_async((chunk_id,), retry=False)
    except Exception as error:  # noqa: BLE001 - nobody waits for an answer, and the rows are safe
        log.warning("chunks_not_published", chunks=len(chunk_ids), error=type(error).__name__)
