"""Training is repeatable, measures itself beside a baseline, and refuses too little."""

from __future__ import annotations

import numpy as np
import pytest

from ml.artefacts import TrainedModel
from ml.classifier import LinearScores
from ml.features import MISSING_NAMES
from ml.simulator import simulate
from ml.training import COST_MATRIX, TrainingError, conformal_quantiles, train
from triage_rules.case import case_from_request
from triage_rules.level import Level


def test_it_works(trained: TrainedModel) -> None:
    model, baseline = trained.metrics["model"], trained.metrics["baseline"]

    assert model["qwk"] > baseline["qwk"]
    assert model["brier"] < baseline["brier"]
    assert model["emergency_recall"] > 0.5


def test_the_same_seed_gives_the_same_probabilities() -> None:
    cases, unseen = simulate(400, seed=1), simulate(20, seed=2)

    first, second = (train(cases, seed=3, dataset="synthetic") for _ in range(2))

    for case in (case_from_request(one.request) for one in unseen):
        assert first.probabilities(case) == second.probabilities(case)
    assert first.training_digest == second.training_digest


def test_the_figures_are_given_by_age_and_sex_too(trained: TrainedModel) -> None:
    subgroups = trained.metrics["subgroups"]

    assert {"age under 16", "age 16 to 64", "sex female", "sex male"} <= set(subgroups)
    assert all(group["rules"]["n"] >= 30 for group in subgroups.values())


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(TrainingError, match="50 rows are too few"):
        train(simulate(50, seed=1), seed=1, dataset="synthetic")


def test_a_level_without_rows_is_refused() -> None:
    cases = [case for case in simulate(400, seed=1) if case.level is not Level.ROUTINE]

    with pytest.raises(TrainingError, match="level routine has 0 rows"):
        train(cases, seed=1, dataset="synthetic")


def test_costs_that_could_lower_the_answer_of_a_sicker_patient_are_refused() -> None:
    careless = (*COST_MATRIX[:3], (8.0, 8.0, 3.0, 0.0))

    with pytest.raises(TrainingError, match="sicker patient"):
        train(simulate(300, seed=1), seed=1, dataset="synthetic", cost_matrix=careless)


def test_each_step_is_told_with_its_number() -> None:
    told: list[tuple[str, int, int]] = []

    train(simulate(300, seed=1), seed=1, dataset="synthetic", progress=lambda *s: told.append(s))

    assert [number for _, number, _ in told] == list(range(1, told[0][2] + 1))
    assert told[-1][0] == "fit on all rows"


def test_the_candidates_are_compared_with_each_other_and_with_knowing_nothing(
    trained: TrainedModel,
) -> None:
    found = {one["name"]: one for one in trained.metrics["estimators"]}

    assert set(found) == {"prior shares", "linear", "trees", "linear and trees"}
    chosen = found.pop(trained.metrics["chosen"])
    assert all(chosen["expected_cost"] <= other["expected_cost"] for other in found.values())
    assert chosen["log_loss"] < found["prior shares"]["log_loss"]


def test_no_member_looks_at_what_was_not_measured(trained: TrainedModel) -> None:
    missing = set(trained.classifier.missing_columns.tolist())
    names = trained.extractor.get_feature_names_out()

    assert {names[column] for column in missing} == set(MISSING_NAMES)
    for member in trained.classifier.members:
        if isinstance(member, LinearScores):
            assert not member.coefficients[sorted(missing)].any()
        else:
            assert not missing & set(member.features[np.isfinite(member.thresholds)].tolist())


def test_what_is_measured_was_not_learnt_from(trained: TrainedModel) -> None:
    """A model of all rows knows them better than those that were fitted without them."""
    cases = [case_from_request(case.request) for case in trained.held_out]
    truth = [case.level for case in trained.held_out]
    pairs = [
        (trained.probabilities(case)[level], opinion.probabilities[level])
        for case, level, opinion in zip(cases, truth, trained.held_out_opinions, strict=True)
        if opinion.level is not None
    ]

    seen, unseen = np.mean(pairs, axis=0)

    assert len(trained.held_out) == trained.training_rows
    assert seen > unseen + 0.01


def test_the_conformal_quantiles_cover_nine_in_ten_of_each_level() -> None:
    random = np.random.default_rng(5)
    truth = np.repeat(np.arange(4), [2_000, 1_000, 500, 99])
    probabilities = random.dirichlet(np.ones(4), size=len(truth))

    quantiles = conformal_quantiles(truth, probabilities)

    for level, quantile in enumerate(quantiles):
        own = probabilities[truth == level, level]
        assert np.mean(own >= 1 - quantile) == pytest.approx(0.9, abs=0.01)
