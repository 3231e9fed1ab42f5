"""What a version's held-out rows looked like: counts and shares that later patients are held to.

Everything is summed over at least ten rows, so that no single patient's value can be read from it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml import schema
from ml.evaluation import CALIBRATION_BINS, expected_calibration_error
from triage_rules import combine
from triage_rules.case import AGE_YEARS_RANGE, VITAL_RANGES, Range, TriageCase
from triage_rules.level import Decider, Level, Opinion, WordCount
from triage_rules.outcome import Verdict

FORMAT = 1
MIN_ROWS = 10
MOST_BINS = 40
ANSWERED = "answered"
UNKNOWN = "unknown"

# Columns of the record, and to what they are rounded before they are counted.
STEPS: Mapping[str, float] = {
    "age_years": 1.0,
    "heart_rate": 1.0,
    "respiratory_rate": 1.0,
    "spo2": 1.0,
    "systolic_bp": 1.0,
    "diastolic_bp": 1.0,
    "temperature_c": 0.1,
    "gcs": 1.0,
    "pain_score": 1.0,
    "glucose_mmol_l": 0.1,
    "rules_severity_score": 1.0,
    "news2": 1.0,
    "model_confidence": 0.01,
}
CATEGORIES = (
    "sex",
    "arrival_mode",
    "injury",
    "on_oxygen",
    "consciousness",
    "site",
    "prediction",
    "model_level",
    "model_abstained",
)
_VITALS = tuple(name for name in STEPS if name in VITAL_RANGES)
_LEVELS = frozenset({"prediction", "model_level"})

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class NumericSummary:
    """One measured column as counts over bins of neighbouring values; the outer bins are open.

    Attributes
    ----------
    edges
        Where one bin ends and the next begins, one fewer than there are bins.
    counts, means
        Rows and mean value of each bin.
    mean, sd
        Of all known values; None where fewer than ten are known.
    missing
        Rows without a value.
    outside
        Known values outside ``plausible_range``.
    """

    edges: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()
    means: tuple[float, ...] = ()
    mean: float | None = None
    sd: float | None = None
    missing: int = 0
    outside: int = 0

    @property
    def n(self) -> int:
        """How many values are known and counted."""
        return sum(self.counts)

    @property
    def median(self) -> float:
        """The mean of the bin in which the middle value lies."""
        middle = np.searchsorted(np.cumsum(self.counts), self.n / 2)
        return self.means[int(middle)]

    def binned(self, values: Floats, counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], Floats]:
        """Return how many of other values lie in each bin, and their mean; nought where none do."""
        bins = np.searchsorted(self.edges, values)
        n = np.bincount(bins, weights=counts, minlength=len(self.counts)).astype(np.int64)
        total = np.bincount(bins, weights=counts * values, minlength=len(self.counts))
        return n, np.divide(total, n, out=np.zeros(len(n)), where=n > 0)

    @classmethod
    def of(cls, values: Iterable[float | None], *, name: str) -> NumericSummary:
        """Summarise the values of one of ``STEPS``; None is a missing one."""
        listed = list(values)
        known = np.array([one for one in listed if one is not None], dtype=np.float64)
        missing = len(listed) - len(known)
        if len(known) < MIN_ROWS:
            return cls(missing=missing)
        edges, counts, means = _bins(known, step=STEPS[name])
        return cls(
            edges=_rounded(edges),
            counts=tuple(int(n) for n in counts),
            means=_rounded(means),
            mean=round(float(known.mean()), 6),
            sd=round(float(known.std()), 6),
            missing=missing,
            outside=_outside(known, name=name),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CategorySummary:
    """One column of words as counts; words of fewer than ten rows are counted together."""

    counts: Mapping[str, int]
    rare: tuple[str, ...] = ()
    rare_rows: int = 0
    missing: int = 0

    @property
    def n(self) -> int:
        """How many rows have a known word."""
        return sum(self.counts.values()) + self.rare_rows

    @classmethod
    def of(cls, values: Iterable[object], *, name: str) -> CategorySummary:
        """Summarise the values of one of ``CATEGORIES``."""
        found = Counter(category(name, value) for value in values)
        missing = found.pop(None, 0)
        words = {str(word): n for word, n in sorted(found.items(), key=str)}
        rare = {word: n for word, n in words.items() if n < MIN_ROWS}
        return cls(
            counts={word: n for word, n in words.items() if n >= MIN_ROWS},
            rare=tuple(rare),
            rare_rows=sum(rare.values()),
            missing=missing,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WordSummary:
    """The words of the complaints and the unknown ones among them, as sums over rows.

    The sums of squares and products tell how far the share varies from row to row.
    """

    rows: int
    said: int
    unknown: int
    said_squared: int
    unknown_squared: int
    said_unknown: int

    @property
    def share(self) -> float | None:
        """The share of unknown words; None where nothing was said."""
        return self.unknown / self.said if self.said else None

    @classmethod
    def of(cls, counts: Mapping[WordCount, int]) -> WordSummary:
        """Add up complaints, given how many have each count."""
        rows = [(one.said, one.unknown, n) for one, n in counts.items()]
        said, unknown, n = np.array(rows, dtype=np.int64).reshape(-1, 3).T
        return cls(
            rows=int(n.sum()),
            said=int(n @ said),
            unknown=int(n @ unknown),
            said_squared=int(n @ said**2),
            unknown_squared=int(n @ unknown**2),
            said_unknown=int(n @ (said * unknown)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationBin:
    """Neighbouring top probabilities of at least ten rows, and how many of these came true."""

    n: int
    right: int
    mean_probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformanceSummary:
    """How good the model was on the held-out rows it answered, and how good it thought it was.

    Attributes
    ----------
    n, right
        Rows the model answered, and how many of its levels were the true one.
    stated
        The mean probability of the level it answered.
    gap_sd
        Standard deviation over the rows of right (1 or 0) less that probability.
    brier, brier_sd
        Mean and standard deviation of the squared distance over all four levels.
    ece, bins
        Of the top probability.
    hybrid_n, hybrid_right
        The same rows and those the model abstained on, as patients would have been answered.
    """

    n: int
    right: int
    stated: float
    gap_sd: float
    brier: float
    brier_sd: float
    ece: float
    bins: tuple[CalibrationBin, ...]
    hybrid_n: int
    hybrid_right: int

    @property
    def accuracy(self) -> float:
        """The share of the model's levels that were right."""
        return self.right / self.n

    @property
    def offset(self) -> float:
        """By how much the model was better than it thought."""
        return self.accuracy - self.stated


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """The held-out rows of one version."""

    rows: int
    numeric: Mapping[str, NumericSummary]
    categories: Mapping[str, CategorySummary]
    words: WordSummary
    performance: PerformanceSummary | None

    def as_dict(self) -> dict[str, Any]:
        """Return it as it stands in a version's metadata."""
        return {"format": FORMAT, **asdict(self)}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, Any]) -> Reference | None:
        """Read it from a version's metadata; None where the version has none, or of another format.

        ``performance`` is None where the model answered fewer than ten of the rows.
        """
        found = metadata.get("reference") or {}
        if found.get("format") != FORMAT:
            return None
        return cls(
            rows=found["rows"],
            numeric={name: _numeric(one) for name, one in found["numeric"].items()},
            categories={
                name: CategorySummary(**one | {"rare": tuple(one["rare"])})
                for name, one in found["categories"].items()
            },
            words=WordSummary(**found["words"]),
            performance=_performance_from(found["performance"]),
        )


