"""A change of the intake key: what an earlier key wrote is written again under the newest.

Afterwards the earlier key can be taken out of ``INTAKE_KEYS`` and destroyed.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import structlog
from cryptography.fernet import InvalidToken
from django.conf import settings
from django.db.models import QuerySet

from monitoring.encryption import encrypt_anew, is_current
from monitoring.models import BatchChunk, GroundTruth, TriageIntake
from monitoring.pseudonyms import key_id

log = structlog.get_logger(__name__)

BATCH = 500
Watch = Callable[[int], None]


@dataclass(slots=True)
class Rotated:
    """How many tokens were written again, and how many no installed key can read."""

    requests: int = 0
    notes: int = 0
    batches: int = 0
    unreadable: int = 0


def tokens_rotate(*, watch: Watch = lambda n: None) -> Rotated:
    """Encrypt every request, note and chunk of a batch anew that an earlier key wrote.

    Each is changed only if it still is what was read, so service and command may run side by side;
    a second run finds nothing to do.
    """
    rotated = Rotated()
    newest = key_id(settings.INTAKE_KEYS[0].encode())
    for key, token in _walk(_requests(), "token", watch):
        anew = _anew(token, rotated)
        same = TriageIntake.objects.filter(pk=key, token=token)
        rotated.requests += same.rewrite(token=anew, key_id=newest) if anew else 0
    notes = GroundTruth.objects.exclude(note_encrypted=b"")
    for key, token in _walk(notes, "note_encrypted", watch):
        anew = None if is_current(token) else _anew(token, rotated)
        same = GroundTruth.objects.filter(pk=key, note_encrypted=token)
        rotated.notes += same.rewrite(note_encrypted=anew) if anew else 0
    for column in ("rows_encrypted", "result_encrypted"):
        _rotate_chunks(column, rotated, watch)
    log.info(
        "intake_keys_rotated",
        requests=rotated.requests,
        notes=rotated.notes,
        batches=rotated.batches,
    )
    return rotated


def _rotate_chunks(column: str, rotated: Rotated, watch: Watch) -> None:
    """Encrypt what chunks hold in a column anew, one at a time: each may be of a megabyte."""
    kept = BatchChunk.objects.exclude(**{column: b""}).order_by("pk")
    for key in list(kept.values_list("pk", flat=True)):
        token = bytes(kept.filter(pk=key).values_list(column, flat=True).first() or b"")
        anew = None if not token or is_current(token) else _anew(token, rotated)
        if anew:
            same = BatchChunk.objects.filter(pk=key, **{column: token})
            rotated.batches += same.update(**{column: anew})
        watch(1)


def _requests() -> QuerySet[Any]:
    return TriageIntake.objects.exclude(key_id=key_id(settings.INTAKE_KEYS[0].encode()))


def _walk(rows: QuerySet[Any], field: str, watch: Watch) -> Iterator[tuple[uuid.UUID, bytes]]:
    """Yield key and token of each row, in order of keys, a batch in memory at a time."""
    rows, last = rows.order_by("pk").values_list("pk", field), uuid.UUID(int=0)
    while batch := list(rows.filter(pk__gt=last)[:BATCH]):
        yield from ((key, bytes(token)) for key, token in batch)
        last = batch[-1][0]
        watch(len(batch))


def _anew(token: bytes, rotated: Rotated) -> bytes | None:
    try:
        return encrypt_anew(token)
    except InvalidToken:
        rotated.unreadable += 1
        return None
