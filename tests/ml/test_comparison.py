"""Every decider on the same cases, each on those it answered."""

from __future__ import annotations

import json
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from ml.artefacts import LoadedModel, TrainedModel
from ml.comparison import MIN_SUBGROUP_ROWS, compare, judge, judged, unsaved
from ml.evaluation import wilson_interval
from ml.labelled import LabelledCase
from ml.predictor import predict
from triage_rules.case import case_from_request
from triage_rules.level import Abstention, Level, Opinion

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


def test_the_hybrid_is_the_decision_with_the_models_turn() -> None:
    raised = judged(WART, opinion(0.0, 0.0, 0.9, 0.1, level=Level.URGENT))
    floored = judged(ARREST, opinion(0.9, 0.1, 0.0, 0.0, level=Level.ROUTINE))

    assert (raised.rules, raised.hybrid) == (Level.ROUTINE, Level.URGENT)
    assert floored.hybrid is Level.EMERGENCY


def opinion(*probabilities: float, level: Level, plausible: tuple[Level, ...] = ()) -> Opinion:
    return Opinion(
        level=level, probabilities=probabilities, plausible_levels=plausible, threshold=0.6
    )


WART = labelled("wart", Level.ROUTINE)
SPRAIN = labelled("sprained ankle", Level.SOON)
ARREST = labelled("not breathing", Level.EMERGENCY)


def test_judging_a_known_opinion_is_judging_the_case(model: LoadedModel) -> None:
    [expected] = judge([SPRAIN], model=model)

    known = predict(case_from_request(SPRAIN.request), model=model)

    assert judged(SPRAIN, known) == expected


def test_a_model_fresh_from_training_predicts_as_it_will_when_saved(model: LoadedModel) -> None:
    patient = case_from_request(model.golden[0]["request"])
    fresh = TrainedModel(
        extractor=model.extractor,
        classifier=model.classifier,
        threshold=0.7,
        cost_matrix=model.cost_matrix,
        conformal_quantiles=model.conformal_quantiles,
        dataset="synthetic",
        synthetic=True,
        seed=1,
        training_rows=1,
        training_digest="0" * 64,
        metrics={},
        golden_requests=(),
    )

    answer = predict(patient, model=unsaved(fresh))

    saved = predict(patient, model=model)
    assert answer.probabilities == saved.probabilities
    assert answer.plausible_levels == saved.plausible_levels
    assert answer.threshold == 0.7


def test_the_likeliest_level_stands_beside_the_cheapest_one() -> None:
    rows = [judged(SPRAIN, opinion(0.1, 0.5, 0.4, 0.0, level=Level.URGENT))]
    costs = ((0, 1, 2, 4), (1, 0, 1, 2), (3, 1, 0, 1), (8, 8, 3, 0))

    comparison = compare(rows, cost_matrix=costs, resamples=0)

    assert (comparison["model"]["accuracy"], comparison["argmax"]["accuracy"]) == (0.0, 1.0)
    assert comparison["model"]["expected_cost"] == 1.0
    assert comparison["argmax"]["expected_cost"] == 0.0


def test_of_equally_likely_levels_the_more_urgent_counts() -> None:
    rows = [judged(SPRAIN, opinion(0.2, 0.4, 0.4, 0.0, level=Level.URGENT))]

    assert compare(rows, resamples=0)["argmax"]["over_triage"] == 1.0


def test_confidence_counts_who_was_answered_alone_and_why_not() -> None:
    rows = [
        judged(WART, opinion(0.7, 0.3, 0.0, 0.0, level=Level.ROUTINE)),
        judged(ARREST, opinion(0.7, 0.3, 0.0, 0.0, level=Level.ROUTINE)),
        judged(SPRAIN, opinion(0.5, 0.5, 0.0, 0.0, level=Level.SOON)),
        judged(SPRAIN, Opinion.abstain(Abstention.OUT_OF_RANGE)),
    ]

    confidence = compare(rows, resamples=0)["confidence"]

    assert (confidence["confident"], confidence["confident_share"]) == (2, 0.5)
    assert confidence["abstained"] == {"out_of_range": 1}
    assert confidence["when_confident"]["accuracy"] == 0.5
    assert confidence["when_confident"]["emergency_recall"] == 0.0


def test_reliability_is_that_of_the_likeliest_level_and_of_an_emergency() -> None:
    rows = [
        judged(ARREST, opinion(0.0, 0.06, 0.70, 0.24, level=Level.EMERGENCY)),
        judged(ARREST, opinion(0.0, 0.18, 0.1, 0.72, level=Level.EMERGENCY)),
    ]

    stated = compare(rows, resamples=0)["reliability"]

    [top] = stated["top"]
    assert (top["n"], top["share"]) == (2, 0.5)
    assert top["mean_probability"] == pytest.approx(0.71)
    assert [(one["low"], one["share"]) for one in stated["emergency"]] == [(0.2, 1.0), (0.7, 1.0)]


