"""Alerts as rows: raised, added to, acknowledged, closed, opened again, and queued to be told.

Each change is a conditional update or an insert that a constraint can refuse. Whoever was second
looks again and goes on from what is there, so two processes at once make one row and one
notification.
"""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Max, Q, QuerySet
from django.utils import timezone

from monitoring.models import Alert, AlertDelivery

log = structlog.get_logger(__name__)

# A cause that comes back so soon is the same trouble, not a new one.
RECURS_WITHIN = timedelta(days=28)
# What is still open is told again after so long, acknowledged or not.
REMIND_AFTER = timedelta(days=7)
MISSED_EMERGENCY = "missed_emergency"
BATCH_FAILED = "batch_failed"
# For those who may not see the tables.
Severity = Alert.Severity
# What happened once does not pass by itself: acknowledging it is the end of it.
HAPPENED = frozenset({MISSED_EMERGENCY, BATCH_FAILED})
# Each lost race means that somebody else got on, so this is never reached.
MAX_TRIES = 20


class AlertContentionError(RuntimeError):
    """An alert changed under our hands each time we tried to add to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What came up on one day."""

    day: date
    severity: Alert.Severity
    message: str
    provisional: bool

    def facts(self) -> dict[str, Any]:
        """Return what an alert takes over from it, the day apart."""
        facts = asdict(self)
        del facts["day"]
        return facts


def alert_raise(
    *,
    policy: str,
    day: date,
    severity: Alert.Severity,
    message: str,
    subject: str | uuid.UUID = "",
    provisional: bool = False,
) -> Alert:
    """Record that a cause came up on a site's day, and queue the notification it calls for.

    In the order taken:

    1. An alert of the cause is open or acknowledged: it is added to. Worse news (critical after a
       warning, certain after provisional) is told again and opens an acknowledged one.
    2. One was closed whose last day is at most ``RECURS_WITHIN`` before: it is opened again, told.
    3. Otherwise: a new row, told.

    The notification is queued in the same transaction; ``deliver_pending`` hands it over.

    Raises
    ------
    AlertContentionError
        When others kept changing the alert.
    """
    cause = alert_cause(policy, subject)
    found = Finding(day=day, severity=severity, message=message, provisional=provisional)
    with transaction.atomic():
        for _ in range(MAX_TRIES):
            alert = _add(cause, found) or _reopen(cause, found) or _create(policy, cause, found)
            if alert is not None:
                return alert
    raise AlertContentionError(f"The alert {policy} could not be recorded.")


def alert_clear(*, policy: str, day: date, subject: str | uuid.UUID = "") -> bool:
    """Close the alert of a cause that did not come up on its last day any more, or on a later one.

    An earlier day says nothing about it. Nobody is told.
    """
    alert = _live().filter(cause=alert_cause(policy, subject), last_day__lte=day).first()
    if alert is None:
        return False
    now = timezone.now()
    mine = _live().filter(pk=alert.pk, last_day__lte=day)
    if not mine.update(state=Alert.State.CLOSED, closed_at=now):
        return False
    log.info("alert_closed", **_facts(alert, day=day))
    return True


def alert_acknowledge(alert_id: int, *, actor: str, note: str) -> bool:
    """Note that somebody sees to an open alert; False when it is not open (any more)."""
    is_mine = Alert.objects.filter(pk=alert_id, state=Alert.State.OPEN).update(
        state=Alert.State.ACKNOWLEDGED,
        acknowledged_at=timezone.now(),
        acknowledged_by=actor,
        acknowledgement=note,
    )
    if is_mine:
        alert = Alert.objects.get(pk=alert_id)
        log.info("alert_acknowledged", **_facts(alert, day=alert.last_day))
    return bool(is_mine)


def alerts_remind(*, now: datetime) -> int:
    """Queue another notification of what is still not closed a week after its last; count them.

    An alert that was raised while no channel was set up is told as soon as there is one.
    """
    if not alert_channels():
        return 0
    settled = Q(policy__in=HAPPENED, state=Alert.State.ACKNOWLEDGED)
    told = _live().exclude(settled).annotate(told=Max("deliveries__created_at"))
    due = told.filter(Q(told=None) | Q(told__lte=now - REMIND_AFTER))
    return sum(_remind(pk, due=due, now=now) for pk in due.values_list("pk", flat=True))


def alert_channels() -> tuple[AlertDelivery.Channel, ...]:
    """Return the channels that are set up."""
    is_set_up = {
        AlertDelivery.Channel.EMAIL: settings.ALERT_EMAILS,
        AlertDelivery.Channel.WEBHOOK: settings.ALERT_WEBHOOK_URL,
    }
    return tuple(channel for channel, address in is_set_up.items() if address)


def alert_cause(policy: str, subject: str | uuid.UUID = "") -> str:
    """Return the cause: the policy, and where it watches several things, which of them."""
    return f"{policy}.{subject}" if subject else policy


