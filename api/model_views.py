"""The registry over HTTP: which versions there are, which one serves, and how to change that."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import TypedDict

from django.utils.decorators import method_decorator
from django.views.decorators.http import conditional_page
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.exceptions import APIException, NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from api.answers import Moment
from api.fields import NumberField, StrictSerializer, TextField
from api.schema import ETAG, IF_NONE_MATCH, NOT_MODIFIED, problems
from api.views import JSONView
from ml.models import DeploymentEvent, ModelVersion
from ml.registry import (
    MAX_REASON_CHARACTERS,
    Deployed,
    RegistryError,
    UnknownVersionError,
    UnusableVersionError,
    deployed,
    document,
    version_get,
    version_promote,
    version_rollback,
    versions,
)
from monitoring.roles import Action
from triage_rules.case import Range

EPOCHS = Range(1, 999_999_999, "(an epoch)", whole=True)
VERSION = OpenApiParameter(
    "version",
    {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"},
    OpenApiParameter.PATH,
)
A_CHANGE = OpenApiExample(
    "From the first state",
    value={"reason": "fewer emergencies missed", "expected_epoch": 1},
    request_only=True,
)


class DeployedBody(TypedDict):
    """The version that serves. Every change of it raises `epoch`."""

    version: str
    digest: str
    epoch: int


class VersionBody(TypedDict):
    """One version; `metrics` are figures of each decider on rows that it did not learn from."""

    version: str
    digest: str
    deployed: bool
    dataset: str
    synthetic: bool
    created_at: Moment
    registered_at: Moment
    registered_by: str
    scikit_learn: str
    metrics: dict[str, dict[str, float | None]]


class VersionsBody(TypedDict):
    """All versions, the newest first, and which of them serves."""

    deployed: DeployedBody | None
    results: list[VersionBody]


DeploymentEventBody = TypedDict(
    "DeploymentEventBody",
    {
        "epoch": int,
        "kind": DeploymentEvent.Kind,
        "from": str | None,
        "at": Moment,
        "actor": str,
        "reason": str,
        "overridden": bool,
    },
)


class CardBody(TypedDict):
    """The card of a version in Markdown, or why it cannot be read."""

    card: str | None
    card_error: str | None


class VersionDetailBody(VersionBody, CardBody):
    """One version, its card, and when it came to serve."""

    deployments: list[DeploymentEventBody]


class RefusedError(APIException):
    """A change of what serves is refused."""

    status_code = HTTPStatus.CONFLICT


class ChangeSerializer(StrictSerializer):
    """Why to change what serves, and from which state."""

    reason = TextField(longest=MAX_REASON_CHARACTERS)
    expected_epoch = NumberField(EPOCHS, required=False, allow_null=True)


@method_decorator(conditional_page, name="dispatch")
class ModelsView(JSONView):
    """All versions, the newest first, and which of them serves."""

    actions = {"GET": Action.READ_MODELS}

    @extend_schema(
        summary="List model versions",
        operation_id="models_list",
        parameters=[IF_NONE_MATCH, ETAG],
        responses={200: VersionsBody, **NOT_MODIFIED, **problems()},
    )
    def get(self, request: Request) -> Response:
        """Return every registered version."""
        now = deployed()
        body: VersionsBody = {
            "deployed": None if now is None else _deployed_body(now),
            "results": [_version_body(row, now) for row in versions()],
        }
        return Response(body)


@method_decorator(conditional_page, name="dispatch")
class ModelView(JSONView):
    """One version: where it comes from, how good it is, its card and when it served."""

    actions = {"GET": Action.READ_MODELS}

    @extend_schema(
        summary="Read a model version",
        operation_id="models_retrieve",
        parameters=[VERSION, IF_NONE_MATCH, ETAG],
        responses={200: VersionDetailBody, **NOT_MODIFIED, **problems(404)},
    )
    def get(self, request: Request, version: str) -> Response:
        """Return the version; without its files there is no card, and the body says why."""
        row = _version(version)
        events = DeploymentEvent.objects.filter(to_version=row).select_related("from_version")
        body: VersionDetailBody = {
            **_version_body(row, deployed()),
            **_card(row),
            "deployments": [_event_body(event) for event in events],
        }
        return Response(body)


class PromoteView(JSONView):
    """Let a version serve, if the gate has nothing against it."""

    actions = {"POST": Action.PROMOTE}

    @extend_schema(
        summary="Let a model version serve",
        parameters=[VERSION],
        request=ChangeSerializer,
        responses={200: DeployedBody, **problems(404, 409, body=True)},
        examples=[A_CHANGE],
    )
    def post(self, request: Request, version: str) -> Response:
        """Promote the version and return what serves now."""
        return _changed(request, partial(version_promote, version))


class RollbackView(JSONView):
    """Go back to the version that served before."""

    actions = {"POST": Action.ROLL_BACK}

    @extend_schema(
        summary="Go back to the version that served before",
        request=ChangeSerializer,
        responses={200: DeployedBody, **problems(409, body=True)},
        examples=[A_CHANGE],
    )
    def post(self, request: Request) -> Response:
        """Roll back and return what serves now."""
        return _changed(request, version_rollback)


def _changed(request: Request, change: Callable[..., Deployed]) -> Response:
    serializer = ChangeSerializer(data=request.data)
    serializer.is_valid(raise_exception=True)
    try:
        now = change(
            actor=request.user.get_username(),
            reason=serializer.validated_data["reason"],
            expected_epoch=serializer.validated_data.get("expected_epoch"),
        )
    except UnknownVersionError as error:
        raise NotFound from error
    except RegistryError as error:
        raise RefusedError(str(error)) from error
    return Response(_deployed_body(now))


def _version(version: str) -> ModelVersion:
    try:
        return version_get(version)
    except UnknownVersionError as error:
        raise NotFound from error


def _deployed_body(now: Deployed) -> DeployedBody:
    return {"version": now.version, "digest": now.digest, "epoch": now.epoch}


def _version_body(row: ModelVersion, now: Deployed | None) -> VersionBody:
    return {
        "version": row.version,
        "digest": row.digest,
        "deployed": now is not None and now.version == row.version,
        "dataset": row.dataset,
        "synthetic": row.synthetic,
        "created_at": row.created_at.isoformat(),
        "registered_at": row.registered_at.isoformat(),
        "registered_by": row.registered_by,
        "scikit_learn": row.scikit_learn,
        "metrics": row.metrics,
    }


def _card(row: ModelVersion) -> CardBody:
    try:
        return {"card": document(row, "card.md"), "card_error": None}
    except UnusableVersionError as error:
        return {"card": None, "card_error": str(error)}


def _event_body(event: DeploymentEvent) -> DeploymentEventBody:
    return {
        "epoch": event.epoch,
        "kind": DeploymentEvent.Kind(event.kind),
        "from": None if event.from_version is None else event.from_version.version,
        "at": event.created_at.isoformat(),
        "actor": event.actor,
        "reason": event.reason,
        "overridden": event.overridden,
    }
