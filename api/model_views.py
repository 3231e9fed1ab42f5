"""The registry over HTTP: which versions there are, which one serves, and how to change that."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any

from rest_framework.exceptions import APIException, NotFound
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.fields import NumberField, StrictSerializer, TextField
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
from triage_rules.case import Range

EPOCHS = Range(1, 999_999_999, "(an epoch)", whole=True)


class RefusedError(APIException):
    """A change of what serves is refused."""

    status_code = HTTPStatus.CONFLICT


class ChangeSerializer(StrictSerializer):
    """Why to change what serves, and from which state."""

    reason = TextField(longest=MAX_REASON_CHARACTERS)
    expected_epoch = NumberField(EPOCHS, required=False, allow_null=True)


class MayDeploy(BasePermission):
    """Whether an account may decide what serves."""

    message = "This account may not change which model version serves."

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Ask for Django's permission to change the deployment."""
        return bool(request.user and request.user.has_perm("ml.change_deployment"))


class ModelsView(JSONView):
    """All versions, the newest first, and which of them serves."""

    def get(self, request: Request) -> Response:
        """Return every registered version."""
        now = deployed()
        return Response(
            {
                "deployed": None if now is None else _deployed_body(now),
                "results": [_version_body(row, now) for row in versions()],
            }
        )


class ModelView(JSONView):
    """One version: where it comes from, how good it is, its card and when it served."""

    def get(self, request: Request, version: str) -> Response:
        """Return the version; without its files there is no card, and the body says why."""
        row = _version(version)
        events = DeploymentEvent.objects.filter(to_version=row).select_related("from_version")
        return Response(
            {
                **_version_body(row, deployed()),
                **_card(row),
                "deployments": [_event_body(event) for event in events],
            }
        )


class DeploymentView(JSONView):
    """What promotion and rollback share: only some accounts may."""

    permission_classes = (IsAuthenticated, MayDeploy)


class PromoteView(DeploymentView):
    """Let a version serve, if the gate has nothing against it."""

    def post(self, request: Request, version: str) -> Response:
        """Promote the version and return what serves now."""
        return _changed(request, partial(version_promote, version))


class RollbackView(DeploymentView):
    """Go back to the version that served before."""

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


def _deployed_body(now: Deployed) -> dict[str, Any]:
    return {"version": now.version, "digest": now.digest, "epoch": now.epoch}


def _version_body(row: ModelVersion, now: Deployed | None) -> dict[str, Any]:
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


def _card(row: ModelVersion) -> dict[str, str | None]:
    try:
        return {"card": document(row, "card.md"), "card_error": None}
    except UnusableVersionError as error:
        return {"card": None, "card_error": str(error)}


def _event_body(event: DeploymentEvent) -> dict[str, Any]:
    return {
        "epoch": event.epoch,
        "kind": event.kind,
        "from": None if event.from_version is None else event.from_version.version,
        "at": event.created_at.isoformat(),
        "actor": event.actor,
        "reason": event.reason,
        "overridden": event.overridden,
    }
