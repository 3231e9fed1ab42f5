"""The jobs that Celery beat starts."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from monitoring.accuracy import accuracy_check, day_to_check


@shared_task(  # type: ignore[untyped-decorator]
    autoretry_for=(OSError,), retry_backoff=30, retry_jitter=True, max_retries=5
)
def check_accuracy() -> None:
    """Check the newest local day whose labels are in; a mail server that is away is retried."""
    now = timezone.now()
    accuracy_check(day_to_check(now=now), now=now)
