"""Alerts: a row first, then the mail. What was not delivered is tried again by the next run."""

from __future__ import annotations

from datetime import date, timedelta

import structlog
from django.conf import settings
from django.core.mail import send_mail
from django.db.models import Q
from django.utils import timezone

from monitoring.models import Alert

log = structlog.get_logger(__name__)


# After this long without a delivery, whoever claimed an alert is taken to be dead.
CLAIM_LASTS = timedelta(minutes=10)


def alert_raise(
    *, policy: str, day: date, severity: Alert.Severity, message: str, provisional: bool = False
) -> Alert:
    """Record an alert: one row per policy and day, however often it is raised.

    A row is sent again only when it has become worse news: from provisional to certain, or from
    warning to critical. Until it is sent, it follows the newest figures.
    """
    facts = {"severity": severity, "message": message, "provisional": provisional}
    alert, created = Alert.objects.get_or_create(policy=policy, day=day, defaults=facts)
    if created:
        log.warning("alert_raised", policy=policy, day=str(day), severity=severity.value)
    elif alert.delivered_at is None:
        Alert.objects.filter(pk=alert.pk).update(**facts)
    elif _is_worse_news(alert, severity=severity, provisional=provisional):
        Alert.objects.filter(pk=alert.pk).update(**facts, delivered_at=None, claimed_at=None)
    alert.refresh_from_db()
    return alert


def alerts_deliver_pending() -> int:
    """Send every alert that was not delivered yet and return how many this call sent.

    Raises
    ------
    OSError
        When the mail could not be handed over; what was not sent stays pending.
    """
    if not settings.ALERT_EMAILS:
        return 0
    return sum(_deliver(alert) for alert in Alert.objects.filter(delivered_at=None).order_by("day"))


def _is_worse_news(alert: Alert, *, severity: Alert.Severity, provisional: bool) -> bool:
    escalated = alert.severity == Alert.Severity.WARNING and severity is Alert.Severity.CRITICAL
    return escalated or (alert.provisional and not provisional)


def _deliver(alert: Alert) -> bool:
    """Send one alert unless somebody else has it; the claim is a conditional update."""
    now = timezone.now()
    free = Q(claimed_at=None) | Q(claimed_at__lt=now - CLAIM_LASTS)
    mine = Alert.objects.filter(free, pk=alert.pk, delivered_at=None).update(claimed_at=now)
    if not mine:
        return False
    try:
        send_mail(
            subject=f"[triage] {alert.severity}: {alert.policy} on {alert.day}",
            message=alert.message,
            from_email=None,
            recipient_list=settings.ALERT_EMAILS,
        )
    except Exception:
        Alert.objects.filter(pk=alert.pk).update(claimed_at=None)
        raise
    Alert.objects.filter(pk=alert.pk).update(delivered_at=timezone.now())
    return True
