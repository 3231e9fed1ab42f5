"""One view per operation: parse, call one service, shape, return."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import asdict
from http import HTTPStatus
from typing import Any, ClassVar, NoReturn, cast

from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.answers import DecisionBody, LabelBody, decision_body
from api.demo import EXAMPLE_REQUEST
from api.errors import (
    FieldForbiddenError,
    FieldProblem,
    InvalidBodyError,
    LengthRequiredError,
    UnusableQueryError,
)
from api.idempotency import once
from api.middleware import request_id_of
from api.permissions import scope_asked
from api.schema import ACTING_USER, IDEMPOTENCY_KEY, problems
from api.serializers import GroundTruthSerializer, TriageRequestSerializer
from api.services import Answer, or_by_hand, triage_decide
from ml.service import TriagePredictionService
from monitoring.labelling import ground_truth_record, may_say
from monitoring.labels import level_word
from monitoring.roles import Action
from monitoring.selectors import predictions_in_scope
from monitoring.services import Caller
from triage_rules.case import case_from_request

EXPLAIN = OpenApiParameter(
    "explain", bool, description="Whether to say what moved the model; the answer takes longer."
)

NO_AUDIT = FieldProblem("/source", "forbidden", "Only who may settle labels says so of an audit.")
ACTING_USER_HEADER = "X-Acting-User"
_A_NAME = re.compile(r"[\x21-\x7e]{1,150}")


class UnusableNameError(InvalidBodyError):
    """A name of the acting person that is empty, too long, or not plain text."""

    default_detail = f"The header {ACTING_USER_HEADER} cannot be used; see errors."

    def __init__(self) -> None:
        detail = f"The header {ACTING_USER_HEADER} must be 1 to 150 visible ASCII characters."
        super().__init__(FieldProblem("", "acting_user", detail))


class JSONView(APIView):
    """What all operations share: named actions, and a body of known length."""

    # What each method does, by the table of roles; a method that does not stand here is denied.
    actions: ClassVar[Mapping[str, Action]] = {}

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse a chunked body, which Django would read as an empty one."""
        super().initial(request, *args, **kwargs)
        if "HTTP_TRANSFER_ENCODING" in request.META and not request.META.get("CONTENT_LENGTH"):
            raise LengthRequiredError

    def permission_denied(self, request: Request, *args: Any, **kwargs: Any) -> NoReturn:
        """Count a refusal like a call: each leaves a row, and those are kept for years."""
        if request.user:
            self.check_throttles(request)
        super().permission_denied(request, *args, **kwargs)


class TriageView(JSONView):
    """How soon must this patient be seen?"""

    # Tells the error handler that a nurse is waiting: an outage must say "triage by hand".
    decides = True
    actions = {"POST": Action.TRIAGE}

    @extend_schema(
        summary="Decide one case",
        tags=["triage"],
        request=TriageRequestSerializer,
        parameters=[EXPLAIN, IDEMPOTENCY_KEY, ACTING_USER],
        responses={200: DecisionBody, **problems(409, 422, body=True, decides=True)},
        examples=[OpenApiExample("Chest pain", value=EXAMPLE_REQUEST, request_only=True)],
    )
    def post(self, request: Request) -> HttpResponse:
        """Decide one case and return the decision that is now on record, once for a key."""
        serializer = TriageRequestSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        case, explain = case_from_request(serializer.validated_data), _asks_why(request)
        # Before a key is looked up: a repeat is as right or wrong as the first call was.
        caller = caller_of(request, serializer.validated_data)
        with or_by_hand(case), once(request) as call:
            if call.answered is not None:
                return call.answered
            answer = triage_decide(
                case=case,
                caller=caller,
                body=serializer.validated_data,
                explain=explain,
                then=lambda answer: call.keep(HTTPStatus.OK, decided_body(answer)),
            )
            return Response(decided_body(answer))


def _asks_why(request: Request) -> bool:
    given = request.query_params.getlist("explain")
    if given not in ([], ["true"], ["false"]):
        problem = FieldProblem("/explain", "not_a_boolean", "Must be true or false, given once.")
        raise UnusableQueryError(problem)
    return given == ["true"]


class GroundTruthView(JSONView):
    """What was right for an earlier prediction."""

    actions = {"POST": Action.LABEL}

    @extend_schema(
        summary="Say what would have been right",
        request=GroundTruthSerializer,
        parameters=[ACTING_USER],
        responses={200: LabelBody, 201: LabelBody, **problems(404, body=True)},
        examples=[
            OpenApiExample(
                "An outcome", value={"level": "urgent", "source": "outcome"}, request_only=True
            )
        ],
    )
    def post(self, request: Request, prediction_id: uuid.UUID) -> Response:
        """Record a label; a repeat changes nothing, a conflict is kept for review."""
        serializer = GroundTruthSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        account = _account(request)
        reached = predictions_in_scope(scope_asked(request), client=account.get_username())
        if not reached.filter(pk=prediction_id).exists():
            raise Http404
        label = serializer.reported()
        if not may_say(account, label):
            raise FieldForbiddenError(NO_AUDIT, action=Action.SETTLE_LABELS)
        outcome = ground_truth_record(
            prediction_id=prediction_id, author=account, label=label, actor=acting_user(request)
        )
        body: LabelBody = {
            "prediction_id": str(prediction_id),
            "level": level_word(outcome.level),
            "state": outcome.state,
            "ground_truth": None if outcome.resolved is None else outcome.resolved.label,
        }
        return Response(body, status=HTTPStatus.CREATED if outcome.created else HTTPStatus.OK)


def acting_user(request: Request) -> str:
    """Return the person whom the holder of a token names; blank where nobody is named.

    It is put on record and gives no rights. Who has a session acts in person.
    """
    name = request.headers.get(ACTING_USER_HEADER)
    if name is None or request.auth is None:
        return ""
    if not _A_NAME.fullmatch(name):
        raise UnusableNameError
    return name


def _account(request: Request) -> User:
    """Return the account behind the token; the permission class has made sure there is one."""
    return cast("User", request.user)


def decided_body(answer: Answer) -> DecisionBody:
    """Return an answer as it is sent."""
    return decision_body(answer.decision, answer.assignment, answer.prediction_id)


def caller_of(request: Request, body: Mapping[str, Any]) -> Caller:
    """Return who sends a request, and about whom."""
    name = _account(request).get_username()
    actor = acting_user(request) or name
    return Caller.of(body, client=name, actor=actor, request_id=request_id_of(request))


def livez(request: HttpRequest) -> JsonResponse:
    """Say that the process answers."""
    return JsonResponse({"status": "alive"})


def readyz(request: HttpRequest) -> JsonResponse:
    """Say how the process would answer a patient: with its model, or by rules alone."""
    return JsonResponse({"status": "ready", **asdict(TriagePredictionService.instance().status)})
