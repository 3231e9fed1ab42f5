"""What the check asks the database: counts and a few positions, never row by row.

The one exception is the CUSUM, which needs the day's labels one after another, and takes of each
only whether it was answered too low.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any

from django.conf import settings
from django.db.models import (
    Case,
    CharField,
    Count,
    Exists,
    Max,
    Min,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)

from monitoring.accuracy.tallies import Cell, Tally
from monitoring.labelling import counting_labels
from monitoring.labels import LabelState
from monitoring.models import GroundTruth, MLPredictionLog
from monitoring.selectors import first_id, predictions_of
from triage_rules.level import Level

# As in ``ml.labelled``, so that a slice means the same here as on a model card.
AGE_BAND = Case(
    When(age_years__lt=16, then=Value("under 16")),
    When(age_years__lt=65, then=Value("16 to 64")),
    When(age_years__gte=65, then=Value("65 and over")),
    default=Value("unknown"),
    output_field=CharField(),
)
_TOLD_APART = ("ab_group", "model_version", "audited", "saw", "sex", "age_band", "site")


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """How long the answers of a day took, in milliseconds, and how many took too long."""

    n: int
    slow: int
    limit: float
    p50: float | None
    p95: float | None
    p99: float | None

    def as_dict(self) -> dict[str, Any]:
        """Return the figures for the result row."""
        return asdict(self) | {"slow_share": self.slow / self.n if self.n else None}


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelMix:
    """How often each level was answered, and said by each decider; the model may have said none."""

    given: dict[str, int]
    rules: dict[str, int]
    model: dict[str, int]

    @property
    def n(self) -> int:
        """How many answers there were."""
        return sum(self.given.values())


def cells_of(day: date) -> list[Cell]:
    """Return the labelled predictions of a day as counts by everything that is told apart."""
    saw = Subquery(counting_labels().values("saw_prediction")[:1])
    return _cells(_labelled(day, day).annotate(age_band=AGE_BAND, saw=saw), *_TOLD_APART)


def tally_between(first: date, last: date) -> Tally:
    """Return the tally of several days."""
    return Tally.of(_cells(_labelled(first, last)))


def level_mix(day: date) -> LevelMix:
    """Return the levels of all predictions of a day, labelled or not."""
    columns = ("prediction", "rules_level", "model_level")
    rows = list(predictions_of(day, day).values_list(*columns).annotate(n=Count("pk")))

    def mix(column: int) -> dict[str, int]:
        return {
            level.label: sum(row[-1] for row in rows if row[column] == level) for level in Level
        }

    silent = sum(row[-1] for row in rows if row[2] is None)
    return LevelMix(given=mix(0), rules=mix(1), model=mix(2) | {"none": silent})


def latency(day: date) -> Latency:
    """Return the percentiles by nearest rank: the time of the answer that stands at that place."""
    rows = predictions_of(day, day)
    n = rows.count()
    times = rows.order_by("latency_ms").values_list("latency_ms", flat=True)

    def at(share: float) -> float | None:
        return times[math.ceil(share * n) - 1] if n else None

    return Latency(
        n=n,
        slow=rows.filter(latency_ms__gt=settings.LATENCY_WARNING_MS).count(),
        limit=settings.LATENCY_WARNING_MS,
        p50=at(0.50),
        p95=at(0.95),
        p99=at(0.99),
    )


def under_triaged(looks: Sequence[datetime], end: datetime) -> list[bool]:
    """Tell of each case first labelled since the newest look, in that order, if it was too low.

    ``looks`` are the times up to which earlier checks have looked. A case counts once, at the first
    look at which it has a label that was not taken back, whatever is said of it afterwards. What is
    right is what counts now; while nothing does, the most urgent of what people say.
    """
    start = max(looks)
    cases = [*_resolved_cases(start, end), *_disputed_cases(start, end)]
    return [answer < truth for _, _, answer, truth in sorted([*cases, *_doubted_cases(looks, end)])]


def _resolved_cases(start: datetime, end: datetime) -> Iterable[tuple[Any, ...]]:
    """Return them by the index on ``ground_truth_at``, which is never before the first label."""
    labels = GroundTruth.objects.filter(prediction_log=OuterRef("pk"), level__isnull=False)
    rows: QuerySet[Any] = MLPredictionLog.objects.order_by().filter(
        Q(ground_truth_at__lt=end) | Exists(labels.filter(created_at__lt=end)),
        ground_truth__isnull=False,
        ground_truth_at__gte=start,
    )
    # Written as NOT EXISTS, PostgreSQL would read the whole table of labels to join it.
    rows = rows.alias(earlier=Subquery(labels.filter(created_at__lt=start).values("pk")[:1]))
    rows = _undoubted(rows.filter(earlier__isnull=True))
    return rows.values_list("ground_truth_at", "id", "prediction", "ground_truth")


def _disputed_cases(start: datetime, end: datetime) -> Iterable[tuple[Any, ...]]:
    """Return them by the index on labels that contradict each other, of which there are few."""
    disputed = GroundTruth.objects.filter(state=LabelState.CONFLICT).values("prediction_log")
    rows: QuerySet[Any] = MLPredictionLog.objects.order_by().filter(
        ground_truth=None, pk__in=disputed
    )
    rows = _undoubted(rows).annotate(
        first=Min("labels__created_at", filter=Q(labels__level__isnull=False)),
        said=Max("labels__level", filter=Q(labels__state=LabelState.CONFLICT)),
    )
    rows = rows.filter(first__gte=start, first__lt=end)
    return rows.values_list("first", "id", "prediction", "said")


def _undoubted(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Leave out the cases of which anybody said that they cannot be assessed."""
    doubts = GroundTruth.objects.filter(prediction_log=OuterRef("pk"), level=None)
    rows = rows.alias(doubt=Subquery(doubts.values("pk")[:1]))
    return rows.filter(doubt__isnull=True)


