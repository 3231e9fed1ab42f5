"""Whether stated probabilities come true, with labels and without."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from monitoring.statistics.checks import (
    Floats,
    numbers,
    probability_rows,
    same_length,
    shares,
    whole,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationError:
    """Distance of stated probability and observed share over the bins.

    Attributes
    ----------
    l1
        Mean distance, weighted by the rows in the bin: the expected calibration error.
    l2
        Root of the mean squared distance.
    max
        The largest.
    """

    l1: float
    l2: float
    max: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedPerformance:
    """What probabilities promise before any label is known, if they are calibrated.

    Attributes
    ----------
    accuracy
        The share of answers expected to be right.
    se
        The standard error of the realised share around it, from chance alone.
    tp, fp, fn
        Per class: answers expected right, answers expected wrong, and cases expected to be missed.
    """

    accuracy: float
    se: float
    tp: tuple[float, ...]
    fp: tuple[float, ...]
    fn: tuple[float, ...]


def brier_score(
    y: Sequence[Hashable], p: ArrayLike, class_order: Sequence[Hashable] | None = None
) -> float:
    """Return the mean squared distance of probabilities and truth.

    Parameters
    ----------
    y
        The truth per row: 0 or 1 where ``p`` has one number per row, else a class.
    p
        One probability of 1 per row, or one row of class probabilities each.
    class_order
        The classes in the order of the columns of ``p``; None for 0, 1, 2 and so on.

    Returns
    -------
    float
        0 to 1 for one probability per row; 0 to 2, summed over the classes, for rows of them.

    Raises
    ------
    ValueError
        When lengths differ, a probability is out of range, a row does not add up to 1, or a class
        is unknown.

    References
    ----------
    Brier GW. Mon Weather Rev 1950;78:1-3.

    Examples
    --------
    >>> round(brier_score([0, 1, 1, 0], [0.1, 0.9, 0.8, 0.3]), 4)
    0.0375
    """
    if np.ndim(p) == 1:
        stated, came_true = _binary(y, p)
        return float(np.mean((stated - came_true) ** 2))
    rows, truth = _classes(y, p, class_order)
    return float(np.mean(np.sum((rows - np.eye(rows.shape[1])[truth]) ** 2, axis=1)))


def log_loss(
    y: Sequence[Hashable], p: ArrayLike, class_order: Sequence[Hashable] | None = None
) -> float:
    """Return the mean negative logarithm of the probability that the truth was given.

    Parameters and errors are those of ``brier_score``. A probability of 0 counts as the smallest
    step of a float, so that one such row gives about 36, not infinity.

    References
    ----------
    Good IJ. J R Stat Soc B 1952;14:107-114; scikit-learn's log_loss.
    """
    if np.ndim(p) == 1:
        stated, came_true = _binary(y, p)
        given = np.where(came_true == 1, stated, 1 - stated)
    else:
        rows, truth = _classes(y, p, class_order)
        given = rows[np.arange(len(rows)), truth]
    return float(-np.mean(np.log(np.clip(given, np.finfo(np.float64).eps, 1.0))))


def calibration_error(p: ArrayLike, y: Sequence[int], n_bins: int = 15) -> CalibrationError:
    """Compare stated probabilities with observed shares in bins of equal width.

    Parameters
    ----------
    p
        One probability of 1 per row: then the observed share is that of ones. Or one row of class
        probabilities each: then the highest is compared with the share in which it was right.
    y
        The truth per row: 0 or 1, or the number of the class.
    n_bins
        How many bins; a probability on an edge belongs to the bin above, and 1 to the last.

    Returns
    -------
    CalibrationError
        Over the bins that hold rows.

    Raises
    ------
    ValueError
        As for ``brier_score``, and when ``n_bins`` is below 1.

    References
    ----------
    Naeini MP, Cooper GF, Hauskrecht M. AAAI 2015:2901-2907. Guo C et al. ICML 2017.
    """
    bins = whole(n_bins, "n_bins", low=1)
    if np.ndim(p) == 1:
        stated, came_true = _binary(y, p)
    else:
        rows, truth = _classes(y, p, None)
        stated, came_true = rows.max(axis=1), (rows.argmax(axis=1) == truth).astype(float)
    places = np.minimum((stated * bins).astype(np.int64), bins - 1)
    sizes = np.bincount(places, minlength=bins)
    gaps = np.bincount(places, weights=stated - came_true, minlength=bins)
    used = sizes > 0
    distances, part = np.abs(gaps[used] / sizes[used]), sizes[used] / len(stated)
    return CalibrationError(
        l1=float((part * distances).sum()),
        l2=float(np.sqrt((part * distances**2).sum())),
        max=float(distances.max()),
    )


def cbpe(p: ArrayLike, predicted: Sequence[int] | None = None) -> ExpectedPerformance:
    """Return the performance that calibrated probabilities promise, without labels.

    It cannot see a changed meaning of the cases (concept drift), and believes probabilities that
    are not calibrated.

    Parameters
    ----------
    p
        One row of class probabilities per case.
    predicted
        The number of the class answered per case; None for the likeliest.

    Returns
    -------
    ExpectedPerformance

    Raises
    ------
    ValueError
        When a row does not add up to 1, lengths differ, or an answer is no class.

    References
    ----------
    NannyML, confidence-based performance estimation; Guillory D et al. ICCV 2021:1134-1144.
    """
    rows = probability_rows(p)
    answers = rows.argmax(axis=1) if predicted is None else _answers(predicted, rows)
    answered = np.eye(rows.shape[1])[answers]
    right = (rows * answered).sum(axis=1)
    tp = (rows * answered).sum(axis=0)
    return ExpectedPerformance(
        accuracy=float(right.mean()),
        se=float(np.sqrt((right * (1 - right)).sum()) / len(rows)),
        tp=tuple(tp.tolist()),
        fp=tuple((answered.sum(axis=0) - tp).tolist()),
        fn=tuple((rows.sum(axis=0) - tp).tolist()),
    )


def _binary(y: Sequence[Any], p: ArrayLike) -> tuple[Floats, Floats]:
    stated, came_true = shares(p), numbers(y, "y")
    same_length(came_true, stated, "y and p")
    if not np.isin(came_true, (0, 1)).all():
        raise ValueError("y must hold 0 and 1 where p has one probability per row")
    return stated, came_true


def _classes(
    y: Sequence[Hashable], p: ArrayLike, class_order: Sequence[Hashable] | None
) -> tuple[Floats, NDArray[np.int64]]:
    rows = probability_rows(p)
    same_length(y, rows, "y and p")
    order = range(rows.shape[1]) if class_order is None else list(class_order)
    places = {name: place for place, name in enumerate(order)}
    if len(places) != rows.shape[1] or not set(y) <= places.keys():
        raise ValueError("y must hold classes of class_order, one for each column of p")
    return rows, np.array([places[name] for name in y], dtype=np.int64)


def _answers(predicted: Sequence[int], rows: Floats) -> NDArray[np.int64]:
    same_length(predicted, rows, "predicted and p")
    answers = numbers(predicted, "predicted")
    if not np.isin(answers, np.arange(rows.shape[1])).all():
        raise ValueError("predicted must hold numbers of the columns of p")
    return answers.astype(np.int64)
