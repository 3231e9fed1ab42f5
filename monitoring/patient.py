"""One patient's rights: everything that is kept of them, handed out or taken out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import structlog
from cryptography.fernet import InvalidToken
from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from monitoring.access import access_record
from monitoring.encryption import decrypt
from monitoring.idempotency import answers_forget
from monitoring.intake import Unreadable, UnreadableIntakeError
from monitoring.models import AccessEvent, GroundTruth, MLPredictionLog, TriageIntake
from monitoring.pseudonyms import pseudonym
from monitoring.retention import strip
from triage_rules.level import Level

log = structlog.get_logger(__name__)

_LEVELS = ("prediction", "model_level", "rules_level", "rules_floor", "ground_truth")


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What was taken out of the record of one patient.

    ``learnt_from`` counts the labelled ones: a training set that was written earlier may hold them.
    """

    predictions: int
    requests: int
    notes: int
    learnt_from: int


def patient_predictions(patient_id: str) -> QuerySet[MLPredictionLog]:
    """Return the predictions of a patient, under the present key and every earlier one."""
    keys = [settings.PATIENT_ID_KEY, *settings.PATIENT_ID_OLD_KEYS]
    subjects = [pseudonym(patient_id, kind="subject", key=key) for key in keys]
    return MLPredictionLog.objects.filter(subject__in=subjects).order_by("id")


def patient_export(patient_id: str, *, actor: str) -> Iterator[dict[str, Any]]:
    """Yield everything that is kept of a patient, one prediction at a time, ready for JSON."""
    rows = patient_predictions(patient_id)
    access_record(
        actor=actor,
        action=AccessEvent.Action.EXPORT,
        door=AccessEvent.Door.COMMAND,
        cases=rows.count(),
    )
    for row in rows.select_related("intake").prefetch_related("labels", "accesses"):
        yield _as_dict(row)


@transaction.atomic
def patient_erase(patient_id: str, *, actor: str) -> Erased:
    """Take a patient out of the record for good.

    Requests are deleted, notes and kept answers emptied, and rows keep only what was decided, when
    and by what.
    """
    rows = patient_predictions(patient_id)
    found = MLPredictionLog.objects.filter(pk__in=list(rows.values_list("pk", flat=True)))
    access_record(
        actor=actor,
        action=AccessEvent.Action.ERASE,
        door=AccessEvent.Door.COMMAND,
        cases=found.count(),
    )
    notes = GroundTruth.objects.filter(prediction_log__in=found).exclude(note_encrypted=b"")
    erased = Erased(
        learnt_from=found.filter(ground_truth__isnull=False).count(),
        requests=TriageIntake.objects.filter(prediction_log__in=found).prune(),
        notes=notes.rewrite(note_encrypted=b""),
        predictions=strip(found),
    )
    for client, decided_at in found.values_list("client", "created_at"):
        answers_forget(client=client, decided_at=decided_at)
    log.info("patient_erased", predictions=erased.predictions, requests=erased.requests)
    return erased


def _as_dict(row: MLPredictionLog) -> dict[str, Any]:
    columns = {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}
    levels = {name: _word(columns[name]) for name in _LEVELS}
    return {
        **columns,
        **levels,
        "request": _request(row),
        "labels": [_label(one) for one in row.labels.all()],
        "accesses": [
            {"at": one.created_at, "actor": one.actor, "action": one.action, "door": one.door}
            for one in row.accesses.all()
        ],
    }


def _request(row: MLPredictionLog) -> dict[str, Any] | str | None:
    """Return the request as it was sent, or why it cannot be read; None when it is gone."""
    intake = getattr(row, "intake", None)
    if intake is None:
        return None
    try:
        return dict(intake.request())
    except UnreadableIntakeError as error:
        return error.reason.value


def _label(label: GroundTruth) -> dict[str, Any]:
    return {
        "at": label.created_at,
        "level": _word(label.level),
        "scale": label.scale,
        "original_level": label.original_level,
        "source": label.source,
        "saw_prediction": label.saw_prediction,
        "state": label.state,
        "note": _note(label),
    }


def _note(label: GroundTruth) -> str:
    """Return the note, or why it cannot be read."""
    try:
        return decrypt(bytes(label.note_encrypted))
    except InvalidToken:
        return Unreadable.KEY_NOT_INSTALLED.value


def _word(level: int | None) -> str | None:
    return None if level is None else Level(level).label
