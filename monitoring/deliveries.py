"""Notifications handed over by mail and webhook: at least once, and tried until it works."""

from __future__ import annotations

import hashlib
import hmac
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import datetime, timedelta
from secrets import SystemRandom

import structlog
from django.conf import settings
from django.core.cache import cache
from django.core.mail import send_mail
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from redis.exceptions import RedisError

from monitoring.alerts import alert_channels
from monitoring.models import Alert, AlertDelivery

log = structlog.get_logger(__name__)

Channel = AlertDelivery.Channel
Deliveries = list[AlertDelivery]

# After this long without a word, whoever claimed a delivery is taken to be dead.
CLAIM_LASTS = timedelta(minutes=10)
SHORTEST_PAUSE, LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=6)
# Nobody needs a warning of last week; what is critical is tried for ever.
WARNING_LASTS = timedelta(days=7)
TIMEOUT_S = 10
NO_CHANNEL = "no-alert-channel-{}"
# Not asked of the URLs, so that no fault in the web code can keep an alert from being told.
ADMIN_PAGE = "/admin/monitoring/alert/{}/change/"
# A channel that fails so often in a row is down: the rest waits for the next run, untouched.
MAX_FAILURES_IN_A_ROW = 3


def deliver_pending(*, now: datetime) -> int:
    """Hand over every notification that is due and return how many were.

    What fails keeps its place and a later time; it stops neither the other channel nor what comes
    after it. Notifications of one policy that are due together go into one mail.
    """
    channels = alert_channels()
    if not channels:
        _say_that_nobody_is_told(now)
    return sum(_deliver_over(channel, now=now) for channel in channels)


def deliveries_due(*, now: datetime) -> QuerySet[AlertDelivery]:
    """Return the notifications that are to be handed over now, the worst first."""
    # By the alphabet, critical comes before warning.
    return _free(now).filter(_wanted(now)).order_by("alert__severity", "next_attempt_at", "pk")


def deliveries_pending(*, now: datetime) -> QuerySet[AlertDelivery]:
    """Return the notifications that are still to be handed over, now or later, in no order."""
    rows = AlertDelivery.objects.filter(_wanted(now), delivered_at=None)
    return rows.filter(channel__in=alert_channels()).order_by()


def _wanted(now: datetime) -> Q:
    """Return the condition of what is not given up."""
    return Q(alert__severity=Alert.Severity.CRITICAL) | Q(created_at__gt=now - WARNING_LASTS)


