"""The jobs that Celery beat starts."""

from __future__ import annotations

import structlog
from celery import shared_task
from django.utils import timezone

from monitoring.accuracy import accuracy_check, day_to_check
from monitoring.alerts import alerts_deliver_pending
from monitoring.retraining import RUN_LASTS, RetrainingError, model_retrain, retraining_due

log = structlog.get_logger(__name__)


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


@shared_task(time_limit=RUN_LASTS.total_seconds())  # type: ignore[untyped-decorator]
def retrain_model(reason: str = "schedule") -> None:
    """Train and register a candidate from the log. It is not tried again: the run says why."""
    try:
        model_retrain(reason=reason, now=timezone.now())
    except RetrainingError as error:
        log.warning("no_candidate", reason=str(error))


@shared_task  # type: ignore[untyped-decorator]
def retrain_when_due() -> None:
    """Ask for a candidate when alerts or new labels call for one."""
    reason = retraining_due(now=timezone.now())
    if reason is not None:
        retrain_model.delay(reason)
