"""What is learnt from rows of features: each estimator fitted by scikit-learn, kept as arrays."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from ml.classifier import Array, Indices, LinearScores, Scores, TreeScores

Labels = NDArray[np.int64]
Fit = Callable[[csr_matrix, Labels, int], Scores]


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """How trees are grown from so many rows: few bear small trees, and two sets are steadier."""

    fewer_rows_than: float
    sets: int
    trees: int
    learning_rate: float
    leaves: int
    least_rows_in_leaf: int
    least_share_of_column: float


GROWTHS = (
    Growth(fewer_rows_than=1_000, sets=2, trees=80, learning_rate=0.08, leaves=10,
           least_rows_in_leaf=6, least_share_of_column=0.01),
    Growth(fewer_rows_than=5_000, sets=1, trees=80, learning_rate=0.08, leaves=10,
           least_rows_in_leaf=6, least_share_of_column=0.005),
    Growth(fewer_rows_than=25_000, sets=1, trees=100, learning_rate=0.12, leaves=20,
           least_rows_in_leaf=20, least_share_of_column=0.005),
    Growth(fewer_rows_than=math.inf, sets=1, trees=150, learning_rate=0.1, leaves=31,
           least_rows_in_leaf=20, least_share_of_column=0.001),
)  # fmt: skip


def linear(rows: csr_matrix, labels: Labels, seed: int) -> LinearScores:
    """Fit a multinomial logistic regression on all columns."""
    fitted = LogisticRegression(C=2.0, max_iter=2_000).fit(rows, labels)
    return LinearScores(
        coefficients=np.ascontiguousarray(fitted.coef_.T), intercepts=np.array(fitted.intercept_)
    )


def trees(rows: csr_matrix, labels: Labels, seed: int) -> TreeScores:
    """Fit gradient boosted trees on the columns that enough rows have."""
    growth = next(one for one in GROWTHS if rows.shape[0] < one.fewer_rows_than)
    columns = _common_columns(rows, share=growth.least_share_of_column)
    dense = rows[:, columns].toarray()
    fits = [
        HistGradientBoostingClassifier(
            max_iter=growth.trees,
            learning_rate=growth.learning_rate,
            max_leaf_nodes=growth.leaves,
            min_samples_leaf=growth.least_rows_in_leaf,
            l2_regularization=2.0,
            max_features=0.3,
            early_stopping=False,
            random_state=seed + number,
        ).fit(dense, labels)
        for number in range(growth.sets)
    ]
    return flattened(fits, columns=columns)


# What is fitted, and how much of each a candidate takes. Trees alone are better than weights alone
# where there are few rows, weights see the rare words: together they do best with two parts trees.
MEMBERS: Mapping[str, Fit] = {"linear": linear, "trees": trees}
CANDIDATES: Mapping[str, Mapping[str, float]] = {
    "linear": {"linear": 1.0},
    "trees": {"trees": 1.0},
    "linear and trees": {"linear": 1 / 3, "trees": 2 / 3},
}


def flattened(fits: Sequence[HistGradientBoostingClassifier], *, columns: Indices) -> TreeScores:
    """Return the mean of fitted ensembles as flat arrays over all features.

    Parameters
    ----------
    fits
        Trained on more than two classes, without missing values or categories.
    columns
        Of each feature they were trained on, its column among all.
    """
    grown = [
        (predictor.nodes, level)
        for fitted in fits
        for by_level in fitted._predictors
        for level, predictor in enumerate(by_level)
    ]
    sizes = [len(nodes) for nodes, _ in grown]
    roots = np.cumsum([0, *sizes[:-1]])
    nodes = np.concatenate([one for one, _ in grown])
    first, itself = np.repeat(roots, sizes), np.arange(len(nodes))
    is_leaf = nodes["is_leaf"].astype(bool)
    lefts = np.where(is_leaf, itself, first + nodes["left"])
    rights = np.where(is_leaf, itself, first + nodes["right"])
    return TreeScores(
        roots=roots,
        levels=np.array([level for _, level in grown]),
        features=np.where(is_leaf, 0, columns[nodes["feature_idx"]]),
        thresholds=np.where(is_leaf, np.inf, nodes["num_threshold"]),
        lefts=lefts,
        rights=rights,
        values=_worth(nodes, lefts=lefts, rights=rights) / len(fits),
        start=np.mean([fitted._baseline_prediction[0] for fitted in fits], axis=0),
        depth=int(nodes["depth"].max()),
    )


def _common_columns(rows: csr_matrix, *, share: float) -> Indices:
    counts = np.bincount(rows.indices, minlength=rows.shape[1])
    return np.flatnonzero(counts >= share * rows.shape[0])


def _worth(nodes: Any, *, lefts: Indices, rights: Indices) -> Array:
    """Return the value of each leaf and, of other nodes, the mean of what lies below."""
    values: Array = nodes["value"].astype(np.float64)
    counts = nodes["count"].astype(np.float64)
    # Children come after their parents, and deeper ones must be known first.
    for node in np.argsort(-nodes["depth"], kind="stable"):
        if not nodes["is_leaf"][node]:
            below = [lefts[node], rights[node]]
            values[node] = np.average(values[below], weights=counts[below])
    return values
