"""The API's description of itself: complete, true of real answers, and shown to who is known."""

from __future__ import annotations

import io
import json
import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.management import call_command
from django.test import Client
from django.urls import get_resolver
from django.utils import timezone
from jsonschema import Draft202012Validator, FormatChecker

from ml.service import TriagePredictionService
from monitoring.accuracy import day_to_check
from monitoring.roles import Role
from tests.conftest import TRIAGE_URL, ApiClient, account, client_of
from tests.monitoring.simulated_runs import months, settled

pytestmark = pytest.mark.django_db

SCHEMA = "/api/v1/schema/"
DOCS = "/api/v1/docs/"
PREDICTIONS = "/api/v1/predictions/"
NOBODY = "00000000-0000-7000-8000-000000000000"
ROUTES = {
    "/api/ml/predict/",
    "/api/v1/auth/login/",
    "/api/v1/auth/logout/",
    "/api/v1/auth/logoutall/",
    "/api/v1/batches/",
    "/api/v1/batches/template/",
    "/api/v1/batches/{batch_id}/",
    "/api/v1/batches/{batch_id}/result/",
    "/api/v1/models/",
    "/api/v1/models/rollback/",
    "/api/v1/models/{version}/",
    "/api/v1/models/{version}/promote/",
    "/api/v1/monitoring/summary/",
    "/api/v1/predictions/",
    "/api/v1/predictions/{prediction_id}/",
    "/api/v1/predictions/{prediction_id}/ground-truth/",
    "/api/v1/triage/",
    "/api/v1/triage/bulk/",
}
# They describe the others, and not themselves.
DESCRIBING = {SCHEMA, DOCS}


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    """The description, made as `make check` makes it: valid and without a warning."""
    out = io.StringIO()
    call_command(
        "spectacular", "--format", "openapi-json", "--validate", "--fail-on-warn", stdout=out
    )
    return dict(json.loads(out.getvalue()))


@pytest.fixture
def everybody() -> ApiClient:
    """One account with all roles, whose answers can be looked at."""
    return client_of(account("everybody", *Role))


