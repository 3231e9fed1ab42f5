"""The queries behind the reports: counted in SQL, never row by row in Python."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import Count, QuerySet

from monitoring.models import MLPredictionLog
from triage_rules.level import Level


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """How many labelled predictions share arm, model version, answer and truth."""

    ab_group: str
    model_version: str
    prediction: Level
    ground_truth: Level
    n: int


def prediction_in_scope(prediction_id: uuid.UUID, *, user: User) -> bool:
    """Tell whether there is such a prediction among those the user asked for or may label."""
    rows = MLPredictionLog.objects.filter(pk=prediction_id)
    if not user.has_perm("monitoring.add_groundtruth"):
        rows = rows.filter(client=user.get_username())
    return rows.exists()


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


def predictions_counted(span: LocalDay) -> int:
    """Return how many predictions were made in the span, labelled or not."""
    return _made_in(span).count()


def confusion_cells(span: LocalDay) -> tuple[Cell, ...]:
    """Return the labelled predictions of the span as counts, in one aggregate query."""
    rows = (
        _made_in(span)
        .filter(ground_truth__isnull=False)
        .order_by()
        .values_list("ab_group", "model_version", "prediction", "ground_truth")
        .annotate(n=Count("pk"))
    )
    return tuple(
        Cell(
            ab_group=ab_group,
            model_version=model_version,
            prediction=Level(prediction),
            ground_truth=Level(ground_truth),
            n=n,
        )
        for ab_group, model_version, prediction, ground_truth, n in rows
    )


def _made_in(span: LocalDay) -> QuerySet[MLPredictionLog]:
    return MLPredictionLog.objects.filter(created_at__gte=span.start, created_at__lt=span.end)
