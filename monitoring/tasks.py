"""The jobs that Celery beat starts."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from monitoring.accuracy import accuracy_check, day_to_check
from monitoring.alerts import alerts_deliver_pending


@shared_task(  # type: ignore[untyped-decorator]
    autoretry_for=(OSError,), retry_backoff=30, retry_jitter=True, max_retries=5
)
def check_accuracy() -> None:
    """Check the newest local day whose labels are in, and mail what is still to be told.

    A mail server that is away is tried again, and after that by the next day's run.
    """
    now = timezone.now()
    accuracy_check(day_to_check(now=now), now=now)
    alerts_deliver_pending()
