"""The model's accuracy as it can be estimated without labels, as it turned out, and the gap.

The estimate is the mean of the probabilities that the model gave its own answers (CBPE), moved by
what they were off by on the held-out rows. It sees a change of patients, not a change of what is
right: that is what the gap to the realised accuracy shows.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from django.db.models import Avg, Count, F, Q
from numpy.typing import NDArray

from ml.evaluation import (
    CALIBRATION_BINS,
    Interval,
    ReliabilityBin,
    expected_calibration_error,
    reliability,
    wilson_interval,
)
from ml.reference import PerformanceSummary
from monitoring.drift.rows import Rows
from triage_rules.level import Abstention, Level

Floats = NDArray[np.float64]

MIN_LABELS = 100
CONCEPT_LIMIT = 0.05
BRIER_LIMIT = 0.05
ECE_LIMIT = 0.1
ECE_RISE = 0.05
OUT_OF_RANGE_LIMIT = 0.1
# The two-sided 99 % and 95 % points of the normal distribution.
Z_99, Z_95 = 2.575829, 1.959964
CHANCE = 0.99
DRAWS = 1_999
SEED = 20250101
ROWS_HELD = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """Labelled rows that the model answered: probabilities, its levels, and the truth."""

    stated: Floats
    levels: NDArray[np.int64]
    truth: NDArray[np.int64]

    @property
    def own(self) -> Floats:
        """The probability of each of the model's own levels."""
        own: Floats = self.stated[np.arange(len(self.stated)), self.levels]
        return own

    @property
    def right(self) -> NDArray[np.bool_]:
        """Which of the model's levels were the true one."""
        right: NDArray[np.bool_] = self.levels == self.truth
        return right


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimated:
    """The accuracy to expect of the model, from its probabilities alone.

    ``why_not`` says in one sentence each why it is not ``valid``; ``accuracy`` is None where the
    model answered nothing.
    """

    n: int
    accuracy: float | None
    interval: Interval | None
    valid: bool
    why_not: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Realised:
    """The accuracy of the model on labelled rows; None without any."""

    n: int
    accuracy: float | None
    interval: Interval | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Concept:
    """Realised less estimated accuracy on the same rows, with its 99 % interval.

    None where there are too few labels to say.
    """

    difference: float | None
    interval: Interval | None
    drifted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How far probabilities and outcomes are apart, now and in the reference.

    The limits are what each figure must pass to count as drifted; None with too few labels.
    """

    n: int
    brier: float | None
    reference_brier: float
    brier_limit: float | None
    ece: float | None
    reference_ece: float
    ece_limit: float | None
    reliability: tuple[ReliabilityBin, ...]
    drifted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    """All of it, for one version and some days."""

    estimated: Estimated
    realised: Realised
    concept: Concept
    calibration: Calibration

    def as_dict(self) -> dict[str, Any]:
        """Return it as it is stored."""
        return asdict(self)


def performance_measure(
    rows: Rows, labelled: Labelled, *, reference: PerformanceSummary
) -> Performance:
    """Measure the model on rows of one version and on those of them that have a label."""
    realised = _realised(labelled)
    return Performance(
        estimated=_estimated(rows, labelled, reference=reference),
        realised=realised,
        concept=concept_measure(labelled, reference=reference),
        calibration=_calibration(labelled, reference=reference),
    )


def labelled_read(rows: Rows) -> Labelled:
    """Read the labelled rows that the model answered."""
    found = rows.filter(
        model_level__isnull=False, probabilities__isnull=False, ground_truth__isnull=False
    ).values_list("probabilities", "model_level", "ground_truth")
    read = list(found.iterator(chunk_size=ROWS_HELD))
    return Labelled(
        stated=np.array([one[0] for one in read], dtype=np.float64).reshape(-1, len(Level)),
        levels=np.array([one[1] for one in read], dtype=np.int64),
        truth=np.array([one[2] for one in read], dtype=np.int64),
    )


def _estimated(rows: Rows, labelled: Labelled, *, reference: PerformanceSummary) -> Estimated:
    found = rows.aggregate(
        asked=Count("pk"),
        n=Count("model_confidence"),
        stated=Avg("model_confidence"),
        squared=Avg(F("model_confidence") * F("model_confidence")),
        strange=Count("pk", filter=Q(model_abstained=Abstention.OUT_OF_RANGE)),
    )
    why_not = tuple(_doubts(found["strange"], found["asked"], labelled))
    if not found["n"]:
        return Estimated(n=0, accuracy=None, interval=None, valid=False, why_not=why_not)
    variance = (found["stated"] - found["squared"]) / found["n"] + _offset_variance(reference)
    accuracy = min(max(found["stated"] + reference.offset, 0.0), 1.0)
    reach = Z_95 * math.sqrt(max(variance, 0.0))
    return Estimated(
        n=found["n"],
        accuracy=accuracy,
        interval=(max(0.0, accuracy - reach), min(1.0, accuracy + reach)),
        valid=not why_not,
        why_not=why_not,
    )


def _doubts(strange: int, asked: int, labelled: Labelled) -> list[str]:
    """Return why the estimate must not be believed, in the order looked at."""
    doubts = []
    if len(labelled.truth) < MIN_LABELS:
        doubts.append(
            f"Only {len(labelled.truth)} answers of the model have a label; "
            f"{MIN_LABELS} are needed to see whether its probabilities hold."
        )
    else:
        error = expected_calibration_error(labelled.truth, labelled.stated)
        limit = max(ECE_LIMIT, _ece_by_chance(labelled))
        if error > limit:
            doubts.append(f"The calibration error is {error:.3f}; at most {limit:.3f} is allowed.")
    if asked and strange > OUT_OF_RANGE_LIMIT * asked:
        doubts.append(f"{strange / asked:.1%} of the patients are unlike those of training.")
    return doubts


def _realised(labelled: Labelled) -> Realised:
    n, right = len(labelled.truth), int(labelled.right.sum())
    if not n:
        return Realised(n=0, accuracy=None, interval=None)
    return Realised(n=n, accuracy=right / n, interval=wilson_interval(right, n))


def concept_measure(labelled: Labelled, *, reference: PerformanceSummary) -> Concept:
    """Return how far outcomes are from what was stated, beyond what the reference missed by."""
    n = len(labelled.truth)
    if n < MIN_LABELS:
        return Concept(difference=None, interval=None, drifted=False)
    own, gaps = labelled.own, labelled.right - labelled.own
    difference = float(gaps.mean()) - reference.offset
    # What the probabilities themselves imply is the least the gaps can vary by.
    variance = max(float(gaps.var()), float((own * (1 - own)).mean())) / n
    reach = Z_99 * math.sqrt(variance + _offset_variance(reference))
    is_sure = abs(difference) > reach
    return Concept(
        difference=difference,
        interval=(difference - reach, difference + reach),
        drifted=is_sure and abs(difference) > CONCEPT_LIMIT,
    )


def _offset_variance(reference: PerformanceSummary) -> float:
    return reference.gap_sd**2 / reference.n


def _calibration(labelled: Labelled, *, reference: PerformanceSummary) -> Calibration:
    n = len(labelled.truth)
    if n < MIN_LABELS:
        return Calibration(
            n=n,
            brier=None,
            reference_brier=reference.brier,
            brier_limit=None,
            ece=None,
            reference_ece=reference.ece,
            ece_limit=None,
            reliability=(),
            drifted=False,
        )
    squares = ((labelled.stated - np.eye(len(Level))[labelled.truth]) ** 2).sum(axis=1)
    error = math.sqrt(float(squares.var()) / n + reference.brier_sd**2 / reference.n)
    brier, brier_limit = float(squares.mean()), reference.brier + max(BRIER_LIMIT, Z_99 * error)
    ece = expected_calibration_error(labelled.truth, labelled.stated)
    ece_limit = max(reference.ece + ECE_RISE, _ece_by_chance(labelled, reference=reference))
    top = labelled.stated.max(axis=1)
    return Calibration(
        n=n,
        brier=brier,
        reference_brier=reference.brier,
        brier_limit=brier_limit,
        ece=ece,
        reference_ece=reference.ece,
        ece_limit=ece_limit,
        reliability=reliability(top, labelled.stated.argmax(axis=1) == labelled.truth),
        drifted=brier > brier_limit or ece > ece_limit,
    )


def _ece_by_chance(labelled: Labelled, *, reference: PerformanceSummary | None = None) -> float:
    """Return what the calibration error stays under in 99 of 100 samples of this size.

    The probabilities hold as they are; or, with a reference, as far as they held there, which is
    itself known from few rows only.
    """
    random = np.random.default_rng(SEED)
    top = labelled.stated.max(axis=1)
    tenths = np.minimum((top * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
    held = np.bincount(tenths, minlength=CALIBRATION_BINS)
    total = np.bincount(tenths, weights=top, minlength=CALIBRATION_BINS)
    mean = np.divide(total, held, out=np.zeros(CALIBRATION_BINS), where=held > 0)
    share = np.tile(mean, (DRAWS, 1))
    if reference is not None:
        share = np.clip(mean + _misses(reference, mean, random=random), 0.0, 1.0)
    right = random.binomial(held, share)
    errors = np.abs(right - total).sum(axis=1) / held.sum()
    return float(np.quantile(errors, CHANCE))


def _misses(reference: PerformanceSummary, mean: Floats, *, random: np.random.Generator) -> Floats:
    """Return by how much outcomes missed what was stated, drawn from what the reference knows."""
    middles = np.array([one.mean_probability for one in reference.bins])
    nearest = np.abs(mean[:, None] - middles[None, :]).argmin(axis=1)
    right = np.array([one.right for one in reference.bins])
    wrong = np.array([one.n - one.right for one in reference.bins])
    shares = random.beta(right + 0.5, wrong + 0.5, size=(DRAWS, len(middles)))
    misses: Floats = (shares - middles)[:, nearest]
    return misses
