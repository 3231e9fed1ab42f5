"""The arrays answer as the estimators that scikit-learn fitted, and explain themselves exactly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.sparse import csr_matrix
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from ml.classifier import Array, TriageClassifier, moved_up, softmax
from ml.estimators import Labels, flattened, linear, trees
from ml.predictor import decide
from ml.training import COST_MATRIX

MISSING = (8, 9)


@pytest.fixture(scope="module")
def rows() -> Array:
    random = np.random.default_rng(1)
    rows = np.hstack([random.normal(size=(400, 8)), random.integers(0, 2, size=(400, 2))])
    return rows.astype(np.float64)


@pytest.fixture(scope="module")
def labels(rows: Array) -> Labels:
    return np.digitize(rows[:, 0] + rows[:, 1] * rows[:, 2], [-1, 0, 1])


@pytest.fixture(scope="module")
def classifier(rows: Array, labels: Labels) -> TriageClassifier:
    seen = rows.copy()
    seen[:, MISSING] = 0
    return TriageClassifier(
        members=tuple(fit(csr_matrix(seen), labels, 3) for fit in (linear, trees)),
        weights=(0.25, 0.75),
        inverse_temperature=0.9,
        missing_columns=np.array(MISSING),
        missing_shares=np.array([0.1, 0.3]),
        classes_=np.arange(4),
    )


def test_linear_weights_answer_as_the_regression(rows: Array, labels: Labels) -> None:
    fitted = LogisticRegression(C=2.0, max_iter=2_000).fit(csr_matrix(rows), labels)

    found = linear(csr_matrix(rows), labels, 0).scores(rows)

    assert np.abs(found - fitted.decision_function(csr_matrix(rows))).max() < 1e-12


def test_flat_trees_answer_as_the_ensembles_they_are_the_mean_of(
    rows: Array, labels: Labels
) -> None:
    settings = {"max_iter": 20, "max_features": 0.5, "early_stopping": False}
    columns = np.array([0, 1, 2, 5, 7])
    fits = [
        HistGradientBoostingClassifier(random_state=seed, **settings).fit(rows[:, columns], labels)
        for seed in (1, 2)
    ]

    found = flattened(fits, columns=columns).scores(rows)

    expected = np.mean([fitted.decision_function(rows[:, columns]) for fitted in fits], axis=0)
    assert np.abs(found - expected).max() < 1e-12


def test_one_row_and_many_sparse_or_dense_give_the_same(
    classifier: TriageClassifier, rows: Array
) -> None:
    together = classifier.predict_proba(csr_matrix(rows))

    alone = np.vstack([classifier.predict_proba(row[None, :]) for row in rows])

    assert np.array_equal(together, classifier.predict_proba(rows))
    assert np.abs(together - alone).max() < 1e-15
    assert np.abs(together.sum(axis=1) - 1).max() < 1e-12


def test_an_extreme_row_still_gives_probabilities(classifier: TriageClassifier) -> None:
    probabilities = classifier.predict_proba(np.full((1, 10), 1e6))

    assert probabilities.sum() == pytest.approx(1)


@pytest.mark.parametrize("level", range(4))
def test_start_and_effects_add_up_to_the_score(
    classifier: TriageClassifier, rows: Array, level: int
) -> None:
    for row in rows[:50]:
        start, effects = classifier.explain(row, level=level)

        assert start + effects.sum() == pytest.approx(classifier.score(row, level=level), abs=1e-9)


def test_a_missing_value_has_an_effect_of_its_own(
    classifier: TriageClassifier, rows: Array
) -> None:
    row = rows[0].copy()
    row[list(MISSING)] = (0, 1)

    _, effects = classifier.explain(row, level=3)

    assert effects[9] > 0
    assert effects[8] == 0


DISTRIBUTIONS = arrays(np.float64, (1, 4), elements=st.floats(-20, 20)).map(softmax)


@given(DISTRIBUTIONS, st.floats(0, 1))
def test_what_moves_up_never_lowers_an_answer(probabilities: Array, share: float) -> None:
    raised = moved_up(probabilities, shares=np.array([[share]]))

    assert raised.sum() == pytest.approx(1)
    # No level is less likely to be reached or passed than before.
    assert (
        np.cumsum(raised[:, ::-1], axis=1) >= np.cumsum(probabilities[:, ::-1], 1) - 1e-12
    ).all()
    before, after = (
        decide(p[0].tolist(), cost_matrix=COST_MATRIX) for p in (probabilities, raised)
    )
    assert after >= before


@given(DISTRIBUTIONS, st.floats(0, 1), st.floats(0.5, 1))
def test_an_unsure_answer_stays_unsure_or_becomes_an_emergency(
    probabilities: Array, share: float, threshold: float
) -> None:
    raised = moved_up(probabilities, shares=np.array([[share]]))

    if probabilities.max() < threshold - 1e-12 and raised.max() >= threshold:
        assert decide(raised[0].tolist(), cost_matrix=COST_MATRIX) == 3
