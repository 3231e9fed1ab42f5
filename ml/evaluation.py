"""How good a decider is, from arrays of labels: pure functions that know no model.

Levels are those of ``triage_rules.level``, so a smaller number is a less urgent answer and
*under-triage* is an answer less urgent than the truth.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from triage_rules.level import Level

LABELS = [int(level) for level in Level]
CALIBRATION_BINS = 10
_SHORT = ("n", "accuracy", "qwk", "under_triage", "over_triage", "emergency_recall")
Interval: TypeAlias = tuple[float, float]


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
    confusion
        Counts, truth by row and answer by column, in the order of ``Level``.
    intervals
        The 95 % interval of each figure: of a plain share Wilson's, or, where resamples were asked
        for, of every figure the percentiles of the bootstrap.
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
    brier: float | None
    ece: float | None
    confusion: tuple[tuple[int, ...], ...]
    intervals: dict[str, Interval]

    def as_dict(self) -> dict[str, Any]:
        """Return the figures under their public names, ready for JSON."""
        return asdict(self)

    def short(self) -> dict[str, Any]:
        """Return the few figures that a subgroup is judged by."""
        return {name: getattr(self, name) for name in _SHORT}


def evaluate(
    truth: ArrayLike,
    predicted: ArrayLike,
    *,
    probabilities: ArrayLike | None = None,
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
    resamples
        How often the rows are drawn anew for the intervals; 0 gives those of plain shares only.
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
    figures = _figures(counts, rows)
    drawn = _drawn(truth, predicted, rows, resamples=resamples, seed=seed)
    return Evaluation(
        n=int(counts.sum()),
        confusion=tuple(tuple(int(n) for n in row) for row in counts),
        intervals=_percentiles(drawn) if resamples else _wilson_intervals(counts),
        **{"brier": None, "ece": None, **figures},  # type: ignore[arg-type]
    )


def confusion(truth: ArrayLike, predicted: ArrayLike) -> NDArray[np.int64]:
    """Return the 4 by 4 counts, truth by row and answer by column."""
    true, answered = _labels(truth), _labels(predicted)
    if len(true) != len(answered) or not len(true):
        raise ValueError(
            f"{len(true)} true levels and {len(answered)} answers; "
            "expected equally many and at least one"
        )
    counts = np.zeros((len(LABELS), len(LABELS)), dtype=np.int64)
    np.add.at(counts, (true, answered), 1)
    return counts


def brier(truth: ArrayLike, probabilities: ArrayLike) -> float:
    """Return the mean squared distance between probabilities and truth, over all four levels."""
    return _Rows.of(truth, probabilities).brier


def expected_calibration_error(truth: ArrayLike, probabilities: ArrayLike) -> float:
    """Return by how much the top probability misses the share that was right, on average."""
    return _Rows.of(truth, probabilities).ece


@dataclass(frozen=True, slots=True)
class _Rows:
    """What each answer's probabilities add to the Brier score and to the calibration error."""

    squares: NDArray[np.float64]
    gaps: NDArray[np.float64]
    bins: NDArray[np.int64]

    @classmethod
    def of(cls, truth: ArrayLike, probabilities: ArrayLike) -> _Rows:
        true, given = _labels(truth), np.asarray(probabilities, dtype=np.float64)
        top = given.max(axis=1)
        return cls(
            squares=np.sum((given - np.eye(len(LABELS))[true]) ** 2, axis=1),
            gaps=(given.argmax(axis=1) == true) - top,
            bins=np.minimum((top * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1),
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


def _figures(counts: NDArray[np.int64], rows: _Rows | None) -> dict[str, float | None]:
    shares = _shares(counts).items()
    figures = {name: (part / whole if whole else None) for name, (part, whole) in shares}
    figures |= _agreement(counts)
    return figures if rows is None else {**figures, "brier": rows.brier, "ece": rows.ece}


def _shares(counts: NDArray[np.int64]) -> dict[str, tuple[int, int]]:
    everything, emergency = int(counts.sum()), int(Level.EMERGENCY)
    parts = {
        "accuracy": np.trace(counts),
        "under_triage": np.tril(counts, -1).sum(),
        "over_triage": np.triu(counts, 1).sum(),
        "two_level_under_triage": np.tril(counts, -2).sum(),
    }
    emergencies = int(counts[emergency].sum())
    found = int(counts[emergency, emergency])
    answered = int(counts[:, emergency].sum())
    return {
        **{name: (int(part), everything) for name, part in parts.items()},
        "emergency_recall": (found, emergencies),
        "non_emergencies_raised": (answered - found, everything - emergencies),
    }


def _wilson_intervals(counts: NDArray[np.int64]) -> dict[str, Interval]:
    shares = _shares(counts).items()
    return {name: wilson_interval(*share) for name, share in shares if share[1]}


def _agreement(counts: NDArray[np.int64]) -> dict[str, float | None]:
    """Return both kappas and the mean F1, from the cells: their cost does not grow with rows."""
    # scikit-learn takes longer to import than a rules-only process needs to start.
    from sklearn.metrics import cohen_kappa_score, f1_score

    true, answered = np.nonzero(counts)
    cells = {"labels": LABELS, "sample_weight": counts[true, answered]}
    nothing_to_agree_on = len({*true.tolist(), *answered.tolist()}) < 2
    f1 = f1_score(true, answered, average="macro", zero_division=0.0, **cells)
    if nothing_to_agree_on:
        return {"macro_f1": float(f1), "qwk": None, "kappa": None}
    return {
        "macro_f1": float(f1),
        "qwk": float(cohen_kappa_score(true, answered, weights="quadratic", **cells)),
        "kappa": float(cohen_kappa_score(true, answered, **cells)),
    }


def _drawn(
    truth: ArrayLike, predicted: ArrayLike, rows: _Rows | None, *, resamples: int, seed: int
) -> Iterator[dict[str, float | None]]:
    """Yield the figures of rows drawn with replacement."""
    cells = _labels(truth) * len(LABELS) + _labels(predicted)
    random = np.random.default_rng(seed)
    for _ in range(resamples):
        chosen = random.integers(len(cells), size=len(cells))
        flat = np.bincount(cells[chosen], minlength=len(LABELS) ** 2)
        counts = flat.reshape(len(LABELS), len(LABELS))
        yield _figures(counts, None if rows is None else rows.drawn(chosen))


def _percentiles(drawn: Iterable[dict[str, float | None]]) -> dict[str, Interval]:
    """Return the middle 95 % of each figure; a draw in which it does not exist is left out."""
    values: defaultdict[str, list[float]] = defaultdict(list)
    for figures in drawn:
        for name, value in figures.items():
            if value is not None:
                values[name].append(value)
    return {
        name: (float(np.percentile(found, 2.5)), float(np.percentile(found, 97.5)))
        for name, found in values.items()
    }


def _labels(values: ArrayLike) -> NDArray[np.int64]:
    return np.asarray(values, dtype=np.int64)
