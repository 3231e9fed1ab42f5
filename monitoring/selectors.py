"""The queries behind the reports: counted in SQL, never row by row in Python."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import QuerySet

from monitoring.models import MLPredictionLog
from monitoring.roles import Scope

# How far back a summary looks.
DEFAULT_DAYS = 28
MOST_DAYS = 366


@dataclass(frozen=True, slots=True)
class LocalDay:
    """One day of a site's calendar as a half-open span of time; 23 or 25 hours when clocks turn."""

    day: date
    start: datetime
    end: datetime

    @classmethod
    def of(cls, day: date, *, zone: ZoneInfo) -> LocalDay:
        """Return the span of a local day."""
        return cls(
            day=day,
            start=datetime.combine(day, time.min, tzinfo=zone),
            end=datetime.combine(day + timedelta(days=1), time.min, tzinfo=zone),
        )


def site_today(*, now: datetime) -> date:
    """Return the date on the site's own calendar."""
    return now.astimezone(settings.SITE_TIME_ZONE).date()


def first_id(moment: datetime) -> uuid.UUID:
    """Return the least id that a row of that moment can have: ids begin with the time."""
    return uuid.UUID(int=int(moment.timestamp() * 1_000) << 80)


def predictions_in_scope(scope: Scope, *, client: str) -> QuerySet[MLPredictionLog]:
    """Return what a scope reaches, newest first: all predictions, or those a client asked for."""
    rows = MLPredictionLog.objects.order_by("-id")
    return rows.filter(client=client) if scope is Scope.OWN else rows


def predictions_newest(
    *, since: date | None, until: date | None, limit: int | None
) -> QuerySet[MLPredictionLog]:
    """Return the predictions of the site's days from ``since`` to ``until``, newest first.

    None leaves an end open, or the number of rows.
    """
    rows = MLPredictionLog.objects.order_by("-id")
    if since is not None:
        rows = rows.filter(created_at__gte=LocalDay.of(since, zone=settings.SITE_TIME_ZONE).start)
    if until is not None:
        rows = rows.filter(created_at__lt=LocalDay.of(until, zone=settings.SITE_TIME_ZONE).end)
    return rows[:limit]


def predictions_of(first: date, last: date) -> QuerySet[MLPredictionLog]:
    """Return the predictions of the site's days from the first to the last, in no order."""
    zone = settings.SITE_TIME_ZONE
    return MLPredictionLog.objects.order_by().filter(
        created_at__gte=LocalDay.of(first, zone=zone).start,
        created_at__lt=LocalDay.of(last, zone=zone).end,
    )
