"""A check that did not run and a service nobody asks are alarms, and silence tells the outside."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from celery.schedules import crontab
from django.utils import timezone
from structlog.testing import capture_logs

from monitoring.alerts import alert_raise
from monitoring.models import Alert, AlertDelivery, MonitoringRun
from monitoring.watch import fired_last, heartbeat_send, runs_watch
from tests.functional.conftest import free_port
from tests.receivers import Receiver, http_server

pytestmark = pytest.mark.django_db
Labelled = Callable[..., None]
ACCURACY, DRIFT = MonitoringRun.Job.ACCURACY, MonitoringRun.Job.DRIFT
# The checks of the 22nd come at 05:15 and 05:30, of the days 20 and 21, and have until 11:30.
BEFORE, AFTER = (datetime(2026, 11, 22, hour, tzinfo=UTC) for hour in (11, 12))
ACCURACY_DAY, DRIFT_DAY = date(2026, 11, 20), date(2026, 11, 21)


def noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


def ran(job: MonitoringRun.Job, day: date) -> None:
    MonitoringRun.objects.create(job=job, day=day, status="ok", result={})


def causes(**values: Any) -> list[str]:
    return sorted(Alert.objects.filter(**values).values_list("cause", flat=True))


@pytest.fixture
def busy(labelled: Labelled) -> None:
    """A service that was asked on both days."""
    for day in (ACCURACY_DAY, DRIFT_DAY):
        labelled(3, at=noon(day))


@pytest.fixture
def checked(busy: None) -> None:
    """The same, with both checks on record."""
    ran(ACCURACY, ACCURACY_DAY)
    ran(DRIFT, DRIFT_DAY)


@pytest.fixture
def outside(settings: Any) -> Iterator[Receiver]:
    """A running receiver that the service knows."""
    with http_server() as outside:
        settings.HEARTBEAT_URL = outside.url
        yield outside


def test_it_is_quiet_when_the_checks_ran(checked: None) -> None:
    runs_watch(now=AFTER)

    assert not Alert.objects.exists()


def test_a_check_that_did_not_run_is_critical(busy: None) -> None:
    runs_watch(now=AFTER)

    assert causes(severity="critical") == ["no_run.accuracy", "no_run.drift"]
    alert = Alert.objects.get(cause="no_run.accuracy")
    assert alert.day == ACCURACY_DAY
    assert "2026-11-22 05:15 UTC" in alert.message


def test_a_check_has_six_hours(busy: None) -> None:
    ran(ACCURACY, ACCURACY_DAY - timedelta(days=1))

    runs_watch(now=BEFORE)

    assert "no_run.accuracy" not in causes(day=ACCURACY_DAY)


def test_each_job_is_watched_by_itself(busy: None) -> None:
    ran(ACCURACY, ACCURACY_DAY)

    runs_watch(now=AFTER)

    assert causes() == ["no_run.drift"]


def test_a_check_by_hand_before_its_time_does_not_count(checked: None) -> None:
    runs = MonitoringRun.objects.filter(job=ACCURACY)
    runs.update(result={"provisional": True})
    runs_watch(now=AFTER)
    runs.update(result={"provisional": False})

    assert causes(state="open") == ["no_run.accuracy"]
    runs_watch(now=AFTER)
    assert causes(state="open") == []


def test_it_is_over_when_the_run_is_there(busy: None) -> None:
    runs_watch(now=AFTER)
    ran(ACCURACY, ACCURACY_DAY)
    ran(DRIFT, DRIFT_DAY)

    runs_watch(now=AFTER)

    assert causes(state="closed") == ["no_run.accuracy", "no_run.drift"]


def test_watching_every_hour_tells_once(busy: None) -> None:
    for hours in range(3):
        runs_watch(now=AFTER + timedelta(hours=hours))

    assert Alert.objects.count() == AlertDelivery.objects.count() == 2


def test_a_fresh_installation_has_nothing_to_check() -> None:
    runs_watch(now=AFTER)

    assert not Alert.objects.exists()


def test_the_day_is_the_site_s(labelled: Labelled, settings: Any) -> None:
    settings.SITE_TIME_ZONE = ZoneInfo("Pacific/Auckland")  # 13 hours ahead
    labelled(3, at=datetime(2026, 11, 20, 12, tzinfo=UTC))

    runs_watch(now=AFTER)

    assert causes(day=date(2026, 11, 21)) == causes() == ["no_run.drift"]


@pytest.mark.parametrize(
    ("line", "fired"),
    [
        ("15 5 * * *", datetime(2026, 11, 22, 5, 15, tzinfo=UTC)),
        ("* * * * *", datetime(2026, 11, 22, 12, 0, tzinfo=UTC)),
        ("1 12 * * *", datetime(2026, 11, 21, 12, 1, tzinfo=UTC)),
        ("30 5 * * 0", datetime(2026, 11, 22, 5, 30, tzinfo=UTC)),
        ("30 5 * * 1", datetime(2026, 11, 16, 5, 30, tzinfo=UTC)),
        ("0 6,18 1 * *", datetime(2026, 11, 1, 18, 0, tzinfo=UTC)),
        ("0 0 1 1 *", None),
    ],
)
def test_a_schedule_last_fired(line: str, fired: datetime | None) -> None:
    assert fired_last(crontab.from_string(line), before=AFTER) == fired


def test_a_schedule_that_is_seldom_is_not_watched(busy: None, settings: Any) -> None:
    seldom = {"schedule": crontab.from_string("0 0 1 1 *")}
    settings.CELERY_BEAT_SCHEDULE = {"check-accuracy": seldom, "check-drift": seldom}

    runs_watch(now=AFTER)

    assert not Alert.objects.exists()


# --- traffic -------------------------------------------------------------------------------------


def week_of(labelled: Labelled, counts: list[int]) -> None:
    """Write so many predictions for each of the seven days before yesterday, newest first."""
    for back, n in enumerate(counts, start=1):
        labelled(n, at=noon(DRIFT_DAY - timedelta(days=back)))


@pytest.mark.parametrize(
    ("counts", "is_odd"),
    [([50] * 7, True), ([50] * 6 + [49], False), ([50] * 6, False), ([200, 200, 0] * 2, False)],
)
def test_a_day_without_anybody_is_odd_after_a_busy_week(
    labelled: Labelled, counts: list[int], is_odd: bool
) -> None:
    week_of(labelled, counts)

    runs_watch(now=BEFORE)

    assert causes(severity="warning") == (["no_traffic"] if is_odd else [])


def test_one_patient_is_traffic(labelled: Labelled) -> None:
    week_of(labelled, [50] * 7)
    labelled(1, at=noon(DRIFT_DAY))

    runs_watch(now=BEFORE)

    assert not Alert.objects.filter(policy="no_traffic").exists()


def test_traffic_that_is_back_closes_it(labelled: Labelled) -> None:
    week_of(labelled, [50] * 7)
    runs_watch(now=BEFORE)
    labelled(1, at=noon(DRIFT_DAY + timedelta(days=1)))

    runs_watch(now=BEFORE + timedelta(days=1))

    assert Alert.objects.get(policy="no_traffic").state == "closed"


# --- reminders and the sign of life --------------------------------------------------------------


def test_it_queues_the_weekly_reminder() -> None:
    alert_raise(policy="drift", day=DRIFT_DAY, severity=Alert.Severity.WARNING, message="odd")
    AlertDelivery.objects.update(delivered_at=timezone.now())

    runs_watch(now=timezone.now() + timedelta(days=8))

    assert AlertDelivery.objects.filter(delivered_at=None).count() == 1


def test_the_outside_is_told_that_the_checks_are_up_to_date(
    checked: None, outside: Receiver
) -> None:
    heartbeat_send(now=AFTER)

    assert len(outside.calls) == 1


def test_the_outside_hears_nothing_when_a_check_is_missing(busy: None, outside: Receiver) -> None:
    ran(DRIFT, DRIFT_DAY)

    heartbeat_send(now=AFTER)

    assert outside.calls == []


@pytest.mark.parametrize("status", [302, 404, 500])
def test_an_outside_that_refuses_is_only_noted(outside: Receiver, status: int) -> None:
    outside.status = status

    with capture_logs() as events:
        heartbeat_send(now=AFTER)

    noted = {"event": "heartbeat_failed", "error": "HTTPError", "log_level": "warning"}
    assert (events, len(outside.calls)) == ([noted], 1)


@pytest.mark.parametrize("address", ["http://127.0.0.1:{}/", "http://[::1/{}", "http://a b/{}"])
def test_an_outside_that_is_gone_is_only_noted(settings: Any, address: str) -> None:
    settings.HEARTBEAT_URL = address.format(free_port())

    with capture_logs() as events:
        heartbeat_send(now=AFTER)

    assert [event["event"] for event in events] == ["heartbeat_failed"]


def test_without_an_address_nobody_is_called(settings: Any) -> None:
    with capture_logs() as events:
        heartbeat_send(now=AFTER)

    assert (settings.HEARTBEAT_URL, events) == ("", [])
