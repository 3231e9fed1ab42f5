"""Two raters on the same cases: Cohen's kappa.

Levels count in the order given, and all of the scale belong there: a level left out because nobody
used it changes the weighted kappa.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from monitoring.statistics.checks import Floats, same_length, square_table

Weights = Literal["linear", "quadratic"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kappa:
    """Kappa of one table, unweighted and weighted, each with its standard error."""

    simple: float
    simple_se: float
    weighted_linear: float
    weighted_linear_se: float
    weighted_quadratic: float
    weighted_quadratic_se: float

    @property
    def weighted_se(self) -> float:
        """The standard error with linear weights, under SAS's name."""
        return self.weighted_linear_se


def cohen_kappa(
    y1: Sequence[Hashable],
    y2: Sequence[Hashable],
    categories: Sequence[Hashable] | None = None,
    weights: Weights | None = None,
) -> float:
    """Return how far two raters agree beyond chance.

    Parameters
    ----------
    y1, y2
        The levels given by each, equally many.
    categories
        All levels in order; None for those that occur, sorted.
    weights
        None where every disagreement counts the same; "linear" or "quadratic" where levels further
        apart count more.

    Returns
    -------
    float
        1 for full agreement, 0 for what chance gives.

    Raises
    ------
    ValueError
        When lengths differ, there is nothing, a level is not among the categories, or both raters
        use one level only, where kappa does not exist.

    References
    ----------
    Cohen J. Educ Psychol Meas 1960;20:37-46 and Psychol Bull 1968;70:213-220.

    Examples
    --------
    >>> cohen_kappa(["high", "low", "high"], ["high", "low", "low"], ["low", "high"])
    0.4
    """
    if weights not in (None, "linear", "quadratic"):
        raise ValueError('weights must be None, "linear" or "quadratic"')
    return round(float(_kappa(_crossed(y1, y2, categories), weights).kappa), 15)


def cohen_kappa_table(table: ArrayLike) -> Kappa:
    """Return kappa, unweighted and weighted, with the standard errors of SAS.

    Parameters
    ----------
    table
        k by k counts, one rater by row and the other by column, k at least 2.

    Returns
    -------
    Kappa

    Raises
    ------
    ValueError
        When the table is not square, is empty, or both raters use one level only.

    References
    ----------
    Fleiss JL, Cohen J, Everitt BS. Psychol Bull 1969;72:323-327.
    """
    counts = square_table(table)
    simple, linear, quadratic = (_kappa(counts, one) for one in (None, "linear", "quadratic"))
    return Kappa(
        simple=float(simple.kappa),
        simple_se=float(simple.std_kappa),
        weighted_linear=float(linear.kappa),
        weighted_linear_se=float(linear.std_kappa),
        weighted_quadratic=float(quadratic.kappa),
        weighted_quadratic_se=float(quadratic.std_kappa),
    )


def _kappa(counts: Floats, weights: str | None) -> Any:
    from statsmodels.stats.inter_rater import cohens_kappa

    rows, columns = counts.sum(axis=1), counts.sum(axis=0)
    if (rows * columns).sum() == counts.sum() ** 2:
        raise ValueError("kappa does not exist where both raters use one level only")
    return cohens_kappa(counts, wt=weights)


def _crossed(
    y1: Sequence[Hashable], y2: Sequence[Hashable], categories: Sequence[Hashable] | None
) -> Floats:
    same_length(y1, y2, "y1 and y2")
    used = {*y1, *y2}
    levels = sorted(used) if categories is None else list(categories)  # type: ignore[type-var]
    if not used or not used <= set(levels) or len(set(levels)) < len(levels):
        raise ValueError("y1 and y2 must hold levels of categories, each listed once")
    places = {level: place for place, level in enumerate(levels)}
    counts = np.zeros((len(levels), len(levels)))
    for first, second in zip(y1, y2, strict=True):
        counts[places[first], places[second]] += 1
    return counts
