"""What is queued is handed over at least once, over each channel, and tried until it works."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.utils import timezone
from structlog.testing import capture_logs

from monitoring.alerts import alert_clear, alert_raise
from monitoring.deliveries import LONGEST_PAUSE, NO_CHANNEL, SHORTEST_PAUSE, deliver_pending
from monitoring.models import Alert, AlertDelivery
from tests.functional.conftest import free_port
from tests.receivers import Inbox, Receiver, http_server, mail_server

pytestmark = pytest.mark.django_db
DAY = date(2026, 11, 18)
WARNING, CRITICAL = Alert.Severity.WARNING, Alert.Severity.CRITICAL
SECRET = b"webhook-" + b"w" * 40
DOCS = Path(__file__).resolve().parents[2] / "docs" / "alerts.md"


@pytest.fixture
def inbox(settings: Any) -> Iterator[Inbox]:
    """A running mail server that the service knows."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    with mail_server() as inbox:
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", inbox.port
        yield inbox


@pytest.fixture
def pager(settings: Any) -> Iterator[Receiver]:
    """A running receiver of webhooks that the service knows, and no mail."""
    with http_server() as pager:
        settings.ALERT_WEBHOOK_URL, settings.ALERT_WEBHOOK_SECRET = pager.url, SECRET
        settings.ALERT_EMAILS = []
        yield pager


def raise_one(policy: str = "accuracy", **values: Any) -> Alert:
    facts: dict[str, Any] = {"day": DAY, "severity": WARNING, "message": "too low"}
    return alert_raise(policy=policy, **facts | values)


def deliver(**later: float) -> int:
    """Run the delivery, by a clock that may be ahead."""
    return deliver_pending(now=timezone.now() + timedelta(**later))


# --- mail ----------------------------------------------------------------------------------------


def test_it_is_mailed_once(inbox: Inbox) -> None:
    alert = raise_one(severity=CRITICAL)
    raise_one(day=DAY + timedelta(days=1), message="very low")

    assert [deliver(), deliver()] == [1, 0]

    text = inbox.messages[0].get_payload()
    assert inbox.subjects == ["[triage] critical: accuracy on 2026-11-19"]
    assert inbox.messages[0]["To"] == "on-call@hospital.example"
    assert "very low" in text
    assert "first on 2026-11-18" in text
    assert f"/admin/monitoring/alert/{alert.pk}/change/" in text


def test_notifications_of_one_policy_go_into_one_mail(inbox: Inbox) -> None:
    for number in range(3):
        raise_one("missed_emergency", subject=f"case-{number}", severity=CRITICAL)
    raise_one()

    assert deliver() == 4

    assert inbox.subjects == [
        "[triage] critical: 3 of missed_emergency on 2026-11-18",
        "[triage] warning: accuracy on 2026-11-18",
    ]
    assert all(f"case-{number}" in inbox.messages[0].get_payload() for number in range(3))
    assert not AlertDelivery.objects.filter(delivered_at=None).exists()


def test_a_cause_cannot_add_a_header(inbox: Inbox) -> None:
    raise_one("slice", subject="site.a\r\nBcc: all@hospital.example")

    assert deliver() == 1
    assert inbox.messages[0]["Bcc"] is None


def test_what_closed_before_it_was_told_is_told_all_the_same(inbox: Inbox) -> None:
    raise_one()
    alert_clear(policy="accuracy", day=DAY)

    assert deliver() == 1
    assert "State: closed" in inbox.messages[0].get_payload()


def test_what_the_mail_server_refuses_is_sent_later(inbox: Inbox) -> None:
    raise_one()
    inbox.reply = "451 not now"
    assert deliver() == 0
    kept = AlertDelivery.objects.get()
    inbox.reply = "250 OK"

    assert deliver() == 0
    assert deliver(minutes=3) == 1

    assert (kept.attempts, kept.error, kept.claimed_at) == (1, "SMTPDataError", None)
    assert len(inbox.messages) == 1


# --- webhook -------------------------------------------------------------------------------------


def test_the_webhook_gets_the_facts_and_what_proves_them(pager: Receiver) -> None:
    alert = raise_one()

    assert [deliver(), deliver()] == [1, 0]

    call = pager.calls[0]
    assert call.path == "/triage"
    assert call.json == {
        "id": alert.pk, "cause": "accuracy", "policy": "accuracy", "severity": "warning",
        "state": "open", "day": "2026-11-18", "last_day": "2026-11-18", "message": "too low",
        "number": 1,
    }  # fmt: skip
    headers = call.headers
    assert headers["Content-Type"] == "application/json"
    assert headers["Idempotency-Key"] == headers["Triage-Delivery"] == f"{alert.pk}-1"


