"""Which of the site's days there are to check: those that are over and have had time for labels."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from django.conf import settings
from django.db.models import Max, Min, QuerySet
from django.db.models.functions import TruncDate

from monitoring.models import MonitoringRun
from monitoring.selectors import LocalDay, first_id, predictions_of, site_today

# A service that was away for longer starts again with the newest month. What is labelled later
# than that counts for the CUSUM, and no more for its day or the weeks it is part of.
CATCH_UP_DAYS = 31
# A label is stamped before its transaction commits, and clocks of servers differ.
_GRACE = timedelta(hours=1)


def day_to_check(*, now: datetime) -> date:
    """Return the newest local day whose last answer is ``LABEL_MATURITY_DAYS`` days old."""
    return site_today(now=now) - timedelta(days=settings.LABEL_MATURITY_DAYS + 1)


def horizon(day: date) -> datetime:
    """Return the time up to which the check of a day looks at labels of any day.

    It is an hour before the local midnight at which the day matures, however late the check runs.
    """
    matures_on = day + timedelta(days=settings.LABEL_MATURITY_DAYS + 1)
    return LocalDay.of(matures_on, zone=settings.SITE_TIME_ZONE).start - _GRACE


def runs() -> QuerySet[MonitoringRun]:
    """Return the days on record, newest first."""
    return MonitoringRun.objects.filter(job=MonitoringRun.Job.ACCURACY).order_by("-day")


def final_runs() -> QuerySet[MonitoringRun]:
    """Return the days on record that had matured when they were checked, newest first."""
    return runs().filter(result__provisional=False)


def days_due(*, now: datetime) -> list[date]:
    """Return the days that a check is owed, oldest first, of the newest ``CATCH_UP_DAYS``.

    In the order asked:

    1. A day on record is owed another check when anything was said of its answers since the last
       one, or so shortly before that it may not have been seen.
    2. The newest day is owed one.
    3. A day before anything is on record is owed one when there were answers.
    4. Every other day is owed one.
    """
    newest = day_to_check(now=now)
    window = [newest - timedelta(days=back) for back in reversed(range(CATCH_UP_DAYS))]
    measured = _measured(window)
    labelled = _labelled(measured)
    oldest = final_runs().aggregate(oldest=Min("day"))["oldest"]

    def is_due(day: date) -> bool:
        if day in measured:
            return day in labelled and labelled[day] >= measured[day] - _GRACE
        if day == newest or (oldest is not None and day > oldest):
            return True
        return predictions_of(day, day).exists()

    return [day for day in window if is_due(day)]


def _measured(window: list[date]) -> dict[date, datetime]:
    found = final_runs().filter(day__in=window)
    rows = found.values_list("day", "result__measured_at", "ran_at")
    return {day: datetime.fromisoformat(at) if at else ran for day, at, ran in rows}


def _labelled(measured: dict[date, datetime]) -> dict[date, datetime]:
    """Return when each day was last labelled, of those that were since the oldest measurement.

    Whatever changes what counts is a new label: one that corrects, contradicts or takes back too.
    """
    if not measured:
        return {}
    rows = predictions_of(min(measured), max(measured)).filter(
        labels__id__gte=first_id(min(measured.values()) - _GRACE)
    )
    day = TruncDate("created_at", tzinfo=settings.SITE_TIME_ZONE)
    return dict(rows.values_list(day).annotate(newest=Max("labels__created_at")))
