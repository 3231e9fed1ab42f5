"""One share and its interval; several shares compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from numpy.typing import ArrayLike

from ml.evaluation import Interval
from ml.evaluation import wilson_interval as wilson_of_z
from monitoring.statistics.checks import Floats, open_share, same_length, successes, whole_counts
from monitoring.statistics.multiplicity import holm
from monitoring.statistics.tails import ChiSquare, two_sided_z


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoProportions:
    """Two shares compared by their pooled standard error: ``z`` of the first less the second."""

    z: float
    p: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PairwiseProportions:
    """P values of pairs of shares, as they are and adjusted by Holm's method."""

    pairs: tuple[tuple[int, int], ...]
    raw: tuple[float, ...]
    holm: tuple[float, ...]


def wilson_interval(x: int, n: int, alpha: float = 0.05) -> Interval:
    """Return Wilson's score interval of a share.

    Parameters
    ----------
    x, n
        Successes and trials; at least one trial.
    alpha
        The share of such intervals that may miss the truth.

    Returns
    -------
    tuple
        ``(low, high)``, which holds ``x / n``.

    Raises
    ------
    ValueError
        When counts or ``alpha`` are out of range.

    References
    ----------
    Wilson EB. J Am Stat Assoc 1927;22:209-212. Newcombe RG. Stat Med 1998;17:857-872, method 3.

    Examples
    --------
    >>> [round(limit, 4) for limit in wilson_interval(81, 263)]
    [0.2553, 0.3662]
    """
    x, n = successes(x, n)
    low, high = wilson_of_z(x, n, z=two_sided_z(alpha))
    return min(low, x / n), max(high, x / n)


def clopper_pearson_interval(x: int, n: int, alpha: float = 0.05) -> Interval:
    """Return the exact interval of a share, which never misses more often than ``alpha``.

    Parameters, result and errors are those of ``wilson_interval``.

    References
    ----------
    Clopper CJ, Pearson ES. Biometrika 1934;26:404-413.
    """
    return _interval(x, n, alpha, method="beta")


def jeffreys_interval(x: int, n: int, alpha: float = 0.05) -> Interval:
    """Return the equal-tailed interval of a share under Jeffreys' prior.

    Parameters, result and errors are those of ``wilson_interval``. Without successes the lower end
    is 0 and without failures the upper end is 1, as Brown, Cai and DasGupta advise.

    References
    ----------
    Brown LD, Cai TT, DasGupta A. Stat Sci 2001;16:101-133.
    """
    low, high = _interval(x, n, alpha, method="jeffreys")
    return (low if x else 0.0), (high if x < n else 1.0)


def two_proportion_z(count: ArrayLike, nobs: ArrayLike) -> TwoProportions:
    """Compare two independent shares by the pooled z test, without continuity correction.

    Parameters
    ----------
    count, nobs
        Two numbers of successes, and of trials.

    Returns
    -------
    TwoProportions
        Two-sided; z 0 and p 1 where nobody or everybody succeeds.

    Raises
    ------
    ValueError
        When there are not two of each, or counts are out of range.

    References
    ----------
    Fleiss JL, Levin B, Paik MC. Statistical methods for rates and proportions, 3rd ed., 2003.
    """
    from statsmodels.stats.proportion import proportions_ztest

    some, of = _groups(count, nobs)
    if len(some) != 2:
        raise ValueError("count and nobs must hold two numbers each")
    if some.sum() in (0, of.sum()):
        return TwoProportions(z=0.0, p=1.0)
    z, p = proportions_ztest(some, of)
    return TwoProportions(z=float(z), p=float(p))


def k_sample_proportions(count: ArrayLike, nobs: ArrayLike) -> ChiSquare:
    """Compare independent shares of two groups or more, without continuity correction.

    Parameters
    ----------
    count, nobs
        Successes and trials, one of each per group.

    Returns
    -------
    ChiSquare
        With one degree of freedom less than groups; 0 where nobody or everybody succeeds.

    Raises
    ------
    ValueError
        When lengths differ, there is one group only, or counts are out of range.

    References
    ----------
    Pearson K. Philos Mag 1900;50:157-175; R's prop.test(correct=FALSE).
    """
    from statsmodels.stats.proportion import proportions_chisquare

    some, of = _groups(count, nobs)
    all_alike = some.sum() in (0, of.sum())
    chi2 = 0.0 if all_alike else proportions_chisquare(some, of)[0]
    return ChiSquare.of(chi2, df=len(some) - 1)


def pairwise_proportions(
    count: ArrayLike,
    nobs: ArrayLike,
    pairs: Sequence[Sequence[int]] | None = None,
) -> PairwiseProportions:
    """Compare pairs of independent shares, and adjust for comparing several.

    Parameters
    ----------
    count, nobs
        Successes and trials, one of each per group.
    pairs
        Pairs of places in ``count``; None for every pair.

    Returns
    -------
    PairwiseProportions

    Raises
    ------
    ValueError
        As for ``k_sample_proportions``, and for a pair that names no two groups.

    References
    ----------
    Holm S. Scand J Stat 1979;6:65-70; R's pairwise.prop.test(correct=FALSE).
    """
    some, of = _groups(count, nobs)
    places = range(len(some))
    if pairs is None:
        pairs = [(first, second) for first in places for second in places if first < second]
    chosen = tuple((int(first), int(second)) for first, second in pairs)
    if any(first == second or not {first, second} <= set(places) for first, second in chosen):
        raise ValueError("pairs must hold places of two different groups")
    raw = tuple(k_sample_proportions(some[list(pair)], of[list(pair)]).p for pair in chosen)
    return PairwiseProportions(pairs=chosen, raw=raw, holm=holm(raw))


def _interval(x: int, n: int, alpha: float, *, method: str) -> Interval:
    from statsmodels.stats.proportion import proportion_confint

    x, n = successes(x, n)
    low, high = proportion_confint(x, n, alpha=open_share(alpha, "alpha"), method=method)
    return float(low), float(high)


def _groups(count: ArrayLike, nobs: ArrayLike) -> tuple[Floats, Floats]:
    some, of = whole_counts(count, "count", may_be_zero=True), whole_counts(nobs, "nobs")
    same_length(some, of, "count and nobs")
    if len(of) < 2 or not of.all():
        raise ValueError("nobs must hold two groups or more, none of them empty")
    if (some > of).any():
        raise ValueError("count must not be more than nobs")
    return some, of
