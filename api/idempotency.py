"""``Idempotency-Key``: a call that is sent again is answered as it was the first time."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, NoReturn

import structlog
from django.http import HttpResponse
from rest_framework.exceptions import APIException
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request

from api.errors import FieldProblem, InvalidBodyError
from api.parsers import digest_of
from monitoring.idempotency import (
    Claim,
    ClaimLostError,
    KeptAnswer,
    OtherRequestError,
    StillRunningError,
    UnreadableAnswerError,
    call_claim,
    call_keep,
    call_release,
)

log = structlog.get_logger(__name__)

HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotency-Replayed"
_USABLE = re.compile(r"[\x21-\x7e]{1,255}")


class UnusableKeyError(InvalidBodyError):
    """A key that is empty, too long, or not plain text."""

    default_detail = f"The header {HEADER} cannot be used; see errors."

    def __init__(self) -> None:
        detail = f"The header {HEADER} must be 1 to 255 visible ASCII characters, without spaces."
        super().__init__(FieldProblem("", "idempotency_key", detail))


class KeyInUseError(APIException):
    """The first call with this key has not been answered yet, or was overtaken."""

    status_code = HTTPStatus.CONFLICT
    default_detail = "A call with this Idempotency-Key is still running. Send the same again."
    wait = 1


class KeyOfAnotherRequestError(APIException):
    """The key was sent before with another body, path or query."""

    status_code = HTTPStatus.UNPROCESSABLE_ENTITY
    default_detail = "This Idempotency-Key was sent before with another request. Use a new one."


class KeyWithoutAnswerError(APIException):
    """The answer that is kept under this key cannot be read."""

    status_code = HTTPStatus.UNPROCESSABLE_ENTITY
    default_detail = (
        "What this Idempotency-Key was answered before cannot be read any more. Use a new one."
    )


_ANSWERS: Mapping[type[Exception], type[APIException]] = {
    StillRunningError: KeyInUseError,
    ClaimLostError: KeyInUseError,
    OtherRequestError: KeyOfAnotherRequestError,
    UnreadableAnswerError: KeyWithoutAnswerError,
}


@dataclass(slots=True)
class Call:
    """One call within ``once``: ``answered`` is what its key was answered before, if it was."""

    claim: Claim | None = None
    answered: HttpResponse | None = None
    is_kept: bool = field(default=False, init=False)

    def keep(self, status: HTTPStatus, body: Any) -> None:
        """Keep the answer; to be called in the transaction of the record that it tells of.

        Raises
        ------
        KeyInUseError
            When another call has taken the key over: there must be no record of this one.
        """
        if self.claim is None:
            return
        try:
            call_keep(self.claim, status=status, body=JSONRenderer().render(body).decode())
        except ClaimLostError as error:
            _refuse(error)
        self.is_kept = True

    def release(self) -> None:
        """Give the key back, unless its answer is on record."""
        if self.claim is not None:
            call_release(self.claim)


@contextmanager
def once(request: Request) -> Iterator[Call]:
    """Answer a call with an ``Idempotency-Key`` once: for use after the body was found valid.

    What ends without ``keep`` gives the key back; so an error is never kept. Without the header
    nothing is claimed and nothing is kept.

    Raises
    ------
    UnusableKeyError
        When the key is not 1 to 255 visible ASCII characters.
    KeyInUseError
        When the first call with the key is still running.
    KeyOfAnotherRequestError
        When the key was sent before with another request.
    """
    call = _begun(request)
    try:
        yield call
    except BaseException:
        # After ``keep`` too: what it was kept with may have been taken back.
        call.release()
        raise
    if not call.is_kept:
        call.release()


def _begun(request: Request) -> Call:
    key = request.headers.get(HEADER)
    if key is None:
        return Call()
    if not _USABLE.fullmatch(key):
        raise UnusableKeyError
    try:
        found = call_claim(client=request.user.get_username(), key=key, request=_text_of(request))
    except tuple(_ANSWERS) as error:
        _refuse(error)
    if isinstance(found, Claim):
        return Call(claim=found)
    log.info("idempotent_call_replayed", status=found.status)
    return Call(answered=_response(found))


def _refuse(error: Exception) -> NoReturn:
    raise _ANSWERS[type(error)] from error


def _text_of(request: Request) -> str:
    """Return what tells two requests apart: method, path with query, and every byte of the body."""
    return f"{request.method} {request.get_full_path()} {digest_of(request)}"


def _response(kept: KeptAnswer) -> HttpResponse:
    """Return the very bytes of the first answer."""
    return HttpResponse(
        kept.body,
        status=kept.status,
        content_type="application/json",
        headers={REPLAYED_HEADER: "true"},
    )
