"""What narrows a list of predictions, and each parameter that cannot be used, by its name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from django import forms
from django.db import models
from django_filters import CharFilter, ChoiceFilter, Filter, FilterSet, TypedChoiceFilter
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from api.errors import FieldProblem, UnusableQueryError, pointer_of
from api.permissions import scope_asked
from api.schema import CODE, Schema
from ml.schema import MAX_CODE_CHARACTERS
from monitoring.roles import Scope
from monitoring.selectors import first_id
from triage_rules.level import Decider, Level
from triage_rules.outcome import FallbackReason, Method

OUTSIDE = "none"
MOST_ON_A_PAGE = 100
UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
CURSOR = re.compile(f"(-?)({UUID})")
MOMENT = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", flags=re.ASCII
)
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST = datetime(2900, 1, 1, tzinfo=UTC)
# A row takes its id and its time from one clock, which may be set back in between.
CLOCK_SLACK = timedelta(hours=1)


class MomentField(forms.Field):
    """A time with its offset (RFC 3339); one beyond all records counts as their end."""

    def to_python(self, value: Any) -> datetime | None:
        """Return the time."""
        if value in self.empty_values:
            return None
        if not MOMENT.fullmatch(value):
            raise forms.ValidationError("")
        return _within_records(_moment(value.upper()))


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise forms.ValidationError("") from None


def _within_records(moment: datetime) -> datetime:
    try:
        return min(max(moment.astimezone(UTC), EARLIEST), LATEST)
    except OverflowError:
        return EARLIEST if moment.year == 1 else LATEST


class SinceFilter(Filter):
    """Rows from a moment on."""

    field_class = MomentField

    def filter(self, qs: models.QuerySet[Any], value: datetime | None) -> models.QuerySet[Any]:
        """Keep them; the ids are in order of time, so their index finds the end."""
        if value is None:
            return qs
        return qs.filter(pk__gte=first_id(value - CLOCK_SLACK), created_at__gte=value)


class UntilFilter(Filter):
    """Rows before a moment."""

    field_class = MomentField

    def filter(self, qs: models.QuerySet[Any], value: datetime | None) -> models.QuerySet[Any]:
        """Keep them; the ids are in order of time, so their index finds the end."""
        if value is None:
            return qs
        return qs.filter(pk__lt=first_id(value + CLOCK_SLACK), created_at__lt=value)


def _words(words: Any) -> list[tuple[str, str]]:
    return [(str(word), str(word)) for word in words]


def _code(says: str) -> CharFilter:
    field: dict[str, Any] = {"max_length": MAX_CODE_CHARACTERS, "strip": False}
    return CharFilter(help_text=says, validators=[_is_code], **field)


def _is_code(text: str) -> None:
    if not re.fullmatch(CODE, text):
        raise forms.ValidationError("")


class PredictionFilter(FilterSet):
    """What a list can be narrowed to; several parameters narrow it together."""

    level = TypedChoiceFilter(
        field_name="prediction",
        choices=_words(level.label for level in Level),
        coerce=Level.from_label,
        help_text="The level that was answered.",
    )
    method = ChoiceFilter(choices=_words(Method), help_text="What settled the answer.")
    ab_group = ChoiceFilter(
        choices=_words([*Decider, OUTSIDE]),
        method="in_arm",
        help_text="The arm of the trial; `none` is outside it.",
    )
    model_version = _code("The model version that was asked.")
    fallback_reason = ChoiceFilter(
        choices=_words(FallbackReason), help_text="Why the model did not decide."
    )
    site = _code("The site that asked.")
    triage_log_id = _code("The caller's own reference.")
    labelled = ChoiceFilter(
        choices=_words(["true", "false"]),
        method="with_label",
        help_text="Whether it is known what would have been right.",
    )
    since = SinceFilter(help_text="From this moment on, with its offset.")
    until = UntilFilter(help_text="Before this moment, with its offset.")

    def in_arm(self, rows: models.QuerySet[Any], name: str, value: str) -> models.QuerySet[Any]:
        """Keep an arm; outside the trial it is blank."""
        return rows.filter(ab_group="" if value == OUTSIDE else value)

    def with_label(self, rows: models.QuerySet[Any], name: str, value: str) -> models.QuerySet[Any]:
        """Keep the rows with, or without, a label that counts."""
        return rows.filter(ground_truth__isnull=value == "false")


REFERENCE = "triage_log_id"
PAGE = ("cursor", "page_size")


def parameters() -> Iterator[OpenApiParameter]:
    """Describe the filters to the schema."""
    for name, one in PredictionFilter.base_filters.items():
        yield OpenApiParameter(name, _schema_of(one), description=one.extra["help_text"])
    yield OpenApiParameter(
        "cursor",
        {"type": "string", "pattern": f"^{CURSOR.pattern}$"},
        description="Where a page begins, as `next` and `previous` say it.",
    )
    yield OpenApiParameter(
        "page_size",
        {"type": "integer", "minimum": 1, "maximum": MOST_ON_A_PAGE, "default": 50},
        description="The most rows of a page.",
    )


def _schema_of(one: Filter) -> Schema:
    if isinstance(one, ChoiceFilter | TypedChoiceFilter):
        return {"type": "string", "enum": [word for word, _ in one.extra["choices"]]}
    if isinstance(one, CharFilter):
        return {"type": "string", "pattern": CODE, "maxLength": MAX_CODE_CHARACTERS}
    return {"type": "string", "format": "date-time"}


def _accepted(name: str) -> str:
    """Return what a parameter may be, in words."""
    if name == "cursor":
        return "Must be as next or previous gave it."
    if name == "page_size":
        return f"Must be a whole number from 1 to {MOST_ON_A_PAGE}."
    schema = _schema_of(PredictionFilter.base_filters[name])
    if "enum" in schema:
        return f"Must be one of {', '.join(schema['enum'])}."
    if "pattern" in schema:
        return f"Must be 1 to {MAX_CODE_CHARACTERS} of A-Z a-z 0-9 . _ -"
    return "Must be a time with its offset, as 2026-01-31T08:00:00Z."


def unusable(name: str) -> FieldProblem:
    return FieldProblem(pointer_of(name), "invalid", _accepted(name))


def narrowed(request: Request, rows: models.QuerySet[Any]) -> models.QuerySet[Any]:
    """Return the rows that the address asks for.

    Raises
    ------
    UnusableQueryError
        Naming every parameter that is unknown, given twice, or cannot be used.
    """
    known = {*PredictionFilter.base_filters, *PAGE}
    if scope_asked(request) is Scope.PSEUDONYMOUS:
        # Who may not see a reference must not find out by it either.
        known.remove(REFERENCE)
    found = PredictionFilter(request.query_params, queryset=rows)
    wrong = [*_misused(request, known), *map(unusable, sorted(found.errors))]
    if wrong:
        raise UnusableQueryError(*wrong)
    kept: models.QuerySet[Any] = found.qs
    return kept


def _misused(request: Request, known: set[str]) -> Iterator[FieldProblem]:
    for name, values in request.query_params.lists():
        if name not in known:
            yield FieldProblem(pointer_of(name), "unknown_field", "This parameter is not known.")
        elif len(values) > 1:
            yield FieldProblem(pointer_of(name), "repeated", "This parameter is given twice.")
        elif values == [""]:
            yield unusable(name)
