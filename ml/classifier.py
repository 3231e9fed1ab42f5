"""The fitted classifier, reduced to the arrays that one answer needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class CalibratedLinearClassifier:
    """One linear score per class, scaled by one temperature, through a softmax.

    It gives what scikit-learn's ``CalibratedClassifierCV`` (``method="temperature"``) over a
    ``LogisticRegression`` gives, without checking a table that the service has just built itself:
    one row in some 10 microseconds in place of 1,000.

    Attributes
    ----------
    coefficients
        One row per class, one column per feature.
    intercepts
        One per class.
    inverse_temperature
        What the scores are multiplied by (Guo and others, 2017); below 1 it makes them humbler.
    classes_
        The labels in the order of the columns of ``predict_proba``.
    """

    coefficients: Array
    intercepts: Array
    inverse_temperature: float
    classes_: NDArray[np.int64]

    @classmethod
    def from_fitted(cls, fitted: Any) -> CalibratedLinearClassifier:
        """Take the arrays out of a ``CalibratedClassifierCV`` fitted with ``ensemble=False``."""
        (pair,) = fitted.calibrated_classifiers_
        (scaling,) = pair.calibrators
        return cls(
            coefficients=np.ascontiguousarray(pair.estimator.coef_),
            intercepts=np.array(pair.estimator.intercept_),
            inverse_temperature=float(scaling.beta_),
            classes_=np.array(fitted.classes_),
        )

    def predict_proba(self, rows: Any) -> Array:
        """Return one row of probabilities per row of features, dense or sparse."""
        scores = np.asarray(rows @ self.coefficients.T) + self.intercepts
        scaled = scores * self.inverse_temperature
        # The softmax is the same for any shift; this one keeps the exponents from overflowing.
        raised = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        probabilities: Array = raised / raised.sum(axis=1, keepdims=True)
        return probabilities

    def effects(self, row: Array, *, column: int) -> Array:
        """Return what each feature of ``row`` adds to one class's score over the others' mean."""
        centred = self.coefficients[column] - self.coefficients.mean(axis=0)
        effects: Array = self.inverse_temperature * centred * row[0]
        return effects
