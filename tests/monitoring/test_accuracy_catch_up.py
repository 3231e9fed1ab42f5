"""Every day is checked once it is mature, and again when labels come late."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import QuerySet

from monitoring.accuracy import accuracy_catch_up, accuracy_check
from monitoring.accuracy.days import days_due
from monitoring.labelling import Report, ground_truths_record
from monitoring.labels import Label, LabelSource
from monitoring.models import Alert, AlertDelivery, GroundTruth, MLPredictionLog, MonitoringRun
from monitoring.selectors import first_id
from tests.monitoring.conftest import NOON
from triage_rules.level import Level

DAY = date(2026, 11, 18)
MORNING = datetime(2026, 11, 20, 5, 15, tzinfo=UTC)
Labelled = Callable[..., None]


def days_checked(now: datetime = MORNING) -> list[int]:
    """Catch up and return how many days each checked day lies before the newest."""
    return [(DAY - result.day).days for result in accuracy_catch_up(now=now)]


def ago(**span: float) -> datetime:
    """Return a time before the noon of the newest day."""
    return NOON - timedelta(**span)


def say(level: Level | None, *, by: User, at: datetime, saw: bool | None = None) -> None:
    """Label every answer as if it were that time."""
    label = Label(level=level, source=LabelSource.CLINICIAN, saw_prediction=saw)
    before = set(GroundTruth.objects.values_list("pk", flat=True))
    keys = MLPredictionLog.objects.values_list("pk", flat=True)
    ground_truths_record(
        author=by, reports=[Report(prediction_id=key, label=label) for key in keys]
    )
    new = GroundTruth.objects.exclude(pk__in=before).values_list("pk", flat=True)
    for number, key in enumerate(new):
        moved = uuid.UUID(int=first_id(at).int + number)
        # The manager would rightly refuse.
        QuerySet(GroundTruth).filter(pk=key).update(id=moved, created_at=at)


@pytest.mark.django_db
def test_without_any_answers_the_newest_day_is_checked_and_no_other() -> None:
    assert days_checked() == [0]


def test_it_starts_with_the_days_on_which_there_were_answers(labelled: Labelled) -> None:
    for days in (2, 30, 31):
        labelled(1, at=ago(days=days), truth=None)

    assert days_checked() == [30, 2, 0]


@pytest.mark.parametrize(("away", "made_up"), [(1, 1), (3, 3)])
def test_days_missed_are_made_up_for_oldest_first(away: int, made_up: int, db: None) -> None:
    accuracy_check(DAY - timedelta(days=away), now=MORNING)

    assert days_checked() == list(reversed(range(made_up)))


def test_no_more_than_a_month_is_made_up_for(db: None) -> None:
    accuracy_check(DAY - timedelta(days=40), now=MORNING)

    assert len(days_due(now=MORNING)) == 31


def test_a_hole_is_filled(db: None) -> None:
    accuracy_check(DAY - timedelta(days=3), now=MORNING)
    accuracy_check(DAY - timedelta(days=1), now=MORNING)

    assert days_checked() == [2, 0]


def test_a_second_beat_finds_nothing_to_do(labelled: Labelled) -> None:
    labelled(40, truth=Level.ROUTINE)
    days_checked()
    before = [*MonitoringRun.objects.values(), *Alert.objects.values()]

    assert days_checked() == []
    assert [*MonitoringRun.objects.values(), *Alert.objects.values()] == before


def test_a_day_that_was_checked_too_early_is_checked_again(labelled: Labelled) -> None:
    labelled(40)
    accuracy_check(DAY, now=datetime(2026, 11, 18, 13, tzinfo=UTC))

    assert days_checked() == [0]
    assert not MonitoringRun.objects.get().result["provisional"]


@pytest.mark.parametrize(("days", "again"), [(1, [1]), (30, [30]), (31, [])])
def test_a_day_is_measured_again_when_labels_came_late(
    labelled: Labelled, frontend: User, days: int, again: list[int]
) -> None:
    for back in range(32):
        accuracy_check(DAY - timedelta(days=back), now=MORNING)
    labelled(40, truth=None, at=ago(days=days))
    say(Level.ROUTINE, by=frontend, at=MORNING + timedelta(hours=1))

    assert days_checked(MORNING + timedelta(hours=2)) == again
    assert Alert.objects.filter(policy="accuracy", day=DAY - timedelta(days=days)).exists() == bool(
        again
    )


def test_a_day_is_measured_again_when_a_label_was_contradicted(
    labelled: Labelled, frontend: User, reviewer: User
) -> None:
    labelled(1, truth=None)
    say(Level.SOON, by=frontend, at=MORNING - timedelta(hours=3))
    days_checked()
    say(Level.URGENT, by=reviewer, at=MORNING + timedelta(minutes=1))

    assert days_checked(MORNING + timedelta(hours=1)) == [0]
    assert MonitoringRun.objects.get().result["labelled"] == 0


@pytest.mark.parametrize("minutes", [-59, -1, 0, 1])
def test_labels_that_were_being_stored_during_a_check_are_counted_by_the_next(
    labelled: Labelled, frontend: User, minutes: int
) -> None:
    labelled(3, truth=None)
    days_checked()
    say(Level.SOON, by=frontend, at=MORNING + timedelta(minutes=minutes))
    tomorrow = MORNING + timedelta(days=1)

    assert days_checked(tomorrow) == [0, -1]
    assert MonitoringRun.objects.get(day=DAY).result["labelled"] == 3
    assert days_checked(tomorrow) == []


def test_a_day_is_measured_again_when_a_label_was_taken_back(
    labelled: Labelled, frontend: User
) -> None:
    labelled(3, truth=None)
    say(Level.SOON, by=frontend, at=MORNING - timedelta(hours=3))
    days_checked()
    before = MonitoringRun.objects.get().result["labelled"]
    say(None, by=frontend, at=MORNING + timedelta(hours=2))

    assert days_checked(MORNING + timedelta(hours=3)) == [0]
    assert (before, MonitoringRun.objects.get().result["labelled"]) == (3, 0)


def test_a_day_is_measured_again_when_only_what_the_author_had_seen_was_corrected(
    labelled: Labelled, frontend: User
) -> None:
    labelled(3, truth=None)
    say(Level.SOON, by=frontend, saw=False, at=MORNING - timedelta(hours=3))
    days_checked()
    say(Level.SOON, by=frontend, saw=True, at=MORNING + timedelta(hours=2))

    assert days_checked(MORNING + timedelta(hours=3)) == [0]
    tallies = MonitoringRun.objects.get().result["by_saw_prediction"]
    assert {name: tally["labelled"] for name, tally in tallies.items()} == {
        "blind": 0, "saw": 3, "unknown": 0,
    }  # fmt: skip


def test_late_labels_can_end_an_alert(labelled: Labelled, frontend: User) -> None:
    labelled(40, truth=Level.ROUTINE)
    days_checked()
    say(Level.SOON, by=frontend, at=MORNING + timedelta(hours=1))
    days_checked(MORNING + timedelta(hours=2))

    assert Alert.objects.get(policy="accuracy").state == "closed"
    assert MonitoringRun.objects.get().status == "ok"


def test_a_good_day_ends_the_alert_and_to_check_the_bad_one_again_does_not_bring_it_back(
    labelled: Labelled,
) -> None:
    labelled(40, truth=Level.ROUTINE, at=ago(days=1))
    labelled(40)
    days_checked()
    accuracy_check(DAY - timedelta(days=1), now=MORNING)

    alert = Alert.objects.get(policy="accuracy")
    assert (alert.state, alert.times_reopened) == ("closed", 0)


@pytest.mark.parametrize(
    ("zone", "newest"),
    [
        ("Pacific/Kiritimati", date(2026, 11, 18)),  # fourteen hours ahead: it is the 20th, 19:15
        ("Pacific/Auckland", date(2026, 11, 18)),
        ("Pacific/Honolulu", date(2026, 11, 17)),  # ten hours behind: still the 19th
        ("America/New_York", date(2026, 11, 18)),
    ],
)
@pytest.mark.django_db
def test_the_newest_day_is_the_sites_own(zone: str, newest: date, settings: Any) -> None:
    settings.SITE_TIME_ZONE = ZoneInfo(zone)

    assert [result.day for result in accuracy_catch_up(now=MORNING)] == [newest]


@pytest.mark.parametrize(
    ("zone", "short_or_long_day"),
    [
        ("Europe/Berlin", date(2026, 10, 25)),
        ("Europe/Berlin", date(2026, 3, 29)),
        ("America/New_York", date(2026, 11, 1)),
        ("Australia/Lord_Howe", date(2026, 10, 4)),
        ("America/Santiago", date(2026, 9, 6)),  # has no midnight: clocks go from 24:00 to 1:00
    ],
)
def test_when_clocks_turn_no_answer_and_no_label_is_lost_or_counted_twice(
    zone: str, short_or_long_day: date, labelled: Labelled, settings: Any
) -> None:
    settings.SITE_TIME_ZONE = ZoneInfo(zone)
    first = datetime.combine(short_or_long_day, datetime.min.time(), tzinfo=ZoneInfo(zone))
    start = first.astimezone(UTC) - timedelta(days=1)
    for hour in range(72):
        labelled(1, at=start + timedelta(hours=hour, minutes=30))

    results = accuracy_catch_up(now=start + timedelta(days=6))

    counted = sum(result.overall.labelled for result in results)
    assert counted == sum(result.predictions for result in results) == 72
    assert sum(result.cusum.labels for result in results) == 72


@pytest.mark.django_db(transaction=True)
def test_two_beats_at_once_leave_one_row_and_one_notification(labelled: Labelled) -> None:
    labelled(40, truth=Level.EMERGENCY)
    start, failures = threading.Barrier(4), []

    def beat() -> None:
        try:
            start.wait()
            accuracy_catch_up(now=MORNING)
        except Exception as error:  # noqa: BLE001 - told below, in the thread that can fail a test
            failures.append(error)
        finally:
            connection.close()

    beats = [threading.Thread(target=beat) for _ in range(4)]
    for one in beats:
        one.start()
    for one in beats:
        one.join()

    assert not failures
    assert MonitoringRun.objects.get().result["labelled"] == 40
    assert sorted(Alert.objects.values_list("cause", flat=True)) == ["accuracy", "under_triage"]
    assert AlertDelivery.objects.count() == 2
