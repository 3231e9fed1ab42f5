"""Fields that take a value as it is meant or refuse it: no guessing, no converting, no echo."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import islice
from typing import Any

from rest_framework import serializers
from rest_framework.settings import api_settings

from api.errors import MAX_PROBLEMS
from triage_rules.case import Range


class StrictSerializer(serializers.Serializer[Any]):
    """A serializer that refuses keys it does not know."""

    default_error_messages = {"invalid": "Must be an object."}

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Check the fields, then name every key that is none of them."""
        if not isinstance(data, Mapping):
            detail = {api_settings.NON_FIELD_ERRORS_KEY: [self.error_messages["invalid"]]}
            raise serializers.ValidationError(detail, code="invalid")
        fields = self.fields
        # As many as are named in an answer: there may be half a million.
        unknown = list(islice((key for key in data if key not in fields), MAX_PROBLEMS))
        try:
            values: dict[str, Any] = super().to_internal_value(data)
        except serializers.ValidationError as error:
            found: Any = error.detail
            raise serializers.ValidationError({**found, **_unknown(unknown)}) from None
        if unknown:
            raise serializers.ValidationError(_unknown(unknown))
        return values


def _unknown(keys: list[str]) -> dict[str, list[serializers.ErrorDetail]]:
    return {
        key: [serializers.ErrorDetail("This field is not known.", code="unknown_field")]
        for key in keys
    }


class ShortListField(serializers.ListField):
    """A list that is counted before its entries are looked at: a long one costs no more."""

    def to_internal_value(self, data: Any) -> list[Any]:
        """Return the entries."""
        if isinstance(data, list) and self.max_length is not None and len(data) > self.max_length:
            self.fail("max_length", max_length=self.max_length)
        entries: list[Any] = super().to_internal_value(data)
        return entries


class NumberField(serializers.Field[Any, Any, Any, Any]):
    """A JSON number inside its range: no string, no boolean, nothing infinite."""

    default_error_messages = {
        "not_a_number": "Must be a number.",
        "not_whole": "Must be a whole number.",
        "out_of_range": "Must be from {low:g} to {high:g} {unit}.",
    }

    def __init__(self, limits: Range, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.limits = limits

    def to_internal_value(self, data: Any) -> float:
        """Return the number as it was sent; a whole field returns an int."""
        if isinstance(data, bool) or not isinstance(data, int | float):
            self.fail("not_a_number")
        if isinstance(data, float) and not math.isfinite(data):
            self.fail("not_a_number")
        if self.limits.whole and data != int(data):
            self.fail("not_whole")
        if not self.limits.low <= data <= self.limits.high:
            self.fail(
                "out_of_range",
                low=self.limits.low,
                high=self.limits.high,
                unit=self.limits.unit,
            )
        # Adding zero turns -0.0, which no monitor shows, into 0.
        return int(data) if self.limits.whole else data + 0


class TemperatureField(NumberField):
    """Degrees Celsius; a value that looks like Fahrenheit is asked about, never converted."""

    default_error_messages = {"fahrenheit": "Must be in °C: did you send Fahrenheit?"}

    def to_internal_value(self, data: Any) -> float:
        """Return the temperature."""
        if isinstance(data, int | float) and not isinstance(data, bool) and 80 <= data <= 115:
            self.fail("fahrenheit")
        return super().to_internal_value(data)


class FlagField(serializers.Field[Any, Any, Any, Any]):
    """JSON true or false, nothing that looks like it."""

    default_error_messages = {"not_a_boolean": "Must be true or false."}

    def to_internal_value(self, data: Any) -> bool:
        """Return the boolean."""
        if not isinstance(data, bool):
            self.fail("not_a_boolean")
        return bool(data)


class TextField(serializers.Field[Any, Any, Any, Any]):
    """A JSON string between two lengths; blank ones are refused unless length 0 is allowed."""

    default_error_messages = {
        "not_a_text": "Must be a text.",
        "blank": "Must not be empty.",
        "too_long": "Must have at most {longest} characters.",
        "pattern": "Must consist of {words}.",
    }

    def __init__(self, *, longest: int, blank: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.longest = longest
        self.blank = blank

    def to_internal_value(self, data: Any) -> str:
        """Return the text as it was sent."""
        if not isinstance(data, str):
            self.fail("not_a_text")
        if not self.blank and not data.strip():
            self.fail("blank")
        if len(data) > self.longest:
            self.fail("too_long", longest=self.longest)
        return str(data)


class CodeField(TextField):
    """A code of letters, digits, dot, underscore and hyphen."""

    def to_internal_value(self, data: Any) -> str:
        """Return the code."""
        text = super().to_internal_value(data)
        if not all(c.isascii() and (c.isalnum() or c in "._-") for c in text):
            self.fail("pattern", words="A-Z a-z 0-9 . _ -")
        return text


class WordField(serializers.Field[Any, Any, Any, Any]):
    """One word of an enumeration; the error lists the words, not what was sent."""

    default_error_messages = {"not_a_choice": "Must be one of {words}."}

    def __init__(self, words: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.words = [str(word) for word in words]

    def to_internal_value(self, data: Any) -> str:
        """Return the word."""
        if not isinstance(data, str) or data not in self.words:
            self.fail("not_a_choice", words=", ".join(self.words))
        return str(data)
