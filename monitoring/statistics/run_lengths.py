"""How long a CUSUM runs until it alarms: rightly after a shift, or falsely without one."""

from __future__ import annotations

import math

import numpy as np

from monitoring.statistics.checks import finite, open_share, positive
from monitoring.statistics.control_charts import CUSUM_LIMIT, bernoulli_cusum_weights

# States of the grid of a share's CUSUM, and nodes of the integral of a normal one.
_STATES = 4_000
_NODES = 120


def bernoulli_cusum_average_run_length(
    p: float, p0: float, p1: float, limit: float = CUSUM_LIMIT
) -> float:
    """Return after how many observations the CUSUM of a share alarms, on average.

    The chain of its values is solved on a grid fine enough for half a per cent.

    Parameters
    ----------
    p
        The share that is true, between 0 and 1.
    p0, p1
        As for ``bernoulli_cusum_weights``.
    limit
        The value that raises the alarm, above 0.

    Returns
    -------
    float
        With ``p`` equal to ``p0`` the run between false alarms; with a shifted ``p`` the delay.

    Raises
    ------
    ValueError
        When a number is out of range.

    References
    ----------
    Brook D, Evans DA. Biometrika 1972;59:539-549. Reynolds MR, Stoumbos ZG. J Qual Technol
    1999;31:87-108.
    """
    from scipy.sparse import csc_matrix, identity
    from scipy.sparse.linalg import spsolve

    event, otherwise = bernoulli_cusum_weights(p0, p1)
    share, height = open_share(p, "p"), positive(limit, "limit")
    # Whole steps of the smaller weight keep that one exact.
    smaller = min(abs(event), abs(otherwise))
    step = smaller / max(1, math.ceil(_STATES * smaller / height))
    states = np.arange(math.ceil(height / step - 1e-9))
    chain = csc_matrix((len(states), len(states)))
    for weight, chance in ((event, share), (otherwise, 1 - share)):
        after = np.maximum(states + round(weight / step), 0)
        stays = after < len(states)
        moves = (np.full(stays.sum(), chance), (states[stays], after[stays]))
        chain = chain + csc_matrix(moves, shape=chain.shape)
    system = (identity(len(states), format="csc") - chain).tocsc()
    return float(spsolve(system, np.ones(len(states)))[0])


def cusum_average_run_length(k: float, h: float, delta: float) -> float:
    """Return after how many normal observations a one-sided CUSUM alarms, on average.

    Parameters
    ----------
    k
        The reference value taken off each observation, in standard deviations.
    h
        The value that raises the alarm, above 0.
    delta
        The true shift of the mean, in standard deviations; 0 for the run between false alarms.

    Raises
    ------
    ValueError
        When a number is out of range.

    References
    ----------
    Page ES. Biometrika 1954;41:100-115. NIST/SEMATECH e-Handbook, 6.3.2.3.
    """
    from scipy.special import ndtr

    drift, height = finite(delta, "delta") - finite(k, "k"), positive(h, "h")
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    places, weights = height * (nodes + 1) / 2, weights * height / 2
    starts = np.concatenate([[0.0], places])
    # Runs from each start: one step, then on from 0 or from where the step ends.
    to_zero = ndtr(-starts - drift)
    density = np.exp(-((places - starts[:, None] - drift) ** 2) / 2) / math.sqrt(2 * math.pi)
    system = np.eye(len(starts)) - np.column_stack([to_zero, density * weights])
    return float(np.linalg.solve(system, np.ones(len(starts)))[0])