def reference_of(
    patients: Sequence[TriageCase],
    *,
    verdicts: Sequence[Verdict],
    opinions: Sequence[Opinion],
    words: Sequence[WordCount],
    truth: Sequence[Level],
) -> Reference:
    """Summarise rows that were held out: who they were and what was said of them.

    Parameters
    ----------
    patients, verdicts, truth
        The rows, what the rules say of each, and what was right.
    opinions, words
        What models that had not learnt from a row said of it and knew of its words.
    """
    answers = [
        combine(verdict, opinion, Decider.ML).level
        for verdict, opinion in zip(verdicts, opinions, strict=True)
    ]
    numbers: dict[str, Iterable[float | None]] = {
        "age_years": [one.age for one in patients],
        **{name: [getattr(one.vitals, name) for one in patients] for name in _VITALS},
        "rules_severity_score": [one.severity_score for one in verdicts],
        "news2": [one.news2.total for one in verdicts],
        "model_confidence": [one.confidence for one in opinions],
    }
    categories: dict[str, Iterable[object]] = {
        "sex": [one.sex for one in patients],
        "arrival_mode": [one.arrival_mode for one in patients],
        "injury": [one.injury for one in patients],
        "on_oxygen": [one.vitals.on_oxygen for one in patients],
        "consciousness": [one.vitals.consciousness for one in patients],
        "site": [one.site for one in patients],
        "prediction": answers,
        "model_level": [one.level for one in opinions],
        "model_abstained": [one.abstained for one in opinions],
    }
    return Reference(
        rows=len(patients),
        numeric={name: NumericSummary.of(numbers[name], name=name) for name in STEPS},
        categories={name: CategorySummary.of(categories[name], name=name) for name in CATEGORIES},
        words=WordSummary.of(Counter(words)),
        performance=_performance(opinions, answers=answers, truth=truth),
    )


def plausible_range(name: str) -> Range | None:
    """Return what is usual of a column, or else what is accepted; None where nothing limits it."""
    if name == "age_years":
        return AGE_YEARS_RANGE
    if name not in VITAL_RANGES:
        return None
    return schema.usual_range(name) or VITAL_RANGES[name]


