"""The same 2 by 2 comparison in several strata, such as sites."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from monitoring.statistics.checks import Floats, open_share, square_table
from monitoring.statistics.tails import ChiSquare, chi_square_tail


@dataclass(frozen=True, slots=True, kw_only=True)
class MantelHaenszel:
    """The comparison over all strata.

    Attributes
    ----------
    T, p
        The Cochran-Mantel-Haenszel statistic without continuity correction, and its p value.
    or_mh, lo, hi
        The pooled odds ratio and its interval; no interval (None) where it is 0 or infinite, and
        no ratio where it is 0 by 0.
    rd_mh
        The pooled difference of shares: first row less second row. None where no stratum has
        both rows.
    """

    T: float
    p: float
    or_mh: float | None
    lo: float | None
    hi: float | None
    rd_mh: float | None


def mantel_haenszel(tables: Sequence[ArrayLike], alpha: float = 0.05) -> MantelHaenszel:
    """Compare two groups within strata, and pool.

    Parameters
    ----------
    tables
        2 by 2 counts, one per stratum: groups by row, success and failure by column.
    alpha
        The share of such intervals that may miss the truth.

    Returns
    -------
    MantelHaenszel

    Raises
    ------
    ValueError
        When there is no table, one is not 2 by 2 or is empty, or in every stratum a row or a
        column is.

    References
    ----------
    Mantel N, Haenszel W. J Natl Cancer Inst 1959;22:719-748. Interval of the odds ratio: Robins J,
    Breslow N, Greenland S. Biometrics 1986;42:311-323. Pooled difference: Greenland S, Robins JM.
    Biometrics 1985;41:55-68.
    """
    from statsmodels.stats.contingency_tables import StratifiedTable

    alpha = open_share(alpha, "alpha")
    everything, telling = _strata(tables)
    a, b, c, d = _cells(telling)
    found = StratifiedTable(list(telling))
    chi2 = float(found.test_null_odds(correction=False).statistic)
    agree, differ = float((a * d).sum()), float((b * c).sum())
    low = high = None
    if agree and differ:
        low, high = map(float, found.oddsratio_pooled_confint(alpha))
    return MantelHaenszel(
        T=chi2,
        p=chi_square_tail(chi2, 1),
        or_mh=_odds_ratio(telling),
        lo=low,
        hi=high,
        rd_mh=_difference(everything),
    )


def breslow_day_tarone(tables: Sequence[ArrayLike]) -> ChiSquare:
    """Test whether all strata share one odds ratio, with Tarone's adjustment.

    Parameters
    ----------
    tables
        2 by 2 counts, one per stratum.

    Returns
    -------
    ChiSquare
        With one degree of freedom less than strata in which no row or column is empty; the others
        say nothing of an odds ratio.

    Raises
    ------
    ValueError
        As for ``mantel_haenszel``; and where the pooled odds ratio is 0 or infinite.

    References
    ----------
    Breslow NE, Day NE. Statistical methods in cancer research I. IARC 1980. Tarone RE. Biometrika
    1985;72:91-95. statsmodels divides by 0 where the pooled ratio is 1, so it stands here.
    """
    _, telling = _strata(tables)
    ratio = _odds_ratio(telling)
    if ratio in (None, 0.0, np.inf):
        raise ValueError("tables must have a pooled odds ratio above 0 that is not infinite")
    a, b, c, d = _cells(telling)
    expected = _expected_first(a + b, a + c, (a + b + c + d), ratio=float(ratio or 0))
    others = (a + b - expected, a + c - expected, d - a + expected)
    variance = 1 / (1 / expected + sum(1 / other for other in others))
    spread = ((a - expected) ** 2 / variance).sum()
    tarone = (a - expected).sum() ** 2 / variance.sum()
    return ChiSquare.of(spread - tarone, df=len(telling) - 1)


def _expected_first(row: Floats, column: Floats, n: Floats, *, ratio: float) -> Floats:
    """Return the first cell of tables with these margins and this odds ratio."""
    if abs(ratio - 1) < 1e-9:
        return row * column / n
    b = ratio * (row + column) + n - row - column
    # The form of the root that holds for ratios on both sides of 1.
    root = np.sqrt(b * b - 4 * (ratio - 1) * ratio * row * column)
    return 2 * ratio * row * column / (b + root)


def _odds_ratio(tables: Floats) -> float | None:
    a, b, c, d = _cells(tables)
    n = a + b + c + d
    agree, differ = float((a * d / n).sum()), float((b * c / n).sum())
    if not differ:
        return np.inf if agree else None
    return agree / differ


def _difference(tables: Floats) -> float | None:
    a, b, c, d = _cells(tables)
    both = ((a + b) > 0) & ((c + d) > 0)
    if not both.any():
        return None
    a, b, c, d = a[both], b[both], c[both], d[both]
    n = a + b + c + d
    weights = (a + b) * (c + d) / n
    return float(((a * (c + d) - c * (a + b)) / n).sum() / weights.sum())


def _cells(tables: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    return tables[:, 0, 0], tables[:, 0, 1], tables[:, 1, 0], tables[:, 1, 1]


def _strata(tables: Sequence[ArrayLike]) -> tuple[Floats, Floats]:
    """Return all tables, and those without an empty row or column."""
    if not len(tables):
        raise ValueError("tables must hold one stratum or more")
    everything = np.array([square_table(table, size=2) for table in tables])
    full = everything.sum(axis=1).all(axis=1) & everything.sum(axis=2).all(axis=1)
    if not full.any():
        raise ValueError("tables must hold a stratum without an empty row or column")
    return everything, everything[full]