def _doubted_cases(looks: Sequence[datetime], end: datetime) -> Iterator[tuple[Any, ...]]:
    """Return the cases of which somebody said that they cannot be assessed: few, so one by one."""
    for labels in _doubted_labels(max(looks), end):
        said = _said(labels, before=end)
        if said and not any(_said(labels, before=look) for look in looks):
            case = labels[0].prediction_log
            truth = max(said) if case.ground_truth is None else case.ground_truth
            first = min(one.created_at for one in labels if one.level is not None)
            yield first, case.pk, case.prediction, truth


def _doubted_labels(start: datetime, end: datetime) -> list[list[GroundTruth]]:
    """Return all labels of each of them that was given a level in a span."""
    doubts = GroundTruth.objects.filter(prediction_log=OuterRef("prediction_log"), level=None)
    new = GroundTruth.objects.filter(
        # An id is made a moment before the time is taken.
        pk__gte=first_id(start - timedelta(minutes=1)),
        created_at__gte=start,
        created_at__lt=end,
        level__isnull=False,
    ).alias(doubt=Subquery(doubts.order_by().values("pk")[:1]))
    wanted = new.filter(doubt__isnull=False).order_by().values("prediction_log")
    rows = GroundTruth.objects.filter(prediction_log__in=wanted).select_related("prediction_log")
    ordered = rows.order_by("prediction_log_id", "created_at", "id")
    return [list(labels) for _, labels in groupby(ordered, key=lambda one: one.prediction_log_id)]


def _said(labels: Sequence[GroundTruth], *, before: datetime) -> list[int]:
    """Return the levels that were named and not taken back before some time.

    People take back what they said from the same source by saying something else; what a reviewer
    decided stays. How a label stands now does not tell how it stood then.
    """
    newest: dict[Any, GroundTruth] = {}
    for one in labels:
        if one.created_at < before:
            settles = one.state == LabelState.SETTLED
            newest[one.author_id, one.source, one.pk if settles else None] = one
    return [one.level for one in newest.values() if one.level is not None]


def _labelled(first: date, last: date) -> QuerySet[MLPredictionLog]:
    return predictions_of(first, last).filter(ground_truth__isnull=False)


def _cells(rows: QuerySet[MLPredictionLog], *columns: str) -> list[Cell]:
    names = ("prediction", "ground_truth", *columns)
    return [
        Cell(
            prediction=Level(answer),
            ground_truth=Level(truth),
            n=n,
            **dict(zip(columns, facts, strict=True)),
        )
        for answer, truth, *facts, n in rows.values_list(*names).annotate(n=Count("pk"))
    ]
