"""How good a decider is, from arrays of labels: pure functions that know no model.

Levels are those of ``triage_rules.level``, so a smaller number is a less urgent answer and
*under-triage* is an answer less urgent than the truth. ``docs/evaluation.md`` has the formulas.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from triage_rules.level import Level

LABELS = [int(level) for level in Level]
CALIBRATION_BINS = 10
Interval: TypeAlias = tuple[float, float]
Counts: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]

_EMERGENCY = int(Level.EMERGENCY)
_SHORT = ("n", "accuracy", "qwk", "under_triage", "over_triage", "emergency_recall")
_SHORT_INTERVALS = ("under_triage", "emergency_recall")
_STEPS_APART = np.subtract.outer(LABELS, LABELS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What one decider did on ``n`` labelled rows.

    Attributes
    ----------
    accuracy, macro_f1
        Shares of 1. A level nobody has and nobody was given counts 0 in the mean of F1.
    qwk, kappa
        Cohen's kappa with quadratic weights, and plain. None where there is nothing to agree on:
        one level only, in truth and answers.
    under_triage, over_triage, two_level_under_triage
        Shares of all rows answered less urgently, more urgently, and less by two levels or more.
    emergency_recall
        Share of the true emergencies answered as such; None without any.
    non_emergencies_raised
        Share of the other rows answered as an emergency; None without any.
    brier
        Mean over the rows of the squared distance over all four levels (0 to 2); None without
        probabilities.
    ece
        Expected calibration error of the top probability, in ten equal bins; None without
        probabilities.
    expected_cost
        Mean cost of an answer under the cost matrix; None without one.
    confusion
        Counts, truth by row and answer by column, in the order of ``Level``.
    intervals
        The 95 % interval of each figure: of a plain share Wilson's; of the others, where resamples
        were asked for, the percentiles of the bootstrap.
    """

    n: int
    accuracy: float
    macro_f1: float
    qwk: float | None
    kappa: float | None
    under_triage: float
    over_triage: float
    emergency_recall: float | None
    non_emergencies_raised: float | None
    two_level_under_triage: float
    brier: float | None = None
    ece: float | None = None
    expected_cost: float | None = None
    confusion: tuple[tuple[int, ...], ...]
    intervals: dict[str, Interval]

    def as_dict(self) -> dict[str, Any]:
        """Return the figures under their public names, ready for JSON."""
        return asdict(self)

    def short(self) -> dict[str, Any]:
        """Return the few figures that a subgroup is judged by, the grave ones with intervals."""
        kept = {name: self.intervals[name] for name in _SHORT_INTERVALS if name in self.intervals}
        figures = {name: getattr(self, name) for name in _SHORT}
        return {**figures, "emergencies": sum(self.confusion[_EMERGENCY]), "intervals": kept}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityBin:
    """Rows whose stated probability lies in one tenth, and how often it came true.

    Attributes
    ----------
    low, high
        The tenth; its upper end belongs to the next one, except 1.
    n
        How many rows.
    mean_probability
        What was stated, on average.
    share
        How often it came true.
    interval
        Wilson's 95 % interval of ``share``.
    """

    low: float
    high: float
    n: int
    mean_probability: float
    share: float
    interval: Interval


def evaluate(
    truth: ArrayLike,
    predicted: ArrayLike,
    *,
    probabilities: ArrayLike | None = None,
    cost_matrix: ArrayLike | None = None,
    resamples: int = 0,
    seed: int = 0,
) -> Evaluation:
    """Compare answers with the truth.

    Parameters
    ----------
    truth, predicted
        Levels as integers 0 to 3, equally long.
    probabilities
        One row of four per answer, or None for a decider that gives none.
    cost_matrix
        Cost of an answer, truth by row and answer by column, or None to leave the cost out.
    resamples
        How often the rows are drawn anew for the intervals of figures that are no plain shares;
        0 leaves these out.
    seed
        Of the draws.

    Returns
    -------
    Evaluation

    Raises
    ------
    ValueError
        When there are no rows, or the arrays differ in length.
    """
    counts = confusion(truth, predicted)
    rows = None if probabilities is None else _Rows.of(truth, probabilities)
    figures = _figures(counts, cost_matrix)
    if rows:
        figures |= {"brier": np.asarray(rows.brier), "ece": np.asarray(rows.ece)}
    random = np.random.default_rng(seed)
    drawn = _drawn(truth, predicted, rows, resamples=resamples, random=random)
    redrawn = {**_figures(drawn.pop("counts"), cost_matrix), **drawn}
    known = {name: float(value) for name, value in figures.items() if not np.isnan(value)}
    unknown = dict.fromkeys(figures.keys() - known.keys())
    return Evaluation(
        n=int(counts.sum()),
        confusion=tuple(tuple(row) for row in counts.tolist()),
        # The bootstrap of a share that is 0 or 1 would claim to be certain; Wilson's does not.
        intervals={**_percentiles(redrawn), **_wilson_intervals(counts)},
        **known,
        **unknown,  # type: ignore[arg-type]
    )


