"""How the API describes itself in OpenAPI 3.1: our own fields, answers as types, and problems.

A request is described by its serializer, an answer by the ``TypedDict`` it is typed as. Both are
closed: a member that is not described is neither taken nor sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from http import HTTPStatus
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,
    Required,
    TypedDict,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from drf_spectacular.extensions import (
    OpenApiAuthenticationExtension,
    OpenApiSerializerExtension,
    OpenApiSerializerFieldExtension,
)
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import get_doc
from drf_spectacular.utils import Direction, OpenApiParameter, OpenApiResponse

from api.answers import RedFlagBody
from api.errors import PROBLEM_JSON
from triage_rules.case import Range

Schema = dict[str, Any]
Endpoint = tuple[str, str, str, Any]

# One character that Python's ``strip`` would leave.
NOT_BLANK = r"[^\s\x1c-\x1f\x85\xa0]"
CODE = "^[A-Za-z0-9._-]+$"


def under_api(endpoints: Sequence[Endpoint]) -> list[Endpoint]:
    """Keep the routes of the API: probes and metrics are the operator's, not the caller's."""
    return [endpoint for endpoint in endpoints if endpoint[0].startswith("/api/")]


# --- problems ------------------------------------------------------------------------------------


class ProblemItem(TypedDict):
    """What is wrong with one field, by JSON pointer; the empty one is the whole request."""

    pointer: str
    code: str
    detail: str


class Problem(TypedDict):
    """Why there is no answer (RFC 9457). What was sent is never repeated."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    errors: list[ProblemItem]


class NotRecordedProblem(Problem):
    """No decision could be made and put on record: triage by hand. Red flags can only raise."""

    manual_triage: bool
    red_flags: list[RedFlagBody]


_WHY: dict[int, str] = {
    400: "A field cannot be used; `errors` names it.",
    401: "No token, or one that is not valid.",
    403: "This account may not do that.",
    404: "There is nothing at this address, or nothing that this account reaches.",
    409: "Not in this state; `detail` says why.",
    411: "The body must be sent with a Content-Length.",
    413: "The body is too large.",
    415: "The body is not of a type that is read here.",
    422: "The `Idempotency-Key` was used for another request.",
    429: "Too many calls; `Retry-After` says when to go on.",
    503: "The record cannot be reached, so nothing was done. Try again.",
}
# Any call can be refused for these.
_ALWAYS = (401, 403, 429, 503)
# Any call with a body can be refused for these.
_WITH_BODY = (400, 411, 413, 415)


def problems(*statuses: int, body: bool = False, decides: bool = False) -> dict[Any, Any]:
    """Return the problem answers of an operation, for the ``responses`` of ``extend_schema``.

    Parameters
    ----------
    statuses
        Those beside 401, 403, 429 and 503, which every operation can give.
    body
        Whether the operation takes a body, which may not be usable.
    decides
        Whether a nurse waits for the answer: a 503 then says "triage by hand", with the red flags.
    """
    found = {*statuses, *_ALWAYS, *(_WITH_BODY if body else ())}
    return {
        (status, PROBLEM_JSON): OpenApiResponse(
            NotRecordedProblem if decides and status == HTTPStatus.SERVICE_UNAVAILABLE else Problem,
            description=_WHY[status],
        )
        for status in sorted(found)
    }


# --- headers -------------------------------------------------------------------------------------

IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    OpenApiParameter.HEADER,
    description=(
        "Makes a repeat harmless for a day: the same call gets the first answer again, another "
        "call with the same key gets 422, and a repeat while the first still runs gets 409."
    ),
)
ACTING_USER = OpenApiParameter(
    "X-Acting-User",
    {"type": "string", "minLength": 1, "maxLength": 150, "pattern": "^[!-~]+$"},
    OpenApiParameter.HEADER,
    description="The person on whose behalf the account calls, as the record names them.",
)
IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match",
    str,
    OpenApiParameter.HEADER,
    description="The `ETag` of an earlier answer; if it still holds, the answer is an empty 304.",
)
ETAG = OpenApiParameter(
    "ETag",
    str,
    OpenApiParameter.HEADER,
    description="Names exactly this answer, for `If-None-Match`.",
    response=[200],
)
NOT_MODIFIED = {304: OpenApiResponse(description="What the `ETag` named still holds.")}


# --- who asks ------------------------------------------------------------------------------------


class TokenScheme(OpenApiAuthenticationExtension):
    """The token of an account."""

    target_class = "api.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: AutoSchema) -> Schema:
        """Return the header."""
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "`Token`, a blank, and the token that the log-in gave.",
        }


class SessionScheme(OpenApiAuthenticationExtension):
    """The session of somebody who is signed in to the pages."""

    target_class = "rest_framework.authentication.SessionAuthentication"
    match_subclasses = True
    name = "session"

    def get_security_definition(self, auto_schema: AutoSchema) -> Schema:
        """Return the cookie."""
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": "sessionid",
            "description": "The session of the pages; what changes something needs `X-CSRFToken`.",
        }


