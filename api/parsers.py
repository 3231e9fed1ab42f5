"""A strict JSON body: UTF-8, at most 64 KiB, one meaning only.

Python's own reader takes NaN, the last of two equal keys, and text that no database can hold. A
triage request with any of these is refused before anything else looks at it.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, Any

from django.conf import settings
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from api.errors import BodyTooLargeError, FieldProblem, InvalidBodyError, pointer_of

MAX_DEPTH = 8
# A text is one token, closed or not: what looks like a bracket in it is none.
_TEXT_OR_BRACKET = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class StrictJSONParser(BaseParser):
    """Parse ``application/json`` into plain Python values, or say what is wrong and where."""

    media_type = "application/json"
    max_depth = MAX_DEPTH

    @property
    def max_bytes(self) -> int:
        """The size of the largest body."""
        return settings.MAX_BODY_BYTES

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the parsed body.

        Raises
        ------
        BodyTooLargeError
            Over ``max_bytes``, by its Content-Length.
        UnsupportedMediaType
            A charset other than UTF-8, or a content encoding.
        InvalidBodyError
            Not JSON, too deep, a duplicate key, NaN or Infinity, NUL or a lone surrogate.
        """
        request = (parser_context or {})["request"]
        _refuse_other_encodings(request.META, media_type or "")
        declared = request.META.get("CONTENT_LENGTH")
        body = _read(stream, declared=declared, max_bytes=self.max_bytes)
        digest_keep(request, body=body)
        value = _value(body, max_depth=self.max_depth)
        self.check(value)
        return value

    def check(self, value: Any) -> None:
        """Refuse a value of which a part has two meanings, or none."""
        refuse_ambiguous(value)


class BulkJSONParser(StrictJSONParser):
    """Parse the body of many requests; each is checked by itself, for the sake of the others."""

    # An object and its list around each request.
    max_depth = MAX_DEPTH + 2

    @property
    def max_bytes(self) -> int:
        """The size of the largest body."""
        return settings.MAX_BULK_BYTES

    def check(self, value: Any) -> None:
        """Refuse a body whose own keys stand twice."""
        if isinstance(value, _Object):
            _refuse(_duplicate_problems(value))


def digest_keep(request: Request, *, body: bytes) -> None:
    """Note the digest of a body: its bytes pass through the parser and are seen nowhere else."""
    request.body_digest = _digest(body)  # type: ignore[attr-defined]


def digest_of(request: Request) -> str:
    """Return the digest of the body as it was sent; without one, that of no bytes."""
    # Whatever body there is has been through its parser then.
    _ = request.data
    return getattr(request, "body_digest", _digest(b""))


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def parsed(body: bytes) -> Any:
    """Return the one meaning of a JSON body in UTF-8.

    Raises
    ------
    BodyTooLargeError
        Over 64 KiB.
    InvalidBodyError
        As for the parser.
    """
    if len(body) > settings.MAX_BODY_BYTES:
        raise BodyTooLargeError
    value = _value(body, max_depth=MAX_DEPTH)
    refuse_ambiguous(value)
    return value


def refuse_ambiguous(value: Any) -> None:
    """Refuse a parsed value with duplicate keys, NaN or Infinity, NUL or a lone surrogate.

    Raises
    ------
    InvalidBodyError
        Which names every place.
    """
    _refuse(_problems(value))


def _refuse(problems: Iterable[FieldProblem]) -> None:
    found = tuple(problems)
    if found:
        raise InvalidBodyError(*found)


def _value(body: bytes, *, max_depth: int) -> Any:
    text = _decoded(body)
    _refuse_deep(text, max_depth=max_depth)
    return _loads(text)


def _refuse_other_encodings(meta: Mapping[str, Any], media_type: str) -> None:
    parameters = [part.strip().lower() for part in media_type.split(";")[1:]]
    charset_is_odd = any(
        part.startswith("charset=") and part[8:].strip('"') not in {"utf-8", "utf8"}
        for part in parameters
    )
    encoding = meta.get("HTTP_CONTENT_ENCODING", "identity").strip().lower()
    if charset_is_odd or encoding not in {"", "identity"}:
        raise UnsupportedMediaType("", detail="The body must be plain UTF-8 JSON.")


def _read(stream: IO[bytes], *, declared: str | None, max_bytes: int) -> bytes:
    length = int(declared) if declared and declared.isdigit() else 0
    if length > max_bytes:
        raise BodyTooLargeError(f"The body is larger than {max_bytes // 1024} KiB.")
    # Django reads no further than the declared length, and a body without one is refused.
    body = stream.read()
    if len(body) < length:
        raise InvalidBodyError(FieldProblem("", "cut_off", "The body ends before its length."))
    return body


def _decoded(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidBodyError(FieldProblem("", "encoding", "The body is not UTF-8.")) from None


def _refuse_deep(body: str, *, max_depth: int) -> None:
    """Refuse deep nesting by counting brackets, before a recursive reader meets it."""
    depth = 0
    for token in _TEXT_OR_BRACKET.finditer(body):
        if token[0] in "[{":
            depth += 1
        elif token[0] in "]}":
            depth -= 1
        if depth > max_depth:
            raise InvalidBodyError(
                FieldProblem("", "depth", f"The body is nested deeper than {max_depth} levels.")
            )


class _Object(dict[str, Any]):
    """A JSON object that remembers which of its keys stood twice."""

    duplicates: tuple[str, ...] = ()


def _loads(body: str) -> Any:
    try:
        return json.loads(body, object_pairs_hook=_object)
    except (ValueError, RecursionError):
        # The parser's own message may quote the body.
        raise InvalidBodyError(
            FieldProblem("", "invalid_json", "The body is not valid JSON.")
        ) from None


def _object(pairs: list[tuple[str, Any]]) -> _Object:
    result = _Object(pairs)
    if len(result) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        result.duplicates = tuple(key for key, n in counts.items() if n > 1)
    return result


def _problems(value: Any, *path: str | int) -> Iterator[FieldProblem]:
    """Walk a parsed body and name what JSON allows, or Python reads, but no field may hold."""
    if isinstance(value, str) and _is_unstorable(value):
        detail = "The text holds a NUL or half of a surrogate pair."
        yield FieldProblem(pointer_of(*path), "unstorable_text", detail)
    elif isinstance(value, float) and not math.isfinite(value):
        detail = "Numbers must be finite: NaN and Infinity are not JSON."
        yield FieldProblem(pointer_of(*path), "not_finite", detail)
    elif isinstance(value, _Object):
        yield from _object_problems(value, *path)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _problems(item, *path, index)


def _object_problems(value: _Object, *path: str | int) -> Iterator[FieldProblem]:
    yield from _duplicate_problems(value, *path)
    for key, item in value.items():
        if _is_unstorable(key):
            detail = "A key of this object holds a NUL or half of a surrogate pair."
            yield FieldProblem(pointer_of(*path), "unstorable_text", detail)
        yield from _problems(item, *path, key)


def _duplicate_problems(value: _Object, *path: str | int) -> Iterator[FieldProblem]:
    for key in value.duplicates:
        detail = "This key stands twice in one object."
        yield FieldProblem(pointer_of(*path, key), "duplicate_key", detail)


def _is_unstorable(text: str) -> bool:
    return _UNSTORABLE.search(text) is not None
