"""The summary over HTTP: for accounts that may see the runs, and documented field by field."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from monitoring.accuracy import day_to_check
from monitoring.roles import Role
from tests.conftest import ApiClient, account, client_of
from tests.monitoring.simulated_runs import months, settled

pytestmark = pytest.mark.django_db

SUMMARY = "/api/v1/monitoring/summary/"
DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "summary.md"


@pytest.fixture
def observer() -> ApiClient:
    """An account that may see the runs."""
    return client_of(account("observer", Role.AUDITOR))


def named(value: Any, *, inside: str = "") -> set[str]:
    """Return the names of all fields that are not themselves data, such as the code of a site."""
    data = {"by_version", "by_arm", "arms"}
    found: set[str] = set()
    if isinstance(value, dict):
        for key, part in value.items():
            found |= named(part, inside=key) | (set() if inside in data else {key})
    elif isinstance(value, list):
        found = set().union(*(named(part, inside=inside) for part in value))
    return found


def test_it_works(observer: ApiClient) -> None:
    now = timezone.now()
    months(30, until=day_to_check(now=now), now=now)

    answer = observer.get(SUMMARY)

    assert answer.status_code == 200
    assert answer.json()["window"]["days"] == 28
    assert " % right (" in answer.json()["verdict"]["sentence"]


def test_the_days_are_chosen_in_the_address(observer: ApiClient) -> None:
    assert [
        observer.get(f"{SUMMARY}?days={days}").json()["window"]["days"] for days in (1, 90, 366)
    ] == [1, 90, 366]


@pytest.mark.parametrize(
    "days", ["0", "367", "-1", "07", "1.0", "1e2", "", "x", "²", " 7", "9" * 5_000, "7&days=8"]
)
def test_another_number_of_days_is_refused_and_not_echoed(observer: ApiClient, days: str) -> None:
    answer = observer.get(f"{SUMMARY}?days={days}")

    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["errors"] == [
        {
            "pointer": "/days",
            "code": "out_of_range",
            "detail": "Must be one whole number from 1 to 366.",
        }
    ]


def test_a_word_that_is_not_known_is_refused(observer: ApiClient) -> None:
    answer = observer.get(f"{SUMMARY}?weeks=2")

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "/weeks"


def test_who_may_not_see_the_runs_is_refused(api: ApiClient) -> None:
    answer = api.get(SUMMARY)

    assert answer.status_code == 403
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["detail"] == "This account may not do that."


def test_without_a_token_nobody_is_answered(anonymous: ApiClient) -> None:
    assert anonymous.get(SUMMARY).status_code == 401


def test_it_cannot_be_written(observer: ApiClient) -> None:
    assert observer.send({}, path=SUMMARY).status_code == 405


def test_every_field_is_documented(observer: ApiClient) -> None:
    now = timezone.now()
    months(10, until=day_to_check(now=now), now=now)
    settled(now=now)
    document = DOCUMENT.read_text()

    fields = named(observer.get(SUMMARY).json())

    assert sorted(field for field in fields if f"`{field}`" not in document) == []
