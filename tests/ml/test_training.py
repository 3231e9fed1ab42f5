"""Training is repeatable, measures itself beside a baseline, and refuses too little."""

from __future__ import annotations

import numpy as np
import pytest

from ml.artefacts import TrainedModel
from ml.simulator import simulate
from ml.training import TrainingError, conformal_quantile, train
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
    assert all(group["n"] >= 30 for group in subgroups.values())


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(TrainingError, match="50 rows are too few"):
        train(simulate(50, seed=1), seed=1, dataset="synthetic")


def test_a_level_without_rows_is_refused() -> None:
    cases = [case for case in simulate(400, seed=1) if case.level is not Level.ROUTINE]

    with pytest.raises(TrainingError, match="level routine has 0 rows"):
        train(cases, seed=1, dataset="synthetic")


def test_each_step_is_told() -> None:
    told: list[str] = []

    train(simulate(300, seed=1), seed=1, dataset="synthetic", progress=told.append)

    assert told == ["learn the words", "fit and calibrate", "evaluate"]


def test_the_conformal_quantile_covers_nine_in_ten() -> None:
    truth = np.zeros(99, dtype=np.int64)
    probabilities = np.zeros((99, 4))
    probabilities[:, 0] = np.linspace(1, 0.02, 99)

    quantile = conformal_quantile(truth, probabilities)

    assert np.mean(probabilities[:, 0] >= 1 - quantile) == pytest.approx(90 / 99)
