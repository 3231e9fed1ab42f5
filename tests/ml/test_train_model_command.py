"""``manage.py train_model``: one JSON object on request, and the pointer moved only when asked."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from ml.artefacts import pointer
from ml.models import ModelVersion


def train_model(*arguments: str, store: Path, settings: Any) -> str:
    settings.MODEL_STORE = store
    output = StringIO()
    call_command("train_model", *arguments, stdout=output)
    return output.getvalue()


def test_it_works(tmp_path: Path, settings: Any) -> None:
    output = train_model(
        "--dataset=synthetic", "--rows=300", "--json", store=tmp_path, settings=settings
    )

    result = json.loads(output)
    assert set(result) == {"version", "dataset", "metrics"}
    assert (tmp_path / result["version"] / "manifest.json").is_file()
    assert pointer(tmp_path) is None


@pytest.mark.django_db(transaction=True)
def test_the_first_registered_version_serves_and_the_next_is_a_candidate(
    tmp_path: Path, settings: Any
) -> None:
    register = ("--dataset=synthetic", "--rows=300", "--register")

    first = train_model(*register, store=tmp_path, settings=settings)
    second = train_model(*register, "--seed=2", store=tmp_path, settings=settings)

    assert pointer(tmp_path).version in first
    assert "under_triage" in first
    candidate = ModelVersion.objects.exclude(version=pointer(tmp_path).version).get()
    assert candidate.version in second
    assert candidate.evidence["against"] == pointer(tmp_path).version


def test_two_data_sets_are_learnt_together(tmp_path: Path, settings: Any) -> None:
    output = train_model(
        "--dataset=csv", f"--path={_csv(tmp_path)}", "--base=synthetic", "--rows=300", "--json",
        store=tmp_path / "models", settings=settings,
    )  # fmt: skip

    result = json.loads(output)
    assert result["dataset"] == "csv-synthetic"
    assert result["metrics"]["n"] == 301


def _csv(folder: Path) -> Path:
    path = folder / "cases.csv"
    path.write_text("chief_complaint,patient_age,level\ncough,40,soon\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["--dataset=log", "--path=/nowhere.gz"],
            "there is no file /nowhere.gz; manage.py export_training_set writes it.",
        ),
        (["--dataset=ktas", "--path=/nowhere.csv"], "there is no file /nowhere.csv."),
        (["--dataset=synthetic", "--rows=20"], "20 rows are too few; expected at least 200."),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence(
    tmp_path: Path, settings: Any, arguments: list[str], sentence: str
) -> None:
    with pytest.raises(CommandError) as refusal:
        train_model(*arguments, store=tmp_path, settings=settings)

    assert str(refusal.value) == sentence


def test_without_a_signing_key_nothing_is_trained(tmp_path: Path, settings: Any) -> None:
    settings.MODEL_SIGNING_KEY = None

    with pytest.raises(CommandError, match="MODEL_SIGNING_KEY is not set"):
        train_model("--dataset=synthetic", "--rows=300", store=tmp_path, settings=settings)
    assert list(tmp_path.iterdir()) == []
