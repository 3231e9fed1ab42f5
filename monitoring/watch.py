"""The watch over the watchers: a check that did not run, a service nobody asks, a sign of life."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from http.client import HTTPException

import structlog
from celery.schedules import crontab
from django.conf import settings

from monitoring.accuracy import day_to_check
from monitoring.alerts import alert_clear, alert_raise, alerts_remind
from monitoring.deliveries import http_send
from monitoring.models import Alert, MonitoringRun
from monitoring.selectors import predictions_of, site_today

log = structlog.get_logger(__name__)

NO_RUN, NO_TRAFFIC = "no_run", "no_traffic"
# A worker that was away for an hour is not yet an alarm.
GRACE = timedelta(hours=6)
# A schedule that fires less often than this is not watched.
LONGEST_WAIT = timedelta(days=32)
# So many predictions on each of so many days make a day without any odd.
USUAL_PREDICTIONS, USUAL_DAYS = 50, 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """The newest run that a job should have made by now: of which day, and since when."""

    job: MonitoringRun.Job
    day: date
    since: datetime

    @property
    def is_there(self) -> bool:
        """Whether the run is on record; one made by hand before its time does not count."""
        run = MonitoringRun.objects.filter(job=self.job, day=self.day).first()
        return run is not None and not run.result.get("provisional", False)

    @property
    def is_missing(self) -> bool:
        """Whether there was something to check, and nobody did."""
        return not self.is_there and _predictions(self.day) > 0


def runs_watch(*, now: datetime) -> None:
    """Raise or clear the alerts of checks that did not run and of a service without traffic.

    What has been open for another week is queued to be told again.
    """
    for due in runs_due(now=now):
        _watch_run(due)
    _watch_traffic(site_today(now=now) - timedelta(days=1))
    alerts_remind(now=now)


def runs_due(*, now: datetime) -> tuple[Due, ...]:
    """Return the newest run of each job that should be on record by now."""
    found = []
    for job, (entry, day_of) in _JOBS.items():
        since = fired_last(settings.CELERY_BEAT_SCHEDULE[entry]["schedule"], before=now - GRACE)
        if since is not None:
            found.append(Due(job=job, day=day_of(since), since=since))
    return tuple(found)


def heartbeat_send(*, now: datetime) -> None:
    """Tell the outside that the checks are up to date; say nothing when they are not.

    Whoever waits there raises the alarm when nothing comes, so a failure here is only noted.
    """
    if not settings.HEARTBEAT_URL or any(due.is_missing for due in runs_due(now=now)):
        return
    try:
        http_send(settings.HEARTBEAT_URL)
    except (OSError, HTTPException, ValueError) as error:
        log.warning("heartbeat_failed", error=type(error).__name__)


def fired_last(schedule: crontab, *, before: datetime) -> datetime | None:
    """Return when a schedule last came up, in UTC; None when that is too long ago."""
    moment = before.astimezone(UTC).replace(second=0, microsecond=0)
    earliest = moment - LONGEST_WAIT
    while moment > earliest:
        if not _is_day_of(schedule, moment):
            moment = moment.replace(hour=0, minute=0) - timedelta(minutes=1)
        elif moment.hour in schedule.hour and moment.minute in schedule.minute:
            return moment
        else:
            moment -= timedelta(minutes=1)
    return None


def _is_day_of(schedule: crontab, moment: datetime) -> bool:
    # In a cron line Sunday is day 0, not 7.
    return (
        moment.month in schedule.month_of_year
        and moment.day in schedule.day_of_month
        and moment.isoweekday() % 7 in schedule.day_of_week
    )


def _yesterday(now: datetime) -> date:
    return site_today(now=now) - timedelta(days=1)


_JOBS: Mapping[MonitoringRun.Job, tuple[str, Callable[[datetime], date]]] = {
    MonitoringRun.Job.ACCURACY: ("check-accuracy", lambda now: day_to_check(now=now)),
    MonitoringRun.Job.DRIFT: ("check-drift", _yesterday),
}


def _watch_run(due: Due) -> None:
    if due.is_there:
        alert_clear(policy=NO_RUN, subject=due.job.value, day=due.day)
    elif due.is_missing:
        alert_raise(
            policy=NO_RUN,
            subject=due.job.value,
            day=due.day,
            severity=Alert.Severity.CRITICAL,
            message=f"The {due.job} check of {due.day} was due at {due.since:%Y-%m-%d %H:%M} UTC "
            f"and is not on record {GRACE // timedelta(hours=1)} hours later. Nothing is known of "
            "that day. See whether the worker runs and what it logged.",
        )


def _watch_traffic(day: date) -> None:
    if _predictions(day):
        alert_clear(policy=NO_TRAFFIC, day=day)
    elif all(_predictions(one) >= USUAL_PREDICTIONS for one in _days_before(day)):
        alert_raise(
            policy=NO_TRAFFIC,
            day=day,
            severity=Alert.Severity.WARNING,
            message=f"On {day} nobody asked for a decision, and on each of the {USUAL_DAYS} days "
            f"before there were {USUAL_PREDICTIONS} or more. See whether the frontend reaches the "
            "service.",
        )


def _days_before(day: date) -> list[date]:
    return [day - timedelta(days=n) for n in range(1, USUAL_DAYS + 1)]


def _predictions(day: date) -> int:
    return predictions_of(day, day).count()
