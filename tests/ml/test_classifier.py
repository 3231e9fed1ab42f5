"""The reduced classifier answers as the one that scikit-learn fitted."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression

from ml.classifier import Array, CalibratedLinearClassifier


@pytest.fixture(scope="module")
def rows() -> Array:
    return np.random.default_rng(1).normal(size=(400, 6))


@pytest.fixture(scope="module")
def fitted(rows: Array) -> CalibratedClassifierCV:
    labels = np.digitize(rows[:, 0] + rows[:, 1], [-1, 0, 1])
    regression = LogisticRegression()
    return CalibratedClassifierCV(regression, method="temperature", ensemble=False).fit(
        rows, labels
    )


def test_it_works(fitted: CalibratedClassifierCV, rows: Array) -> None:
    reduced = CalibratedLinearClassifier.from_fitted(fitted)

    assert np.abs(reduced.predict_proba(rows) - fitted.predict_proba(rows)).max() < 1e-12
    assert list(reduced.classes_) == [0, 1, 2, 3]


def test_an_extreme_row_still_gives_probabilities(fitted: CalibratedClassifierCV) -> None:
    reduced = CalibratedLinearClassifier.from_fitted(fitted)

    probabilities = reduced.predict_proba(np.full((1, 6), 1e6))

    assert probabilities.sum() == pytest.approx(1)


def test_the_effects_explain_the_score(fitted: CalibratedClassifierCV, rows: Array) -> None:
    reduced = CalibratedLinearClassifier.from_fitted(fitted)

    effects = [reduced.effects(rows[:1], column=column) for column in range(4)]

    # What raises one level lowers the others.
    assert np.abs(np.sum(effects, axis=0)).max() < 1e-12
