"""``manage.py train_model``: one JSON object on request, and the pointer moved only when asked."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from ml.artefacts import current_version


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
    assert current_version(tmp_path) is None


def test_a_registered_version_is_the_current_one(tmp_path: Path, settings: Any) -> None:
    output = train_model(
        "--dataset=synthetic", "--rows=300", "--register", store=tmp_path, settings=settings
    )

    assert str(current_version(tmp_path)) in output
    assert "under_triage" in output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--dataset=log"], "the data set 'log' is not available in this version."),
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
