"""The record over HTTP: one decision, or a filtered list of them, page by page."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, TypedDict

from django import forms
from django.db import models
from django.http import Http404
from django.utils.decorators import method_decorator
from django.views.decorators.http import conditional_page
from django_filters import CharFilter, ChoiceFilter, Filter, FilterSet, TypedChoiceFilter
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response

from api.answers import PredictionBody, prediction_body
from api.errors import FieldProblem, UnusableQueryError, pointer_of
from api.permissions import scope_asked
from api.schema import CODE, ETAG, IF_NONE_MATCH, NOT_MODIFIED, Schema, problems
from api.views import JSONView
from ml.schema import MAX_CODE_CHARACTERS
from monitoring.access import Done, Door, access_record
from monitoring.review import out_of_audit
from monitoring.roles import Action, Scope, scope_of
from monitoring.selectors import first_id, predictions_in_scope
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


# --- what can be asked ---------------------------------------------------------------------------


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


def _parameters() -> Iterator[OpenApiParameter]:
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


def _bad(name: str) -> FieldProblem:
    return FieldProblem(pointer_of(name), "invalid", _accepted(name))


def _narrowed(request: Request, rows: models.QuerySet[Any]) -> models.QuerySet[Any]:
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
    wrong = [*_misused(request, known), *map(_bad, sorted(found.errors))]
    if wrong:
        raise UnusableQueryError(*wrong)
    narrowed: models.QuerySet[Any] = found.qs
    return narrowed


def _misused(request: Request, known: set[str]) -> Iterator[FieldProblem]:
    for name, values in request.query_params.lists():
        if name not in known:
            yield FieldProblem(pointer_of(name), "unknown_field", "This parameter is not known.")
        elif len(values) > 1:
            yield FieldProblem(pointer_of(name), "repeated", "This parameter is given twice.")
        elif values == [""]:
            yield _bad(name)


# --- pages ---------------------------------------------------------------------------------------


class NewestFirst(CursorPagination):
    """Pages from id to id: nothing is counted, and what is added meanwhile moves no row.

    A cursor is the id after which a page begins, or with a hyphen the one before which it ends.
    """

    ordering = "-id"
    page_size = 50
    page_size_query_param = "page_size"
    template = None
    request: Request

    def get_page_size(self, request: Any) -> int:
        """Return how many rows were asked for."""
        text = request.query_params.get(self.page_size_query_param, str(self.page_size))
        if not re.fullmatch("[1-9][0-9]{0,2}", text) or int(text) > MOST_ON_A_PAGE:
            raise UnusableQueryError(_bad("page_size"))
        return int(text)

    def decode_cursor(self, request: Any) -> Cursor | None:
        """Return where the page begins; None at the newest row."""
        text = request.query_params.get(self.cursor_query_param)
        if text is None:
            return None
        match = CURSOR.fullmatch(text)
        if match is None:
            raise UnusableQueryError(_bad("cursor"))
        # The types of the framework know numbers alone as positions.
        return Cursor(offset=0, reverse=bool(match[1]), position=match[2])  # type: ignore[arg-type]

    def encode_cursor(self, cursor: Cursor) -> str:
        """Return the address of a page, without our own name: a proxy may have another."""
        query = self.request.query_params.copy()
        query["cursor"] = f"{'-' if cursor.reverse else ''}{cursor.position}"
        return f"{self.request.path}?{query.urlencode()}"


# --- the doors -----------------------------------------------------------------------------------


class PredictionsBody(TypedDict):
    """One page, the newest first, and the addresses of the next older and newer pages."""

    next: str | None
    previous: str | None
    results: list[PredictionBody]


@method_decorator(conditional_page, name="dispatch")
class PredictionsView(JSONView):
    """Decisions on record, the newest first."""

    actions = {"GET": Action.LIST_PREDICTIONS}

    @extend_schema(
        summary="List predictions",
        operation_id="predictions_list",
        parameters=[*_parameters(), IF_NONE_MATCH, ETAG],
        responses={200: PredictionsBody, **NOT_MODIFIED, **problems(400)},
    )
    def get(self, request: Request) -> Response:
        """Return a page of the predictions that the account reaches.

        Who may label any of them does not find those here that were drawn for a blind label and
        still wait for it.
        """
        pages = NewestFirst()
        rows = _narrowed(request, _listed(request))
        # Only the ids first: asked for whole rows, a database may rather read them all.
        ids = [row.pk for row in pages.paginate_queryset(rows.only("pk"), request) or []]
        _seen(request, cases=len(ids))
        found = rows.in_bulk(ids)
        names_callers = scope_asked(request) is not Scope.PSEUDONYMOUS
        body: PredictionsBody = {
            "next": pages.get_next_link(),
            "previous": pages.get_previous_link(),
            "results": [
                prediction_body(found[pk], names_callers=names_callers) for pk in ids if pk in found
            ],
        }
        return Response(body)


@method_decorator(conditional_page, name="dispatch")
class PredictionView(JSONView):
    """One decision on record."""

    actions = {"GET": Action.READ_PREDICTION}

    @extend_schema(
        summary="Read a prediction",
        operation_id="predictions_retrieve",
        parameters=[IF_NONE_MATCH, ETAG],
        responses={200: PredictionBody, **NOT_MODIFIED, **problems(404)},
    )
    def get(self, request: Request, prediction_id: uuid.UUID) -> Response:
        """Return the prediction, if the account reaches it."""
        row = _reached(request).filter(pk=prediction_id).first()
        if row is None:
            raise Http404
        _seen(request, prediction_id=prediction_id)
        return Response(prediction_body(row, names_callers=True))


def _reached(request: Request) -> models.QuerySet[Any]:
    return predictions_in_scope(scope_asked(request), client=request.user.get_username())


def _listed(request: Request) -> models.QuerySet[Any]:
    """Return what a list may show: to who labels, no answer that is to be judged blind.

    A single case may be read; that is on record, and its label then says that it was.
    """
    rows = _reached(request)
    judges = scope_of(request.user, Action.LABEL) is Scope.ALL
    return out_of_audit(rows) if judges else rows


def _seen(request: Request, *, cases: int = 1, prediction_id: uuid.UUID | None = None) -> None:
    """Put on record who sees what, before they do; without that it is not shown."""
    if cases:
        access_record(
            actor=request.user.get_username(),
            action=Done.VIEW,
            door=Door.API,
            prediction_id=prediction_id,
            cases=cases,
        )