def _live() -> QuerySet[Alert]:
    return Alert.objects.exclude(state=Alert.State.CLOSED)


# --- the three ways of recording; each is None when it does not apply or somebody was first ------


def _add(cause: str, found: Finding) -> Alert | None:
    alert = _live().filter(cause=cause).first()
    if alert is None:
        return None
    worse = _is_worse_news(alert, found)
    as_read = {
        name: getattr(alert, name) for name in ("state", "severity", "provisional", "last_day")
    }
    if not Alert.objects.filter(pk=alert.pk, **as_read).update(**_sum(alert, found, worse=worse)):
        return None
    alert.refresh_from_db()
    if worse:
        _notify(alert, now=timezone.now())
        log.warning("alert_raised", **_facts(alert, day=found.day))
    return alert


def _reopen(cause: str, found: Finding) -> Alert | None:
    recent = Q(day__lte=found.day, last_day__gte=found.day - RECURS_WITHIN)
    closed = Alert.objects.filter(recent, cause=cause, state=Alert.State.CLOSED)
    alert = closed.order_by("-day").first()
    if alert is None:
        return None
    # Who acknowledged it, and how, stays to be read by whoever sees to it now.
    changes = found.facts() | {
        "state": Alert.State.OPEN,
        "last_day": max(alert.last_day, found.day),
        "times_reopened": F("times_reopened") + 1,
        "closed_at": None,
    }
    try:
        with transaction.atomic():
            is_mine = closed.filter(pk=alert.pk).update(**changes)
    except IntegrityError:  # another one of the cause was opened meanwhile
        return None
    return _announce("alert_reopened", alert, day=found.day) if is_mine else None


def _create(policy: str, cause: str, found: Finding) -> Alert | None:
    try:
        with transaction.atomic():
            alert = Alert.objects.create(
                policy=policy, cause=cause, day=found.day, last_day=found.day, **found.facts()
            )
    except IntegrityError:
        return None
    return _announce("alert_raised", alert, day=found.day)


def _announce(event: str, alert: Alert, *, day: date) -> Alert:
    alert.refresh_from_db()
    _notify(alert, now=timezone.now())
    log.warning(event, **_facts(alert, day=day))
    return alert


def _is_worse_news(alert: Alert, found: Finding) -> bool:
    critical = Alert.Severity.CRITICAL
    escalated = alert.severity != critical and found.severity == critical
    return escalated or (alert.provisional and not found.provisional)


def _sum(alert: Alert, found: Finding, *, worse: bool) -> dict[str, Any]:
    """Return the alert's facts with a finding added: never less than it was."""
    critical = Alert.Severity.CRITICAL
    return {
        "last_day": max(alert.last_day, found.day),
        "severity": critical if critical in {alert.severity, found.severity} else alert.severity,
        "provisional": alert.provisional and found.provisional,
        "message": _message(alert, found, worse=worse),
        "state": Alert.State.OPEN if worse else alert.state,
    }


def _message(alert: Alert, found: Finding, *, worse: bool) -> str:
    """Return the words of the newest day, and those of an older one only where they are worse."""
    if found.day >= alert.last_day:
        return found.message
    return f"{alert.message}\n\n{found.message}" if worse else alert.message


# --- notifications ------------------------------------------------------------------------------


def _remind(pk: int, *, due: QuerySet[Any], now: datetime) -> bool:
    with transaction.atomic():
        # Whoever is second waits here, and then finds it told.
        alert = Alert.objects.select_for_update().get(pk=pk)
        if not due.filter(pk=pk).exists():
            return False
        _notify(alert, now=now)
    log.warning("alert_reminded", **_facts(alert, day=alert.last_day))
    return True


def _notify(alert: Alert, *, now: datetime) -> None:
    newest = alert.deliveries.aggregate(number=Max("number"))["number"] or 0
    for channel in alert_channels():
        _queue(alert, channel, number=newest + 1, now=now)


def _queue(alert: Alert, channel: AlertDelivery.Channel, *, number: int, now: datetime) -> None:
    """Queue a notification; one that still waits for its turn will carry the news instead."""
    waiting = alert.deliveries.filter(channel=channel, delivered_at=None, claimed_at=None)
    last = waiting.order_by("-number").first()
    renewed = {"number": number, "created_at": now, "next_attempt_at": now}
    if last is not None and waiting.filter(pk=last.pk, number=last.number).update(**renewed):
        return
    delivery = AlertDelivery(alert=alert, channel=channel, number=number, next_attempt_at=now)
    AlertDelivery.objects.bulk_create([delivery], ignore_conflicts=True)


def _facts(alert: Alert, *, day: date) -> dict[str, str]:
    return {"cause": alert.cause, "day": str(day), "severity": str(alert.severity)}
