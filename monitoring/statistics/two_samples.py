"""Is the difference of two samples of one column more than chance?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from monitoring.statistics.checks import Floats, amounts, numbers, same_length, whole, whole_counts
from monitoring.statistics.distributions import wasserstein_distance
from monitoring.statistics.tails import ChiSquare


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoSample:
    """A statistic of two samples, and the probability of one as large where nothing differs."""

    statistic: float
    p: float


def chi_square_two_sample(table: ArrayLike, resamples: int = 0, seed: int = 0) -> ChiSquare:
    """Test whether two samples or more share one distribution over levels.

    Parameters
    ----------
    table
        Counts, a sample by row and a level by column.
    resamples
        How many random tables with the same margins give the p value; 0 for the chi-square
        distribution, which is right where about five or more are expected in each cell.
    seed
        Of the random tables.

    Returns
    -------
    ChiSquare
        Without continuity correction. A level that no sample has is left out; with one level left
        there is nothing to compare, and p is 1.

    Raises
    ------
    ValueError
        When there is one sample only, one is empty, or the table holds anything but counts.

    References
    ----------
    Pearson K. Biometrika 1911;8:250-254. Random tables: Patefield WM. Appl Stat 1981;30:91-97.
    """
    from scipy.stats import chi2_contingency

    observed = whole_counts(table, "table", dimensions=2)
    if len(observed) < 2 or not observed.sum(axis=1).all():
        raise ValueError("table must hold two samples or more, none of them empty")
    observed = observed[:, observed.sum(axis=0) > 0]
    found = chi2_contingency(observed, correction=False)
    result = ChiSquare.of(float(found.statistic), df=int(found.dof))
    if not (resamples and result.df):
        return result
    times = whole(resamples, "resamples", low=1)
    p = _share_as_large(observed, found.expected_freq, result.chi2, times=times, seed=seed)
    return ChiSquare(chi2=result.chi2, df=result.df, p=p)


def chi_square_one_sample(reference_counts: ArrayLike, current_counts: ArrayLike) -> ChiSquare:
    """Test counts against a reference taken as exact.

    Do not look for drift with it: the chance in the reference is ignored, so it alarms far too
    often. It is here because other tools compute it (Evidently) and their numbers must be
    comparable. Use ``chi_square_two_sample``.

    Parameters
    ----------
    reference_counts, current_counts
        Counts or shares, and counts, of the same levels in the same order.

    Returns
    -------
    ChiSquare
        Infinite, with p 0, for a level that the reference does not have.

    Raises
    ------
    ValueError
        When lengths differ, or one is empty, negative or all zeros.

    References
    ----------
    Pearson K. Philos Mag 1900;50:157-175.
    """
    expected = amounts(reference_counts, "reference_counts")
    return goodness_of_fit(whole_counts(current_counts, "current_counts"), expected)


def goodness_of_fit(observed: Floats, expected: Floats) -> ChiSquare:
    """Return Pearson's statistic of counts against weights; levels of no weight must be empty."""
    same_length(observed, expected, "counts and what they are compared with")
    weighed = expected > 0
    degrees = int(weighed.sum()) - 1
    if observed[~weighed].any():
        return ChiSquare.of(float("inf"), df=max(degrees, 1))
    due = observed.sum() * expected[weighed] / expected.sum()
    return ChiSquare.of(((observed[weighed] - due) ** 2 / due).sum(), df=degrees)


def ks_two_sample(reference: ArrayLike, current: ArrayLike) -> TwoSample:
    """Return the largest distance of two cumulative distributions, and its p value.

    Parameters
    ----------
    reference, current
        Numbers, not necessarily equally many.

    Returns
    -------
    TwoSample
        Two-sided: exact for small samples, else asymptotic.

    Raises
    ------
    ValueError
        When one is empty or holds anything but finite numbers.

    References
    ----------
    Smirnov N. Ann Math Stat 1948;19:279-281.
    """
    from scipy.stats import ks_2samp

    before, now = numbers(reference, "reference"), numbers(current, "current")
    exact = len(before) * len(now) <= 10_000
    found = ks_2samp(before, now, method="exact" if exact else "asymp")
    return TwoSample(statistic=float(found.statistic), p=float(found.pvalue))


def two_sample_permutation(
    reference: ArrayLike,
    current: ArrayLike,
    statistic: Callable[[Floats, Floats], float] = wasserstein_distance,
    resamples: int = 999,
    seed: int = 0,
) -> TwoSample:
    """Return a statistic of two samples and how often shuffled samples give one as large.

    Parameters
    ----------
    reference, current
        Numbers, not necessarily equally many.
    statistic
        What to compute of both, larger for samples further apart.
    resamples
        How often to shuffle.
    seed
        Of the shuffling.

    Returns
    -------
    TwoSample
        The p value counts the samples as given, so it is never 0.

    Raises
    ------
    ValueError
        When a sample is empty or holds anything but finite numbers, or ``resamples`` is below 1.

    References
    ----------
    Phipson B, Smyth GK. Stat Appl Genet Mol Biol 2010;9:39.
    """
    before, now = numbers(reference, "reference"), numbers(current, "current")
    seen, times = float(statistic(before, now)), whole(resamples, "resamples", low=1)
    random, pool = np.random.default_rng(seed), np.concatenate([before, now])
    as_large = 0
    for _ in range(times):
        shuffled = random.permutation(pool)
        as_large += statistic(shuffled[: len(before)], shuffled[len(before) :]) >= seen * (1 - 1e-9)
    return TwoSample(statistic=seen, p=(1 + as_large) / (1 + times))


def _share_as_large(
    observed: Floats, expected: Floats, chi2: float, *, times: int, seed: int
) -> float:
    """Return how many random tables with the same margins lie as far from what is expected."""
    from scipy.stats import random_table

    margins = observed.sum(axis=1), observed.sum(axis=0)
    drawn = random_table(*margins, seed=np.random.default_rng(seed)).rvs(times)
    as_large = ((drawn - expected) ** 2 / expected).sum(axis=(1, 2)) >= chi2 * (1 - 1e-9)
    return float((1 + as_large.sum()) / (1 + times))
