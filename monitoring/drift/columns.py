"""Two samples as counts: is the second drawn from where the first was? Pure functions.

Each test has a p-value, an effect that says how large the difference is, and the limit it must
pass: the one that matters in practice, or what chance alone gives at this size, if that is more.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from ml.reference import STEPS, NumericSummary, WordSummary
from monitoring.statistics import chi_square_two_sample

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]

DRAWS = 1_999
WASSERSTEIN_LIMIT = 0.1
JENSEN_SHANNON_LIMIT = 0.1
MISSING_LIMIT = 0.1
OUTSIDE_LIMIT = 0.02
UNSEEN_LIMIT = 0.02
WORDS_LIMIT = 0.05
# The least expected count at which the chi-square distribution is near enough (Cochran, 1954).
LEAST_EXPECTED = 5
# How often chance alone may pass the limit of an effect: one time in a hundred.
CHANCE = 0.99
_TIE = 1e-9
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The outcome of one test."""

    statistic: float
    p: float
    effect: float
    limit: float


@dataclass(frozen=True, slots=True)
class Chance:
    """Where permutations come from, and how many are drawn."""

    random: np.random.Generator
    draws: int = DRAWS


# Where there is nothing to compare, nothing differs.
NOTHING = Outcome(statistic=0.0, p=1.0, effect=0.0, limit=JENSEN_SHANNON_LIMIT)


def numeric(
    reference: NumericSummary,
    values: Floats,
    counts: Counts,
    *,
    name: str,
    chance: Chance,
) -> Outcome:
    """Compare a measured column: Kolmogorov-Smirnov for p, Wasserstein over sd for the effect.

    Values are tied and counted in bins, where the usual p-values are too large. So the p-value is
    that of permutation: all rows are dealt out anew to both samples. Of two deals with the same
    statistic the one of larger Wasserstein distance is the more extreme.

    Parameters
    ----------
    reference
        The first sample, at least one known value.
    values, counts
        The second one: distinct values, and how many rows have each.
    name
        One of ``STEPS``.
    """
    # Imported here: scipy.stats takes a second and much memory, and no web process needs it.
    from scipy.stats import wasserstein_distance

    before = np.array(reference.counts, dtype=np.int64)
    now, means = reference.binned(values, counts)
    pooled = before + now
    weighed = before * np.array(reference.means) + now * means
    middles = np.divide(weighed, pooled, out=np.array(reference.means), where=pooled > 0)
    scale = max(reference.sd or 0.0, STEPS[name])
    found, distance = _gaps(now[None, :], pooled, middles)
    dealt = chance.random.multivariate_hypergeometric(
        pooled, now.sum(), size=chance.draws, method="marginals"
    )
    others, distances = _gaps(dealt, pooled, middles)
    tied = np.abs(others - found) <= _TIE
    extreme = (others > found + _TIE) | (tied & (distances >= distance - _TIE))
    moved = wasserstein_distance(reference.means, means, before, now)
    return Outcome(
        statistic=float(found[0]),
        p=float((1 + extreme.sum()) / (1 + chance.draws)),
        effect=float(moved / scale),
        limit=max(WASSERSTEIN_LIMIT, float(np.quantile(distances, CHANCE) / scale)),
    )


def categories(
    before: Sequence[int],
    now: Sequence[int],
    *,
    chance: Chance,
) -> Outcome:
    """Compare a column of words, counted in the same order: chi-square for p, Jensen-Shannon.

    The reference is a sample as well, so this is the test of two samples. Where a count of fewer
    than five is expected, the p-value is that of permutation.
    """
    table = np.array([before, now], dtype=np.int64)
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2:
        return NOTHING
    pooled = table.sum(axis=0)
    least = pooled.min() * table.sum(axis=1).min() / table.sum()
    seed = int(chance.random.integers(2**31))
    found = chi_square_two_sample(table, chance.draws if least < LEAST_EXPECTED else 0, seed)
    dealt = chance.random.multivariate_hypergeometric(
        pooled, table[1].sum(), size=chance.draws, method="marginals"
    )
    by_chance = jensen_shannon(pooled - dealt, dealt)
    return Outcome(
        statistic=found.chi2,
        p=found.p,
        effect=float(jensen_shannon(table[:1], table[1:])[0]),
        limit=max(JENSEN_SHANNON_LIMIT, float(np.quantile(by_chance, CHANCE))),
    )


