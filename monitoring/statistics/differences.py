"""Two independent shares: intervals of their difference and of their ratio.

Everywhere ``x1`` of ``n1`` and ``x2`` of ``n2``, and the first less (or over) the second.
"""

from __future__ import annotations

import math

from ml.evaluation import Interval
from monitoring.statistics.checks import open_share, successes
from monitoring.statistics.tails import falls_through_zero, standardised, two_sided_z

# The logarithm of a ratio that no counts reach.
_FAR = 50.0


def wald_difference_interval(x1: int, n1: int, x2: int, n2: int, alpha: float = 0.05) -> Interval:
    """Return the simple normal interval of a difference; too short near 0 and 1.

    Parameters
    ----------
    x1, n1, x2, n2
        Successes and trials of both groups; at least one trial each.
    alpha
        The share of such intervals that may miss the truth.

    Returns
    -------
    tuple
        ``(low, high)`` of ``x1 / n1 - x2 / n2``; may reach beyond -1 and 1.

    Raises
    ------
    ValueError
        When counts or ``alpha`` are out of range.

    References
    ----------
    Newcombe RG. Stat Med 1998;17:873-890, method 1.
    """
    return _interval(x1, n1, x2, n2, alpha, method="wald")


def agresti_caffo_interval(x1: int, n1: int, x2: int, n2: int, alpha: float = 0.05) -> Interval:
    """Return the normal interval of a difference after adding one success and one failure to each.

    Parameters, result and errors are those of ``wald_difference_interval``.

    References
    ----------
    Agresti A, Caffo B. Am Stat 2000;54:280-288.
    """
    return _interval(x1, n1, x2, n2, alpha, method="agresti-caffo")


def newcombe_difference_interval(
    x1: int, n1: int, x2: int, n2: int, alpha: float = 0.05
) -> Interval:
    """Return the hybrid of both shares' Wilson intervals; good at 0 and 1 too.

    Parameters and errors are those of ``wald_difference_interval``; the result lies within -1
    and 1.

    References
    ----------
    Newcombe RG. Stat Med 1998;17:873-890, method 10.

    Examples
    --------
    >>> [round(limit, 4) for limit in newcombe_difference_interval(7, 34, 1, 34)]
    [0.0189, 0.3404]
    """
    low, high = _interval(x1, n1, x2, n2, alpha, method="newcomb")
    return max(low, -1.0), min(high, 1.0)


def miettinen_nurminen_interval(
    x1: int, n1: int, x2: int, n2: int, alpha: float = 0.05
) -> Interval:
    """Return the score interval of a difference with Miettinen and Nurminen's variance.

    Parameters and errors are those of ``wald_difference_interval``; the result lies within -1
    and 1.

    References
    ----------
    Miettinen O, Nurminen M. Stat Med 1985;4:213-226. In statsmodels 0.15 it fails where a count is
    0, and misses the score's limits for other counts, which is why it stands here.
    """
    total = n1 + n2
    return _score_interval(x1, n1, x2, n2, alpha, inflation=total / max(total - 1, 1))


def mee_interval(x1: int, n1: int, x2: int, n2: int, alpha: float = 0.05) -> Interval:
    """Return the score interval of a difference, without Miettinen and Nurminen's N / (N - 1).

    Parameters and errors are those of ``wald_difference_interval``; the result lies within -1
    and 1.

    References
    ----------
    Mee RW. Biometrics 1984;40:1175-1176.
    """
    return _score_interval(x1, n1, x2, n2, alpha, inflation=1.0)


