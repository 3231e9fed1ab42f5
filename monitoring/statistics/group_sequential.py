"""Looking at a trial a planned number of times: bounds that keep the error of all looks together.

The test statistic is normal at each look and grows like a random walk; the probability of having
stopped is integrated look by look (Armitage, McPherson and Rowe 1969).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from monitoring.statistics.checks import Floats, finite, numbers, open_share, whole
from monitoring.statistics.tails import falls_through_zero, two_sided_z

# Beyond this many standard errors nothing is left to integrate; and how finely that is done.
_FAR = 9.0
_NODES = 160
_MOST_LOOKS = 200


def obrien_fleming_bounds(
    K: int,  # noqa: N803
    alpha: float = 0.05,
) -> tuple[float, ...]:
    """Return the two-sided bounds of z at ``K`` evenly spaced looks, strict early and usual late.

    Parameters
    ----------
    K
        How many looks, 1 to 200.
    alpha
        The two-sided error of all looks together.

    Returns
    -------
    tuple
        A bound per look; the last is Jennison and Turnbull's constant C_B.

    Raises
    ------
    ValueError
        When ``K`` or ``alpha`` is out of range.

    References
    ----------
    O'Brien PC, Fleming TR. Biometrics 1979;35:549-556. Jennison C, Turnbull BW. Group sequential
    methods, 2000, table 2.3.
    """
    looks = _looks(K)
    constant = wang_tsiatis_constant(K, alpha, 0.0)
    return tuple(constant * math.sqrt(looks / look) for look in range(1, looks + 1))


def obrien_fleming_constant(
    K: int,  # noqa: N803
    alpha: float = 0.05,
) -> float:
    """Return the last bound of ``obrien_fleming_bounds``, with its parameters and errors."""
    return wang_tsiatis_constant(K, alpha, 0.0)


def pocock_constant(
    K: int,  # noqa: N803
    alpha: float = 0.05,
) -> float:
    """Return the one bound of z that serves at each of ``K`` evenly spaced looks.

    Parameters and errors are those of ``obrien_fleming_bounds``.

    References
    ----------
    Pocock SJ. Biometrika 1977;64:191-199. Jennison and Turnbull 2000, table 2.1.
    """
    return wang_tsiatis_constant(K, alpha, 0.5)


def wang_tsiatis_constant(
    K: int,  # noqa: N803
    alpha: float = 0.05,
    delta: float = 0.25,
) -> float:
    """Return the last bound of a family between O'Brien-Fleming (delta 0) and Pocock (0.5).

    Parameters
    ----------
    K, alpha
        As for ``obrien_fleming_bounds``.
    delta
        The shape: the bound at look k is the last one times (k / K) to the power delta - 1/2.

    Raises
    ------
    ValueError
        When a parameter is out of range.

    References
    ----------
    Wang SK, Tsiatis AA. Biometrics 1987;43:193-199.
    """
    from scipy.optimize import brentq

    looks, error, shape = _looks(K), open_share(alpha, "alpha"), finite(delta, "delta")
    times = np.arange(1, looks + 1) / looks

    def excess(constant: float) -> float:
        bounds = constant * times ** (shape - 0.5)
        return _ever_crossed(times, bounds) - error

    low = two_sided_z(error)
    return low if looks == 1 else float(brentq(excess, low - 0.1, low + math.sqrt(2 * looks)))


def lan_demets_obrien_fleming_bounds(
    t: Sequence[float], alpha_two_sided: float = 0.05
) -> tuple[float, ...]:
    """Return the two-sided bounds of z at looks whose times need not be known beforehand.

    Parameters
    ----------
    t
        The share of the planned information at each look, rising, above 0 and at most 1.
    alpha_two_sided
        The error of all looks together.

    Returns
    -------
    tuple
        A bound per look; infinite where there is nothing to spend yet.

    Raises
    ------
    ValueError
        When the times do not rise within 0 and 1, or the error is out of range.

    References
    ----------
    Lan KKG, DeMets DL. Biometrika 1983;70:659-663, the spending function like O'Brien-Fleming's.
    """
    times, error = numbers(t, "t"), open_share(alpha_two_sided, "alpha_two_sided")
    if times[0] <= 0 or times[-1] > 1 or (np.diff(times) <= 0).any():
        raise ValueError("t must rise, above 0 and at most 1")
    quantile = two_sided_z(error / 2)
    spent = [2 * math.erfc(quantile / math.sqrt(2 * time)) for time in times.tolist()]
    bounds: list[float] = []
    for look, due in enumerate(np.diff([0.0, *spent]).tolist()):
        until = times[: look + 1]
        bounds.append(_bound_that_spends(until, bounds, due=due))
    return tuple(bounds)


def peeking_error(
    K: int,  # noqa: N803
    z: float = 1.959963985,
) -> float:
    """Return how often z leaves a fixed bound upward at some of ``K`` looks, where nothing differs.

    A walk stops at the first look at which it is outside, above or below: the error on both sides
    together is twice what is returned.

    Parameters
    ----------
    K
        How many evenly spaced looks, 1 to 200.
    z
        The bound, above 0 and below 9.

    Raises
    ------
    ValueError
        When ``K`` is out of range or ``z`` is not above 0.

    References
    ----------
    Armitage P, McPherson CK, Rowe BC. J R Stat Soc A 1969;132:235-244.
    """
    looks = _looks(K)
    if not 0 < z < _FAR:
        raise ValueError("z must be above 0 and below 9")
    times = np.arange(1, looks + 1) / looks
    return _ever_crossed(times, np.full(looks, z)) / 2


def _bound_that_spends(times: Floats, bounds: list[float], *, due: float) -> float:
    """Return the bound at the last time that lets ``due`` of all walks stop there."""
    *_, before = [None, *_walks(times[:-1], np.array(bounds))]

    def excess(bound: float) -> float:
        return _stopped(before, times, bound) - due

    return falls_through_zero(excess, 0.0, 40.0) if due > 1e-300 else math.inf


def _stopped(before: tuple[Floats, Floats] | None, times: Floats, bound: float) -> float:
    """Return how many walks pass the bound at the last time, on both sides together."""
    if before is None:
        return math.erfc(bound / math.sqrt(2))
    places, mass = before
    edge, step = bound * math.sqrt(times[-1]), math.sqrt(times[-1] - times[-2])
    return float(mass @ (_tail((edge - places) / step) + _tail((edge + places) / step)))


def _ever_crossed(times: Floats, bounds: Floats) -> float:
    *_, (_, mass) = _walks(times, bounds)
    return 1 - float(mass.sum())


def _walks(times: Floats, bounds: Floats) -> Iterator[tuple[Floats, Floats]]:
    """Yield, look by look, where the walks that have not stopped are, and how much they weigh."""
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    places, mass, last = np.zeros(1), np.ones(1), 0.0
    for time, bound in zip(times.tolist(), bounds.tolist(), strict=True):
        high = min(bound, _FAR) * math.sqrt(time)
        new = high * nodes
        step = math.sqrt(time - last)
        density = np.exp(-(((new[:, None] - places) / step) ** 2) / 2)
        mass = (density @ mass) / (step * math.sqrt(2 * math.pi)) * weights * high
        places, last = new, time
        yield places, mass


def _tail(z: Floats) -> Floats:
    from scipy.special import ndtr

    tail: Floats = ndtr(-z)
    return tail


def _looks(K: int) -> int:  # noqa: N803
    looks = whole(K, "K", low=1)
    if looks > _MOST_LOOKS:
        raise ValueError(f"K must be at most {_MOST_LOOKS}")
    return looks
