"""One yes-or-no outcome seen twice on the same cases: McNemar's test and intervals.

Everywhere a 2 by 2 table of counts, ``[[both, first only], [second only, neither]]``. The
difference is the share of the first less the share of the second.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

from numpy.typing import ArrayLike

from ml.gate import Paired
from monitoring.statistics.checks import square_table
from monitoring.statistics.tails import falls_through_zero, standardised, two_sided_p, two_sided_z

Estimate: TypeAlias = tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class McNemar:
    """McNemar's test in its usual forms, all two-sided.

    Attributes
    ----------
    z, chi2, p_asymptotic
        Without continuity correction; ``chi2`` is ``z`` squared.
    z_cc, chi2_cc, p_cc
        With it (Edwards).
    p_exact
        Of the binomial distribution; never too small, often too large.
    p_midp
        The mid-p value: the one to report (Fagerland, Lydersen and Laake 2013).
    """

    z: float
    chi2: float
    p_asymptotic: float
    z_cc: float
    chi2_cc: float
    p_cc: float
    p_exact: float
    p_midp: float


def mcnemar(table: ArrayLike) -> McNemar:
    """Test whether two outcomes on the same cases are equally frequent.

    Parameters
    ----------
    table
        2 by 2 counts.

    Returns
    -------
    McNemar
        With p values of 1 where no case differs.

    Raises
    ------
    ValueError
        When the table is not 2 by 2, is empty, or holds anything but counts.

    References
    ----------
    McNemar Q. Psychometrika 1947;12:153-157. Edwards AL. Psychometrika 1948;13:185-187.
    Fagerland MW, Lydersen S, Laake P. BMC Med Res Methodol 2013;13:91.

    Examples
    --------
    >>> test = mcnemar([[59, 6], [16, 80]])
    >>> round(test.p_exact, 4), round(test.p_midp, 4)
    (0.0525, 0.0347)
    """
    _, first, second, _ = _cells(table)
    deviation = math.sqrt(first + second)
    z = standardised(first - second, deviation)
    z_cc = standardised(max(abs(first - second) - 1, 0), deviation)
    p_exact, p_midp = _binomial_p(first, second)
    return McNemar(
        z=z,
        chi2=z * z,
        p_asymptotic=two_sided_p(z),
        z_cc=z_cc,
        chi2_cc=z_cc * z_cc,
        p_cc=two_sided_p(z_cc),
        p_exact=p_exact,
        p_midp=p_midp,
    )


def wald_paired_interval(table: ArrayLike, alpha: float = 0.05) -> Estimate:
    """Return a paired difference with the simple normal interval; too short for small tables.

    Parameters
    ----------
    table
        2 by 2 counts.
    alpha
        The share of such intervals that may miss the truth.

    Returns
    -------
    tuple
        ``(estimate, low, high)``; the interval may reach beyond -1 and 1.

    Raises
    ------
    ValueError
        As for ``mcnemar``, and when ``alpha`` is not between 0 and 1.

    References
    ----------
    Newcombe RG. Stat Med 1998;17:2635-2650, method 1.
    """
    cells = _cells(table)
    n, (_, first, second, _) = sum(cells), cells
    estimate = (first - second) / n
    error = math.sqrt(first + second - (first - second) ** 2 / n) / n
    reach = two_sided_z(alpha) * error
    return estimate, estimate - reach, estimate + reach


def newcombe_paired_interval(table: ArrayLike, alpha: float = 0.05) -> Estimate:
    """Return a paired difference with the interval that joins both shares' Wilson intervals.

    Parameters and errors are those of ``wald_paired_interval``; the interval lies within -1 and 1.

    References
    ----------
    Newcombe RG. Stat Med 1998;17:2635-2650, method 10, with corrected correlation.
    """
    both, first, second, neither = _cells(table)
    pairs = Paired(both=both, only_candidate=first, only_serving=second, neither=neither)
    low, high = pairs.interval_of(z=two_sided_z(alpha))
    return (first - second) / pairs.n, max(low, -1.0), min(high, 1.0)


def tango_interval(table: ArrayLike, alpha: float = 0.05) -> Estimate:
    """Return a paired difference with its score interval.

    Parameters and errors are those of ``wald_paired_interval``; the interval lies within -1 and 1.

    References
    ----------
    Tango T. Stat Med 1998;17:891-908.
    """
    cells = _cells(table)
    n, (_, first, second, _) = sum(cells), cells
    z, estimate = two_sided_z(alpha), (first - second) / n

    def score(difference: float) -> float:
        return _tango_score(first, second, n, difference=difference)

    return (
        estimate,
        falls_through_zero(lambda place: score(place) - z, -1.0, estimate),
        falls_through_zero(lambda place: score(place) + z, estimate, 1.0),
    )


def _tango_score(first: int, second: int, n: int, *, difference: float) -> float:
    """Return by how many standard errors the pairs differ from a supposed difference."""
    spread = difference * (1 - difference)
    b = -first - second + (2 * n - first + second) * difference
    root = math.sqrt(max(b * b + 8 * n * second * spread, 0.0))
    likeliest_second = (root - b) / (4 * n)
    variance = n * max(2 * likeliest_second + spread, 0.0)
    return standardised(first - second - n * difference, math.sqrt(variance))


def _binomial_p(first: int, second: int) -> tuple[float, float]:
    """Return the exact p value and the mid-p value, which statsmodels does not have."""
    if first == second == 0:
        return 1.0, 1.0
    from scipy.stats import binom
    from statsmodels.stats.contingency_tables import mcnemar as exact

    at_point = float(binom.pmf(first, first + second, 0.5))
    p_exact = float(exact([[0, first], [second, 0]], exact=True).pvalue)
    return p_exact, p_exact - at_point * (0.5 if first == second else 1.0)


def _cells(table: ArrayLike) -> tuple[int, int, int, int]:
    (a, b), (c, d) = square_table(table, size=2).tolist()
    return int(a), int(b), int(c), int(d)
