"""A call that its client sends again is answered once: claimed before, kept with its record.

The row of a key is claimed and committed before anything is decided, so no two calls decide at
once. The answer is written into it in the transaction of the record, and only while the claim
holds: a call that has lost its claim leaves no record either, however late it comes.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from cryptography.fernet import InvalidToken
from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.utils import timezone

from monitoring.encryption import decrypt, encrypt
from monitoring.models import IdempotentCall
from monitoring.pseudonyms import pseudonym

log = structlog.get_logger(__name__)

KEPT_FOR = timedelta(hours=24)
# Whoever holds a claim for longer without an answer was killed, or will find it gone.
CLAIM_HOLDS_FOR = timedelta(seconds=10)
_BATCH = 1_000
_MOST_A_CALL_TAKES = timedelta(minutes=5)


class StillRunningError(Exception):
    """Another call holds the key, and has not answered yet."""


class OtherRequestError(Exception):
    """The key was sent before, with another request."""


class UnreadableAnswerError(Exception):
    """The answer of the first call is kept, and no installed key reads it."""


class ClaimLostError(Exception):
    """The call took so long that another one answers in its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The right to answer the calls of one key."""

    row: int
    token: uuid.UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptAnswer:
    """What the first call was answered."""

    status: int
    body: str


def call_claim(*, client: str, key: str, request: str) -> Claim | KeptAnswer:
    """Claim the key of a client for a request, or return what its first call was answered.

    ``request`` is whatever tells two requests apart. In the order taken:

    1. A key that nobody holds, or whose day is over, is claimed.
    2. A key that was sent with another request is refused.
    3. An answer that is kept is returned.
    4. A claim that is too old to be alive is taken over; any other is waited for.

    Raises
    ------
    OtherRequestError
        When the key belongs to another request.
    StillRunningError
        When another call holds the key.
    UnreadableAnswerError
        When the kept answer cannot be read.
    """
    new = IdempotentCall(
        client=client,
        key=_hashed(key),
        fingerprint=_hashed(request),
        claim=uuid.uuid4(),
        claimed_at=timezone.now(),
    )
    # One statement, which waits for nobody but another that claims the same key.
    IdempotentCall.objects.bulk_create([new], ignore_conflicts=True)
    row = IdempotentCall.objects.filter(client=client, key=new.key).first()
    if row is None:
        # Given up by its holder in this very moment.
        raise StillRunningError
    return _judged(row, new)


def call_keep(claim: Claim, *, status: int, body: str) -> None:
    """Keep the answer of a claimed call; to be called in the transaction of what it answers.

    Raises
    ------
    ClaimLostError
        When another call has taken the key over; the transaction must not be committed.
    """
    held = IdempotentCall.objects.filter(pk=claim.row, claim=claim.token, status=None)
    if not held.update(status=status, answer=encrypt(body)):
        raise ClaimLostError


def call_release(claim: Claim) -> None:
    """Give a key back that was not answered, so that it can be used again at once.

    Without a database the claim stays, and is taken over once it is too old.
    """
    try:
        IdempotentCall.objects.filter(pk=claim.row, claim=claim.token, status=None).delete()
    except (DatabaseError, InterfaceError) as error:
        log.warning("idempotent_claim_not_released", error=type(error).__name__)


def answers_forget(*, client: str, decided_at: datetime) -> int:
    """Blank the answers that a client was given around a moment; return how many there were.

    A call that is sent again is then refused as unreadable: it is not decided a second time.
    """
    around = (decided_at - _MOST_A_CALL_TAKES, decided_at)
    kept = IdempotentCall.objects.filter(client=client, claimed_at__range=around)
    return kept.exclude(answer=b"").update(answer=b"")


def calls_prune(*, now: datetime) -> int:
    """Delete the calls whose answer nobody may ask for any more; return how many there were."""
    expired = IdempotentCall.objects.filter(claimed_at__lt=now - KEPT_FOR)
    deleted = 0
    while keys := list(expired.values_list("pk", flat=True)[:_BATCH]):
        # Asked again for its age: in between one may have been claimed anew.
        deleted += expired.filter(pk__in=keys).delete()[0]
    return deleted


def _judged(row: IdempotentCall, new: IdempotentCall) -> Claim | KeptAnswer:
    age = new.claimed_at - row.claimed_at
    if row.claim == new.claim:
        return Claim(row=row.pk, token=row.claim)
    if age > KEPT_FOR:
        return _taken_over(row, new)
    if row.fingerprint != new.fingerprint:
        raise OtherRequestError
    if row.status is not None:
        return KeptAnswer(status=row.status, body=_read(row))
    if age > CLAIM_HOLDS_FOR:
        return _taken_over(row, new)
    raise StillRunningError


def _taken_over(row: IdempotentCall, new: IdempotentCall) -> Claim:
    """Put a new claim in the place of an old one, unless somebody was first."""
    columns: dict[str, Any] = {
        "claim": new.claim,
        "claimed_at": new.claimed_at,
        "fingerprint": new.fingerprint,
        "status": None,
        "answer": b"",
    }
    same = IdempotentCall.objects.filter(pk=row.pk, claim=row.claim, status=row.status)
    if not same.update(**columns):
        raise StillRunningError
    return Claim(row=row.pk, token=new.claim)


def _read(row: IdempotentCall) -> str:
    if not row.answer:
        raise UnreadableAnswerError
    try:
        return decrypt(bytes(row.answer))
    except InvalidToken:
        raise UnreadableAnswerError from None


def _hashed(text: str) -> str:
    """Return a keyed hash: a key may hold the number of a patient, and a request always does."""
    return pseudonym(text, kind="idempotency", key=settings.PATIENT_ID_KEY)
