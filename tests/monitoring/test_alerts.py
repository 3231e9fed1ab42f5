"""An alert is delivered once; a mail server that is away costs nothing but time."""

from __future__ import annotations

from datetime import date
from smtplib import SMTPServerDisconnected
from typing import Any

import pytest
from django.core import mail

from monitoring import alerts
from monitoring.alerts import alert_deliver, alert_raise
from monitoring.models import Alert

DAY = date(2026, 11, 18)


def raise_one() -> Alert:
    return alert_raise(policy="accuracy", day=DAY, severity=Alert.Severity.WARNING, message="low")


@pytest.mark.django_db
def test_it_is_sent_once() -> None:
    alert = raise_one()

    assert not alert_deliver(alert)
    assert raise_one() == alert
    assert len(mail.outbox) == 1


@pytest.mark.django_db
@pytest.mark.parametrize("error", [ConnectionRefusedError, SMTPServerDisconnected, TimeoutError])
def test_a_mail_server_that_is_away_is_tried_again(
    error: type[OSError], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: Any) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(alerts, "send_mail", refuse)
        with pytest.raises(OSError):  # noqa: PT011
            raise_one()
    assert Alert.objects.get().delivered_at is None

    raise_one()

    assert len(mail.outbox) == 1
    assert Alert.objects.get().delivered_at is not None


@pytest.mark.django_db
def test_without_an_address_the_alert_waits_on_record(settings: Any) -> None:
    settings.ALERT_EMAILS = []

    alert = raise_one()

    assert alert.delivered_at is None
    assert not mail.outbox
