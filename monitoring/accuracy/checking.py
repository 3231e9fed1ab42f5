"""The check of a day: measured, stored in its one row, and told where somebody has to know."""

from __future__ import annotations

import time
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any

import structlog
from django.db import transaction

from monitoring.accuracy.cusum import took_part
from monitoring.accuracy.days import days_due, final_runs
from monitoring.accuracy.measuring import POOLED_DAYS, AccuracyResult, accuracy_measure
from monitoring.accuracy.wording import (
    accuracy_message,
    labels_message,
    latency_message,
    slice_message,
    under_triage_message,
)
from monitoring.alerts import alert_clear, alert_raise
from monitoring.models import Alert, MonitoringRun

log = structlog.get_logger(__name__)

POLICY = "accuracy"
LABELS = "labels"
LATENCY = "latency"
UNDER_TRIAGE = "under_triage"
SLICE = "slice"
MIN_ANSWERS_TIMED = 100
Status = MonitoringRun.Status


def accuracy_catch_up(*, now: datetime) -> list[AccuracyResult]:
    """Check every day that is owed it, oldest first (``days_due`` says which)."""
    return [accuracy_check(day, now=now) for day in days_due(now=now)]


def accuracy_check(day: date, *, now: datetime) -> AccuracyResult:
    """Check one local day, store the result in its one row, and record the alerts it calls for.

    Row and alerts are one transaction, and a second check of the same day waits for the first. To
    check again changes nothing unless labels came in. Nothing is sent here: ``deliver_pending``
    does that.
    """
    started = time.perf_counter()
    result = accuracy_measure(day, now=now)
    with transaction.atomic():
        before = _store(result, started=started)
        _tell(result, before)
    log.info(
        "accuracy_checked",
        day=str(day),
        status=result.status,
        labelled=result.overall.labelled,
        correct=result.overall.correct,
        under=result.overall.under,
        over=result.overall.over,
        accuracy=result.overall.accuracy,
    )
    return result


def _store(result: AccuracyResult, *, started: float) -> MonitoringRun | None:
    """Write the row of the day and return it as it was before; None when there was none."""
    facts: dict[str, Any] = {
        "status": result.status,
        "result": result.as_dict(),
        "duration_ms": 1_000 * (time.perf_counter() - started),
    }
    key: dict[str, Any] = {"job": MonitoringRun.Job.ACCURACY, "day": result.day}
    _, is_new = MonitoringRun.objects.get_or_create(**key, defaults=facts)
    if is_new:
        return None
    before = MonitoringRun.objects.select_for_update().get(**key)
    if took_part(before):
        facts["result"]["cusum"] = before.result["cusum"]
    MonitoringRun.objects.update_or_create(**key, defaults=facts)
    return before


def _tell(result: AccuracyResult, before: MonitoringRun | None) -> None:
    """Raise and clear alerts.

    An earlier day, checked again, speaks for its own accuracy only: what a later one found is newer
    than its weeks, its latency and its labels. So does a day that is not mature.
    """
    if before is None or _differs(result, before):
        _tell_accuracy(result)
    if not result.provisional and not final_runs().filter(day__gt=result.day).exists():
        _tell_labels(result)
        _tell_latency(result)
        _tell_under_triage(result)
        _tell_slices(result)


def _differs(result: AccuracyResult, before: MonitoringRun) -> bool:
    """Tell whether a day is judged otherwise than before; an alert closed since stays closed."""
    judged = (before.status, before.result.get("severity"), before.result["provisional"])
    return judged != (result.status, result.severity, result.provisional)


def _tell_accuracy(result: AccuracyResult) -> None:
    if result.severity is not None:
        alert_raise(
            policy=POLICY,
            day=result.day,
            severity=result.severity,
            message=accuracy_message(result),
            provisional=result.provisional,
        )
    elif result.status is Status.OK and not result.provisional:
        alert_clear(policy=POLICY, day=result.day)


def _tell_labels(result: AccuracyResult) -> None:
    if result.status is not Status.NOT_ENOUGH_LABELS:
        alert_clear(policy=LABELS, day=result.day)
    elif _unjudged_days(result) >= POOLED_DAYS:
        _warn(LABELS, result, labels_message(result))


def _unjudged_days(result: AccuracyResult) -> int:
    """Return how many of the last days, this one included, had answers but too few labels."""
    earlier = [result.day - timedelta(days=back) for back in range(1, POOLED_DAYS)]
    unjudged = final_runs().filter(day__in=earlier, status=Status.NOT_ENOUGH_LABELS)
    return bool(result.predictions) + unjudged.filter(result__predictions__gt=0).count()


def _tell_latency(result: AccuracyResult) -> None:
    times = result.latency
    if times.p95 is None or times.n < MIN_ANSWERS_TIMED:
        return
    if times.p95 > times.limit:
        _warn(LATENCY, result, latency_message(result))
    else:
        alert_clear(policy=LATENCY, day=result.day)


def _tell_under_triage(result: AccuracyResult) -> None:
    if result.cusum.crossed:
        alert_raise(
            policy=UNDER_TRIAGE,
            day=result.day,
            severity=Alert.Severity.CRITICAL,
            message=under_triage_message(result),
        )
    elif result.cusum.is_quiet:
        alert_clear(policy=UNDER_TRIAGE, day=result.day)


def _tell_slices(result: AccuracyResult) -> None:
    named = {
        name: slice_message(result, list(found))
        for name, found in groupby(result.trailing.worse, key=lambda one: one.slice)
    }
    for name, message in named.items():
        _warn(SLICE, result, message, subject=name)
    better = result.trailing.compared - named.keys()
    live = Alert.objects.filter(policy=SLICE).exclude(state=Alert.State.CLOSED)
    for cause in live.values_list("cause", flat=True):
        subject = cause.removeprefix(f"{SLICE}.")
        # Of a slice with too few labels, or none, nothing is known: it is not better for that.
        if subject in better:
            alert_clear(policy=SLICE, day=result.day, subject=subject)


def _warn(policy: str, result: AccuracyResult, message: str, *, subject: str = "") -> None:
    alert_raise(
        policy=policy,
        day=result.day,
        severity=Alert.Severity.WARNING,
        message=message,
        subject=subject,
    )