def category(name: str, value: object) -> str | None:
    """Return the word a value of one of ``CATEGORIES`` is counted under; None is "not known"."""
    if name == "model_abstained":
        return str(value) if value else ANSWERED
    if value is None or value in ("", UNKNOWN):
        return None
    if name in _LEVELS and isinstance(value, int):
        return Level(value).label
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def on_grid(values: Floats, *, step: float) -> Floats:
    """Return values rounded to a step, halves upwards, as the database rounds them."""
    grid: Floats = np.floor(values / step + 0.5) * step
    return grid


def _bins(known: Floats, *, step: float) -> tuple[Floats, NDArray[np.int64], Floats]:
    """Return edges, counts and means, at least ``MIN_ROWS`` in each bin."""
    distinct, counts = np.unique(on_grid(known, step=step), return_counts=True)
    if counts.max() > len(known) - MIN_ROWS:
        # Nearly everybody has the same value: what later leaves it is counted to either side.
        common = float(distinct[counts.argmax()])
        edges = np.array([common - step / 2, common + step / 2])
        return edges, np.array([0, len(known), 0]), common + step * np.array([-1.0, 0.0, 1.0])
    edges = _edges(distinct, counts, step=step)
    bins = np.searchsorted(edges, distinct)
    held = np.bincount(bins, weights=counts)
    return edges, held.astype(np.int64), np.bincount(bins, weights=counts * distinct) / held


def _edges(distinct: Floats, counts: NDArray[np.int64], *, step: float) -> Floats:
    """Return where bins end, so that each holds enough rows; what is left joins the last one."""
    at_least = max(MIN_ROWS, math.ceil(counts.sum() / MOST_BINS))
    edges, held, left = [], 0, int(counts.sum())
    for value, n in zip(distinct.tolist(), counts.tolist(), strict=True):
        held, left = held + n, left - n
        if held >= at_least and left >= at_least:
            edges.append(value + step / 2)
            held = 0
    return np.array(edges)


def _outside(known: Floats, *, name: str) -> int:
    limits = plausible_range(name)
    if limits is None:
        return 0
    return int(((known < limits.low) | (known > limits.high)).sum())


def _performance(
    opinions: Sequence[Opinion], *, answers: Sequence[Level], truth: Sequence[Level]
) -> PerformanceSummary | None:
    answered = [row for row, one in enumerate(opinions) if one.level is not None]
    if len(answered) < MIN_ROWS:
        return None
    true = np.array([int(truth[row]) for row in answered])
    stated = np.array([opinions[row].probabilities for row in answered])
    levels = np.array([int(opinions[row].level or 0) for row in answered])
    own = stated[np.arange(len(stated)), levels]
    squares = ((stated - np.eye(len(Level))[true]) ** 2).sum(axis=1)
    return PerformanceSummary(
        n=len(answered),
        right=int((levels == true).sum()),
        stated=float(own.mean()),
        gap_sd=float(((levels == true) - own).std()),
        brier=float(squares.mean()),
        brier_sd=float(squares.std()),
        ece=expected_calibration_error(true, stated),
        bins=_calibration_bins(stated, true),
        hybrid_n=len(answers),
        hybrid_right=sum(a == t for a, t in zip(answers, truth, strict=True)),
    )


def _calibration_bins(stated: Floats, true: NDArray[np.int64]) -> tuple[CalibrationBin, ...]:
    """Return the tenths of the top probability; those of few rows are one with the next."""
    top, right = stated.max(axis=1), stated.argmax(axis=1) == true
    tenths = np.minimum((top * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
    groups: list[NDArray[np.intp]] = []
    for tenth in range(CALIBRATION_BINS):
        rows = np.flatnonzero(tenths == tenth)
        if groups and len(groups[-1]) < MIN_ROWS:
            groups[-1] = np.concatenate([groups[-1], rows])
        elif len(rows):
            groups.append(rows)
    if len(groups) > 1 and len(groups[-1]) < MIN_ROWS:
        groups[-2:] = [np.concatenate(groups[-2:])]
    return tuple(
        CalibrationBin(
            n=len(rows), right=int(right[rows].sum()), mean_probability=float(top[rows].mean())
        )
        for rows in groups
    )


def _numeric(found: Mapping[str, Any]) -> NumericSummary:
    lists = {name: tuple(found[name]) for name in ("edges", "counts", "means")}
    return NumericSummary(**{**found, **lists})


def _performance_from(found: Mapping[str, Any] | None) -> PerformanceSummary | None:
    if found is None:
        return None
    bins = tuple(CalibrationBin(**one) for one in found["bins"])
    return PerformanceSummary(**{**found, "bins": bins})


def _rounded(values: Floats) -> tuple[float, ...]:
    return tuple(round(float(value), 4) for value in values)
