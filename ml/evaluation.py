"""How good a decider is, from arrays of labels: pure functions that know no model.

Levels are those of ``triage_rules.level``, so a smaller number is a less urgent answer and
*under-triage* is an answer less urgent than the truth.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from triage_rules.level import Level

LABELS = [int(level) for level in Level]
CALIBRATION_BINS = 10
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
    brier
        Mean over the rows of the squared distance over all four levels (0 to 2); None without
        probabilities.
    ece
        Expected calibration error of the top probability, in ten equal bins; None without
        probabilities.
    confusion
        Counts, truth by row and answer by column, in the order of ``Level``.
    intervals
        The 95 % Wilson interval of each plain share.
    """

    n: int
    accuracy: float
    macro_f1: float
    qwk: float | None
    kappa: float | None
    under_triage: float
    over_triage: float
    emergency_recall: float | None
    two_level_under_triage: float
    brier: float | None
    ece: float | None
    confusion: tuple[tuple[int, ...], ...]
    intervals: dict[str, Interval]

    def as_dict(self) -> dict[str, Any]:
        """Return the figures under their public names, ready for JSON."""
        return asdict(self)


def evaluate(
    truth: ArrayLike, predicted: ArrayLike, *, probabilities: ArrayLike | None = None
) -> Evaluation:
    """Compare answers with the truth.

    Parameters
    ----------
    truth, predicted
        Levels as integers 0 to 3, equally long.
    probabilities
        One row of four per answer, or None for a decider that gives none.

    Returns
    -------
    Evaluation

    Raises
    ------
    ValueError
        When there are no rows, or the arrays differ in length.
    """
    counts = confusion(truth, predicted)
    shares = _shares(counts)
    return Evaluation(
        n=int(counts.sum()),
        macro_f1=_macro_f1(truth, predicted),
        qwk=_kappa(truth, predicted, weights="quadratic"),
        kappa=_kappa(truth, predicted, weights=None),
        brier=None if probabilities is None else brier(truth, probabilities),
        ece=None if probabilities is None else expected_calibration_error(truth, probabilities),
        confusion=tuple(tuple(int(n) for n in row) for row in counts),
        intervals={name: wilson_interval(*pair) for name, pair in shares.items() if pair[1]},
        **{name: (part / whole if whole else None) for name, (part, whole) in shares.items()},  # type: ignore[arg-type]
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
    true, given = _labels(truth), np.asarray(probabilities, dtype=np.float64)
    return float(np.mean(np.sum((given - np.eye(len(LABELS))[true]) ** 2, axis=1)))


def expected_calibration_error(truth: ArrayLike, probabilities: ArrayLike) -> float:
    """Return by how much the top probability misses the share that was right, on average."""
    true, given = _labels(truth), np.asarray(probabilities, dtype=np.float64)
    top = given.max(axis=1)
    gap = (given.argmax(axis=1) == true) - top
    bins = np.minimum((top * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    return float(
        np.abs(np.bincount(bins, weights=gap, minlength=CALIBRATION_BINS)).sum() / len(top)
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


def _shares(counts: NDArray[np.int64]) -> dict[str, tuple[int, int]]:
    everything, emergency = int(counts.sum()), int(Level.EMERGENCY)
    parts = {
        "accuracy": np.trace(counts),
        "under_triage": np.tril(counts, -1).sum(),
        "over_triage": np.triu(counts, 1).sum(),
        "two_level_under_triage": np.tril(counts, -2).sum(),
    }
    shares = {name: (int(part), everything) for name, part in parts.items()}
    true_emergencies = int(counts[emergency].sum())
    return {**shares, "emergency_recall": (int(counts[emergency, emergency]), true_emergencies)}


def _kappa(truth: ArrayLike, predicted: ArrayLike, *, weights: str | None) -> float | None:
    # scikit-learn takes longer to import than a rules-only process needs to start.
    from sklearn.metrics import cohen_kappa_score

    if len(np.unique(np.concatenate([_labels(truth), _labels(predicted)]))) < 2:
        return None
    return float(
        cohen_kappa_score(_labels(truth), _labels(predicted), labels=LABELS, weights=weights)
    )


def _macro_f1(truth: ArrayLike, predicted: ArrayLike) -> float:
    from sklearn.metrics import f1_score

    return float(f1_score(truth, predicted, labels=LABELS, average="macro", zero_division=0.0))


def _labels(values: ArrayLike) -> NDArray[np.int64]:
    return np.asarray(values, dtype=np.int64)
