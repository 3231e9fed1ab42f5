"""The jobs that Celery beat starts."""

from __future__ import annotations

import structlog
from celery import shared_task
from django.utils import timezone

from monitoring.accuracy import accuracy_catch_up
from monitoring.deliveries import deliver_pending
from monitoring.drift import drift_catch_up
from monitoring.retention import prune
from monitoring.retraining import RUN_LASTS, RetrainingError, model_retrain, retraining_due
from monitoring.watch import heartbeat_send, runs_watch

log = structlog.get_logger(__name__)


@shared_task  # type: ignore[untyped-decorator]
def check_accuracy() -> None:
    """Check every local day whose labels are in and that was not checked yet."""
    accuracy_catch_up(now=timezone.now())
    deliver_alerts.delay()


@shared_task  # type: ignore[untyped-decorator]
def check_drift() -> None:
    """Compare the days that were not compared yet with what the model was validated on."""
    drift_catch_up(now=timezone.now())
    deliver_alerts.delay()


@shared_task  # type: ignore[untyped-decorator]
def watch_runs() -> None:
    """Raise an alert for a check that should have run; else tell the outside that we live."""
    runs_watch(now=timezone.now())
    heartbeat_send(now=timezone.now())
    deliver_alerts.delay()


@shared_task  # type: ignore[untyped-decorator]
def deliver_alerts() -> None:
    """Hand over every notification that is due; what fails is tried again by a later run."""
    deliver_pending(now=timezone.now())


@shared_task  # type: ignore[untyped-decorator]
def prune_logs() -> None:
    """Remove what has outlived its retention."""
    prune(now=timezone.now())


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
