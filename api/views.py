"""One view per operation: parse, call one service, shape, return."""

from __future__ import annotations

import uuid
from dataclasses import asdict
from http import HTTPStatus
from typing import Any, cast

from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, JsonResponse
from knox.models import AuthToken
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.answers import decision_body
from api.errors import LengthRequiredError
from api.middleware import request_id_of
from api.serializers import GroundTruthSerializer, LoginSerializer, TriageRequestSerializer
from api.services import triage_decide
from ml.service import TriagePredictionService
from monitoring.labelling import ground_truth_record
from monitoring.labels import level_word
from monitoring.selectors import prediction_in_scope
from monitoring.services import Caller
from triage_rules.case import case_from_request


class JSONView(APIView):
    """What all operations share: a body of known length."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse a chunked body, which Django would read as an empty one."""
        super().initial(request, *args, **kwargs)
        if "HTTP_TRANSFER_ENCODING" in request.META and not request.META.get("CONTENT_LENGTH"):
            raise LengthRequiredError


class TriageView(JSONView):
    """How soon must this patient be seen?"""

    # Tells the error handler that a nurse is waiting: an outage must say "triage by hand".
    decides = True

    def post(self, request: Request) -> Response:
        """Decide one case and return the decision that is now on record."""
        serializer = TriageRequestSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        answer = triage_decide(
            case=case_from_request(serializer.validated_data),
            caller=_caller(request, serializer.validated_data),
            body=serializer.validated_data,
            explain=request.query_params.get("explain") == "true",
        )
        return Response(decision_body(answer.decision, answer.assignment, answer.prediction_id))


class GroundTruthView(JSONView):
    """What was right for an earlier prediction."""

    def post(self, request: Request, prediction_id: uuid.UUID) -> Response:
        """Record a label; a repeat changes nothing, a conflict is kept for review."""
        serializer = GroundTruthSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        account = _account(request)
        if not prediction_in_scope(prediction_id, user=account):
            raise Http404
        outcome = ground_truth_record(
            prediction_id=prediction_id, author=account, label=serializer.reported()
        )
        body = {
            "prediction_id": str(prediction_id),
            "level": level_word(outcome.level),
            "state": outcome.state,
            "ground_truth": None if outcome.resolved is None else outcome.resolved.label,
        }
        return Response(body, status=HTTPStatus.CREATED if outcome.created else HTTPStatus.OK)


class LoginView(JSONView):
    """A token for a name and a password."""

    authentication_classes = ()
    permission_classes = ()

    def get_authenticate_header(self, request: Request) -> str:
        """Name the scheme, so that a refusal is a 401."""
        return "Token"

    def post(self, request: Request) -> Response:
        """Return a new token and when it ends."""
        serializer = LoginSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        user = authenticate(request, **serializer.validated_data)
        if user is None:
            raise AuthenticationFailed("The name or the password is wrong.")
        row, token = AuthToken.objects.create(user)
        return Response({"token": token, "expiry": row.expiry.isoformat()})


def _account(request: Request) -> User:
    """Return the account behind the token; the permission class has made sure there is one."""
    return cast("User", request.user)


def _caller(request: Request, body: dict[str, Any]) -> Caller:
    name = _account(request).get_username()
    return Caller(
        client=name,
        actor=name,
        request_id=request_id_of(request),
        patient_id=body.get("patient_id"),
        encounter_id=body.get("encounter_id"),
        triage_log_id=body.get("triage_log_id") or "",
        site=body.get("site") or "",
    )


def livez(request: HttpRequest) -> JsonResponse:
    """Say that the process answers."""
    return JsonResponse({"status": "alive"})


def readyz(request: HttpRequest) -> JsonResponse:
    """Say how the process would answer a patient: with its model, or by rules alone."""
    return JsonResponse({"status": "ready", **asdict(TriagePredictionService.instance().status)})
