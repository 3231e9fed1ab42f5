"""Cases from a file, answered as the API would and put on no record."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from rest_framework import exceptions

from api.answers import decision_body
from api.errors import problem_of
from api.parsers import parsed
from api.serializers import TriageRequestSerializer
from api.services import Answer, triage_by_rules, triage_preview
from triage_rules.case import case_from_request
from triage_rules.explain import explain
from triage_rules.ruleset import Ruleset

Body = Mapping[str, Any]


def answers(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Yield the answer to each line of NDJSON, or what is wrong with it; blank ones are skipped."""
    return _each(lines, _preview)


def answers_by_rules(lines: Iterable[bytes], *, ruleset: Ruleset) -> Iterator[dict[str, Any]]:
    """Yield the same by one ruleset alone; ``model`` is then null."""

    def answer(body: Body) -> dict[str, Any]:
        answered = triage_by_rules(case=case_from_request(body), ruleset=ruleset)
        return {**_written(answered), "model": None}

    return _each(lines, answer)


def explanation(body: bytes, *, ruleset: Ruleset) -> str:
    """Return why a ruleset says what it says of one case.

    Raises
    ------
    APIException
        When the API would refuse the case.
    """
    return explain(case_from_request(_validated(body)), ruleset=ruleset)


def problems(error: exceptions.APIException) -> str:
    """Return what is wrong with a case in one line: each field with its reason."""
    problem = problem_of(error, instance="")
    fields = (f"{one['pointer'] or 'the body'}: {one['detail']}" for one in problem["errors"])
    return " ".join(fields) or str(problem["detail"])


def _each(
    lines: Iterable[bytes], answer: Callable[[Body], dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield answer(_validated(line))
        except exceptions.APIException as error:
            yield problem_of(error, instance=f"line:{number}")


def _preview(body: Body) -> dict[str, Any]:
    return _written(triage_preview(case=case_from_request(body), patient_id=body.get("patient_id")))


def _written(answer: Answer) -> dict[str, Any]:
    return dict(decision_body(answer.decision, answer.assignment, answer.prediction_id))


def _validated(body: bytes) -> Body:
    serializer = TriageRequestSerializer(data=parsed(body))
    serializer.is_valid(raise_exception=True)
    validated: Body = serializer.validated_data
    return validated