def http_send(
    url: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> None:
    """Call an address, by POST where there is a body; redirects are not followed.

    Raises
    ------
    OSError, http.client.HTTPException
        When it cannot be reached or answers anything but 2xx.
    """
    request = urllib.request.Request(url, data=body, headers=dict(headers or {}))  # noqa: S310
    try:
        with _opener().open(request, timeout=TIMEOUT_S):
            pass
    except urllib.error.HTTPError as error:
        error.close()
        raise


def _opener() -> urllib.request.OpenerDirector:
    """Return one that knows HTTP and a proxy, and neither files nor redirects."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


def _free(now: datetime) -> QuerySet[AlertDelivery]:
    unclaimed = Q(claimed_at=None) | Q(claimed_at__lt=now - CLAIM_LASTS)
    return AlertDelivery.objects.filter(unclaimed, delivered_at=None, next_attempt_at__lte=now)


# --- one channel ------------------------------------------------------------------------------


def _deliver_over(channel: Channel, *, now: datetime) -> int:
    delivered = failures = 0
    for group in _groups(channel, now=now):
        claimed = _claim(group, now=now)
        if not claimed:
            continue
        if _hand_over(channel, claimed):
            delivered, failures = delivered + len(claimed), 0
        else:
            failures += 1
        if failures == MAX_FAILURES_IN_A_ROW:
            break
    return delivered


def _groups(channel: Channel, *, now: datetime) -> list[list[int]]:
    """Return the ids of what is due: by mail together as one policy, else one by one."""
    due = deliveries_due(now=now).filter(channel=channel).values_list("pk", "alert__policy")
    if channel is not Channel.EMAIL:
        return [[pk] for pk, _ in due]
    groups: dict[str, list[int]] = {}
    for pk, policy in due:
        groups.setdefault(policy, []).append(pk)
    return list(groups.values())


def _claim(group: list[int], *, now: datetime) -> Deliveries:
    """Claim what nobody else has; an attempt counts from here, should the process die in it."""
    claim = {"claimed_at": now, "attempts": F("attempts") + 1}
    # No other table in the condition: PostgreSQL would look at it as it was before the wait.
    mine = [pk for pk in group if _free(now).filter(pk=pk).update(**claim)]
    # Read after the claim, so that it carries whatever was added until then.
    rows = AlertDelivery.objects.filter(pk__in=mine).select_related("alert")
    return list(rows.order_by("alert__day", "pk"))


def _hand_over(channel: Channel, claimed: Deliveries) -> bool:
    """Send what was claimed and note how it went."""
    try:
        _send_mail(claimed) if channel is Channel.EMAIL else _post(claimed[0])
    except Exception as error:  # noqa: BLE001 - whatever broke, the others must still be told
        _put_back(claimed, error=type(error).__name__)
        return False
    rows = AlertDelivery.objects.filter(pk__in=[one.pk for one in claimed])
    rows.update(delivered_at=timezone.now(), error="")
    return True


def _put_back(claimed: Deliveries, *, error: str) -> None:
    for one in claimed:
        rows = AlertDelivery.objects.filter(pk=one.pk, claimed_at=one.claimed_at)
        again = timezone.now() + _pause(one.attempts)
        rows.update(claimed_at=None, next_attempt_at=again, error=error)
    channel, attempts = claimed[0].channel, claimed[0].attempts
    log.warning("alert_not_delivered", channel=channel, attempts=attempts, error=error)


def _pause(attempts: int) -> timedelta:
    """Return a pause that doubles, with chance in it so that not all come back at once."""
    longest: timedelta = min(SHORTEST_PAUSE * 2 ** min(attempts, 20), LONGEST_PAUSE)
    return longest * SystemRandom().uniform(0.5, 1)


def _say_that_nobody_is_told(now: datetime) -> None:
    untold = Alert.objects.exclude(state=Alert.State.CLOSED).count()
    if untold and _is_first_today(now):
        log.warning("no_alert_channel", alerts=untold)


def _is_first_today(now: datetime) -> bool:
    day = int(timedelta(days=1).total_seconds())
    try:
        return cache.add(NO_CHANNEL.format(now.date()), True, timeout=day)
    except RedisError:
        return True


# --- mail -------------------------------------------------------------------------------------


def _send_mail(deliveries: Deliveries) -> None:
    alerts = list({one.alert.pk: one.alert for one in deliveries}.values())
    send_mail(
        subject=_subject(alerts),
        message="\n\n".join(map(_text, alerts)),
        from_email=None,
        recipient_list=settings.ALERT_EMAILS,
    )


def _subject(alerts: list[Alert]) -> str:
    worst = min(alert.severity for alert in alerts)  # "critical" comes before "warning"
    what = alerts[0].cause if len(alerts) == 1 else f"{len(alerts)} of {alerts[0].policy}"
    last_day = max(alert.last_day for alert in alerts)
    # A cause may hold the name of a site, and a header is one line.
    return " ".join(f"[triage] {worst}: {what} on {last_day}".split())


def _text(alert: Alert) -> str:
    since = "" if alert.day == alert.last_day else f", first on {alert.day}"
    lines = [
        alert.message,
        "",
        f"Cause: {alert.cause}. Severity: {alert.severity}. State: {alert.state}.",
        f"Last on {alert.last_day}{since}.",
        f"In the admin: {ADMIN_PAGE.format(alert.pk)}",
    ]
    return "\n".join(lines)


# --- webhook ----------------------------------------------------------------------------------


def _post(delivery: AlertDelivery) -> None:
    body = json.dumps(_payload(delivery)).encode()
    # A delivery that waited carries later news under a later number, and is not the same then.
    key = f"{delivery.alert.pk}-{delivery.number}"
    headers = {
        "Content-Type": "application/json",
        "Triage-Signature": signature(body, at=timezone.now()),
        "Triage-Delivery": key,
        "Idempotency-Key": key,
    }
    http_send(settings.ALERT_WEBHOOK_URL, body=body, headers=headers)


def signature(body: bytes, *, at: datetime) -> str:
    """Return the value of ``Triage-Signature``: when it was signed, and the code over both."""
    moment = int(at.timestamp())
    signed = f"{moment}.".encode() + body
    code = hmac.new(settings.ALERT_WEBHOOK_SECRET, signed, hashlib.sha256).hexdigest()
    return f"t={moment},v1={code}"


def _payload(delivery: AlertDelivery) -> dict[str, str | int]:
    alert = delivery.alert
    return {
        "id": alert.pk,
        "cause": alert.cause,
        "policy": alert.policy,
        "severity": alert.severity,
        "state": alert.state,
        "day": str(alert.day),
        "last_day": str(alert.last_day),
        "message": alert.message,
        "number": delivery.number,
    }
