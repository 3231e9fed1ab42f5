"""Files of cases: handed in, looked at while they are scored, and read again with the answers."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from http import HTTPStatus
from itertools import chain
from typing import Any, TypedDict, cast

from django.http import Http404, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response

from api.answers import Id, Moment, Share
from api.batch_files import Upload, chunks_of, template
from api.batch_parsers import PART, CSVParser, FileNegotiation, FormParser, NDJSONParser
from api.batch_results import WRITERS
from api.errors import FieldProblem, InvalidBodyError, UnusableQueryError
from api.idempotency import once
from api.middleware import request_id_of
from api.schema import ACTING_USER, IDEMPOTENCY_KEY, problems
from api.tasks import chunks_publish
from api.views import JSONView, acting_user
from monitoring.access import Done, Door, access_record
from monitoring.batches import (
    Format,
    Job,
    Sender,
    State,
    UnreadableBatchError,
    batch_chunk_ids,
    batch_create,
    batch_results,
    batches_of,
)
from monitoring.roles import Action

LISTED = 100
_MEDIA_TYPES = {Format.CSV: "text/csv", Format.NDJSON: "application/x-ndjson"}


class NotFinishedError(APIException):
    """There is no result yet."""

    status_code = HTTPStatus.CONFLICT
    default_detail = "The batch is not finished; its progress says how far it is."
    wait = 5


class ResultUnreadableError(APIException):
    """The key that the result was encrypted with is not installed any more."""

    status_code = HTTPStatus.CONFLICT
    default_detail = "The result cannot be read any more. The answers are on record."


class BatchBody(TypedDict):
    """A file of cases, and how far it is; in the end every row is answered or refused."""

    id: Id
    state: State
    format: Format
    rows: int
    answered: int
    refused: int
    progress: Share
    created_at: Moment
    finished_at: Moment | None


class BatchesBody(TypedDict):
    """The newest files of an account."""

    results: list[BatchBody]


_FILE = {"type": "string", "format": "binary"}
_FORM = {"type": "object", "properties": {PART: _FILE}, "required": [PART]}


class BatchesView(JSONView):
    """The files of an account."""

    actions = {"GET": Action.BATCH, "POST": Action.BATCH}
    parser_classes = (CSVParser, NDJSONParser, FormParser)
    content_negotiation_class = FileNegotiation

    @property
    def throttle_cost(self) -> int:
        """What a call weighs: a file is work for many workers, a look at the list is not."""
        return 20 if self.request.method == "POST" else 1

    @extend_schema(
        summary="List files of cases",
        operation_id="batches_list",
        responses={200: BatchesBody, **problems()},
    )
    def get(self, request: Request) -> Response:
        """Return the newest files of the account, at most 100."""
        jobs = batches_of(request.user.get_username())[:LISTED]
        body: BatchesBody = {"results": [batch_body(job) for job in jobs]}
        return Response(body)

    @extend_schema(
        summary="Hand in a file of cases",
        request={
            "text/csv": OpenApiTypes.STR,
            "application/x-ndjson": OpenApiTypes.STR,
            "multipart/form-data": _FORM,
        },
        parameters=[IDEMPOTENCY_KEY, ACTING_USER],
        responses={202: BatchBody, **problems(409, 422, body=True)},
        examples=[
            OpenApiExample(
                "Two patients",
                value="patient_age,chief_complaint\n40,cough\n57,chest pain\n",
                media_type="text/csv",
                request_only=True,
            )
        ],
    )
    def post(self, request: Request) -> HttpResponseBase:
        """Put a file on record, once for a key, and hand it to the workers."""
        upload = _upload(request)
        # Before a key is looked up: a repeat is as right or wrong as the first call was.
        sender = _sender(request)
        with once(request) as call:
            if call.answered is not None:
                return _located(call.answered, json.loads(call.answered.content)["id"])
            job = batch_create(
                chunks_of(upload),
                sender=sender,
                format=upload.format,
                then=lambda job: call.keep(HTTPStatus.ACCEPTED, batch_body(job)),
            )
        chunks_publish(batch_chunk_ids(job))
        job.refresh_from_db()
        return _located(Response(batch_body(job), status=HTTPStatus.ACCEPTED), job.pk)


class BatchView(JSONView):
    """One file of an account."""

    actions = {"GET": Action.BATCH}

    @extend_schema(summary="See how far a file is", responses={200: BatchBody, **problems(404)})
    def get(self, request: Request, batch_id: uuid.UUID) -> Response:
        """Return how many of its rows are scored."""
        return Response(batch_body(_own(request, batch_id)))


class BatchResultView(JSONView):
    """What became of the rows of a file."""

    actions = {"GET": Action.BATCH}

    @extend_schema(
        summary="Fetch what became of each row",
        parameters=[
            OpenApiParameter(
                "format",
                enum=Format.values,
                description="How to write it; without it, as the file was handed in.",
            )
        ],
        responses={
            (200, "text/csv"): OpenApiTypes.STR,
            (200, "application/x-ndjson"): OpenApiResponse(OpenApiTypes.STR),
            **problems(400, 404, 409),
        },
    )
    def get(self, request: Request, batch_id: uuid.UUID) -> HttpResponseBase:
        """Return a row of the result for each row of the file, in its order."""
        job = _own(request, batch_id)
        written_as = _format_asked(request, job)
        if job.finished_at is None:
            raise NotFinishedError
        results = _readable(job)
        access_record(
            actor=request.user.get_username(),
            action=Done.EXPORT,
            door=Door.API,
            cases=job.answered,
        )
        lines = WRITERS[written_as](results)
        return _file(StreamingHttpResponse(lines), written_as, name=f"batch-{job.pk}")


class BatchTemplateView(JSONView):
    """How a CSV file looks."""

    actions = {"GET": Action.BATCH}

    @extend_schema(
        summary="Fetch the header of a CSV file, with one made-up patient",
        responses={(200, "text/csv"): OpenApiTypes.STR, **problems()},
    )
    def get(self, request: Request) -> HttpResponseBase:
        """Return every column, and how it is written."""
        return _file(HttpResponse(template()), Format.CSV, name="batch-template")


def batch_body(job: Job) -> BatchBody:
    """Return a file as the API tells of it."""
    return {
        "id": str(job.pk),
        "state": State(job.state),
        "format": Format(job.format),
        "rows": job.rows,
        "answered": job.answered,
        "refused": job.refused,
        "progress": (job.answered + job.refused) / job.rows,
        "created_at": job.created_at.isoformat(),
        "finished_at": None if job.finished_at is None else job.finished_at.isoformat(),
    }


def _upload(request: Request) -> Upload:
    """Return the file; of a body without a single byte the framework makes none."""
    found = request.FILES.get(PART)
    if found is None:
        raise InvalidBodyError(FieldProblem("", "no_rows", "The file has no rows."))
    return cast("Upload", found)


def _sender(request: Request) -> Sender:
    name = request.user.get_username()
    return Sender(
        client=name, actor=acting_user(request) or name, request_id=request_id_of(request)
    )


def _own(request: Request, batch_id: uuid.UUID) -> Job:
    job = batches_of(request.user.get_username()).filter(pk=batch_id).first()
    if job is None:
        raise Http404
    return job


def _readable(job: Job) -> Iterator[tuple[int, Any]]:
    """Return the results, the first of which was read: from then on no status can be sent."""
    results = batch_results(job)
    try:
        first = next(results)
    except UnreadableBatchError:
        raise ResultUnreadableError from None
    return chain([first], results)


def _format_asked(request: Request, job: Job) -> Format:
    asked = request.query_params.getlist("format") or [job.format]
    if len(asked) > 1 or asked[0] not in Format.values:
        detail = f"Must be one of {', '.join(Format.values)}, given once."
        raise UnusableQueryError(FieldProblem("/format", "not_a_choice", detail))
    return Format(asked[0])


def _located(response: HttpResponseBase, batch_id: Any) -> HttpResponseBase:
    response["Location"] = reverse("batch", args=[batch_id])
    return response


def _file(response: HttpResponseBase, written_as: Format, *, name: str) -> HttpResponseBase:
    response["Content-Type"] = f"{_MEDIA_TYPES[written_as]}; charset=utf-8"
    response["Content-Disposition"] = f'attachment; filename="{name}.{written_as.value}"'
    return response
