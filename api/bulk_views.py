"""Many triage requests in one call: each is answered or refused by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, NotRequired, TypedDict, cast

from django.http import HttpResponse
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response

from api.answers import DecisionBody, RedFlagBody
from api.demo import EXAMPLE_REQUEST
from api.errors import PROBLEM_JSON, instance_of, problem_of
from api.fields import ShortListField, StrictSerializer
from api.idempotency import once
from api.parsers import BulkJSONParser, refuse_ambiguous
from api.schema import ACTING_USER, IDEMPOTENCY_KEY, Problem, problems
from api.serializers import TriageRequestSerializer
from api.services import Answer, Call, or_all_by_hand, triage_decide_many
from api.views import JSONView, caller_of, decided_body
from monitoring.roles import Action
from triage_rules.case import case_from_request

MOST_REQUESTS = 1_000

# A checked request, or why it is none.
Checked = Mapping[str, Any] | APIException


class EachField(ShortListField):
    """A list whose items are checked one by one; an item that cannot be used takes no other along.

    In the place of such an item stands what is wrong with it.
    """

    def run_child_validation(self, data: Any) -> list[Any]:
        """Return what each item is, or why it is nothing."""
        return [self._checked(item) for item in data]

    def _checked(self, item: Any) -> Checked:
        try:
            refuse_ambiguous(item)
            checked: Checked = self.child.run_validation(item)
        except APIException as error:
            return error
        return checked


class BulkRequestSerializer(StrictSerializer):
    """1 to 1,000 triage requests."""

    requests = EachField(
        child=TriageRequestSerializer(), allow_empty=False, max_length=MOST_REQUESTS
    )


class NoParameters(StrictSerializer):
    """The parameters of an address that takes none."""


class BulkItemBody(TypedDict):
    """What became of one request: `decision` where `status` is 200, else `problem`."""

    index: int
    status: int
    decision: NotRequired[DecisionBody]
    problem: NotRequired[Problem]


class BulkBody(TypedDict):
    """What became of all requests, in the order in which they were sent."""

    answered: int
    refused: int
    results: list[BulkItemBody]


class ItemByHand(TypedDict):
    """The red flags of one request, by its place in the list."""

    index: int
    red_flags: list[RedFlagBody]


class NoneRecordedProblem(Problem):
    """No decision could be put on record: triage all of them by hand. Red flags can only raise."""

    manual_triage: bool
    items: NotRequired[list[ItemByHand]]
    red_flags: NotRequired[list[RedFlagBody]]


_BY_HAND = OpenApiResponse(
    NoneRecordedProblem, description="Nothing could be put on record: triage by hand."
)


class BulkView(JSONView):
    """How soon must each of these patients be seen?"""

    decides = True
    actions = {"POST": Action.TRIAGE}
    parser_classes = (BulkJSONParser,)
    throttle_cost = 20

    @extend_schema(
        summary="Decide up to 1,000 cases",
        request=BulkRequestSerializer,
        parameters=[IDEMPOTENCY_KEY, ACTING_USER],
        responses={
            200: BulkBody,
            **problems(409, 422, body=True),
            (503, PROBLEM_JSON): _BY_HAND,
        },
        examples=[
            OpenApiExample("One case", value={"requests": [EXAMPLE_REQUEST]}, request_only=True)
        ],
    )
    def post(self, request: Request) -> HttpResponse:
        """Decide each case that can be used, all of them on record, and say what is wrong else.

        The status is 200 also where every single request is refused.
        """
        NoParameters(data=request.query_params).is_valid(raise_exception=True)
        serializer = BulkRequestSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        checked: list[Checked] = serializer.validated_data["requests"]
        calls = _calls(request, checked)
        body: BulkBody = {"answered": 0, "refused": 0, "results": []}

        def keep(answers: Sequence[Answer]) -> None:
            answered = dict(zip(calls, answers, strict=True))
            body.update(_bulk_body(checked, answered, instance=instance_of(request)))
            first.keep(HTTPStatus.OK, body)

        cases = {index: call.case for index, call in calls.items()}
        with or_all_by_hand(cases), once(request) as first:
            if first.answered is not None:
                return first.answered
            triage_decide_many(list(calls.values()), then=keep)
            return Response(body)


def _calls(request: Request, checked: Sequence[Checked]) -> dict[int, Call]:
    """Return the requests that can be answered, by their place in the list."""
    return {
        index: Call(caller=caller_of(request, body), case=case_from_request(body), body=body)
        for index, body in enumerate(checked)
        if not isinstance(body, APIException)
    }


def _bulk_body(
    checked: Sequence[Checked], answered: Mapping[int, Answer], *, instance: str
) -> BulkBody:
    results = [
        _refused(index, one, instance=instance)
        if isinstance(one, APIException)
        else _answered(index, answered[index])
        for index, one in enumerate(checked)
    ]
    return {
        "answered": len(answered),
        "refused": len(checked) - len(answered),
        "results": results,
    }


def _answered(index: int, answer: Answer) -> BulkItemBody:
    return {"index": index, "status": HTTPStatus.OK, "decision": decided_body(answer)}


def _refused(index: int, error: APIException, *, instance: str) -> BulkItemBody:
    """Return the problem that a call with this request alone would have been answered."""
    problem = cast("Problem", problem_of(error, instance=f"{instance}#/requests/{index}"))
    return {"index": index, "status": error.status_code, "problem": problem}
