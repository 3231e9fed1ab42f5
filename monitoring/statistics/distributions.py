"""How far apart two samples of one column are, reference and current."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from monitoring.statistics.checks import (
    Floats,
    amounts,
    numbers,
    open_share,
    same_length,
    whole,
)

# What a share of 0 counts as, since its logarithm does not exist.
EMPTY_SHARE = 0.0001


def population_stability_index(reference: ArrayLike, current: ArrayLike) -> float:
    """Return the population stability index of two columns of counts or shares.

    Parameters
    ----------
    reference, current
        Counts or shares of the same bins in the same order; each is scaled to add up to 1.

    Returns
    -------
    float
        0 for equal shares. A share of 0 counts as 0.0001.

    Raises
    ------
    ValueError
        When lengths differ, or one is empty, negative or all zeros.

    References
    ----------
    Siddiqi N. Credit risk scorecards. Wiley 2006. It is Jeffreys' divergence of 1946. What chance
    alone gives is ``population_stability_limit``: fixed limits such as 0.1 alarm always in small
    samples and never in large ones.
    """
    before, now = (np.where(share > 0, share, EMPTY_SHARE) for share in _both(reference, current))
    return float(((now - before) * np.log(now / before)).sum())


def population_stability_limit(
    n_reference: int, n_current: int, bins: int, alpha: float = 0.05
) -> float:
    """Return the stability index that chance alone exceeds with probability ``alpha``.

    Parameters
    ----------
    n_reference, n_current
        Rows in each sample.
    bins
        How many bins were compared, at least 2.
    alpha
        The probability, between 0 and 1.

    Raises
    ------
    ValueError
        When a number is out of range.

    References
    ----------
    Yurdakul B. Statistical properties of population stability index. Western Michigan 2018.
    """
    from scipy.special import chdtri

    sizes = 1 / whole(n_reference, "n_reference", low=1) + 1 / whole(n_current, "n_current", low=1)
    degrees = whole(bins, "bins", low=2) - 1
    return float(sizes * chdtri(degrees, open_share(alpha, "alpha")))


def jensen_shannon_distance(
    reference: ArrayLike, current: ArrayLike, base: Literal["nats", "base2"] = "nats"
) -> float:
    """Return the root of the Jensen-Shannon divergence of two columns of counts or shares.

    Parameters
    ----------
    reference, current
        Counts or shares of the same levels in the same order; each is scaled to add up to 1.
    base
        "nats" for natural logarithms (at most 0.8326), "base2" for binary ones (at most 1).

    Returns
    -------
    float
        The distance, not the divergence; 0 for equal shares.

    Raises
    ------
    ValueError
        When lengths differ, one is empty, negative or all zeros, or the base is unknown.

    References
    ----------
    Endres DM, Schindelin JE. IEEE Trans Inf Theory 2003;49:1858-1860.
    """
    from scipy.special import rel_entr

    if base not in ("nats", "base2"):
        raise ValueError('base must be "nats" or "base2"')
    before, now = _both(reference, current)
    middle = (before + now) / 2
    divergence = float((rel_entr(before, middle) + rel_entr(now, middle)).sum()) / 2
    return float(np.sqrt(max(divergence, 0.0) / (np.log(2) if base == "base2" else 1.0)))


def wasserstein_distance(reference: ArrayLike, current: ArrayLike) -> float:
    """Return the mean distance by which one sample has to be moved to become the other.

    Parameters
    ----------
    reference, current
        Numbers, not necessarily equally many; in their own unit, as is the result.

    Raises
    ------
    ValueError
        When one is empty or holds anything but finite numbers.

    References
    ----------
    Vallender SS. Theory Probab Appl 1974;18:784-786.
    """
    from scipy.stats import wasserstein_distance as distance

    return float(distance(numbers(reference, "reference"), numbers(current, "current")))


def _both(reference: ArrayLike, current: ArrayLike) -> tuple[Floats, Floats]:
    before, now = amounts(reference, "reference"), amounts(current, "current")
    same_length(before, now, "reference and current")
    return before / before.sum(), now / now.sum()
