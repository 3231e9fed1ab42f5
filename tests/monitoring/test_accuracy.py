"""The daily accuracy check: one local day, one result, one alert."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core import mail
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from monitoring.accuracy import accuracy_check, day_to_check
from monitoring.deliveries import deliver_pending
from monitoring.models import Alert, MonitoringRun
from monitoring.selectors import LocalDay
from triage_rules.level import Level

DAY = date(2026, 11, 18)
TWO_MORNINGS_LATER = datetime(2026, 11, 20, 5, 15, tzinfo=UTC)
Labelled = Callable[..., None]


def check(day: date = DAY, *, now: datetime = TWO_MORNINGS_LATER) -> Any:
    """Do what the task and the command do."""
    result = accuracy_check(day, now=now)
    deliver_pending(now=timezone.now())
    return result


def test_it_works(labelled: Labelled) -> None:
    labelled(80, answered=Level.SOON, truth=Level.SOON)
    labelled(8, answered=Level.SOON, truth=Level.URGENT)
    labelled(12, answered=Level.URGENT, truth=Level.SOON)
    labelled(100, truth=None)

    result = check()

    assert (result.status, result.overall.accuracy) == ("ok", 0.80)
    assert (result.overall.under, result.overall.over) == (8, 12)
    assert (result.predictions, result.coverage) == (200, 0.5)
    assert result.interval == pytest.approx((0.7112, 0.8666), abs=1e-4)
    assert not mail.outbox


@pytest.mark.parametrize(("right", "status"), [(74, "below_threshold"), (75, "ok"), (76, "ok")])
def test_the_threshold_itself_is_good_enough(labelled: Labelled, right: int, status: str) -> None:
    labelled(right)
    labelled(100 - right, truth=Level.ROUTINE)

    assert check().status == status


@pytest.mark.parametrize(("n", "status"), [(0, "not_enough_labels"), (29, "not_enough_labels"),
                                           (30, "below_threshold")])  # fmt: skip
def test_too_few_labels_are_a_result_of_their_own(labelled: Labelled, n: int, status: str) -> None:
    labelled(n, truth=Level.ROUTINE)

    assert check().status == status
    assert Alert.objects.exists() == (status == "below_threshold")


@pytest.mark.parametrize(("wrong", "severity"), [(10, "warning"), (30, "critical")])
def test_the_alert_is_critical_only_when_the_interval_is_below(
    labelled: Labelled, wrong: int, severity: str
) -> None:
    labelled(36 - wrong)
    labelled(wrong, truth=Level.ROUTINE)

    check()

    assert Alert.objects.get().severity == severity


def test_a_day_has_one_row_and_one_alert_however_often_it_is_checked(labelled: Labelled) -> None:
    labelled(40, truth=Level.ROUTINE)
    check()
    labelled(10)
    check()

    run = MonitoringRun.objects.get()
    assert (run.status, run.result["labelled"]) == ("below_threshold", 50)
    assert Alert.objects.count() == len(mail.outbox) == 1


def test_the_mail_says_what_an_operator_needs_and_nothing_of_a_patient(labelled: Labelled) -> None:
    labelled(40, truth=Level.ROUTINE, ab_group="ml", subject="f" * 64, site="ward-7")

    check()

    message = mail.outbox[0]
    assert message.to == ["on-call@hospital.example"]
    assert message.subject == "[triage] critical: accuracy on 2026-11-18"
    assert "0 of 40" in message.body
    assert "Arm ml: 0 of 40 right." in message.body
    assert "f" * 64 not in message.body
    assert "ward-7" not in message.body


def test_arms_versions_and_levels_are_counted_apart(labelled: Labelled) -> None:
    labelled(20, ab_group="ml", model_version="v1")
    labelled(10, ab_group="ml", model_version="v2", truth=Level.ROUTINE)
    labelled(5, ab_group="rules", model_version="v2")

    result = check()

    assert {arm: tally.correct for arm, tally in result.by_arm.items()} == {"ml": 20, "rules": 5}
    assert {v: tally.labelled for v, tally in result.by_model_version.items()} == {
        "v1": 20, "v2": 15,
    }  # fmt: skip
    assert result.by_level["routine"].correct == 0


def test_other_days_do_not_count(labelled: Labelled) -> None:
    midnight = datetime(2026, 11, 18, tzinfo=UTC)
    labelled(1, at=midnight - timedelta(microseconds=1))
    labelled(2, at=midnight)
    labelled(4, at=midnight + timedelta(days=1, microseconds=-1))
    labelled(8, at=midnight + timedelta(days=1))

    assert check().overall.labelled == 6


def test_the_day_is_the_sites_own(labelled: Labelled, settings: Any) -> None:
    settings.SITE_TIME_ZONE = ZoneInfo("Pacific/Auckland")
    labelled(3, at=datetime(2026, 11, 17, 11, 30, tzinfo=UTC))
    labelled(5, at=datetime(2026, 11, 18, 11, 30, tzinfo=UTC))

    assert check().overall.labelled == 3


@pytest.mark.parametrize(
    ("day", "zone", "hours"),
    [
        (date(2026, 3, 29), "Europe/Berlin", 23),
        (date(2026, 10, 25), "Europe/Berlin", 25),
        (date(2026, 4, 5), "Australia/Lord_Howe", 24.5),
        (date(2026, 7, 1), "Asia/Kathmandu", 24),
    ],
)
def test_a_day_has_the_hours_its_clock_shows(day: date, zone: str, hours: float) -> None:
    span = LocalDay.of(day, zone=ZoneInfo(zone))

    assert span.end.astimezone(UTC) - span.start.astimezone(UTC) == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("maturity", "zone", "expected"),
    [
        (1, "UTC", date(2026, 11, 18)),
        (0, "UTC", date(2026, 11, 19)),
        (3, "UTC", date(2026, 11, 16)),
        (1, "Pacific/Honolulu", date(2026, 11, 17)),
    ],
)
def test_the_day_to_check_is_over_and_its_labels_are_in(
    maturity: int, zone: str, expected: date, settings: Any
) -> None:
    settings.LABEL_MATURITY_DAYS = maturity
    settings.SITE_TIME_ZONE = ZoneInfo(zone)

    assert day_to_check(now=TWO_MORNINGS_LATER) == expected


def test_a_day_checked_early_says_so(labelled: Labelled) -> None:
    labelled(40, truth=Level.ROUTINE)

    early = check(now=datetime(2026, 11, 18, 13, tzinfo=UTC))

    assert early.provisional
    assert "Provisional" in mail.outbox[0].body


def test_the_certain_result_is_told_after_the_provisional_one(labelled: Labelled) -> None:
    labelled(40, truth=Level.ROUTINE)
    check(now=datetime(2026, 11, 18, 13, tzinfo=UTC))
    labelled(60, truth=Level.ROUTINE)
    check()
    check()

    assert len(mail.outbox) == 2
    assert "0 of 100" in mail.outbox[1].body
    assert not Alert.objects.get().provisional


def test_however_many_rows_there_are_it_asks_as_often(labelled: Labelled) -> None:
    labelled(3)
    check()
    with CaptureQueriesContext(connection) as few:
        check()
    labelled(300)
    with CaptureQueriesContext(connection) as many:
        check()

    assert len(few) == len(many)
