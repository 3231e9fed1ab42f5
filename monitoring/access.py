"""Who saw what is kept of patients: every read, export and erasure leaves a row."""

from __future__ import annotations

import uuid

from monitoring.models import AccessEvent


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
