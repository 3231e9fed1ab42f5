"""The same cases put into levels twice or more: do the levels shift?

Everywhere a k by k table of counts, the first look by row and the second by column.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from monitoring.statistics.checks import Floats, numbers, square_table
from monitoring.statistics.tails import ChiSquare


def stuart_maxwell(table: ArrayLike) -> ChiSquare:
    """Test whether both looks use the levels equally often.

    Parameters
    ----------
    table
        k by k counts, k at least 2.

    Returns
    -------
    ChiSquare
        With one degree of freedom less than levels that somebody changed to or from. A level on
        which both always agree says nothing and is left out.

    Raises
    ------
    ValueError
        When the table is not square, is empty, or holds anything but counts; or when the levels
        fall into groups that nobody crosses, which the test cannot compare.

    References
    ----------
    Stuart A. Biometrika 1955;42:412-416. Maxwell AE. Br J Psychiatry 1970;116:651-655.
    """
    return _homogeneity(square_table(table))


def bhapkar(table: ArrayLike) -> ChiSquare:
    """Test whether both looks use the levels equally often, with the variance not under the null.

    Parameters, result and errors are those of ``stuart_maxwell``. Infinite, with p 0, where every
    case moved and none moved back.

    References
    ----------
    Bhapkar VP. J Am Stat Assoc 1966;61:228-235. It is Stuart's statistic over 1 less itself by n.
    """
    counts = square_table(table)
    stuart, n = _homogeneity(counts), float(counts.sum())
    left = 1 - stuart.chi2 / n
    return ChiSquare.of(stuart.chi2 / left if left > 1e-12 else math.inf, df=stuart.df)


def bowker(table: ArrayLike) -> ChiSquare:
    """Test whether moves from one level to another and back are equally frequent.

    Parameters
    ----------
    table
        k by k counts, k at least 2.

    Returns
    -------
    ChiSquare
        With k (k - 1) / 2 degrees of freedom, also where nobody moved between two levels.

    Raises
    ------
    ValueError
        When the table is not square, is empty, or holds anything but counts.

    References
    ----------
    Bowker AH. J Am Stat Assoc 1948;43:572-574.
    """
    from statsmodels.stats.contingency_tables import SquareTable

    # Without shift_zeros=False it would put 0.5 where there is nothing.
    found = SquareTable(square_table(table), shift_zeros=False).symmetry()
    return ChiSquare.of(found.statistic, df=int(found.df))


def cochran_q(matrix: ArrayLike) -> ChiSquare:
    """Test whether several yes-or-no outcomes of the same cases are equally frequent.

    Parameters
    ----------
    matrix
        One row per case and one column per outcome, of 0 and 1; at least two columns.

    Returns
    -------
    ChiSquare
        With one degree of freedom less than columns; 0 where all outcomes of each case agree.

    Raises
    ------
    ValueError
        When the matrix holds anything else or has one column only.

    References
    ----------
    Cochran WG. Biometrika 1950;37:256-266.
    """
    from statsmodels.stats.contingency_tables import cochrans_q

    outcomes = numbers(matrix, "matrix", dimensions=2)
    if not np.isin(outcomes, (0, 1)).all() or outcomes.shape[1] < 2:
        raise ValueError("matrix must hold 0 and 1 in two columns or more")
    all_agree = (outcomes == outcomes[:, :1]).all()
    chi2 = 0.0 if all_agree else cochrans_q(outcomes).statistic
    return ChiSquare.of(chi2, df=outcomes.shape[1] - 1)


def _homogeneity(counts: Floats) -> ChiSquare:
    from statsmodels.stats.contingency_tables import SquareTable

    moved = counts - np.diag(np.diagonal(counts))
    used = (moved.sum(axis=0) + moved.sum(axis=1)) > 0
    if not used.any():
        return ChiSquare.of(0.0, df=0)
    if _groups(moved[np.ix_(used, used)]) > 1:
        raise ValueError("table must not fall into groups of levels that nobody crosses")
    found = SquareTable(counts[np.ix_(used, used)], shift_zeros=False).homogeneity()
    return ChiSquare.of(found.statistic, df=int(found.df))


def _groups(moved: Floats) -> int:
    from scipy.sparse.csgraph import connected_components

    return int(connected_components(moved, directed=False)[0])
