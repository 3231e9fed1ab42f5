"""Watching event by event: CUSUM charts and Wald's sequential test."""

from __future__ import annotations

import math
from dataclasses import dataclass

from numpy.typing import ArrayLike

from monitoring.statistics.checks import finite, numbers, open_share, positive

# Of the watch over under-triage. With 5 % expected, a false alarm comes once in 87,000 labels on
# average (nearly five years at 50 a day) and a doubling is found after 305; docs/monitoring.md.
CUSUM_LIMIT = 7.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskAdjustedCusum:
    """Both sides of a risk-adjusted CUSUM after one patient: the weights added, and the values."""

    w_up: float
    w_low: float
    s_up: float
    s_low: float


def bernoulli_cusum_weights(p0: float, p1: float) -> tuple[float, float]:
    """Return what an event and a non-event add to the CUSUM of a share.

    Parameters
    ----------
    p0, p1
        The share that is usual and the one to be found, both above 0 and below 1; a ``p1`` below
        ``p0`` watches for a fall.

    Returns
    -------
    tuple
        ``(weight_if_event, weight_otherwise)``: log likelihood ratios of ``p1`` to ``p0``.

    Raises
    ------
    ValueError
        When a share is out of range, or both are equal.

    References
    ----------
    Reynolds MR, Stoumbos ZG. A CUSUM chart for monitoring a proportion when inspecting
    continuously. J Qual Technol 1999;31:87-108.

    Examples
    --------
    >>> [round(weight, 4) for weight in bernoulli_cusum_weights(0.05, 0.1)]
    [0.6931, -0.0541]
    """
    p0, p1 = open_share(p0, "p0"), open_share(p1, "p1")
    if p0 == p1:
        raise ValueError("p0 and p1 must differ")
    return math.log(p1 / p0), math.log((1 - p1) / (1 - p0))


def cusum_step(value: float, weight: float) -> float:
    """Return the value of an upper CUSUM after one more observation; it never falls below 0.

    Parameters
    ----------
    value
        The value so far, at least 0.
    weight
        What the observation adds.

    References
    ----------
    Page ES. Continuous inspection schemes. Biometrika 1954;41:100-115.
    """
    return max(0.0, finite(value, "value") + finite(weight, "weight"))


def risk_adjusted_cusum_weight(p: float, y: int, odds_ratio: float) -> float:
    """Return what one outcome adds to a CUSUM that allows for the patient's own risk.

    Parameters
    ----------
    p
        The risk of the outcome that is usual for this patient, between 0 and 1.
    y
        1 where it happened, else 0.
    odds_ratio
        The change of the odds to be found: above 1 for harm, below 1 for improvement.

    Returns
    -------
    float
        The log likelihood ratio.

    Raises
    ------
    ValueError
        When a number is out of range.

    References
    ----------
    Steiner SH, Cook RJ, Farewell VT, Treasure T. Biostatistics 2000;1:441-452.
    """
    risk, ratio = open_share(p, "p"), positive(odds_ratio, "odds_ratio")
    if y not in (0, 1):
        raise ValueError("y must be 0 or 1")
    return y * math.log(ratio) - math.log1p(risk * (ratio - 1))


def risk_adjusted_cusum(
    coef: ArrayLike,
    parsonnet: float,
    y: int,
    RA: ArrayLike = (2.0, 0.5),  # noqa: N803
    s_up: float = 0.0,
    s_low: float = 0.0,
) -> RiskAdjustedCusum:
    """Return both sides of a risk-adjusted CUSUM after one more patient.

    Parameters
    ----------
    coef
        Intercept and slope of the logistic model of the patient's risk.
    parsonnet
        The patient's risk score.
    y
        1 where the outcome happened, else 0.
    RA
        The changes of the odds to be found: for harm and for improvement.
    s_up, s_low
        The values so far.

    Returns
    -------
    RiskAdjustedCusum

    Raises
    ------
    ValueError
        When a number is out of range.

    References
    ----------
    Steiner SH, Cook RJ, Farewell VT, Treasure T. Biostatistics 2000;1:441-452.
    """
    intercept, slope = _pair(coef, "coef")
    harm, improvement = _pair(RA, "RA")
    risk = 1 / (1 + math.exp(-(intercept + slope * finite(parsonnet, "parsonnet"))))
    w_up = risk_adjusted_cusum_weight(risk, y, harm)
    w_low = risk_adjusted_cusum_weight(risk, y, improvement)
    return RiskAdjustedCusum(
        w_up=w_up, w_low=w_low, s_up=cusum_step(s_up, w_up), s_low=cusum_step(s_low, w_low)
    )


def sprt_limits(alpha: float = 0.05, beta: float = 0.1) -> tuple[float, float]:
    """Return the limits of the log likelihood ratio at which Wald's sequential test stops.

    Parameters
    ----------
    alpha, beta
        The errors: to stop for the alternative where it is false, and against it where it is true.

    Returns
    -------
    tuple
        ``(upper, lower)``: stop for the alternative at the first, against it at the second.

    Raises
    ------
    ValueError
        When an error is out of range, or both add up to 1 or more.

    References
    ----------
    Wald A. Sequential analysis. Wiley 1947.
    """
    first, second = open_share(alpha, "alpha"), open_share(beta, "beta")
    if first + second >= 1:
        raise ValueError("alpha and beta must add up to less than 1")
    return math.log((1 - second) / first), math.log(second / (1 - first))


def _pair(values: ArrayLike, name: str) -> tuple[float, float]:
    pair = numbers(values, name)
    if len(pair) != 2:
        raise ValueError(f"{name} must hold two numbers")
    return float(pair[0]), float(pair[1])
