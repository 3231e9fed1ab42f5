"""One shape for every error: RFC 9457 problem+json. A sent value is never echoed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus
from itertools import islice
from typing import Any

import structlog
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import DatabaseError, InterfaceError
from django.http import Http404, HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.settings import api_settings

from api.answers import RedFlagBody, red_flag_body
from api.instruments import ANONYMOUS_DENIALS
from api.middleware import request_id_of
from api.permissions import action_asked
from monitoring.access import Door, denial_record
from monitoring.roles import BY_ID, Action
from triage_rules.outcome import RedFlag

log = structlog.get_logger(__name__)
PROBLEM_JSON = "application/problem+json"
MAX_KEY_CHARACTERS = 64
MAX_PROBLEMS = 50
RETRY_AFTER_S = 5


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """What is wrong with one field, by JSON pointer (RFC 6901); the empty one is the whole body."""

    pointer: str
    code: str
    detail: str


class InvalidBodyError(exceptions.APIException):
    """A body that cannot be read as one JSON value."""

    status_code = HTTPStatus.BAD_REQUEST
    default_detail = "The body cannot be used; see errors."

    def __init__(self, *problems: FieldProblem) -> None:
        super().__init__()
        self.problems = problems


class FieldForbiddenError(exceptions.PermissionDenied):
    """A field says what this account may not say; ``action`` is what it lacks."""

    default_detail = "This account may not say that; see errors."

    def __init__(self, *problems: FieldProblem, action: Action) -> None:
        super().__init__()
        self.problems = problems
        self.action = action


class UnusableQueryError(InvalidBodyError):
    """Parameters of an address that are unknown, given twice, or of no use."""

    default_detail = "The address has parameters that cannot be used; see errors."


class BodyTooLargeError(exceptions.APIException):
    """A body over the limit."""

    status_code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    default_detail = "The body is larger than 64 KiB."


class LengthRequiredError(exceptions.APIException):
    """A body sent in chunks, of unknown length."""

    status_code = HTTPStatus.LENGTH_REQUIRED
    default_detail = "The body must be sent with a Content-Length."


class NotRecordedError(exceptions.APIException):
    """No decision could be made and put on record, so no level is answered.

    The red flags are: they can only raise, and a nurse should see them while triaging by hand.
    """

    status_code = HTTPStatus.SERVICE_UNAVAILABLE
    default_detail = (
        "No decision could be made and put on record, so none is given. "
        "Triage this patient by hand."
    )

    def __init__(self, red_flags: tuple[RedFlag, ...] = ()) -> None:
        super().__init__()
        self.red_flags = red_flags


class NoneRecordedError(exceptions.APIException):
    """None of several cases could be put on record; a nurse sees the red flags of each."""

    status_code = HTTPStatus.SERVICE_UNAVAILABLE
    default_detail = (
        "No decisions could be made and put on record, so none is given. "
        "Triage these patients by hand."
    )

    def __init__(self, red_flags: Mapping[int, tuple[RedFlag, ...]]) -> None:
        super().__init__()
        self.red_flags = red_flags


class RecordUnreachableError(exceptions.APIException):
    """The record cannot be reached for anything else than a decision."""

    status_code = HTTPStatus.SERVICE_UNAVAILABLE
    default_detail = "The record cannot be reached, so nothing was done. Try again."


def problem_response(error: Exception, context: Mapping[str, Any]) -> Response:
    """Turn any exception of an API view into a problem answer; an unforeseen one is a 500."""
    request = context["request"]
    known = _as_api_exception(error, context["view"])
    if known.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("request_failed", status=int(known.status_code), exc_info=error)
    _refusal_record(known, context)
    body = problem_of(known, instance=instance_of(request))
    headers = {"WWW-Authenticate": known.auth_header} if hasattr(known, "auth_header") else {}
    if (wait_s := _wait_s(known)) is not None:
        headers["Retry-After"] = str(max(1, math.ceil(wait_s)))
    return Response(body, status=known.status_code, headers=headers, content_type=PROBLEM_JSON)


def _refusal_record(error: exceptions.APIException, context: Mapping[str, Any]) -> None:
    """Put on record who was refused, and who asked for an id in vain; nobody known is counted."""
    request, view = context["request"], context["view"]
    action = getattr(error, "action", None) or action_asked(request, view)
    is_probe = error.status_code == HTTPStatus.NOT_FOUND and action in BY_ID
    if not is_probe and error.status_code not in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return
    is_known = bool(request.user) and request.user.is_authenticated
    if error.status_code == HTTPStatus.UNAUTHORIZED or not is_known:
        ANONYMOUS_DENIALS.inc()
        return
    denial_record(
        actor=request.user.get_username(),
        refused=action,
        door=Door.API,
        prediction_id=view.kwargs.get("prediction_id"),
    )


def problem_of(error: exceptions.APIException, *, instance: str) -> dict[str, Any]:
    """Return the members of a problem answer to an error that is known."""
    return problem_body(
        status=error.status_code,
        detail=_detail(error),
        instance=instance,
        errors=list(islice(_field_problems(error), MAX_PROBLEMS)),
        **_extensions(error),
    )


def instance_of(request: HttpRequest) -> str:
    """Return what names one request in an answer."""
    return f"urn:uuid:{request_id_of(request)}"


def problem_body(
    *,
    status: int,
    detail: str,
    instance: str,
    errors: list[FieldProblem] | None = None,
    **extensions: Any,
) -> dict[str, Any]:
    """Return the members of a problem answer."""
    return {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "detail": detail,
        "instance": instance,
        "errors": [asdict(problem) for problem in errors or []],
        **extensions,
    }


def bad_request(request: HttpRequest, exception: Exception | None = None) -> JsonResponse:
    """Answer a request that Django refuses by itself, such as one for another host."""
    return _plain_problem(request, 400, "This request cannot be answered.")


@csrf_exempt
def not_found(request: HttpRequest, exception: Exception | None = None) -> JsonResponse:
    """Answer an address that does not exist."""
    return _plain_problem(request, 404, "There is nothing at this address.")


def server_error(request: HttpRequest) -> JsonResponse:
    """Answer when something broke outside the API views."""
    return _plain_problem(request, 500, "Something broke. It is on record.")


def _plain_problem(request: HttpRequest, status: int, detail: str) -> JsonResponse:
    body = problem_body(status=status, detail=detail, instance=instance_of(request))
    return JsonResponse(body, status=status, content_type=PROBLEM_JSON)


def pointer_of(*parts: str | int) -> str:
    """Return the JSON pointer of a path; a step too long or too odd to send back is shortened."""
    return "".join(f"/{_step(part)}" for part in parts)


def _step(part: str | int) -> str:
    text = str(part)[:MAX_KEY_CHARACTERS].encode(errors="replace").decode()
    return text.replace("~", "~0").replace("/", "~1")


def _as_api_exception(error: Exception, view: Any) -> exceptions.APIException:
    """Return what to answer; where a nurse waits, whatever broke, she is told to go by hand."""
    if isinstance(error, exceptions.UnsupportedMediaType):
        return exceptions.UnsupportedMediaType("", detail=_types_taken(view))
    if isinstance(error, exceptions.APIException):
        return error
    if isinstance(error, SuspiciousOperation):
        return exceptions.ParseError("This request cannot be answered.")
    if isinstance(error, Http404):
        return exceptions.NotFound()
    if isinstance(error, PermissionDenied):
        return exceptions.PermissionDenied()
    if getattr(view, "decides", False):
        return NotRecordedError()
    if isinstance(error, DatabaseError | InterfaceError):
        return RecordUnreachableError()
    return exceptions.APIException("Something broke. It is on record.")


def _types_taken(view: Any) -> str:
    types = " or ".join(parser.media_type for parser in view.parser_classes)
    return f"The body must be sent in UTF-8 as {types}."


def _detail(error: exceptions.APIException) -> str:
    if isinstance(error, exceptions.ValidationError):
        return "The request has fields that cannot be used; see errors."
    if isinstance(error, exceptions.Throttled):
        return "There are too many calls; Retry-After says when to go on."
    if isinstance(error, exceptions.MethodNotAllowed):
        return "This address does not take that method."
    return str(error.detail)


def _wait_s(error: exceptions.APIException) -> float | None:
    """Return when to try again; None where trying again is of no use."""
    if error.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
        return RETRY_AFTER_S
    return getattr(error, "wait", None)


def _field_problems(error: exceptions.APIException) -> Iterator[FieldProblem]:
    if isinstance(error, InvalidBodyError | FieldForbiddenError):
        yield from error.problems
    elif isinstance(error, exceptions.ValidationError):
        yield from _flattened(error.detail)


def _flattened(detail: Any, *path: str | int) -> Iterator[FieldProblem]:
    """Walk DRF's nested error detail; the body's own errors have no field in their path."""
    if isinstance(detail, dict):
        for key, item in detail.items():
            step = () if key == api_settings.NON_FIELD_ERRORS_KEY else (key,)
            yield from _flattened(item, *path, *step)
    elif isinstance(detail, list):
        for index, item in enumerate(detail):
            step = () if isinstance(item, exceptions.ErrorDetail) else (index,)
            yield from _flattened(item, *path, *step)
    else:
        yield FieldProblem(pointer_of(*path), getattr(detail, "code", "invalid"), str(detail))


def _extensions(error: exceptions.APIException) -> dict[str, Any]:
    if isinstance(error, NotRecordedError):
        return {"manual_triage": True, "red_flags": _flags(error.red_flags)}
    if isinstance(error, NoneRecordedError):
        each = [{"index": n, "red_flags": _flags(flags)} for n, flags in error.red_flags.items()]
        return {"manual_triage": True, "items": each}
    return {}


def _flags(red_flags: Sequence[RedFlag]) -> list[RedFlagBody]:
    return [red_flag_body(flag) for flag in red_flags]
