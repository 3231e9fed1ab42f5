"""Alerts of the check beside that of the accuracy: too few labels, and answers too slow."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest

from monitoring.accuracy import AccuracyResult, accuracy_check
from monitoring.models import Alert, MonitoringRun
from tests.monitoring.conftest import NOON
from triage_rules.level import Level

DAY = date(2026, 11, 18)
Labelled = Callable[..., None]


def check(back: int = 0) -> AccuracyResult:
    """Check a day so many days before the newest, as on its own morning."""
    day = DAY - timedelta(days=back)
    now = datetime(day.year, day.month, day.day, 5, 15, tzinfo=UTC) + timedelta(days=2)
    return accuracy_check(day, now=now)


def state_of(policy: str) -> str | None:
    """Return the state of the one alert of a policy, if there is one."""
    return Alert.objects.filter(policy=policy).values_list("state", flat=True).first()


@pytest.mark.parametrize(
    ("labels", "days", "status"),
    [
        ((30, 0, 0, 0), None, "ok"),
        ((20, 10, 0, 0), 2, "ok"),
        ((10, 10, 10, 0), 3, "ok"),
        ((10, 10, 9, 30), None, "not_enough_labels"),
        ((0, 30, 30, 0), None, "not_enough_labels"),  # nothing new to judge
    ],
)
def test_few_labels_are_pooled_with_those_of_the_days_before(
    labelled: Labelled, labels: tuple[int, ...], days: int | None, status: str
) -> None:
    for back, n in enumerate(labels):
        labelled(n, at=NOON - timedelta(days=back))

    result = check()

    assert (result.pooled and result.pooled.days, result.status) == (days, status)
    assert result.overall.labelled == labels[0]


def test_what_was_pooled_is_said(labelled: Labelled) -> None:
    labelled(20, truth=Level.ROUTINE)
    labelled(20, truth=Level.ROUTINE, at=NOON - timedelta(days=1))

    check()

    assert MonitoringRun.objects.get().result["pooled"]["labelled"] == 40
    message = Alert.objects.get(policy="accuracy").message
    assert "From 2026-11-17 to 2026-11-18, pooled because labels are few" in message
    assert "0 of 40 labelled answers were right" in message


@pytest.mark.parametrize(("days", "alert"), [(1, None), (2, None), (3, "open"), (4, "open")])
def test_three_days_that_could_not_be_judged_are_told(
    labelled: Labelled, days: int, alert: str | None
) -> None:
    for back in reversed(range(days)):
        labelled(50, truth=None, at=NOON - timedelta(days=back))
        check(back)

    assert state_of("labels") == alert


def test_days_without_answers_need_no_labels(labelled: Labelled) -> None:
    for back in (3, 2, 1, 0):
        labelled(0 if back == 1 else 50, truth=None, at=NOON - timedelta(days=back))
        check(back)

    assert state_of("labels") is None


def test_the_first_day_that_can_be_judged_ends_it(labelled: Labelled) -> None:
    for back in (3, 2, 1):
        labelled(50, truth=None, at=NOON - timedelta(days=back))
        check(back)
    before = state_of("labels")
    labelled(30)
    check()

    assert (before, state_of("labels")) == ("open", "closed")


@pytest.mark.parametrize(
    ("fast", "slow", "alert"),
    [(95, 5, None), (94, 6, "open"), (90, 6, None)],
)
def test_answers_that_are_too_slow_are_told_where_there_are_a_hundred(
    labelled: Labelled, fast: int, slow: int, alert: str | None
) -> None:
    labelled(fast, truth=None)
    labelled(slow, truth=None, latency_ms=400.0)

    check()

    assert state_of("latency") == alert


def test_a_fast_day_ends_it(labelled: Labelled) -> None:
    labelled(100, truth=None, latency_ms=400.0, at=NOON - timedelta(days=1))
    check(1)
    labelled(100, truth=None)
    check()

    assert state_of("latency") == "closed"


def test_a_day_that_is_not_over_speaks_for_its_accuracy_only(labelled: Labelled) -> None:
    labelled(200, truth=Level.EMERGENCY, latency_ms=400.0)

    accuracy_check(DAY, now=datetime(2026, 11, 18, 13, tzinfo=UTC))

    assert [*Alert.objects.values_list("cause", "provisional")] == [("accuracy", True)]


def test_an_earlier_day_checked_again_does_not_speak_of_latency(labelled: Labelled) -> None:
    labelled(100, truth=None, latency_ms=400.0, at=NOON - timedelta(days=1))
    check()
    check(1)

    assert state_of("latency") is None
