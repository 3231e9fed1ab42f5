"""A case is shown only once it is on record who saw it."""

from __future__ import annotations

import uuid

from django.db import transaction
from django.http import HttpRequest

from monitoring.access import access_record
from monitoring.models import AccessEvent


def case_seen(request: HttpRequest, prediction_id: uuid.UUID, *, door: AccessEvent.Door) -> None:
    """Write down that the person of this request sees a case, before they do.

    Raises
    ------
    django.db.DatabaseError
        When it cannot be written; then the case must not be shown.
    """
    with transaction.atomic():
        access_record(
            actor=request.user.get_username(),
            action=AccessEvent.Action.VIEW,
            door=door,
            prediction_id=prediction_id,
        )