def test_plausible_levels_are_measured_by_coverage_and_size() -> None:
    both = (Level.ROUTINE, Level.SOON)
    rows = [
        judged(WART, opinion(0.7, 0.3, 0.0, 0.0, level=Level.ROUTINE, plausible=both)),
        judged(SPRAIN, opinion(0.5, 0.5, 0.0, 0.0, level=Level.SOON, plausible=both)),
        judged(ARREST, opinion(0.9, 0.1, 0.0, 0.0, level=Level.ROUTINE, plausible=both[:1])),
    ]

    conformal = compare(rows, resamples=0)["conformal"]

    assert conformal["coverage"] == pytest.approx(2 / 3)
    assert conformal["interval"] == wilson_interval(2, 3)
    assert conformal["mean_size"] == pytest.approx(5 / 3)
    assert conformal["sizes"] == {"1": 1, "2": 2}
    assert conformal["per_level"] == {
        "routine": 1.0, "soon": 1.0, "urgent": None, "emergency": 0.0,
    }  # fmt: skip


def test_without_a_model_nothing_is_said_of_probabilities() -> None:
    comparison = compare(list(judge(CASES, model=None)), resamples=0)

    assert not {"argmax", "confidence", "reliability", "conformal"} & comparison.keys()


def test_each_level_has_its_recall_and_precision() -> None:
    per_level = compare(list(judge(CASES, model=None)), resamples=0)["per_level"]["rules"]

    assert per_level["routine"] == {
        "n": 1,
        "recall": 1.0,
        "precision": 0.5,
        "intervals": {"recall": wilson_interval(1, 1), "precision": wilson_interval(1, 2)},
    }
    assert per_level["soon"] == {"n": 0, "recall": None, "precision": None, "intervals": {}}


def test_subgroups_of_thirty_rows_are_measured_apart() -> None:
    here = [labelled("wart", Level.ROUTINE, site="north")] * MIN_SUBGROUP_ROWS
    there = [labelled("wart", Level.URGENT, site="south")] * (MIN_SUBGROUP_ROWS - 1)

    subgroups = compare(list(judge([*here, *there], model=None)), resamples=0)["subgroups"]

    assert set(subgroups) == {"age 16 to 64", "sex female", "site north"}
    assert subgroups["site north"]["rules"]["accuracy"] == 1.0
    assert subgroups["site north"]["rules"]["intervals"]["under_triage"] == wilson_interval(0, 30)


def test_the_intervals_are_drawn_with_a_seed_and_hold_the_figure() -> None:
    rows = list(judge(CASES * 20, model=None))
    first, again = (compare(rows, resamples=50, seed=3) for _ in range(2))

    low, high = first["rules"]["intervals"]["qwk"]
    assert low < first["rules"]["qwk"] < high
    assert first == again


def test_measuring_loads_no_learning_library() -> None:
    code = "import sys, ml.comparison, ml.card.tables; print({'sklearn', 'scipy'} & {*sys.modules})"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "set()"


def evaluate_model(*arguments: str) -> str:
    output = StringIO()
    call_command("evaluate_model", *arguments, stdout=output)
    return output.getvalue()


@pytest.fixture
def store(tmp_path: Path, settings: Any) -> Path:
    """A store without a version."""
    settings.MODEL_STORE = tmp_path
    return tmp_path


@pytest.fixture
def trained_store(model_store: Path, settings: Any) -> Path:
    """The store of the suite, which holds one version."""
    settings.MODEL_STORE = model_store
    return model_store


def test_the_command_prints_one_json_object(trained_store: Path, model: LoadedModel) -> None:
    result = json.loads(evaluate_model("--dataset=synthetic", "--rows=40", "--json"))

    assert result["n"] == 40
    assert result["version"] == model.version
    assert result["seen_in_training"] is False
    assert result["model"]["expected_cost"] is not None
    for decider in ("model", "rules", "hybrid"):
        assert set(result[decider]) >= PROMISED | {"intervals"}
    assert result["model"]["brier"] is not None
    assert result["rules"]["brier"] is None


def test_the_command_reads_well_in_a_terminal(trained_store: Path) -> None:
    text = evaluate_model("--dataset=synthetic", "--rows=100")

    assert "| Patients answered " in text
    assert "| Under-triage, % " in text
    for section in ("Decision rule", "Recall by level", "Groups", "Reliability", "Plausible"):
        assert f"## {section}" in text
    assert max(map(len, text.splitlines())) <= 140


def test_figures_on_the_patients_it_learnt_from_are_called_flattering(
    trained_store: Path, monkeypatch: pytest.MonkeyPatch, model: LoadedModel
) -> None:
    digest = model.metadata["training_digest"]
    monkeypatch.setattr(
        "ml.management.commands.evaluate_model.training_digest", lambda cases: digest
    )

    text = evaluate_model("--dataset=synthetic", "--rows=40")
    result = json.loads(evaluate_model("--dataset=synthetic", "--rows=40", "--json"))

    assert text.startswith("Version ")
    assert "the patients it learnt from: the figures flatter it" in text.splitlines()[0]
    assert result["seen_in_training"] is True


def test_a_version_that_is_not_there_is_one_sentence(store: Path) -> None:
    with pytest.raises(CommandError, match="is not a directory of the store"):
        evaluate_model("--dataset=synthetic", "--rows=40", "--version=20250101T000000-x-00000000")


def test_without_a_model_it_says_what_to_do(store: Path) -> None:
    with pytest.raises(CommandError, match="There is no model yet"):
        evaluate_model("--dataset=synthetic", "--rows=40")


def test_rules_only_needs_no_model(store: Path) -> None:
    assert "rules" in evaluate_model("--dataset=synthetic", "--rows=40", "--rules-only")
