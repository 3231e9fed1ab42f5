"""The process says how it would answer a patient, without touching anything."""

from __future__ import annotations

from typing import Any

from django.test import Client


def test_alive_is_alive() -> None:
    assert Client().get("/livez").json() == {"status": "alive"}


def test_without_a_model_it_is_ready_by_rules_and_says_why(service: Any, tmp_path: Any) -> None:
    service.boot(tmp_path)

    answer = Client().get("/readyz").json()

    assert (answer["status"], answer["mode"]) == ("ready", "rules_only")
    assert answer["model_version"] is None
    assert answer["model_error"]


def test_with_a_model_it_names_the_version(with_model: Any) -> None:
    answer = Client().get("/readyz").json()

    assert (answer["mode"], answer["model_error"]) == ("full", None)
    assert "synthetic" in answer["model_version"]
