"""What the statistics refuse: one plain sentence, which names the parameter and not its value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats: TypeAlias = NDArray[np.float64]
_SUM_TOLERANCE = 1e-3


def finite(value: float, name: str) -> float:
    """Return a number that is neither infinite nor missing."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{name} must be a finite number")
    return number


def positive(value: float, name: str) -> float:
    """Return a finite number above 0."""
    if (number := finite(value, name)) <= 0:
        raise ValueError(f"{name} must be a number above 0")
    return number


def open_share(value: float, name: str) -> float:
    """Return a share strictly between 0 and 1."""
    if not 0 < (share := finite(value, name)) < 1:
        raise ValueError(f"{name} must lie between 0 and 1")
    return share


def whole(value: float, name: str, *, low: int) -> int:
    """Return a whole number of at least ``low``."""
    number = finite(value, name)
    if number != int(number) or number < low:
        raise ValueError(f"{name} must be a whole number of at least {low}")
    return int(number)


def successes(x: float, n: float, *, names: str = "x n") -> tuple[int, int]:
    """Return successes and trials, with at least one trial."""
    x_name, n_name = names.split()
    trials, count = whole(n, n_name, low=1), whole(x, x_name, low=0)
    if count > trials:
        raise ValueError(f"{x_name} must not be more than {n_name}")
    return count, trials


def whole_counts(
    values: ArrayLike, name: str, *, dimensions: int = 1, may_be_zero: bool = False
) -> Floats:
    """Return whole numbers of at least 0, not all of them 0 unless ``may_be_zero``."""
    array = amounts(values, name, dimensions=dimensions, may_be_zero=may_be_zero)
    if np.any(array != np.floor(array)):
        raise ValueError(f"{name} must hold whole numbers")
    return array


def amounts(
    values: ArrayLike, name: str, *, dimensions: int = 1, may_be_zero: bool = False
) -> Floats:
    """Return finite numbers of at least 0, not all of them 0 unless ``may_be_zero``."""
    array = numbers(values, name, dimensions=dimensions)
    if np.any(array < 0):
        raise ValueError(f"{name} must not hold negative numbers")
    if not (may_be_zero or array.sum()):
        raise ValueError(f"{name} must not be all zeros")
    return array


def numbers(values: ArrayLike, name: str, *, dimensions: int = 1) -> Floats:
    """Return finite numbers, at least one."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must hold numbers, in rows of equal length") from None
    if array.ndim != dimensions or not array.size:
        raise ValueError(f"{name} must have {dimensions} dimension(s) and must not be empty")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must hold finite numbers only")
    return array


def square_table(table: ArrayLike, *, size: int | None = None) -> Floats:
    """Return a square table of counts, of ``size`` levels where it is given, else at least 2."""
    array = whole_counts(table, "table", dimensions=2)
    rows, columns = array.shape
    if rows != columns or rows < 2 or rows != (size or rows):
        raise ValueError(f"table must be {size} by {size}" if size else "table must be square")
    return array


def same_length(one: Sequence[Any] | Floats, other: Sequence[Any] | Floats, names: str) -> None:
    """Refuse two sequences of different lengths."""
    if len(one) != len(other):
        raise ValueError(f"{names} must be equally long")


def shares(p: ArrayLike, name: str = "p") -> Floats:
    """Return one probability per row, each between 0 and 1."""
    array = numbers(p, name)
    if np.any((array < 0) | (array > 1)):
        raise ValueError(f"{name} must lie between 0 and 1")
    return array


def probability_rows(p: ArrayLike, name: str = "p") -> Floats:
    """Return rows of probabilities that add up to 1, for two classes or more."""
    array = numbers(p, name, dimensions=2)
    if np.any((array < 0) | (array > 1)) or array.shape[1] < 2:
        raise ValueError(f"{name} must hold probabilities between 0 and 1 of two classes or more")
    if np.any(np.abs(array.sum(axis=1) - 1) > _SUM_TOLERANCE):
        raise ValueError(f"the rows of {name} must add up to 1")
    return array
