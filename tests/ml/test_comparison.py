"""Every decider on the same cases, each on those it answered."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from ml.artefacts import LoadedModel
from ml.comparison import MIN_SUBGROUP_ROWS, as_text, compare, judge
from ml.labelled import LabelledCase
from triage_rules.level import Level

PROMISED = {
    "accuracy", "macro_f1", "qwk", "kappa", "under_triage", "over_triage", "emergency_recall",
    "two_level_under_triage", "brier", "ece",
}  # fmt: skip


def labelled(complaint: str, level: Level, **given: Any) -> LabelledCase:
    request = {"patient_age": 50, "sex": "female", "symptoms_data": {"chief_complaint": complaint}}
    site = {"site": given.pop("site")} if "site" in given else {}
    return LabelledCase(
        request={**request, **site}, level=level, row_id=complaint, scale="simulated", **given
    )


CASES = [
    labelled("not breathing", Level.EMERGENCY, nurse_level=Level.EMERGENCY),
    labelled("wart", Level.ROUTINE, nurse_level=Level.SOON),
    labelled("wart", Level.URGENT),
]


def test_without_a_model_the_rules_and_the_nurse_are_measured() -> None:
    comparison = compare(list(judge(CASES, model=None)), resamples=0)

    assert comparison["n"] == 3
    assert "model" not in comparison
    assert comparison["rules"]["n"] == 3
    assert comparison["rules"]["accuracy"] == pytest.approx(2 / 3)
    assert comparison["rules"]["under_triage"] == pytest.approx(1 / 3)
    assert comparison["nurse"]["n"] == 2
    assert comparison["nurse"]["over_triage"] == pytest.approx(1 / 2)


def test_the_hybrid_is_the_decision_with_the_models_turn(model: LoadedModel) -> None:
    judged = list(judge(CASES, model=model))

    assert judged[0].hybrid is Level.EMERGENCY
    assert all(one.hybrid >= one.opinion.level for one in judged if one.opinion.is_confident)


def test_each_level_has_its_recall_and_precision() -> None:
    per_level = compare(list(judge(CASES, model=None)), resamples=0)["per_level"]["rules"]

    assert per_level["emergency"] == {"n": 1, "recall": 1.0, "precision": 1.0}
    assert per_level["routine"] == {"n": 1, "recall": 1.0, "precision": 0.5}
    assert per_level["soon"] == {"n": 0, "recall": None, "precision": None}


def test_subgroups_of_thirty_rows_are_measured_apart() -> None:
    here = [labelled("wart", Level.ROUTINE, site="north")] * MIN_SUBGROUP_ROWS
    there = [labelled("wart", Level.URGENT, site="south")] * (MIN_SUBGROUP_ROWS - 1)

    subgroups = compare(list(judge([*here, *there], model=None)), resamples=0)["subgroups"]

    assert set(subgroups) == {"age 16 to 64", "sex female", "site north"}
    assert subgroups["site north"]["rules"]["accuracy"] == 1.0


def test_the_intervals_are_drawn_with_a_seed_and_hold_the_figure() -> None:
    judged = list(judge(CASES * 20, model=None))
    first, again = (compare(judged, resamples=50, seed=3) for _ in range(2))

    low, high = first["rules"]["intervals"]["qwk"]
    assert low < first["rules"]["qwk"] < high
    assert first == again


def test_the_table_names_each_decider_and_each_promised_figure() -> None:
    lines = as_text(compare(list(judge(CASES, model=None)), resamples=0)).splitlines()

    assert lines[0].split() == ["rules", "hybrid", "nurse"]
    assert {line.split()[0] for line in lines[1:]} >= PROMISED
    assert lines[1].split() == ["n", "3", "3", "2"]


def evaluate_model(*arguments: str) -> str:
    output = StringIO()
    call_command("evaluate_model", *arguments, stdout=output)
    return output.getvalue()


@pytest.fixture
def store(tmp_path: Path, settings: Any) -> Path:
    settings.MODEL_STORE = tmp_path
    return tmp_path


def test_the_command_prints_one_json_object(store: Path) -> None:
    call_command(
        "train_model", "--dataset=synthetic", "--rows=300", "--register", stdout=StringIO()
    )

    result = json.loads(evaluate_model("--dataset=synthetic", "--rows=40", "--json"))

    assert result["n"] == 40
    assert result["version"]
    for decider in ("model", "rules", "hybrid"):
        assert set(result[decider]) >= PROMISED | {"intervals"}
    assert result["model"]["brier"] is not None
    assert result["rules"]["brier"] is None


def test_a_version_that_is_not_there_is_one_sentence(store: Path) -> None:
    with pytest.raises(CommandError, match="is not a directory of the store"):
        evaluate_model("--dataset=synthetic", "--rows=40", "--version=20250101T000000-x-00000000")


def test_without_a_model_it_says_what_to_do(store: Path) -> None:
    with pytest.raises(CommandError, match="There is no model yet"):
        evaluate_model("--dataset=synthetic", "--rows=40")


def test_rules_only_needs_no_model(store: Path) -> None:
    assert "rules" in evaluate_model("--dataset=synthetic", "--rows=40", "--rules-only")
