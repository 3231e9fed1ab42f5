"""What has outlived its retention goes: in batches, oldest first, and as often as one likes.

Requests and notes are deleted first, then what a row says of the patient, last of all who saw a
case. What was answered, and whether it was right, stays: the service is judged by it.

Who saw a case is forgotten only where the database lets this process delete it. Where the service
has a role of its own (``monitoring.grants``) it does not: the owner of the tables runs it then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import structlog
from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from monitoring.batches import batches_prune
from monitoring.idempotency import calls_prune
from monitoring.models import (
    ABOUT_THE_PATIENT,
    AccessEvent,
    GroundTruth,
    MLPredictionLog,
    MonitoringRun,
    TriageIntake,
)
from monitoring.selectors import site_today

log = structlog.get_logger(__name__)

# Small enough that nobody waits for a lock, large enough that ten million rows take minutes.
BATCH = 1_000
Watch = Callable[[str, int], None]


class Pruner(Protocol):
    """Removes rows of one kind whose time has come, and returns how many."""

    def __call__(self, *, now: datetime) -> int:
        """Remove them."""


def _locks_prune(*, now: datetime) -> int:
    """Forget the wrong passwords that lock nobody any more, with the addresses they came from."""
    counts_from = now - settings.AXES_COOLOFF_TIME
    return int(AccessAttempt.objects.filter(attempt_time__lt=counts_from).delete()[0])


def _sessions_prune(*, now: datetime) -> int:
    """Forget the sessions that have ended."""
    return Session.objects.filter(expire_date__lt=now).delete()[0]


# What else goes with age, by the name under which the run of the day counts it.
OTHERS: Mapping[str, Pruner] = {
    "idempotent_calls": calls_prune,
    "batches": batches_prune,
    "wrong_passwords": _locks_prune,
    "sessions": _sessions_prune,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """How many rows were pruned, or would be.

    ``requests`` and ``accesses`` are deleted, ``notes`` emptied, ``predictions`` stripped of
    everything about the patient. ``accesses_for_owner`` are due too, but wait for the owner of the
    tables, since this process may not delete them. ``others`` counts by the names of ``OTHERS``;
    a preview leaves it empty.
    """

    requests: int
    notes: int
    predictions: int
    accesses: int
    accesses_for_owner: int = 0
    others: Mapping[str, int] = field(default_factory=dict)

    def removed(self) -> dict[str, int]:
        """Return by kind what was removed, not what still waits."""
        return {
            "requests": self.requests,
            "notes": self.notes,
            "predictions": self.predictions,
            "accesses": self.accesses,
            **self.others,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Due:
    """The rows of each kind whose time has come."""

    requests: QuerySet[Any]
    notes: QuerySet[Any]
    predictions: QuerySet[Any]
    accesses: QuerySet[Any]

    @classmethod
    def at(cls, now: datetime) -> _Due:
        kept_requests = now - timedelta(days=settings.INTAKE_RETENTION_DAYS)
        kept_accesses = now - timedelta(days=settings.ACCESS_RETENTION_DAYS)
        return cls(
            requests=TriageIntake.objects.filter(created_at__lt=kept_requests),
            # A note is a patient's story too, so it leaves with the request.
            notes=GroundTruth.objects.filter(created_at__lt=kept_requests).exclude(
                note_encrypted=b""
            ),
            predictions=MLPredictionLog.objects.filter(
                created_at__lt=_rows_kept_from(now),
                created_at__gte=_stripped_until(),
                stripped_at=None,
            ),
            accesses=AccessEvent.objects.filter(created_at__lt=kept_accesses),
        )


def prune_preview(*, now: datetime) -> Pruned:
    """Count what ``prune`` would do now."""
    due = _Due.at(now)
    accesses = due.accesses.count()
    is_ours = _may_forget()
    return Pruned(
        requests=due.requests.count(),
        notes=due.notes.count(),
        predictions=due.predictions.count(),
        accesses=accesses if is_ours else 0,
        accesses_for_owner=0 if is_ours else accesses,
    )


def prune(*, now: datetime, watch: Watch = lambda kind, n: None) -> Pruned:
    """Remove what has outlived its retention and return how much that was.

    Each batch is a transaction of its own: whatever stops the job, the next one goes on.

    Parameters
    ----------
    now
        The moment from which ages are counted.
    watch
        Told the kind and the number of rows after each batch, such as a progress bar.
    """
    due = _Due.at(now)
    is_ours = _may_forget()
    pruned = Pruned(
        requests=_batches(due.requests, _delete, "requests", watch),
        notes=_batches(due.notes, _empty, "notes", watch),
        predictions=_batches(due.predictions, strip, "predictions", watch),
        accesses=_batches(due.accesses, _delete, "accesses", watch) if is_ours else 0,
        accesses_for_owner=0 if is_ours else due.accesses.count(),
        others={kind: pruner(now=now) for kind, pruner in OTHERS.items()},
    )
    _store(pruned, now=now)
    log.info("record_pruned", **pruned.removed(), accesses_for_owner=pruned.accesses_for_owner)
    return pruned


def strip(rows: QuerySet[Any]) -> int:
    """Take everything about the patient out of the predictions of a query, and their notes."""
    _empty(GroundTruth.objects.filter(prediction_log__in=rows).exclude(note_encrypted=b""))
    return int(rows.rewrite(**ABOUT_THE_PATIENT, stripped_at=timezone.now()))  # type: ignore[attr-defined]


@transaction.atomic
def _store(pruned: Pruned, *, now: datetime) -> None:
    """Add what was removed to the row of the day; what still waits for the owner is told anew."""
    key: dict[str, Any] = {"job": MonitoringRun.Job.RETENTION, "day": site_today(now=now)}
    removed = pruned.removed()
    facts = {"status": MonitoringRun.Status.OK, "result": dict.fromkeys(removed, 0)}
    MonitoringRun.objects.get_or_create(**key, defaults=facts)
    run = MonitoringRun.objects.select_for_update().get(**key)
    run.result = {
        **{kind: n + run.result.get(kind, 0) for kind, n in removed.items()},
        "accesses_for_owner": pruned.accesses_for_owner,
        "stripped_until": _rows_kept_from(now).isoformat(),
    }
    run.save()


def _may_forget() -> bool:
    """Tell whether the database lets this process delete who saw a case."""
    if connection.vendor != "postgresql":
        return True
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT has_table_privilege(quote_ident(%s), 'DELETE')", [AccessEvent._meta.db_table]
        )
        return bool(cursor.fetchone()[0])


def _rows_kept_from(now: datetime) -> datetime:
    return now - timedelta(days=settings.LOG_RETENTION_DAYS)


def _stripped_until() -> datetime:
    """Return up to when every row was stripped, so that old ones are not gone through again."""
    runs = MonitoringRun.objects.filter(
        job=MonitoringRun.Job.RETENTION, result__has_key="stripped_until"
    )
    last = runs.values_list("result__stripped_until", flat=True).order_by("-day").first()
    return datetime.fromisoformat(last) if last else datetime.fromtimestamp(0, tz=UTC)


def _batches(
    due: QuerySet[Any], treat: Callable[[QuerySet[Any]], int], kind: str, watch: Watch
) -> int:
    done = 0
    while keys := list(due.order_by("created_at").values_list("pk", flat=True)[:BATCH]):
        treated = treat(due.model.objects.filter(pk__in=keys))
        done += treated
        watch(kind, treated)
    return done


def _delete(rows: QuerySet[Any]) -> int:
    return int(rows.prune())  # type: ignore[attr-defined]


def _empty(rows: QuerySet[Any]) -> int:
    return int(rows.rewrite(note_encrypted=b""))  # type: ignore[attr-defined]
