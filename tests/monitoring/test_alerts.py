"""Of one cause one alert is open; it grows worse, is seen to, closes, and comes back."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from threading import Barrier
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from structlog.testing import capture_logs

from monitoring.alerts import alert_acknowledge, alert_clear, alert_raise, alerts_remind
from monitoring.models import Alert, AlertDelivery

pytestmark = pytest.mark.django_db
DAY = date(2026, 11, 18)
WARNING, CRITICAL = Alert.Severity.WARNING, Alert.Severity.CRITICAL
OPEN, ACKNOWLEDGED, CLOSED = Alert.State.OPEN, Alert.State.ACKNOWLEDGED, Alert.State.CLOSED
AT_ONCE = 6


def raise_one(after: int = 0, **values: Any) -> Alert:
    """Raise the accuracy alert so many days after the first."""
    facts: dict[str, Any] = {"policy": "accuracy", "severity": WARNING, "message": "low"}
    return alert_raise(day=DAY + timedelta(days=after), **facts | values)


def close(after: int = 0) -> bool:
    return alert_clear(policy="accuracy", day=DAY + timedelta(days=after))


def acknowledge(alert: Alert, actor: str = "kim") -> bool:
    return alert_acknowledge(alert.pk, actor=actor, note="on it")


def all_told() -> int:
    """Take all notifications as handed over, and count them."""
    return AlertDelivery.objects.filter(delivered_at=None).update(delivered_at=timezone.now())


def numbers() -> list[int]:
    """Return which notifications there are; one that was queued twice has a later number."""
    return sorted(AlertDelivery.objects.values_list("number", flat=True))


def test_it_is_open_and_told_once() -> None:
    alert = raise_one()

    assert (alert.cause, alert.day, alert.last_day, alert.state) == ("accuracy", DAY, DAY, OPEN)
    assert all_told() == 1
    raise_one()
    assert all_told() == 0


def test_a_later_day_adds_to_what_is_open() -> None:
    first = raise_one()
    all_told()

    alert = raise_one(after=2, message="lower")

    assert (alert.pk, alert.day) == (first.pk, DAY)
    assert (alert.last_day, alert.message) == (DAY + timedelta(days=2), "lower")
    assert all_told() == 0


def test_an_older_day_does_not_overwrite_the_newer_one() -> None:
    raise_one(after=2, message="newer")

    alert = raise_one(message="older")

    assert (alert.last_day, alert.message) == (DAY + timedelta(days=2), "newer")


def test_worse_news_of_an_older_day_is_added_to_the_words_of_the_newer() -> None:
    raise_one(after=2, message="newer")

    alert = raise_one(message="older and worse", severity=CRITICAL)

    assert alert.message == "newer\n\nolder and worse"
    assert alert.severity == CRITICAL


def test_severity_does_not_fall_back_while_it_is_open() -> None:
    raise_one(severity=CRITICAL)

    assert raise_one(after=1, severity=WARNING).severity == CRITICAL


def test_causes_of_one_policy_are_alerts_of_their_own() -> None:
    names = [raise_one(policy="drift", subject=subject).cause for subject in ("gcs", "spo2")]

    assert names == ["drift.gcs", "drift.spo2"]
    assert Alert.objects.count() == 2


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ({"severity": WARNING}, {"severity": CRITICAL}, 1),
        ({"severity": CRITICAL}, {"severity": WARNING}, 0),
        ({"provisional": True}, {"provisional": False}, 1),
        ({"provisional": False}, {"provisional": True}, 0),
    ],
)
def test_only_worse_news_is_told_again_and_opens_what_was_acknowledged(
    before: dict[str, Any], after: dict[str, Any], told: int
) -> None:
    acknowledge(raise_one(**before))
    all_told()

    alert = raise_one(**after)

    assert alert.state == (OPEN if told else ACKNOWLEDGED)
    assert all_told() == told
    assert not alert.provisional or before == after


@pytest.mark.parametrize(("after", "closed"), [(-1, False), (0, True), (1, True)])
def test_a_day_without_the_cause_closes_it_unless_it_is_an_earlier_one(
    after: int, closed: bool
) -> None:
    raise_one()
    all_told()

    assert close(after) == closed

    alert = Alert.objects.get()
    assert (alert.state == CLOSED, alert.closed_at is not None) == (closed, closed)
    assert all_told() == 0


def test_an_acknowledged_alert_closes_too_and_a_closed_one_only_once() -> None:
    acknowledge(raise_one())

    assert [close(1), close(1)] == [True, False]


def test_nothing_closes_another_cause() -> None:
    raise_one(policy="drift", subject="gcs")

    assert not alert_clear(policy="drift", subject="spo2", day=DAY)
    assert not alert_clear(policy="drift", day=DAY)


@pytest.mark.parametrize(("days", "rows"), [(1, 1), (28, 1), (29, 2)])
def test_what_comes_back_within_four_weeks_is_opened_again(days: int, rows: int) -> None:
    raise_one(severity=CRITICAL)
    close()
    all_told()

    alert = raise_one(after=days, message="again")

    assert Alert.objects.count() == rows
    assert (alert.state, alert.times_reopened, alert.closed_at) == (OPEN, 2 - rows, None)
    assert (alert.severity, alert.message) == (WARNING, "again")
    assert all_told() == 1


def test_the_very_same_day_is_opened_again() -> None:
    raise_one()
    raise_one(after=40)
    close(after=40)

    alert = raise_one(message="again")

    assert (alert.day, alert.times_reopened) == (DAY, 1)
    assert alert.last_day == DAY + timedelta(days=40)


def test_an_older_day_than_what_was_closed_is_an_alert_of_its_own() -> None:
    raise_one(after=3)
    close(after=3)

    assert raise_one().day == DAY
    assert Alert.objects.count() == 2


def test_the_first_to_acknowledge_has_it() -> None:
    alert = raise_one()

    assert [acknowledge(alert, "kim"), acknowledge(alert, "lee")] == [True, False]

    alert.refresh_from_db()
    assert (alert.state, alert.acknowledged_by) == (ACKNOWLEDGED, "kim")
    assert (alert.acknowledgement, alert.acknowledged_at is None) == ("on it", False)


def test_what_is_closed_cannot_be_acknowledged() -> None:
    alert = raise_one()
    close()

    assert not acknowledge(alert)


@pytest.mark.parametrize("is_acknowledged", [False, True])
@pytest.mark.parametrize(("days", "reminded"), [(6, 0), (8, 1)])
def test_what_is_open_for_another_week_is_told_again(
    days: int, reminded: int, is_acknowledged: bool
) -> None:
    alert = raise_one()
    if is_acknowledged:
        acknowledge(alert)
    all_told()

    assert alerts_remind(now=timezone.now() + timedelta(days=days)) == reminded
    assert all_told() == reminded
    assert Alert.objects.get().state == (ACKNOWLEDGED if is_acknowledged else OPEN)


@pytest.mark.parametrize(("is_acknowledged", "reminded"), [(False, 1), (True, 0)])
def test_what_happened_once_is_over_when_it_is_acknowledged(
    is_acknowledged: bool, reminded: int
) -> None:
    alert = raise_one(policy="missed_emergency", subject="case")
    if is_acknowledged:
        acknowledge(alert)
    all_told()

    assert alerts_remind(now=timezone.now() + timedelta(days=8)) == reminded


def test_what_is_closed_is_not_told_again() -> None:
    raise_one()
    close()

    assert alerts_remind(now=timezone.now() + timedelta(days=8)) == 0


def test_what_was_raised_without_a_channel_is_told_when_there_is_one(settings: Any) -> None:
    emails, settings.ALERT_EMAILS = settings.ALERT_EMAILS, []
    raise_one()
    assert alerts_remind(now=timezone.now()) == all_told() == 0

    settings.ALERT_EMAILS = emails

    assert [alerts_remind(now=timezone.now()) for _ in range(2)] == [1, 0]
    assert all_told() == 1


def test_each_channel_is_told(settings: Any) -> None:
    settings.ALERT_WEBHOOK_URL = "https://pager.hospital.example/"

    raise_one()

    found = AlertDelivery.objects.values_list("channel", "number")
    assert sorted(found) == [("email", 1), ("webhook", 1)]


def test_a_notification_that_waits_carries_the_later_news() -> None:
    raise_one()
    raise_one(severity=CRITICAL)

    delivery = AlertDelivery.objects.get()

    assert (delivery.number, delivery.alert.severity) == (2, CRITICAL)


def test_news_do_not_ride_on_a_notification_that_is_being_sent() -> None:
    raise_one()
    AlertDelivery.objects.update(claimed_at=timezone.now())

    raise_one(severity=CRITICAL)

    assert numbers() == [1, 2]


def test_the_log_names_cause_day_and_severity_only() -> None:
    with capture_logs() as events:
        acknowledge(raise_one(message="of somebody"))
        close()
        raise_one(after=1)

    assert [event.pop("event") for event in events] == [
        "alert_raised", "alert_acknowledged", "alert_closed", "alert_reopened",
    ]  # fmt: skip
    assert {frozenset(event) for event in events} == {
        frozenset({"cause", "day", "severity", "log_level"})
    }


# --- several processes at once -----------------------------------------------------------------


def at_once(work: Callable[[int], Any]) -> list[Any]:
    """Do the work in threads that start together, each with a connection of its own."""
    together = Barrier(AT_ONCE)

    def run(number: int) -> Any:
        together.wait()
        try:
            return work(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(run, range(AT_ONCE)))


@pytest.mark.django_db(transaction=True)
def test_raised_by_many_at_once_it_is_one_alert_told_once() -> None:
    alerts = at_once(lambda number: raise_one(after=number))

    alert = Alert.objects.get()
    assert {one.pk for one in alerts} == {alert.pk}
    assert alert.last_day == DAY + timedelta(days=AT_ONCE - 1)
    assert numbers() == [1]


@pytest.mark.django_db(transaction=True)
def test_opened_again_by_many_at_once_it_is_counted_and_told_once() -> None:
    raise_one()
    close()
    all_told()

    at_once(lambda number: raise_one(after=number + 1))

    assert Alert.objects.get().times_reopened == 1
    assert numbers() == [1, 2]


@pytest.mark.django_db(transaction=True)
def test_worse_news_by_many_at_once_are_told_once() -> None:
    raise_one()
    all_told()

    at_once(lambda _: raise_one(severity=CRITICAL))

    assert numbers() == [1, 2]


@pytest.mark.django_db(transaction=True)
def test_of_many_who_acknowledge_at_once_one_has_it() -> None:
    alert = raise_one()

    assert sum(at_once(lambda number: acknowledge(alert, f"nurse-{number}"))) == 1


@pytest.mark.django_db(transaction=True)
def test_a_reminder_by_many_at_once_is_one() -> None:
    raise_one()
    all_told()
    AlertDelivery.objects.update(created_at=timezone.now() - timedelta(days=8))

    assert sum(at_once(lambda _: alerts_remind(now=timezone.now()))) == 1
    assert numbers() == [1, 2]
