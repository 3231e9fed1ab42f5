"""P values of several tests at once, adjusted so that their number does no harm.

The ``multipletests`` of statsmodels collects garbage at every call, which takes a worker a third of
a second each time; the three methods are a few lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from monitoring.statistics.checks import open_share, shares

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejections:
    """How many of the tests reject at a level, under two ways of adjusting."""

    rejected_bh: int
    rejected_bonferroni: int


def bonferroni(p: Sequence[float]) -> tuple[float, ...]:
    """Return p values multiplied by their number.

    Parameters
    ----------
    p
        P values, in any order; none is allowed.

    Returns
    -------
    tuple
        Adjusted p values in the order given, at most 1.

    Raises
    ------
    ValueError
        When one is not between 0 and 1.

    References
    ----------
    Dunn OJ. J Am Stat Assoc 1961;56:52-64.
    """
    values, places = _ordered(p)
    return tuple(np.minimum(values * len(values), 1.0)[places].tolist())


def holm(p: Sequence[float]) -> tuple[float, ...]:
    """Return p values adjusted step by step, so that no false rejection comes more often than said.

    Parameters, result and errors are those of ``bonferroni``.

    References
    ----------
    Holm S. Scand J Stat 1979;6:65-70.
    """
    values, places = _ordered(p)
    raised = values * np.arange(len(values), 0, -1)
    return tuple(np.minimum(np.maximum.accumulate(raised), 1.0)[places].tolist())


def benjamini_hochberg(p: Sequence[float]) -> tuple[float, ...]:
    """Return p values adjusted so that the expected share of false rejections is limited.

    Parameters, result and errors are those of ``bonferroni``.

    References
    ----------
    Benjamini Y, Hochberg Y. J R Stat Soc B 1995;57:289-300.
    """
    values, places = _ordered(p)
    raised = values * len(values) / np.arange(1, len(values) + 1)
    lowered = np.minimum.accumulate(raised[::-1])[::-1]
    return tuple(np.minimum(lowered, 1.0)[places].tolist())


def rejections(p: Sequence[float], q: float = 0.05) -> Rejections:
    """Count the tests that reject at ``q``, by Benjamini-Hochberg and by Bonferroni.

    Parameters
    ----------
    p
        P values, in any order.
    q
        The level, between 0 and 1.

    Returns
    -------
    Rejections

    Raises
    ------
    ValueError
        When a p value or ``q`` is out of range.

    References
    ----------
    Benjamini Y, Hochberg Y. J R Stat Soc B 1995;57:289-300.
    """
    limit = open_share(q, "q")
    return Rejections(
        rejected_bh=sum(value <= limit for value in benjamini_hochberg(p)),
        rejected_bonferroni=sum(value <= limit for value in bonferroni(p)),
    )


def _ordered(p: Sequence[float]) -> tuple[FloatArray, IntArray]:
    """Return the checked p values from the least, and the place of each in that order."""
    values = np.asarray(shares(p) if len(p) else (), dtype=np.float64)
    order = np.argsort(values, kind="stable")
    return values[order], np.argsort(order, kind="stable")