def confusion(truth: ArrayLike, predicted: ArrayLike) -> Counts:
    """Return the 4 by 4 counts, truth by row and answer by column."""
    true, answered = _labels(truth), _labels(predicted)
    if len(true) != len(answered) or not len(true):
        raise ValueError(
            f"{len(true)} true levels and {len(answered)} answers; "
            "expected equally many and at least one"
        )
    return _counted(_cells(true, answered))


def brier(truth: ArrayLike, probabilities: ArrayLike) -> float:
    """Return the mean squared distance between probabilities and truth, over all four levels."""
    return _Rows.of(truth, probabilities).brier


def expected_calibration_error(truth: ArrayLike, probabilities: ArrayLike) -> float:
    """Return by how much the top probability misses the share that was right, on average."""
    return _Rows.of(truth, probabilities).ece


def reliability(probabilities: ArrayLike, came_true: ArrayLike) -> tuple[ReliabilityBin, ...]:
    """Compare stated probabilities with what happened, tenth by tenth; empty ones are left out.

    Parameters
    ----------
    probabilities
        One per row.
    came_true
        Whether it happened, one per row.

    Examples
    --------
    >>> [one] = reliability([0.62, 0.68], [True, False])
    >>> one.n, round(one.mean_probability, 2), one.share
    (2, 0.65, 0.5)
    """
    stated = np.asarray(probabilities, dtype=np.float64)
    happened = np.asarray(came_true, dtype=bool)
    tenths = _tenths(stated)
    return tuple(
        _bin(tenth, stated[tenths == tenth], happened[tenths == tenth])
        for tenth in np.unique(tenths).tolist()
    )


def wilson_interval(successes: int, n: int, *, z: float = 1.959964) -> Interval:
    """Return the Wilson score interval of a share, 95 % unless ``z`` says otherwise.

    Examples
    --------
    >>> [round(limit, 3) for limit in wilson_interval(8, 10)]
    [0.49, 0.943]
    """
    share = successes / n
    middle = share + z * z / (2 * n)
    reach = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (middle - reach) / scale), min(1.0, (middle + reach) / scale)


def confusion_table(evaluation: Evaluation) -> str:
    """Return the confusion counts as lines for a terminal, truth by row."""
    names = [level.label for level in Level]
    header = "true \\ answered".ljust(16) + "".join(name.rjust(11) for name in names)
    return "\n".join([header, *map(_table_row, names, evaluation.confusion)])


def _table_row(name: str, counts: Sequence[int]) -> str:
    return name.ljust(16) + "".join(str(count).rjust(11) for count in counts)


@dataclass(frozen=True, slots=True)
class _Rows:
    """What each answer's probabilities add to the Brier score and to the calibration error."""

    squares: Floats
    gaps: Floats
    bins: NDArray[np.int64]

    @classmethod
    def of(cls, truth: ArrayLike, probabilities: ArrayLike) -> _Rows:
        true, given = _labels(truth), np.asarray(probabilities, dtype=np.float64)
        top = given.max(axis=1)
        return cls(
            squares=np.sum((given - np.eye(len(LABELS))[true]) ** 2, axis=1),
            gaps=(given.argmax(axis=1) == true) - top,
            bins=_tenths(top),
        )

    def drawn(self, chosen: NDArray[np.int64]) -> _Rows:
        return _Rows(self.squares[chosen], self.gaps[chosen], self.bins[chosen])

    @property
    def brier(self) -> float:
        return float(self.squares.mean())

    @property
    def ece(self) -> float:
        by_bin = np.bincount(self.bins, weights=self.gaps, minlength=CALIBRATION_BINS)
        return float(np.abs(by_bin).sum() / len(self.gaps))


def _figures(counts: Counts, cost_matrix: ArrayLike | None) -> dict[str, Floats]:
    """Return what the counts alone tell; any leading axes stand for other draws of the rows."""
    figures = {name: _ratio(*share) for name, share in _shares(counts).items()}
    figures |= {
        "macro_f1": _macro_f1(counts),
        "qwk": _kappa(counts, np.square(_STEPS_APART)),
        "kappa": _kappa(counts, _STEPS_APART != 0),
    }
    if cost_matrix is not None:
        costs = np.sum(counts * np.asarray(cost_matrix, dtype=np.float64), axis=(-2, -1))
        figures["expected_cost"] = _ratio(costs, _total(counts))
    return figures


