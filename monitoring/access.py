"""Who saw what is kept of patients, and who was refused: every one of it leaves a row."""

from __future__ import annotations

import uuid

import structlog
from django.db import transaction

from monitoring.models import AccessEvent, MLPredictionLog
from monitoring.roles import Action

log = structlog.get_logger(__name__)

# The words of an entry, for those who may not see its table.
Done = AccessEvent.Action
Door = AccessEvent.Door


def access_record(
    *,
    actor: str,
    action: AccessEvent.Action,
    door: AccessEvent.Door,
    prediction_id: uuid.UUID | None = None,
    cases: int = 1,
) -> None:
    """Write down that somebody reaches what is kept of patients, before they do.

    ``prediction_id`` names the one case; None where there are several, which ``cases`` counts.
    """
    event = AccessEvent(
        actor=actor, action=action, door=door, prediction_log_id=prediction_id, cases=cases
    )
    event.save(force_insert=True)


def denial_record(
    *,
    actor: str,
    refused: Action | None,
    door: AccessEvent.Door,
    prediction_id: uuid.UUID | None = None,
) -> None:
    """Write down that a known account was refused; if that fails, it stays refused all the same.

    ``refused`` is None where no action of the table was asked for. ``prediction_id`` may be of no
    prediction: the same is done for one that is another's and for one that is nobody's, so that the
    time it takes tells nothing.
    """
    try:
        with transaction.atomic():
            event = AccessEvent(
                actor=actor,
                action=AccessEvent.Action.DENY,
                door=door,
                prediction_log_id=_existing(prediction_id),
                cases=0,
                refused=refused or "",
            )
            event.save(force_insert=True)
    except Exception as error:  # noqa: BLE001 - whatever broke, a refusal is no server error
        log.error("denial_not_recorded", error=type(error).__name__)


def _existing(prediction_id: uuid.UUID | None) -> uuid.UUID | None:
    if prediction_id is None:
        return None
    return MLPredictionLog.objects.filter(pk=prediction_id).values_list("pk", flat=True).first()
