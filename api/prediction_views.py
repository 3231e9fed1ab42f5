"""The record over HTTP: one decision, or a filtered list of them, page by page."""

from __future__ import annotations

import re
import uuid
from typing import Any, TypedDict

from django.db import models
from django.http import Http404
from django.utils.decorators import method_decorator
from django.views.decorators.http import conditional_page
from drf_spectacular.utils import extend_schema
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response

from api.answers import PredictionBody, prediction_body
from api.errors import UnusableQueryError
from api.permissions import scope_asked
from api.prediction_filters import CURSOR, MOST_ON_A_PAGE, narrowed, parameters, unusable
from api.schema import ETAG, IF_NONE_MATCH, NOT_MODIFIED, problems
from api.views import JSONView
from monitoring.access import Done, Door, access_record
from monitoring.review import out_of_audit
from monitoring.roles import Action, Scope, scope_of
from monitoring.selectors import predictions_in_scope


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
            raise UnusableQueryError(unusable("page_size"))
        return int(text)

    def decode_cursor(self, request: Any) -> Cursor | None:
        """Return where the page begins; None at the newest row."""
        text = request.query_params.get(self.cursor_query_param)
        if text is None:
            return None
        match = CURSOR.fullmatch(text)
        if match is None:
            raise UnusableQueryError(unusable("cursor"))
        # The types of the framework know numbers alone as positions.
        return Cursor(offset=0, reverse=bool(match[1]), position=match[2])  # type: ignore[arg-type]

    def encode_cursor(self, cursor: Cursor) -> str:
        """Return the address of a page, without our own name: a proxy may have another."""
        query = self.request.query_params.copy()
        query["cursor"] = f"{'-' if cursor.reverse else ''}{cursor.position}"
        return f"{self.request.path}?{query.urlencode()}"


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
        parameters=[*parameters(), IF_NONE_MATCH, ETAG],
        responses={200: PredictionsBody, **NOT_MODIFIED, **problems(400)},
    )
    def get(self, request: Request) -> Response:
        """Return a page of the predictions that the account reaches.

        Who may label any of them does not find those here that were drawn for a blind label and
        still wait for it.
        """
        pages = NewestFirst()
        rows = narrowed(request, _listed(request))
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
