"""An alert is delivered once; a mail server that is away costs nothing but time."""

from __future__ import annotations

from datetime import date, timedelta
from smtplib import SMTPServerDisconnected
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone

from monitoring import alerts
from monitoring.alerts import alert_raise, alerts_deliver_pending
from monitoring.models import Alert

pytestmark = pytest.mark.django_db
DAY = date(2026, 11, 18)
WARNING, CRITICAL = Alert.Severity.WARNING, Alert.Severity.CRITICAL


def raise_one(
    *, severity: Alert.Severity = WARNING, message: str = "low", day: date = DAY, **facts: bool
) -> Alert:
    return alert_raise(policy="accuracy", day=day, severity=severity, message=message, **facts)


def test_it_is_sent_once() -> None:
    raise_one()

    assert [alerts_deliver_pending(), alerts_deliver_pending()] == [1, 0]
    raise_one()
    assert alerts_deliver_pending() == 0
    assert len(mail.outbox) == 1


@pytest.mark.parametrize(
    ("before", "after", "mails"),
    [
        ({"severity": WARNING}, {"severity": CRITICAL}, 2),
        ({"severity": CRITICAL}, {"severity": WARNING}, 1),
        ({"provisional": True}, {"provisional": False}, 2),
        ({"provisional": False}, {"provisional": True}, 1),
    ],
)
def test_only_worse_news_is_sent_again(
    before: dict[str, Any], after: dict[str, Any], mails: int
) -> None:
    for facts in (before, after):
        raise_one(**facts)
        alerts_deliver_pending()

    assert len(mail.outbox) == mails


def test_until_it_is_sent_it_follows_the_newest_figures() -> None:
    raise_one(message="old")
    raise_one(message="new", severity=CRITICAL)
    alerts_deliver_pending()

    assert [(m.subject, m.body) for m in mail.outbox] == [
        ("[triage] critical: accuracy on 2026-11-18", "new")
    ]


@pytest.mark.parametrize(
    "error", [ConnectionRefusedError, SMTPServerDisconnected, TimeoutError, ValueError]
)
def test_what_could_not_be_sent_is_sent_by_the_next_run(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: Any) -> None:
        raise error

    raise_one()
    with monkeypatch.context() as patch:
        patch.setattr(alerts, "send_mail", refuse)
        with pytest.raises(error):
            alerts_deliver_pending()
    assert Alert.objects.get().delivered_at is None

    raise_one(day=DAY + timedelta(days=1))

    assert alerts_deliver_pending() == 2
    assert [m.subject[-10:] for m in mail.outbox] == ["2026-11-18", "2026-11-19"]


@pytest.mark.parametrize(("minutes", "sent"), [(1, 0), (11, 1)])
def test_an_alert_claimed_by_somebody_who_died_is_sent_later(minutes: int, sent: int) -> None:
    raise_one()
    Alert.objects.update(claimed_at=timezone.now() - timedelta(minutes=minutes))

    assert alerts_deliver_pending() == sent


def test_without_an_address_the_alert_waits_on_record(settings: Any) -> None:
    settings.ALERT_EMAILS = []
    raise_one()

    assert alerts_deliver_pending() == 0
    assert Alert.objects.get().delivered_at is None