def _shares(counts: Counts) -> dict[str, tuple[Counts, Counts]]:
    """Return each figure that is a plain share, as part and whole."""
    everything = _total(counts)
    emergencies = counts[..., _EMERGENCY, :].sum(axis=-1)
    found = counts[..., _EMERGENCY, _EMERGENCY]
    raised = counts[..., :, _EMERGENCY].sum(axis=-1) - found
    return {
        "accuracy": (_total(counts * (_STEPS_APART == 0)), everything),
        "under_triage": (_total(counts * (_STEPS_APART > 0)), everything),
        "over_triage": (_total(counts * (_STEPS_APART < 0)), everything),
        "two_level_under_triage": (_total(counts * (_STEPS_APART >= 2)), everything),
        "emergency_recall": (found, emergencies),
        "non_emergencies_raised": (raised, everything - emergencies),
    }


def _macro_f1(counts: Counts) -> Floats:
    found = np.diagonal(counts, axis1=-2, axis2=-1)
    f1 = _ratio(2 * found, counts.sum(axis=-1) + counts.sum(axis=-2))
    mean: Floats = np.nan_to_num(f1, nan=0.0).mean(axis=-1)
    return mean


def _kappa(counts: Counts, weights: NDArray[Any]) -> Floats:
    """Return one minus the disagreement seen over the one expected by chance (Cohen, 1968)."""
    seen = np.sum(counts * weights, axis=(-2, -1))
    margins = counts.sum(axis=-1)[..., :, None] * counts.sum(axis=-2)[..., None, :]
    by_chance = np.sum(margins * weights, axis=(-2, -1)) / _total(counts)
    return 1 - _ratio(seen, by_chance)


def _ratio(part: ArrayLike, whole: ArrayLike) -> Floats:
    """Return ``part / whole``, not a number where there is no whole."""
    parts, wholes = np.asarray(part, dtype=np.float64), np.asarray(whole, dtype=np.float64)
    nothing = np.full(np.broadcast_shapes(parts.shape, wholes.shape), np.nan)
    quotient: Floats = np.divide(parts, wholes, out=nothing, where=wholes != 0)
    return quotient


def _total(counts: Counts) -> Counts:
    total: Counts = counts.sum(axis=(-2, -1))
    return total


def _wilson_intervals(counts: Counts) -> dict[str, Interval]:
    shares = {name: (int(part), int(whole)) for name, (part, whole) in _shares(counts).items()}
    return {name: wilson_interval(*share) for name, share in shares.items() if share[1]}


def _drawn(
    truth: ArrayLike,
    predicted: ArrayLike,
    rows: _Rows | None,
    *,
    resamples: int,
    random: np.random.Generator,
) -> dict[str, NDArray[Any]]:
    """Return the counts, Brier scores and calibration errors of rows drawn with replacement."""
    cells = _cells(_labels(truth), _labels(predicted))
    if rows is None:
        # Counts of drawn rows are multinomial: no need to draw the rows themselves.
        counts = _counted(cells)
        drawn = random.multinomial(len(cells), counts.ravel() / len(cells), size=resamples)
        return {"counts": drawn.reshape(-1, *counts.shape)}
    draws = (random.integers(len(cells), size=len(cells)) for _ in range(resamples))
    measured = [(_counted(cells[one]), rows.drawn(one)) for one in draws]
    return {
        "counts": np.array([counts for counts, _ in measured]).reshape(-1, *_STEPS_APART.shape),
        "brier": np.array([drawn.brier for _, drawn in measured]),
        "ece": np.array([drawn.ece for _, drawn in measured]),
    }


def _percentiles(figures: Mapping[str, Floats]) -> dict[str, Interval]:
    """Return the middle 95 % of each figure; a draw in which it does not exist is left out."""
    existing = {name: values[~np.isnan(values)] for name, values in figures.items()}
    return {
        name: (float(np.percentile(values, 2.5)), float(np.percentile(values, 97.5)))
        for name, values in existing.items()
        if values.size
    }


def _bin(tenth: int, stated: Floats, happened: NDArray[np.bool_]) -> ReliabilityBin:
    n, times = len(stated), int(happened.sum())
    return ReliabilityBin(
        low=tenth / CALIBRATION_BINS,
        high=(tenth + 1) / CALIBRATION_BINS,
        n=n,
        mean_probability=float(stated.mean()),
        share=times / n,
        interval=wilson_interval(times, n),
    )


def _tenths(probabilities: Floats) -> NDArray[np.int64]:
    return np.minimum((probabilities * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)


def _cells(true: NDArray[np.int64], answered: NDArray[np.int64]) -> NDArray[np.int64]:
    return true * len(LABELS) + answered


def _counted(cells: NDArray[np.int64]) -> Counts:
    flat = np.bincount(cells, minlength=len(LABELS) ** 2)
    return flat.reshape(len(LABELS), len(LABELS))


def _labels(values: ArrayLike) -> NDArray[np.int64]:
    return np.asarray(values, dtype=np.int64)
