"""Who may ask: somebody with a token that works."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from knox.models import AuthToken

from monitoring.models import MLPredictionLog
from monitoring.roles import Role
from tests.conftest import ApiClient, account, client_of

LOGIN_URL = "/api/v1/auth/login/"


def _is_a_problem(response: Any, status: int) -> bool:
    return (
        response.status_code == status
        and response["Content-Type"] == "application/problem+json"
        and response.json()["status"] == status
    )


@pytest.mark.django_db
def test_no_token_is_a_401(anonymous: Any, chest_pain: dict[str, Any]) -> None:
    response = anonymous.send(chest_pain)

    assert _is_a_problem(response, 401)
    assert response["WWW-Authenticate"] == "Token"
    assert not MLPredictionLog.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "header",
    [
        "Token wrong",
        "Token",
        "Token a b",
        "Bearer x",
        "Basic dTpw",
        "Token " + "0" * 64,
        "Token \xe9",
    ],
)
def test_a_wrong_token_is_a_401(header: str, chest_pain: dict[str, Any]) -> None:
    client = ApiClient(headers={"authorization": header})

    response = client.send(chest_pain)

    assert _is_a_problem(response, 401)
    assert not MLPredictionLog.objects.exists()


@pytest.mark.django_db
def test_an_expired_token_is_a_401(frontend: User, chest_pain: dict[str, Any]) -> None:
    _, token = AuthToken.objects.create(frontend, expiry=timedelta(seconds=-1))
    client = ApiClient(headers={"authorization": f"Token {token}"})

    assert _is_a_problem(client.send(chest_pain), 401)


@pytest.mark.django_db
def test_a_disabled_account_is_a_401(api: Any, frontend: User, chest_pain: dict[str, Any]) -> None:
    frontend.is_active = False
    frontend.save()

    assert _is_a_problem(api.send(chest_pain), 401)


@pytest.mark.django_db
def test_a_name_and_a_password_give_a_token_that_works(
    anonymous: Any, sore_throat: dict[str, Any]
) -> None:
    account("nurse", Role.CLINICIAN, password="correct horse battery")
    login = {"username": "nurse", "password": "correct horse battery"}

    token = anonymous.send(login, path=LOGIN_URL).json()["token"]

    client = ApiClient(headers={"authorization": f"Token {token}"})
    assert client.send(sore_throat).status_code == 200


@pytest.mark.django_db
def test_a_wrong_password_is_a_401(anonymous: Any, reviewer: User) -> None:
    response = anonymous.send({"username": "reviewer", "password": "guess"}, path=LOGIN_URL)

    assert _is_a_problem(response, 401)
    assert "guess" not in response.content.decode()


@pytest.mark.django_db
def test_after_logout_the_token_no_longer_works(
    reviewer: User, sore_throat: dict[str, Any]
) -> None:
    client = client_of(reviewer)

    assert client.post("/api/v1/auth/logout/").status_code == 204
    assert client.send(sore_throat).status_code == 401


@pytest.mark.django_db
def test_logout_everywhere_ends_every_token(reviewer: User, sore_throat: dict[str, Any]) -> None:
    here, there = client_of(reviewer), client_of(reviewer)

    assert here.post("/api/v1/auth/logoutall/").status_code == 204
    assert there.send(sore_throat).status_code == 401
