"""A case is shown only once it is on record who saw it."""

from __future__ import annotations

import uuid

from django.db import DatabaseError, InterfaceError, transaction
from django.http import HttpRequest

from monitoring.access import Done, Door, access_record


class NotSeenError(Exception):
    """It could not be put on record who sees a case, so it must not be shown."""


def case_seen(request: HttpRequest, prediction_id: uuid.UUID, *, door: Door = Door.ADMIN) -> None:
    """Write down that the person of this request sees a case, before they do.

    Raises
    ------
    NotSeenError
        When it cannot be written; then the case must not be shown.
    """
    _record(request, door=door, prediction_id=prediction_id, cases=1)


def cases_seen(request: HttpRequest, n: int) -> None:
    """Write down that the person of this request sees a page of cases, before they do.

    Raises
    ------
    NotSeenError
        When it cannot be written; then the page must not be shown.
    """
    if n:
        _record(request, door=Door.ADMIN, prediction_id=None, cases=n)


def _record(
    request: HttpRequest, *, door: Door, prediction_id: uuid.UUID | None, cases: int
) -> None:
    try:
        with transaction.atomic():
            access_record(
                actor=request.user.get_username(),
                action=Done.VIEW,
                door=door,
                prediction_id=prediction_id,
                cases=cases,
            )
    except (DatabaseError, InterfaceError) as error:
        raise NotSeenError from error
