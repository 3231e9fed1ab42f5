"""Tails of the usual distributions, a crossing of zero, and the result of a chi-square test."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

from monitoring.statistics.checks import open_share

_PRECISION = 1e-13


@dataclass(frozen=True, slots=True, kw_only=True)
class ChiSquare:
    """A statistic that follows chi-square with ``df`` degrees of freedom where nothing differs.

    Attributes
    ----------
    chi2, df, p
        The statistic, its degrees of freedom, and the probability of one as large or larger. With
        no degree of freedom there is nothing to compare, and ``p`` is 1.
    """

    chi2: float
    df: int
    p: float

    @classmethod
    def of(cls, chi2: float, *, df: int) -> ChiSquare:
        """Return the statistic with its p value."""
        return cls(chi2=float(chi2), df=df, p=chi_square_tail(float(chi2), df))

    @property
    def stat(self) -> float:
        """The statistic under scipy's name."""
        return self.chi2

    @property
    def T(self) -> float:  # noqa: N802
        """The statistic under the name of Fagerland, Lydersen and Laake."""
        return self.chi2

    @property
    def Q(self) -> float:  # noqa: N802
        """The statistic under Cochran's name."""
        return self.chi2


def chi_square_tail(chi2: float, df: int) -> float:
    """Return the probability of a chi-square of at least ``chi2``."""
    from scipy.special import chdtrc

    return float(chdtrc(df, max(chi2, 0.0))) if df else 1.0


def two_sided_z(alpha: float) -> float:
    """Return the normal quantile that leaves ``alpha`` outside on both sides together."""
    return -NormalDist().inv_cdf(open_share(alpha, "alpha") / 2)


def two_sided_p(z: float) -> float:
    """Return the probability of a standard normal at least as far from 0 as ``z``."""
    return math.erfc(abs(z) / math.sqrt(2))


def standardised(difference: float, deviation: float) -> float:
    """Return ``difference / deviation``; nothing over nothing is 0, something over it infinite."""
    if deviation > 0:
        return difference / deviation
    return math.copysign(math.inf, difference) if difference else 0.0


def falls_through_zero(function: Callable[[float], float], low: float, high: float) -> float:
    """Return where a falling function passes 0 between two points; an end where it does not."""
    if function(low) <= 0:
        return low
    if function(high) >= 0:
        return high
    while low < (middle := (low + high) / 2) < high and high - low > _PRECISION:
        low, high = (middle, high) if function(middle) > 0 else (low, middle)
    return (low + high) / 2
