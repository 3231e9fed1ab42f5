"""The rows of a window as counts: grouped in the database, however many rows there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
from django.conf import settings
from django.db.models import Avg, Count, ExpressionWrapper, F, FloatField, Q, QuerySet, Value
from django.db.models.functions import Floor
from numpy.typing import NDArray

from ml.reference import CATEGORIES, STEPS, WordSummary, category, plausible_range
from monitoring.models import MLPredictionLog
from monitoring.selectors import LocalDay
from triage_rules.level import Decider, WordCount
from triage_rules.outcome import FallbackReason

Rows = QuerySet[MLPredictionLog]

# Where the model did not get its turn, the answer says nothing of the model's arm.
_NOT_THE_MODELS = (
    FallbackReason.KILL_SWITCH,
    FallbackReason.MODEL_UNAVAILABLE,
    FallbackReason.PREDICTION_FAILED,
    FallbackReason.TIMEOUT,
)


@dataclass(frozen=True, slots=True)
class RowWindow:
    """Some days of the site's calendar, the first and the last included."""

    first: date
    last: date

    @classmethod
    def ending(cls, last: date, *, days: int) -> RowWindow:
        """Return so many days, the last of them given."""
        return cls(last - timedelta(days=days - 1), last)

    @property
    def start(self) -> datetime:
        """The first moment."""
        return LocalDay.of(self.first, zone=settings.SITE_TIME_ZONE).start

    @property
    def end(self) -> datetime:
        """The first moment after it."""
        return LocalDay.of(self.last, zone=settings.SITE_TIME_ZONE).end

    def as_dict(self) -> dict[str, str]:
        """Return both days as text."""
        return {"start": self.first.isoformat(), "end": self.last.isoformat()}


@dataclass(frozen=True, slots=True, kw_only=True)
class NumericCounts:
    """One measured column: how many rows have each value.

    ``outside`` counts what lies outside the plausible range; ``outside_mean`` is None without any.
    """

    values: NDArray[np.float64]
    counts: NDArray[np.int64]
    missing: int
    outside: int
    outside_mean: float | None

    @property
    def n(self) -> int:
        """How many values are known."""
        return int(self.counts.sum())

    @property
    def mean(self) -> float:
        """The mean of the known values."""
        return float(self.counts @ self.values / self.n)

    @property
    def median(self) -> float:
        """The middle value."""
        return float(self.values[np.searchsorted(np.cumsum(self.counts), self.n / 2)])


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryCounts:
    """One column of words: how many rows have each."""

    counts: Mapping[str, int]
    missing: int

    @property
    def n(self) -> int:
        """How many rows have a known word."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowCounts:
    """The rows of one model version in a window."""

    rows: int
    numeric: Mapping[str, NumericCounts]
    categories: Mapping[str, CategoryCounts]
    words: WordSummary


def rows_of(window: RowWindow) -> Rows:
    """Return the rows of the window that still hold their measurements."""
    return MLPredictionLog.objects.order_by().filter(
        created_at__gte=window.start, created_at__lt=window.end, stripped_at=None
    )


def versions_counted(rows: Rows) -> dict[str, int]:
    """Return how many rows each model version looked at, the most first."""
    counted = (
        rows.exclude(model_version="")
        .values_list("model_version")
        .annotate(n=Count("pk"))
        .order_by("-n", "model_version")
    )
    return dict(counted)


def window_counted(rows: Rows) -> WindowCounts:
    """Count every column that drift is looked for in."""
    outside = rows.aggregate(n=Count("pk"), **_outside_aggregates())
    return WindowCounts(
        rows=outside["n"],
        numeric={name: _numeric(rows, name, outside) for name in STEPS},
        categories={name: _categories(rows, name) for name in CATEGORIES},
        words=_words(rows),
    )


def _outside_aggregates() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in STEPS:
        limits = plausible_range(name)
        if limits is not None:
            beyond = Q(**{f"{name}__lt": limits.low}) | Q(**{f"{name}__gt": limits.high})
            found[f"{name}_outside"] = Count("pk", filter=beyond)
            found[f"{name}_outside_mean"] = Avg(name, filter=beyond)
    return found


def _numeric(rows: Rows, name: str, outside: Mapping[str, Any]) -> NumericCounts:
    step = STEPS[name]
    # As ml.reference.on_grid does it, so that a value falls into the same bin on both sides.
    steps = ExpressionWrapper(
        F(name) / Value(step, output_field=FloatField()) + Value(0.5), output_field=FloatField()
    )
    found = dict(rows.values_list(Floor(steps)).annotate(n=Count("pk")).order_by())
    missing = found.pop(None, 0)
    keys = sorted(found)
    return NumericCounts(
        values=np.array(keys, dtype=np.float64) * step,
        counts=np.array([found[key] for key in keys], dtype=np.int64),
        missing=missing,
        outside=outside.get(f"{name}_outside", 0),
        outside_mean=outside.get(f"{name}_outside_mean"),
    )


def _categories(rows: Rows, name: str) -> CategoryCounts:
    if name == "prediction":
        rows = rows.filter(decider=Decider.ML).exclude(fallback_reason__in=_NOT_THE_MODELS)
    found: Counter[str | None] = Counter()
    for value, n in rows.values_list(name).annotate(n=Count("pk")).order_by():
        found[category(name, value)] += n
    missing = found.pop(None, 0)
    return CategoryCounts(
        counts={str(word): n for word, n in sorted(found.items(), key=str)}, missing=missing
    )


def _words(rows: Rows) -> WordSummary:
    known = rows.filter(words__isnull=False, unknown_words__isnull=False)
    found = known.values_list("words", "unknown_words").annotate(n=Count("pk")).order_by()
    return WordSummary.of({WordCount(said=said, unknown=new): n for said, new, n in found})
