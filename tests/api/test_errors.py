"""Whatever goes wrong, the answer has one shape."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.test import Client

from api import views
from tests.conftest import TRIAGE_URL


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/api/", "/api/v1/nothing/", "/api/v1/triage", "/nothing"])
def test_an_unknown_address_is_a_problem(path: str, api: Any) -> None:
    response = api.get(path)

    assert response.status_code == 404
    assert response["Content-Type"] == "application/problem+json"


def test_a_post_to_an_unknown_address_is_a_problem_too() -> None:
    browser = Client(enforce_csrf_checks=True)

    response = browser.post("/api/v1/nothing/", {})

    assert response.status_code == 404
    assert response["Content-Type"] == "application/problem+json"


def test_another_host_is_a_problem() -> None:
    response = Client(headers={"host": "evil.example"}).get(TRIAGE_URL)

    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"
    assert "evil" not in response.content.decode()


@pytest.mark.django_db
def test_a_wrong_method_is_a_problem(api: Any) -> None:
    response = api.get(TRIAGE_URL)

    assert response.status_code == 405
    assert response.json()["title"] == "Method Not Allowed"


@pytest.mark.django_db
def test_a_bug_is_a_500_that_tells_nothing(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise KeyError("CANARY in the message")

    monkeypatch.setattr(views, "predictions_in_scope", broken)
    path = f"/api/v1/predictions/{uuid.uuid4()}/ground-truth/"

    response = api.send({"level": "soon", "source": "audit"}, path=path)

    assert response.status_code == 500
    assert response["Content-Type"] == "application/problem+json"
    assert "CANARY" not in response.content.decode()


@pytest.mark.django_db
def test_every_answer_carries_its_request_id(api: Any, sore_throat: dict[str, Any]) -> None:
    good, bad = api.send(sore_throat), api.send({})

    assert len(good["X-Request-ID"]) == 36
    assert bad.json()["instance"] == f"urn:uuid:{bad['X-Request-ID']}"


@pytest.mark.django_db
@pytest.mark.parametrize("accept", ["text/html", "application/xml", "*/*;q=0", "x" * 60_000])
def test_the_accept_header_changes_nothing(
    accept: str, api: Any, sore_throat: dict[str, Any]
) -> None:
    response = api.send(sore_throat, headers={"accept": accept})

    assert response.status_code == 200
    assert response["Content-Type"] == "application/json"
