"""The process says how it would answer a patient, without touching anything."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from ml.artefacts import POINTER


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
    assert (answer["epoch"], len(answer["model_digest"])) == (1, 64)


def test_with_another_version_than_the_deployed_one_it_is_degraded(
    service: Any, model_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ml.loading.try_out", lambda *_, **__: None)
    store = Path(shutil.copytree(model_store, tmp_path / "models"))
    service.boot(store)
    assert service.mode == "full"
    (store / POINTER).write_text('{"version": "gone", "epoch": 2}')

    service.refresh()

    answer = Client().get("/readyz").json()
    assert (answer["status"], answer["mode"], answer["epoch"]) == ("ready", "degraded", 1)
    assert "gone" in answer["model_error"]
