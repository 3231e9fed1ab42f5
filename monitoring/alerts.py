"""Alerts: a row first, then the mail. A row is delivered once, whoever tries."""

from __future__ import annotations

from datetime import date

import structlog
from django.conf import settings
from django.core.mail import send_mail
from django.utils import timezone

from monitoring.models import Alert

log = structlog.get_logger(__name__)


def alert_raise(*, policy: str, day: date, severity: Alert.Severity, message: str) -> Alert:
    """Record an alert and deliver it; the same policy and day is one alert, however often raised.

    Raises
    ------
    OSError
        When the mail could not be handed over; the alert stays undelivered and the next run of
        the check tries again.
    """
    alert, created = Alert.objects.get_or_create(
        policy=policy, day=day, defaults={"severity": severity, "message": message}
    )
    if created:
        log.warning("alert_raised", policy=policy, day=str(day), severity=severity.value)
    alert_deliver(alert)
    return alert


def alert_deliver(alert: Alert) -> bool:
    """Send the alert by e-mail unless somebody already did; return whether this call sent it.

    The row is claimed by a conditional update, so that two workers never send the same alert.
    """
    undelivered = Alert.objects.filter(pk=alert.pk, delivered_at=None)
    if not settings.ALERT_EMAILS or not undelivered.update(delivered_at=timezone.now()):
        return False
    try:
        send_mail(
            subject=f"[triage] {alert.severity}: {alert.policy} on {alert.day}",
            message=alert.message,
            from_email=None,
            recipient_list=settings.ALERT_EMAILS,
        )
    except OSError:
        Alert.objects.filter(pk=alert.pk).update(delivered_at=None)
        raise
    return True