def shares(
    before: tuple[int, int], now: tuple[int, int], *, limit: float, only_more: bool = False
) -> Outcome:
    """Compare two shares, each as part and whole; the effect is their difference.

    Chi-square without correction; Fisher's exact test where fewer than five are expected.
    ``only_more`` asks for a larger share alone.
    """
    from scipy.stats import fisher_exact

    table = np.array([[now[0], now[1] - now[0]], [before[0], before[1] - before[0]]])
    difference = now[0] / now[1] - before[0] / before[1]
    share = (now[0] + before[0]) / (now[1] + before[1])
    error = math.sqrt(share * (1 - share) * (1 / now[1] + 1 / before[1]))
    if not error:
        return Outcome(statistic=0.0, p=1.0, effect=0.0, limit=limit)
    z = difference / error
    expected = min(share, 1 - share) * min(now[1], before[1])
    if expected < LEAST_EXPECTED:
        p = float(fisher_exact(table, alternative="greater" if only_more else "two-sided").pvalue)
    else:
        p = _NORMAL.cdf(-z) if only_more else 2 * _NORMAL.cdf(-abs(z))
    return Outcome(
        statistic=z,
        p=p,
        effect=difference if only_more else abs(difference),
        limit=max(limit, error * _NORMAL.inv_cdf((1 + CHANCE) / 2)),
    )


def words(before: WordSummary, now: WordSummary) -> Outcome:
    """Compare the shares of unknown words; only more of them is drift.

    The words of one complaint belong together, so the error is that of a ratio of sums over
    complaints (Cochran, 1977, section 6.4), each taken about the share of both samples together.
    """
    said = before.said + now.said
    unknown = before.unknown + now.unknown
    share = unknown / said if said else 0.0
    variance = sum(_ratio_variance(one, share) for one in (before, now) if one.said)
    if not variance or not before.said or not now.said:
        return Outcome(statistic=0.0, p=1.0, effect=0.0, limit=WORDS_LIMIT)
    error = math.sqrt(variance)
    rise = now.unknown / now.said - before.unknown / before.said
    return Outcome(
        statistic=rise / error,
        p=_NORMAL.cdf(-rise / error),
        effect=rise,
        limit=max(WORDS_LIMIT, error * _NORMAL.inv_cdf(CHANCE)),
    )


def jensen_shannon(before: Counts, now: Counts) -> Floats:
    """Return the Jensen-Shannon distance (base 2, 0 to 1) of counts, one pair by row."""
    one = before / before.sum(axis=-1, keepdims=True)
    other = now / now.sum(axis=-1, keepdims=True)
    middle = (one + other) / 2
    bits = (_bits(one, middle) + _bits(other, middle)).sum(axis=-1) / 2
    distance: Floats = np.sqrt(np.maximum(bits, 0.0))
    return distance


def aligned(before: Mapping[str, int], now: Mapping[str, int]) -> tuple[list[int], list[int]]:
    """Return both counts in one order of words."""
    names = sorted(before.keys() | now.keys())
    return [before.get(name, 0) for name in names], [now.get(name, 0) for name in names]


def _gaps(now: Counts, pooled: Counts, middles: Floats) -> tuple[Floats, Floats]:
    """Return the largest distance of both step functions, and the area between them."""
    there = np.cumsum(now, axis=1) / now[0].sum()
    here = np.cumsum(pooled - now, axis=1) / (pooled.sum() - now[0].sum())
    gaps = np.abs(there - here)
    return gaps.max(axis=1), gaps[:, :-1] @ np.diff(middles)


def _bits(shares: Floats, middle: Floats) -> Floats:
    """Return each term of the relative entropy; a share of nought has none."""
    ratio = np.divide(shares, middle, out=np.ones(shares.shape), where=shares > 0)
    terms: Floats = shares * np.log2(ratio)
    return terms


def _ratio_variance(one: WordSummary, share: float) -> float:
    squares = one.unknown_squared - 2 * share * one.said_unknown + share**2 * one.said_squared
    return squares / one.said**2