# --- requests ------------------------------------------------------------------------------------


class ClosedSerializer(OpenApiSerializerExtension):
    """A serializer that refuses keys it does not know.

    ``schema_rules`` of the serializer are what its ``validate`` asks for and a schema can say.
    """

    target_class = "api.fields.StrictSerializer"
    match_subclasses = True

    def map_serializer(self, auto_schema: AutoSchema, direction: Direction) -> Schema:
        """Return the object, closed."""
        mapped = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)
        rules: Schema = getattr(self.target, "schema_rules", {})
        return {**mapped, "additionalProperties": False, **rules}


def range_schema(limits: Range) -> Schema:
    """Return the schema of a number inside its range."""
    kind = int if limits.whole else float
    return {
        "type": "integer" if limits.whole else "number",
        "minimum": kind(limits.low),
        "maximum": kind(limits.high),
    }


class NumberFieldSchema(OpenApiSerializerFieldExtension):
    """A number inside its range, in its unit."""

    target_class = "api.fields.NumberField"
    match_subclasses = True

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Direction) -> Schema:
        """Return the limits."""
        return {**range_schema(self.target.limits), "description": self.target.limits.unit}


class ShortListFieldSchema(OpenApiSerializerFieldExtension):
    """A list of some length."""

    target_class = "api.fields.ShortListField"
    match_subclasses = True

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Direction) -> Schema:
        """Return the list, and whether it may be empty."""
        mapped: Schema = auto_schema._map_serializer_field(
            self.target, direction, bypass_extensions=True
        )
        return mapped if self.target.allow_empty else mapped | {"minItems": 1}


class FlagFieldSchema(OpenApiSerializerFieldExtension):
    """True or false."""

    target_class = "api.fields.FlagField"

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Direction) -> Schema:
        """Return the type."""
        return {"type": "boolean"}


class TextFieldSchema(OpenApiSerializerFieldExtension):
    """A text of some length."""

    target_class = "api.fields.TextField"

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Direction) -> Schema:
        """Return the lengths; where a blank text is refused, one character must be none."""
        text = {"type": "string", "maxLength": self.target.longest}
        return text if self.target.blank else text | {"minLength": 1, "pattern": NOT_BLANK}


class CodeFieldSchema(OpenApiSerializerFieldExtension):
    """A code."""

    target_class = "api.fields.CodeField"

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Direction) -> Schema:
        """Return the pattern."""
        return {"type": "string", "maxLength": self.target.longest, "pattern": CODE}


class WordFieldSchema(OpenApiSerializerFieldExtension):
    """One word of several."""

    target_class = "api.fields.WordField"

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Direction) -> Schema:
        """Return the words, with null where it is accepted."""
        nothing = [None] if self.target.allow_null else []
        return {"type": "string", "enum": [*self.target.words, *nothing]}


# --- answers -------------------------------------------------------------------------------------


class AnswerSchema(OpenApiSerializerExtension):
    """An answer, or a part of one, that is typed as a ``TypedDict``."""

    target_class = None

    @classmethod
    def _matches(cls, target: Any) -> bool:
        return is_typeddict(target)

    def get_name(self, auto_schema: AutoSchema, direction: Direction) -> str:
        """Return the name of the type, less the word that every one of them ends in."""
        return str(self.target.__name__).removesuffix("Body")

    def map_serializer(self, auto_schema: AutoSchema, direction: Direction) -> Schema:
        """Return the object, closed."""
        hints = get_type_hints(self.target, include_extras=True)
        return {
            "type": "object",
            "description": get_doc(self.target),
            "properties": {key: schema_of(hint, auto_schema) for key, hint in hints.items()},
            "required": sorted(
                key
                for key in self.target.__required_keys__
                # Python sees this mark only where annotations are not text.
                if get_origin(hints[key]) is not NotRequired
            ),
            "additionalProperties": False,
        }


_PLAIN: dict[Any, Schema] = {
    Any: {},
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    NoneType: {"type": "null"},
}


def schema_of(hint: Any, auto_schema: AutoSchema) -> Schema:
    """Return the schema of the values of a type, with what ``Annotated`` adds to it."""
    origin, arguments = get_origin(hint), get_args(hint)
    if is_typeddict(hint):
        return auto_schema.resolve_serializer(hint, "response").ref
    if origin in {Required, NotRequired}:
        return schema_of(arguments[0], auto_schema)
    if origin is Annotated:
        return {**schema_of(arguments[0], auto_schema), **dict(arguments[1:])}
    if origin in {Union, UnionType}:
        return {"anyOf": [schema_of(one, auto_schema) for one in arguments]}
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin is list:
        return {"type": "array", "items": schema_of(arguments[0], auto_schema)}
    if origin is dict:
        return {
            "type": "object",
            "additionalProperties": schema_of(arguments[1], auto_schema),
        }
    if isinstance(hint, type) and issubclass(hint, Enum):
        return {"enum": [member.value for member in hint]}
    return dict(_PLAIN[hint])