def documented_check() -> Callable[..., bool]:
    """Return the function that the documentation tells receivers to use."""
    snippet = re.search(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert snippet is not None
    names: dict[str, Any] = {}
    exec(snippet[1], names)  # noqa: S102 - our own documentation
    return names["is_ours"]  # type: ignore[no-any-return]


def test_the_check_in_the_documentation_takes_ours_and_nothing_else(pager: Receiver) -> None:
    raise_one()
    deliver()
    body, header = pager.calls[0].body, pager.calls[0].headers["Triage-Signature"]
    is_ours = documented_check()

    assert is_ours(header, body, SECRET)
    assert not is_ours(header, body + b" ", SECRET)
    assert not is_ours(header, body, b"another")
    assert not is_ours(header.replace("t=", "t=1"), body, SECRET)
    old = f"t={int(time.time()) - 400}," + header.partition(",")[2]
    assert not is_ours(old, body, SECRET)


@pytest.mark.parametrize("status", [301, 302, 307, 400, 404, 500, 503])
def test_only_success_counts_and_no_redirect_is_followed(pager: Receiver, status: int) -> None:
    raise_one()
    pager.status = status

    assert deliver() == 0

    kept = AlertDelivery.objects.get()
    assert (kept.delivered_at, kept.error) == (None, "HTTPError")
    assert [call.path for call in pager.calls] == ["/triage"]


def test_a_try_again_has_the_same_key_and_later_news_another(pager: Receiver) -> None:
    alert = raise_one()
    pager.status = 500
    deliver()
    deliver(minutes=3)
    pager.status = 204
    raise_one(severity=CRITICAL)

    assert deliver() == 1

    keys = [call.headers["Idempotency-Key"] for call in pager.calls]
    assert keys == [f"{alert.pk}-1", f"{alert.pk}-1", f"{alert.pk}-2"]
    assert pager.calls[-1].json["severity"] == "critical"


def test_the_worst_news_go_first(pager: Receiver) -> None:
    raise_one("drift")
    raise_one(severity=CRITICAL)

    deliver()

    assert [call.json["policy"] for call in pager.calls] == ["accuracy", "drift"]


# --- when it does not work -----------------------------------------------------------------------


def test_one_failing_channel_does_not_stop_the_other(inbox: Inbox, settings: Any) -> None:
    settings.ALERT_WEBHOOK_URL = f"http://127.0.0.1:{free_port()}/"
    settings.ALERT_WEBHOOK_SECRET = SECRET
    raise_one()

    assert deliver() == 1

    errors = dict(AlertDelivery.objects.values_list("channel", "error"))
    assert errors == {"email": "", "webhook": "URLError"}


def test_the_pause_doubles_up_to_six_hours(pager: Receiver) -> None:
    raise_one(severity=CRITICAL)
    pager.status = 500
    pauses = []
    for _ in range(12):
        AlertDelivery.objects.update(next_attempt_at=timezone.now())
        deliver()
        pauses.append(AlertDelivery.objects.get().next_attempt_at - timezone.now())

    assert timedelta(seconds=55) < pauses[0] <= 2 * SHORTEST_PAUSE
    assert all(pause <= LONGEST_PAUSE for pause in pauses)
    assert pauses[-1] > LONGEST_PAUSE / 3
    assert AlertDelivery.objects.get().attempts == 12


@pytest.mark.parametrize(
    ("severity", "days", "sent"),
    [(WARNING, 6, 1), (WARNING, 8, 0), (CRITICAL, 8, 1), (CRITICAL, 400, 1)],
)
def test_a_warning_is_given_up_after_a_week_and_what_is_critical_never(
    pager: Receiver, severity: Alert.Severity, days: int, sent: int
) -> None:
    raise_one(severity=severity)

    assert deliver(days=days) == sent


def test_a_channel_that_is_down_is_not_asked_for_everything(pager: Receiver) -> None:
    for number in range(5):
        raise_one("drift", subject=str(number))
    pager.status = 503

    deliver()

    assert len(pager.calls) == 3
    assert sorted(AlertDelivery.objects.values_list("attempts", flat=True)) == [0, 0, 1, 1, 1]


def test_what_always_fails_does_not_keep_back_the_rest(pager: Receiver) -> None:
    for number in range(4):
        raise_one("drift", subject=str(number), severity=CRITICAL)
    pager.status = 503
    deliver()
    pager.status = 204

    assert deliver() == 1
    assert deliver(minutes=3) == 3


@pytest.mark.parametrize(("minutes", "sent"), [(1, 0), (11, 1)])
def test_what_was_claimed_by_somebody_who_died_is_sent_later(
    pager: Receiver, minutes: int, sent: int
) -> None:
    raise_one()
    AlertDelivery.objects.update(claimed_at=timezone.now() - timedelta(minutes=minutes))

    assert deliver() == sent


def test_without_a_channel_it_says_so_once_a_day_and_nothing_is_lost(
    settings: Any, inbox: Inbox
) -> None:
    raise_one()
    emails, settings.ALERT_EMAILS = settings.ALERT_EMAILS, []
    tomorrow = timezone.now().date() + timedelta(days=1)
    cache.delete_many([NO_CHANNEL.format(tomorrow + timedelta(days=n)) for n in range(2)])
    with capture_logs() as events:
        days = [deliver(days=day) for day in (1, 1, 2)]

    settings.ALERT_EMAILS = emails

    assert [event["event"] for event in events] == ["no_alert_channel"] * 2
    assert (days, deliver()) == ([0, 0, 0], 1)


def test_the_log_names_the_kind_of_failure_and_no_address(settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", free_port()
    raise_one()

    with capture_logs() as events:
        deliver()

    assert events == [
        {
            "event": "alert_not_delivered",
            "log_level": "warning",
            "channel": "email",
            "attempts": 1,
            "error": "ConnectionRefusedError",
        }
    ]


@pytest.mark.django_db(transaction=True)
def test_of_many_workers_at_once_one_delivers(pager: Receiver) -> None:
    for number in range(5):
        raise_one("drift", subject=str(number))
    together = Barrier(4)

    def work(_: int) -> int:
        together.wait()
        try:
            return deliver()
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        done = sum(pool.map(work, range(4)))

    assert (done, len(pager.calls)) == (5, 5)
