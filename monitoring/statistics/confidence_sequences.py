"""Bounds that hold at every moment together, however often and whenever somebody looks."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ml.evaluation import Interval
from monitoring.statistics.checks import finite, open_share, positive, whole
from monitoring.statistics.tails import falls_through_zero

_NEARLY = 1e-10


@dataclass(frozen=True, slots=True, kw_only=True)
class NormalMixture:
    """A bound on a sum of independent deviations with total variance ``v``.

    Attributes
    ----------
    rho
        The parameter that makes the bound tightest at ``v_opt``.
    bound
        What the sum never exceeds, with probability 1 - alpha.
    """

    rho: float
    bound: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AnytimeInterval:
    """An interval of a difference that may be looked at any time, and its p value."""

    lo: float
    hi: float
    p: float


def bernoulli_confidence_sequence(
    x: int, n: int, alpha: float = 0.05, t_opt: float = 100.0
) -> Interval:
    """Return an interval of a share that holds for all ``n`` together.

    Parameters
    ----------
    x, n
        Successes and trials so far; no trial gives 0 to 1.
    alpha
        The probability that the share is ever outside.
    t_opt
        The number of trials at which the interval is to be tightest.

    Returns
    -------
    tuple
        ``(low, high)``, which holds ``x / n``.

    Raises
    ------
    ValueError
        When a number is out of range.

    References
    ----------
    Howard SR, Ramdas A, McAuliffe J, Sekhon J. Ann Stat 2021;49:1055-1080; the beta-binomial
    mixture of the package confseq.

    Examples
    --------
    >>> [round(limit, 4) for limit in bernoulli_confidence_sequence(700, 1000)]
    [0.6516, 0.7459]
    """
    trials, count = whole(n, "n", low=0), whole(x, "x", low=0)
    if count > trials:
        raise ValueError("x must not be more than n")
    limit, weight = math.log(1 / open_share(alpha, "alpha")), max(_rho(t_opt, alpha) - 1, 1e-3)
    if not trials:
        return 0.0, 1.0

    def refuted(share: float) -> float:
        return _log_beta_binomial(count, trials, share, weight=weight) - limit

    share = count / trials
    inside = min(max(share, _NEARLY), 1 - _NEARLY)
    low = falls_through_zero(refuted, _NEARLY, inside) if count else 0.0
    high = falls_through_zero(lambda p: -refuted(p), inside, 1 - _NEARLY) if count < trials else 1.0
    return (low if low > _NEARLY else 0.0), (high if high < 1 - _NEARLY else 1.0)


def normal_mixture_bound(
    v: float, alpha: float = 0.05, v_opt: float = 100.0, alpha_opt: float = 0.05
) -> NormalMixture:
    """Return a two-sided bound on a sum of deviations that holds at every variance.

    Parameters
    ----------
    v
        The total variance so far, above 0.
    alpha
        The probability that the sum is ever outside.
    v_opt, alpha_opt
        Where the bound is to be tightest.

    Returns
    -------
    NormalMixture

    Raises
    ------
    ValueError
        When a number is out of range.

    References
    ----------
    Robbins H. Ann Math Stat 1970;41:1397-1409. Howard et al. Ann Stat 2021;49:1055-1080.
    """
    rho, limit = _rho(v_opt, alpha_opt), math.log(1 / open_share(alpha, "alpha"))
    total = positive(v, "v") + rho
    return NormalMixture(rho=rho, bound=math.sqrt(total * (math.log(total / rho) + 2 * limit)))


def normal_mixture_bound_one_sided(
    v: float, alpha: float = 0.05, v_opt: float = 100.0, alpha_opt: float = 0.05
) -> NormalMixture:
    """Return an upper bound on a sum of deviations that holds at every variance.

    Parameters, result and errors are those of ``normal_mixture_bound``.

    References
    ----------
    Howard et al. Ann Stat 2021;49:1055-1080, the one-sided normal mixture.
    """
    limit = math.log(1 / open_share(alpha, "alpha"))
    # The two-sided bound at twice the error is larger by hardly anything.
    far = 2 * normal_mixture_bound(v, alpha, v_opt, alpha_opt).bound

    def short_of(s: float) -> float:
        return limit - normal_mixture_log_one_sided(s, v, v_opt, alpha_opt)

    return NormalMixture(
        rho=_rho_one_sided(v_opt, alpha_opt), bound=falls_through_zero(short_of, 0.0, far)
    )


def normal_mixture_log(s: float, v: float, v_opt: float = 100.0, alpha_opt: float = 0.05) -> float:
    """Return the logarithm of the mixture whose size is the evidence against a sum of nothing.

    Parameters
    ----------
    s, v
        The sum and its variance so far.
    v_opt, alpha_opt
        As for ``normal_mixture_bound``.

    References
    ----------
    Howard et al. Ann Stat 2021;49:1055-1080.
    """
    rho, total = _rho(v_opt, alpha_opt), positive(v, "v") + _rho(v_opt, alpha_opt)
    return math.log(rho / total) / 2 + finite(s, "s") ** 2 / (2 * total)


def normal_mixture_log_one_sided(
    s: float, v: float, v_opt: float = 100.0, alpha_opt: float = 0.05
) -> float:
    """Return the one-sided form of ``normal_mixture_log``, with its parameters."""
    from scipy.special import log_ndtr

    rho = _rho_one_sided(v_opt, alpha_opt)
    total = positive(v, "v") + rho
    half = math.log(4 * rho / total) / 2 + finite(s, "s") ** 2 / (2 * total)
    return half + float(log_ndtr(s / math.sqrt(total)))


def asymptotic_confidence_sequence(
    d: float, se: float, n_total: int, alpha: float = 0.05, n_star: float = 1000.0
) -> AnytimeInterval:
    """Widen a usual interval so that it may be looked at any time, if ``n`` is not small.

    Parameters
    ----------
    d, se
        A difference and its standard error at this look.
    n_total
        Units seen so far, in all arms.
    alpha
        The probability that the truth is ever outside.
    n_star
        The number of units at which the interval is to be tightest.

    Returns
    -------
    AnytimeInterval

    Raises
    ------
    ValueError
        When a number is out of range.

    References
    ----------
    Waudby-Smith I et al. Time-uniform central limit theory. arXiv:2103.06476, equations 9 and 161.
    """
    error, spread = open_share(alpha, "alpha"), positive(se, "se")
    n, best = whole(n_total, "n_total", low=1), positive(n_star, "n_star")
    twice = -2 * math.log(error)
    grown = n * (twice + math.log(twice + 1)) / best + 1
    shrunk = (grown - 1) / grown
    reach = spread * math.sqrt(2 / shrunk * math.log(math.sqrt(grown) / error))
    log_p = math.log(grown) / 2 - (finite(d, "d") / spread) ** 2 * shrunk / 2
    return AnytimeInterval(lo=d - reach, hi=d + reach, p=math.exp(min(log_p, 0.0)))


def _rho(v_opt: float, alpha_opt: float) -> float:
    twice = -2 * math.log(open_share(alpha_opt, "alpha_opt"))
    return positive(v_opt, "the optimum") / (twice + math.log(1 + twice))


def _rho_one_sided(v_opt: float, alpha_opt: float) -> float:
    if not 0 < alpha_opt < 0.5:
        raise ValueError("alpha_opt must lie between 0 and a half")
    return _rho(v_opt, 2 * alpha_opt)


def _log_beta_binomial(x: int, n: int, share: float, *, weight: float) -> float:
    """Return the logarithm of the mixture that is the evidence against a share.

    It mixes over a beta distribution around the share, as heavy as ``weight`` trials.
    """
    prior = weight * share, weight * (1 - share)
    found = _log_beta(prior[0] + x, prior[1] + n - x) - _log_beta(*prior)
    return found - x * math.log(share) - (n - x) * math.log1p(-share)


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