def koopman_interval(x1: int, n1: int, x2: int, n2: int, alpha: float = 0.05) -> Interval:
    """Return the score interval of the ratio of two shares.

    Parameters and errors are those of ``wald_difference_interval``.

    Returns
    -------
    tuple
        ``(low, high)`` of ``(x1 / n1) / (x2 / n2)``: ``low`` is 0 where ``x1`` is, ``high``
        infinite where ``x2`` is 0.

    References
    ----------
    Koopman PAR. Biometrics 1984;40:513-517.
    """
    x1, n1 = successes(x1, n1, names="x1 n1")
    x2, n2 = successes(x2, n2, names="x2 n2")
    z = two_sided_z(alpha)

    def score(logarithm: float) -> float:
        return _ratio_score(x1, n1, x2, n2, ratio=math.exp(logarithm))

    low = falls_through_zero(lambda place: score(place) - z, -_FAR, _FAR) if x1 else -math.inf
    high = falls_through_zero(lambda place: score(place) + z, -_FAR, _FAR) if x2 else math.inf
    return math.exp(low), math.exp(high)


def _interval(x1: int, n1: int, x2: int, n2: int, alpha: float, *, method: str) -> Interval:
    from statsmodels.stats.proportion import confint_proportions_2indep

    low, high = confint_proportions_2indep(
        *successes(x1, n1, names="x1 n1"),
        *successes(x2, n2, names="x2 n2"),
        method=method,
        compare="diff",
        alpha=open_share(alpha, "alpha"),
    )
    return float(low), float(high)


def _score_interval(
    x1: int, n1: int, x2: int, n2: int, alpha: float, *, inflation: float
) -> Interval:
    x1, n1 = successes(x1, n1, names="x1 n1")
    x2, n2 = successes(x2, n2, names="x2 n2")
    z = two_sided_z(alpha) * math.sqrt(inflation)

    def score(difference: float) -> float:
        return _difference_score(x1, n1, x2, n2, difference=difference)

    estimate = x1 / n1 - x2 / n2
    return (
        falls_through_zero(lambda place: score(place) - z, -1.0, estimate),
        falls_through_zero(lambda place: score(place) + z, estimate, 1.0),
    )


def _difference_score(x1: int, n1: int, x2: int, n2: int, *, difference: float) -> float:
    """Return by how many standard errors the shares differ from a supposed difference."""
    second = _likeliest_second(x1, n1, x2, n2, difference=difference)
    first = min(max(second + difference, 0.0), 1.0)
    variance = first * (1 - first) / n1 + second * (1 - second) / n2
    return standardised(x1 / n1 - x2 / n2 - difference, math.sqrt(variance))


def _likeliest_second(x1: int, n1: int, x2: int, n2: int, *, difference: float) -> float:
    """Return the likeliest second share when the first is larger by ``difference``.

    It is a root of a cubic, in the trigonometric form of Farrington and Manning (1990).
    """
    total = n1 + n2
    cubic = (
        x2 * difference * (1 - difference) / total,
        ((n2 * difference - total - 2 * x2) * difference + x1 + x2) / total,
        ((n1 + 2 * n2) * difference - total - x1 - x2) / total,
    )
    third = cubic[2] / 3
    q = third**3 - third * cubic[1] / 2 + cubic[0] / 2
    p = math.copysign(math.sqrt(max(third**2 - cubic[1] / 3, 0.0)), q)
    cosine = min(max(q / p**3, -1.0), 1.0) if p**3 else 0.0
    root = 2 * p * math.cos((math.pi + math.acos(cosine)) / 3) - third
    return min(max(root, 0.0, -difference), 1.0, 1 - difference)


def _ratio_score(x1: int, n1: int, x2: int, n2: int, *, ratio: float) -> float:
    """Return by how many standard errors the shares differ from a supposed ratio."""
    total = n1 + n2
    b = n1 * ratio + x1 + n2 + x2 * ratio
    root = math.sqrt(max(b * b - 4 * total * ratio * (x1 + x2), 0.0))
    # The form without a difference of nearly equal numbers.
    second = 2 * (x1 + x2) / (b + root)
    first = ratio * second
    variance = first * (1 - first) / n1 + ratio * ratio * second * (1 - second) / n2
    return standardised(x1 / n1 - ratio * x2 / n2, math.sqrt(max(variance, 0.0)))
