"""A strict JSON body: UTF-8, at most 64 KiB, one meaning only.

Python's own reader takes NaN, the last of two equal keys, and text that no database can hold. A
triage request with any of these is refused before anything else looks at it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import IO, Any, NoReturn

from django.conf import settings
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.parsers import BaseParser

from api.errors import BodyTooLargeError, FieldProblem, InvalidBodyError

MAX_DEPTH = 8


class StrictJSONParser(BaseParser):
    """Parse ``application/json`` into plain Python values, or say what is wrong and where."""

    media_type = "application/json"

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
            Over 64 KiB, by the header or by what arrives.
        UnsupportedMediaType
            A charset other than UTF-8, or a content encoding.
        InvalidBodyError
            Not JSON, too deep, a duplicate key, NaN or Infinity, NUL or a lone surrogate.
        """
        request = (parser_context or {})["request"]
        _refuse_other_encodings(request.META, media_type or "")
        body = _decoded(_read(stream, declared=request.META.get("CONTENT_LENGTH")))
        _refuse_deep(body)
        value = _loads(body)
        for pointer, text in _texts(value):
            _refuse_unstorable(text, pointer=pointer)
        return value


def _refuse_other_encodings(meta: Mapping[str, Any], media_type: str) -> None:
    parameters = [part.strip().lower() for part in media_type.split(";")[1:]]
    charset_is_odd = any(
        part.startswith("charset=") and part[8:].strip('"') not in {"utf-8", "utf8"}
        for part in parameters
    )
    encoding = meta.get("HTTP_CONTENT_ENCODING", "identity").strip().lower()
    if charset_is_odd or encoding not in {"", "identity"}:
        raise UnsupportedMediaType("", detail="The body must be plain UTF-8 JSON.")


def _read(stream: IO[bytes], *, declared: str | None) -> bytes:
    limit = settings.MAX_BODY_BYTES
    if declared and declared.isdigit() and int(declared) > limit:
        raise BodyTooLargeError
    body = stream.read(limit + 1)
    if len(body) > limit:
        raise BodyTooLargeError
    return body


def _decoded(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidBodyError(FieldProblem("", "encoding", "The body is not UTF-8.")) from None


def _refuse_deep(body: str) -> None:
    """Refuse deep nesting by counting brackets, before a recursive reader meets it."""
    depth = 0
    in_text = escaped = False
    for character in body:
        if escaped:
            escaped = False
        elif in_text:
            escaped = character == "\\"
            in_text = character != '"'
        elif character == '"':
            in_text = True
        elif character in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise InvalidBodyError(
                    FieldProblem("", "depth", f"The body is nested deeper than {MAX_DEPTH} levels.")
                )
        elif character in "]}":
            depth -= 1


def _loads(body: str) -> Any:
    try:
        return json.loads(
            body,
            object_pairs_hook=_unique_keys,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
    except (ValueError, RecursionError):
        # The parser's own message may quote the body.
        raise InvalidBodyError(
            FieldProblem("", "invalid_json", "The body is not valid JSON.")
        ) from None


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise InvalidBodyError(
                FieldProblem(f"/{key}", "duplicate_key", "This key stands twice in one object.")
            )
        result[key] = value
    return result


def _refuse_constant(_: str) -> NoReturn:
    raise InvalidBodyError(
        FieldProblem("", "not_finite", "Numbers must be finite: NaN and Infinity are not JSON.")
    )


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        _refuse_constant(text)
    return number


def _texts(value: Any, pointer: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield pointer, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield pointer, key
            yield from _texts(item, f"{pointer}/{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, f"{pointer}/{index}")


def _refuse_unstorable(text: str, *, pointer: str) -> None:
    if "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise InvalidBodyError(
            FieldProblem(
                pointer, "unstorable_text", "The text holds a NUL or half of a surrogate pair."
            )
        )
