"""A running trial: is the split of units as designed, and how far apart are two means?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from monitoring.statistics.checks import (
    Floats,
    amounts,
    finite,
    open_share,
    positive,
    same_length,
    whole,
    whole_counts,
)
from monitoring.statistics.tails import ChiSquare
from monitoring.statistics.two_samples import goodness_of_fit

_SUMS = ("sum", "sum_sq", "n")


@dataclass(frozen=True, slots=True, kw_only=True)
class SequentialMismatch:
    """Evidence against the designed split that may be looked at any day.

    Attributes
    ----------
    log_bf
        The logarithm of the Bayes factor against the design.
    p
        1 over the Bayes factor, at most 1. Over several looks take the smallest.
    """

    log_bf: float
    p: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanDifference:
    """Second arm less first: difference, standard error, interval and two-sided p value."""

    d: float
    se: float
    lo: float
    hi: float
    p: float


def sample_ratio_mismatch(counts: ArrayLike, weights: ArrayLike) -> ChiSquare:
    """Test, at one planned look, whether units fell to the arms as designed.

    Parameters
    ----------
    counts
        Units per arm.
    weights
        The designed weights, in the same order; they need not add up to 1. An arm of weight 0 is
        left out where it is empty.

    Returns
    -------
    ChiSquare
        Infinite, with p 0, where an arm of weight 0 has a unit.

    Raises
    ------
    ValueError
        When lengths differ, fewer than two arms have a weight, or there are no units.

    References
    ----------
    Fabijan A et al. Diagnosing sample ratio mismatch. KDD 2019:2156-2164.

    Examples
    --------
    >>> round(sample_ratio_mismatch([44_000, 45_000], [0.5, 0.5]).p, 4)
    0.0008
    """
    return goodness_of_fit(*_arms(counts, weights))


def anytime_valid_srm(
    counts: ArrayLike, weights: ArrayLike, concentration: float = 100.0
) -> SequentialMismatch:
    """Test, at any number of looks, whether units fall to the arms as designed.

    Parameters
    ----------
    counts, weights
        As for ``sample_ratio_mismatch``.
    concentration
        How close to the design the alternatives lie: the sum of the parameters of their Dirichlet
        distribution, which is centred on the design.

    Returns
    -------
    SequentialMismatch
        Infinite, with p 0, where an arm of weight 0 has a unit.

    Raises
    ------
    ValueError
        As for ``sample_ratio_mismatch``, and when the concentration is not above 0.

    References
    ----------
    Lindon M, Malek A. Anytime-valid inference for multinomial count data. arXiv:2011.03567.
    """
    units, weighing = _arms(counts, weights)
    prior = positive(concentration, "concentration")
    used = weighing > 0
    if units[~used].any():
        return SequentialMismatch(log_bf=math.inf, p=0.0)
    designed = weighing[used] / weighing.sum()
    log_bf = math.lgamma(prior) - math.lgamma(prior + units.sum())
    for n, share in zip(units[used].tolist(), designed.tolist(), strict=True):
        log_bf += math.lgamma(prior * share + n) - math.lgamma(prior * share) - n * math.log(share)
    return SequentialMismatch(log_bf=log_bf, p=min(1.0, math.exp(min(-log_bf, 0.0))))


def welch(a: Mapping[str, float], b: Mapping[str, float], alpha: float = 0.05) -> MeanDifference:
    """Compare two means, b less a, without supposing equal variances.

    Parameters
    ----------
    a, b
        Of each arm ``sum``, ``sum_sq`` (of squares) and ``n``, at least 2.
    alpha
        The share of such intervals that may miss the truth.

    Returns
    -------
    MeanDifference

    Raises
    ------
    ValueError
        When a figure is missing or impossible, neither arm varies, or ``alpha`` is out of range.

    References
    ----------
    Welch BL. Biometrika 1947;34:28-35.
    """
    (mean_a, variance_a, n_a), (mean_b, variance_b, n_b) = _moments(a, "a"), _moments(b, "b")
    return _difference(mean_b - mean_a, (variance_a, n_a), (variance_b, n_b), scale=1, alpha=alpha)


def welch_relative(
    a: Mapping[str, float], b: Mapping[str, float], alpha: float = 0.05
) -> MeanDifference:
    """Compare two means as b over a less 1, by the delta method.

    Parameters, result and errors are those of ``welch``; and the mean of a must not be 0.

    References
    ----------
    Deng A, Knoblich U, Lu J. KDD 2018:233-242. Degrees of freedom as in ``welch``.
    """
    (mean_a, variance_a, n_a), (mean_b, variance_b, n_b) = _moments(a, "a"), _moments(b, "b")
    if not mean_a:
        raise ValueError("the mean of a must not be 0 for a relative difference")
    ratio = mean_b / mean_a
    return _difference(
        ratio - 1,
        (variance_a, n_a),
        (variance_b, n_b),
        scale=abs(mean_a),
        ratio=ratio,
        alpha=alpha,
    )


def _difference(
    d: float,
    a: tuple[float, int],
    b: tuple[float, int],
    *,
    scale: float,
    ratio: float = 1.0,
    alpha: float,
) -> MeanDifference:
    from scipy.special import stdtr, stdtrit

    error_a, error_b = a[0] / a[1], b[0] / b[1]
    se = math.sqrt(error_b + error_a * ratio**2) / scale
    if not se:
        raise ValueError("a and b must not both be without variance")
    degrees = (error_a + error_b) ** 2 / (error_a**2 / (a[1] - 1) + error_b**2 / (b[1] - 1))
    reach = float(stdtrit(degrees, 1 - open_share(alpha, "alpha") / 2)) * se
    p = 2 * float(stdtr(degrees, -abs(d) / se))
    return MeanDifference(d=d, se=se, lo=d - reach, hi=d + reach, p=p)


def _moments(arm: Mapping[str, float], name: str) -> tuple[float, float, int]:
    if not set(_SUMS) <= set(arm):
        raise ValueError(f"{name} must hold sum, sum_sq and n")
    total, squares, n = finite(arm["sum"], name), finite(arm["sum_sq"], name), arm["n"]
    n = whole(n, f"n of {name}", low=2)
    spread = squares - total**2 / n
    if spread < -1e-9 * max(squares, 1.0):
        raise ValueError(f"sum_sq of {name} must be at least the square of sum over n")
    return total / n, max(spread, 0.0) / (n - 1), n


def _arms(counts: ArrayLike, weights: ArrayLike) -> tuple[Floats, Floats]:
    units, weighing = whole_counts(counts, "counts"), amounts(weights, "weights")
    same_length(units, weighing, "counts and weights")
    if np.count_nonzero(weighing) < 2:
        raise ValueError("weights must be above 0 for two arms or more")
    return units, weighing