def operations(described: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield method, path and description of every operation."""
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def mistakes(answer: Any, described: dict[str, Any], method: str, path: str) -> list[str]:
    """Return where an answer is not what the description says of it."""
    declared = described["paths"][path][method]["responses"][str(answer.status_code)]["content"]
    media_type = answer["Content-Type"].split(";")[0]
    schema = {**declared[media_type]["schema"], "components": described["components"]}
    validator = Draft202012Validator(schema, format_checker=FormatChecker())
    return [f"{one.json_path}: {one.message}" for one in validator.iter_errors(answer.json())]


# --- complete ------------------------------------------------------------------------------------


def _addresses(patterns: Any, before: str = "") -> Iterator[str]:
    for pattern in patterns:
        here = before + str(pattern.pattern)
        if hasattr(pattern, "url_patterns"):
            yield from _addresses(pattern.url_patterns, here)
        else:
            yield here


def test_addresses_description_and_this_list_are_the_same(described: dict[str, Any]) -> None:
    # Both ways to write a parameter, as the description writes it.
    written = {
        "/" + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", re.sub(r"\(\?P(<\w+>)[^)]*\)", r"\1", one))
        for one in _addresses(get_resolver().url_patterns)
    }
    served = {one.replace("^", "").replace("$", "") for one in written} - {"/api/"}

    assert {one for one in served if one.startswith("/api/")} == ROUTES | DESCRIBING
    assert set(described["paths"]) == ROUTES


def test_the_version_is_that_of_the_package(described: dict[str, Any]) -> None:
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]

    assert described["info"]["version"] == project["version"]


def test_it_says_what_the_service_is_not(described: dict[str, Any]) -> None:
    assert "not certified or cleared as a medical device" in described["info"]["description"]


def test_every_object_is_closed(described: dict[str, Any]) -> None:
    schemas = described["components"]["schemas"]
    objects = {name: one for name, one in schemas.items() if "properties" in one}

    assert len(objects) > 30
    assert [n for n, one in objects.items() if one.get("additionalProperties") is not False] == []


def test_every_operation_says_what_it_is_and_how_it_refuses(described: dict[str, Any]) -> None:
    for method, path, operation in operations(described):
        refusals = {"429", "503"} | ({"400", "413", "415"} if "requestBody" in operation else set())
        assert operation["summary"], (method, path)
        assert refusals <= set(operation["responses"]), (method, path)


# --- true ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", ["", "?explain=true"])
@pytest.mark.parametrize("path", [TRIAGE_URL, "/api/ml/predict/"])
def test_a_decision_is_as_described(
    path: str,
    query: str,
    api: ApiClient,
    chest_pain: dict[str, Any],
    with_model: TriagePredictionService,
    described: dict[str, Any],
) -> None:
    answer = api.send(chest_pain, path=path + query)

    assert answer.status_code == 200
    assert mistakes(answer, described, "post", path) == []


def test_a_decision_without_a_model_is_as_described(
    api: ApiClient, sore_throat: dict[str, Any], described: dict[str, Any]
) -> None:
    assert mistakes(api.send(sore_throat), described, "post", TRIAGE_URL) == []


def test_a_member_that_is_not_described_is_a_mistake(
    api: ApiClient,
    sore_throat: dict[str, Any],
    described: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from api import views

    real = views.decision_body
    monkeypatch.setattr(views, "decision_body", lambda *args: {**real(*args), "secret": 1})

    assert "secret" in str(mistakes(api.send(sore_throat), described, "post", TRIAGE_URL))


def test_a_bulk_answer_is_as_described(
    api: ApiClient, sore_throat: dict[str, Any], described: dict[str, Any]
) -> None:
    path = "/api/v1/triage/bulk/"

    answer = api.send({"requests": [sore_throat, {}]}, path=path)

    assert answer.status_code == 200
    assert mistakes(answer, described, "post", path) == []


def test_the_record_is_as_described(
    api: ApiClient,
    chest_pain: dict[str, Any],
    sore_throat: dict[str, Any],
    with_model: TriagePredictionService,
    described: dict[str, Any],
) -> None:
    first = api.send(chest_pain).json()["prediction_id"]
    api.send({"patient_age": 3, "symptoms_data": {"chief_complaint": "cough"}})
    one = f"{PREDICTIONS}{first}/"
    taken = api.send({"level": "urgent", "source": "outcome"}, path=f"{one}ground-truth/")

    page, single = api.get(PREDICTIONS), api.get(one)

    template = f"{PREDICTIONS}{{prediction_id}}/"
    assert (page.status_code, single.status_code, taken.status_code) == (200, 200, 201)
    assert single.json()["ground_truth"] == "urgent"
    assert mistakes(taken, described, "post", f"{template}ground-truth/") == []
    assert mistakes(page, described, "get", PREDICTIONS) == []
    assert mistakes(single, described, "get", template) == []


def test_an_empty_service_is_as_described(everybody: ApiClient, described: dict[str, Any]) -> None:
    for path in ("/api/v1/models/", "/api/v1/monitoring/summary/", PREDICTIONS):
        assert mistakes(everybody.get(path), described, "get", path) == []


def test_the_summary_is_as_described(everybody: ApiClient, described: dict[str, Any]) -> None:
    now = timezone.now()
    months(30, until=day_to_check(now=now), now=now)
    settled(now=now)

    answer = everybody.get("/api/v1/monitoring/summary/")

    assert answer.json()["accuracy"]["latest"]
    assert mistakes(answer, described, "get", "/api/v1/monitoring/summary/") == []


def test_the_summary_is_not_sent_again_while_only_the_clock_moves(everybody: ApiClient) -> None:
    first = everybody.get("/api/v1/monitoring/summary/")

    headers = {"If-None-Match": first["ETag"]}
    again = everybody.get("/api/v1/monitoring/summary/", headers=headers)

    assert (again.status_code, again.content) == (304, b"")


def test_the_list_of_models_is_not_sent_again(everybody: ApiClient) -> None:
    first = everybody.get("/api/v1/models/")

    again = everybody.get("/api/v1/models/", headers={"If-None-Match": first["ETag"]})

    assert again.status_code == 304


def test_a_token_is_as_described(
    anonymous: ApiClient, reviewer: Any, described: dict[str, Any]
) -> None:
    path = "/api/v1/auth/login/"

    given = anonymous.send({"username": "reviewer", "password": "correct horse battery"}, path=path)
    refused = anonymous.send({"username": "reviewer", "password": "no"}, path=path)

    assert (given.status_code, refused.status_code) == (200, 401)
    assert mistakes(given, described, "post", path) == []
    assert mistakes(refused, described, "post", path) == []


@pytest.mark.parametrize(
    ("ask", "method", "path", "status"),
    [
        (lambda api: api.send({}), "post", TRIAGE_URL, 400),
        (lambda api: api.send_raw(b"x", content_type="text/plain"), "post", TRIAGE_URL, 415),
        (lambda api: api.send_raw(b" " * 70_000), "post", TRIAGE_URL, 413),
        (lambda api: api.get(f"{PREDICTIONS}?level=x"), "get", PREDICTIONS, 400),
        (
            lambda api: api.get(f"{PREDICTIONS}{NOBODY}/"),
            "get",
            f"{PREDICTIONS}{{prediction_id}}/",
            404,
        ),
        (
            lambda api: api.send({"reason": "r"}, path="/api/v1/models/rollback/"),
            "post",
            "/api/v1/models/rollback/",
            403,
        ),
    ],
)
def test_a_refusal_is_as_described(
    ask: Callable[[ApiClient], Any],
    method: str,
    path: str,
    status: int,
    api: ApiClient,
    described: dict[str, Any],
) -> None:
    answer = ask(api)

    assert answer.status_code == status
    assert mistakes(answer, described, method, path) == []


def test_every_example_can_be_sent(everybody: ApiClient, described: dict[str, Any]) -> None:
    sent = 0
    for method, path, operation in operations(described):
        content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        for example in content.get("examples", {}).values():
            if "{" in path or "rollback" in path:
                continue
            answer = everybody.send(example["value"], path=path)
            assert answer.status_code == 200, (method, path, answer.json())
            sent += 1

    assert sent >= 3


@pytest.mark.parametrize("words", ["\x1c", "\x85\xa0", "\u2003\t"])
def test_what_is_blank_to_the_api_is_blank_to_the_description(
    words: str, api: ApiClient, described: dict[str, Any]
) -> None:
    text = described["components"]["schemas"]["SymptomsData"]["properties"]["chief_complaint"]

    answer = api.send({"patient_age": 30, "symptoms_data": {"chief_complaint": words}})

    assert answer.status_code == 400
    assert not Draft202012Validator(text).is_valid(words)


# --- what fuzzing once found ---------------------------------------------------------------------


@pytest.mark.parametrize("query", ["explain=maybe", "explain=", "explain=true&explain=true"])
def test_a_wish_for_reasons_that_cannot_be_read_is_refused(
    query: str, api: ApiClient, sore_throat: dict[str, Any]
) -> None:
    answer = api.send(sore_throat, path=f"{TRIAGE_URL}?{query}")

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/explain")


def test_a_repeat_by_a_person_without_a_usable_name_is_refused_too(
    api: ApiClient, sore_throat: dict[str, Any]
) -> None:
    key = {"idempotency-key": "k-1"}
    assert api.send(sore_throat, headers=key).status_code == 200

    again = api.send(sore_throat, headers=key | {"x-acting-user": "a b"})

    assert again.status_code == 400


# --- who may see it ------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [SCHEMA, DOCS])
def test_any_account_may_see_it(path: str) -> None:
    nobody = account("nobody", password="correct horse battery")
    by_session = Client()
    by_session.force_login(nobody)

    assert client_of(nobody).get(path).status_code == 200
    assert by_session.get(path).status_code == 200


@pytest.mark.parametrize("path", [SCHEMA, DOCS])
def test_a_stranger_may_not(path: str, anonymous: ApiClient) -> None:
    answer = anonymous.get(path)

    assert (answer.status_code, answer["Content-Type"]) == (401, "application/problem+json")
    assert answer.json()["status"] == 401


@pytest.mark.parametrize("path", [SCHEMA, DOCS])
def test_on_a_development_machine_everybody_may(
    path: str, anonymous: ApiClient, settings: Any
) -> None:
    settings.DEBUG = True

    assert anonymous.get(path).status_code == 200


def test_the_description_is_served_as_json(api: ApiClient, described: dict[str, Any]) -> None:
    answer = api.get(SCHEMA, headers={"accept": "application/yaml, */*;q=0.1"})

    assert answer["Content-Type"].startswith("application/json")
    assert answer.json()["paths"].keys() == described["paths"].keys()


def test_the_page_has_no_script_of_its_own_and_loads_nothing_from_elsewhere(
    api: ApiClient,
) -> None:
    answer = api.get(DOCS)
    page, policy = answer.content.decode(), answer["Content-Security-Policy"]

    assert "<script>" not in page
    assert "://" not in page
    assert "script-src 'self';" in f"{policy};"
    assert "style-src 'self' 'unsafe-inline'" in policy


def test_only_the_page_may_set_styles(api: ApiClient) -> None:
    assert "unsafe-inline" not in api.get(SCHEMA)["Content-Security-Policy"]
    assert "unsafe-inline" not in str(django_settings.CONTENT_SECURITY_POLICY)
