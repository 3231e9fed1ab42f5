"""No answer without a record: when the row cannot be written, a nurse is told to triage by hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import InterfaceError, connection

from api import services
from monitoring.models import MLPredictionLog


@contextmanager
def table_gone(table: str) -> Iterator[None]:
    """Take a table away for real, as a failed migration or a lost disk would."""
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO {table}_gone")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {table}_gone RENAME TO {table}")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("table", ["monitoring_mlpredictionlog", "ml_phase"])
def test_without_a_row_there_is_no_level(
    table: str, api: Any, chest_pain: dict[str, Any], with_model: Any
) -> None:
    with table_gone(table):
        response = api.send(chest_pain)

    problem = response.json()
    assert response.status_code == 503
    assert response["Content-Type"] == "application/problem+json"
    assert response["Retry-After"]
    assert problem["manual_triage"] is True
    assert "RF07" in [flag["id"] for flag in problem["red_flags"]]
    assert not {"prediction", "probabilities", "rules", "model"} & problem.keys()
    assert not MLPredictionLog.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("error", [InterfaceError, RuntimeError, KeyError])
@pytest.mark.parametrize("step", ["phase_current", "assign", "combine", "prediction_logs_create"])
def test_whatever_breaks_a_nurse_is_told_to_go_by_hand(
    step: str,
    error: type[Exception],
    api: Any,
    chest_pain: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise error("CANARY")

    monkeypatch.setattr(services, step, broken)

    response = api.send(chest_pain)

    assert response.status_code == 503
    assert response.json()["manual_triage"] is True
    assert "RF07" in [flag["id"] for flag in response.json()["red_flags"]]
    assert "CANARY" not in response.content.decode()


@pytest.mark.django_db(transaction=True)
def test_without_the_token_table_a_nurse_is_still_told_what_to_do(
    api: Any, chest_pain: dict[str, Any]
) -> None:
    with table_gone("knox_authtoken"):
        response = api.send(chest_pain)

    assert response.status_code == 503
    assert response.json()["manual_triage"] is True
    assert response.json()["red_flags"] == []


@pytest.mark.django_db(transaction=True)
def test_it_answers_again_once_the_record_is_back(api: Any, chest_pain: dict[str, Any]) -> None:
    with table_gone("monitoring_mlpredictionlog"):
        api.send(chest_pain)

    assert api.send(chest_pain).status_code == 200
    assert MLPredictionLog.objects.count() == 1
