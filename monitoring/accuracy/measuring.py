"""One local day in numbers: read, never written."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.conf import settings

from ml.evaluation import Interval
from monitoring.accuracy.cusum import Cusum, cusum_of
from monitoring.accuracy.days import day_to_check, final_runs
from monitoring.accuracy.judgement import Judgement, anytime_upper, judgement
from monitoring.accuracy.queries import (
    Latency,
    LevelMix,
    cells_of,
    latency,
    level_mix,
    tally_between,
)
from monitoring.accuracy.slices import (
    Slices,
    Worse,
    comparable,
    groups_added,
    groups_of,
    groups_stored,
    slices_of,
    worse_slices,
)
from monitoring.accuracy.tallies import NOTHING, Cell, Tally, confusion, tallies, total
from monitoring.models import Alert, MonitoringRun
from triage_rules.level import Level

TRAILING_DAYS = 28
POOLED_DAYS = 3
_SAW = {False: "blind", True: "saw", None: "unknown"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pooled:
    """A day of few labels together with the days just before it."""

    days: int
    first: date
    tally: Tally

    def as_dict(self) -> dict[str, Any]:
        """Return it for the result row."""
        return {"days": self.days, "first": str(self.first), **self.tally.as_dict()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trailing:
    """The weeks that end with a day: what is on record of them, and the day itself."""

    first: date
    days: int
    tally: Tally
    slices: Slices
    worse: list[Worse]

    @classmethod
    def of(cls, cells: list[Cell], *, day: date) -> Trailing:
        """Add the cells of a day to what is on record of the ``TRAILING_DAYS`` before its end."""
        first = day - timedelta(days=TRAILING_DAYS - 1)
        runs = final_runs().filter(day__gte=first, day__lt=day, result__slices__isnull=False)
        stored = [groups_stored(slices) for slices in runs.values_list("result__slices", flat=True)]
        groups = groups_added([*stored, groups_of(cells)])
        slices = slices_of(groups)
        return cls(
            first=first,
            days=len(stored) + 1,
            tally=total(groups["sex"]),
            slices=slices,
            worse=worse_slices(slices),
        )

    @property
    def compared(self) -> set[str]:
        """The names of the slices that had labels enough to be compared with the rest."""
        return {one.name for one in comparable(self.slices)}

    def as_dict(self) -> dict[str, Any]:
        """Return it for the result row; ``upper`` holds however often one looks."""
        return {
            "first": str(self.first),
            "days": self.days,
            **self.tally.as_dict(),
            "upper": anytime_upper(self.tally.correct, self.tally.labelled),
            "slices": _slices_as_dicts(self.slices),
            "worse": [one.as_dict() for one in self.worse],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyResult:
    """What the check of one day found.

    ``provisional`` says that the day was checked before its labels had time to come in; ``pooled``
    is None where the day has labels enough of its own, or too few even with the days before it.
    """

    day: date
    measured_at: datetime
    judgement: Judgement
    levels: LevelMix
    overall: Tally
    cells: list[Cell]
    pooled: Pooled | None
    trailing: Trailing
    latency: Latency
    cusum: Cusum
    provisional: bool

    @property
    def status(self) -> MonitoringRun.Status:
        """How the day was judged."""
        return self.judgement.status

    @property
    def severity(self) -> Alert.Severity | None:
        """How grave it is; None where nobody has to be told."""
        return self.judgement.severity

    @property
    def judged(self) -> Tally:
        """The labels that the judgement is about."""
        return self.pooled.tally if self.pooled else self.overall

    @property
    def predictions(self) -> int:
        """How many answers were given on the day."""
        return self.levels.n

    @property
    def coverage(self) -> float:
        """The share of the day's predictions that have a label."""
        return self.overall.labelled / self.predictions if self.predictions else 0.0

    @property
    def interval(self) -> Interval | None:
        """Wilson's 95 % interval of the day's accuracy."""
        return self.overall.interval

    @property
    def confusion(self) -> list[list[int]]:
        """Counts of the day, truth by row and answer by column."""
        return confusion(self.cells)

    @property
    def missed_emergencies(self) -> int:
        """How many emergencies of the day were answered as something less."""
        *lesser, _ = self.confusion[Level.EMERGENCY]
        return sum(lesser)

    @property
    def by_arm(self) -> dict[str, Tally]:
        """The tallies of the arms."""
        return tallies(self.cells, lambda cell: cell.ab_group or "none")

    @property
    def by_model_version(self) -> dict[str, Tally]:
        """The tallies of the model versions."""
        return tallies(self.cells, lambda cell: cell.model_version or "none")

    @property
    def by_level(self) -> dict[str, Tally]:
        """The tallies of the true levels, from the least urgent."""
        found = tallies(self.cells, lambda cell: cell.ground_truth.label)
        return {level.label: found[level.label] for level in Level if level.label in found}

    @property
    def by_saw_prediction(self) -> dict[str, Tally]:
        """The tallies of labels given blind, after seeing the answer, and of those that do not say.

        All three are always there, because a missing one would be taken for a good one.
        """
        return _always(_SAW.values()) | tallies(self.cells, lambda cell: _SAW[cell.saw])

    @property
    def by_audit(self) -> dict[str, Tally]:
        """The tallies of the cases drawn at random and labelled blind, and of the others."""
        found = tallies(
            self.cells,
            lambda cell: "audited" if cell.audited and cell.saw is False else "others",
        )
        return _always(("audited", "others")) | found

    @property
    def slices(self) -> Slices:
        """The day's groups of patients, each beside the rest."""
        return slices_of(groups_of(self.cells))

    def as_dict(self) -> dict[str, Any]:
        """Return the result as it is stored."""
        return {
            "measured_at": self.measured_at.isoformat(),
            "provisional": self.provisional,
            "severity": self.severity,
            "predictions": self.predictions,
            "coverage": self.coverage,
            **self.overall.as_dict(),
            "under_triage": self.overall.under_triage,
            "over_triage": self.overall.over_triage,
            "missed_emergencies": self.missed_emergencies,
            "pooled": self.pooled.as_dict() if self.pooled else None,
            "by_arm": _as_dicts(self.by_arm),
            "by_model_version": _as_dicts(self.by_model_version),
            "by_level": _as_dicts(self.by_level),
            "by_saw_prediction": _as_dicts(self.by_saw_prediction),
            "by_audit": _as_dicts(self.by_audit),
            "slices": _slices_as_dicts(self.slices),
            "confusion": self.confusion,
            "levels": {
                "given": self.levels.given,
                "rules": self.levels.rules,
                "model": self.levels.model,
            },
            "latency": self.latency.as_dict(),
            "cusum": self.cusum.as_dict(),
            "trailing": self.trailing.as_dict(),
        }


def accuracy_measure(day: date, *, now: datetime) -> AccuracyResult:
    """Measure one local day without storing anything."""
    cells = cells_of(day)
    overall = Tally.of(cells)
    pooled = _pooled(day, overall)
    trailing = Trailing.of(cells, day=day)
    provisional = day > day_to_check(now=now)
    return AccuracyResult(
        day=day,
        measured_at=now,
        judgement=_judged(pooled.tally if pooled else overall, trailing=trailing.tally),
        levels=level_mix(day),
        overall=overall,
        cells=cells,
        pooled=pooled,
        trailing=trailing,
        latency=latency(day),
        cusum=cusum_of(day, provisional=provisional),
        provisional=provisional,
    )


def _pooled(day: date, overall: Tally) -> Pooled | None:
    """Go back a day at a time until there are labels enough; a day without any has nothing new."""
    if not 0 < overall.labelled < settings.ACCURACY_MIN_LABELS:
        return None
    for days in range(2, POOLED_DAYS + 1):
        first = day - timedelta(days=days - 1)
        tally = tally_between(first, day)
        if tally.labelled >= settings.ACCURACY_MIN_LABELS:
            return Pooled(days=days, first=first, tally=tally)
    return None


def _judged(tally: Tally, *, trailing: Tally) -> Judgement:
    return judgement(
        correct=tally.correct,
        labelled=tally.labelled,
        trailing_correct=trailing.correct,
        trailing_labelled=trailing.labelled,
        threshold=settings.ACCURACY_THRESHOLD,
        min_labels=settings.ACCURACY_MIN_LABELS,
    )


def _always(names: Any) -> dict[str, Tally]:
    return dict.fromkeys(names, NOTHING)


def _as_dicts(groups: dict[str, Tally]) -> dict[str, Any]:
    return {name: tally.as_dict() for name, tally in groups.items()}


def _slices_as_dicts(slices: Slices) -> dict[str, Any]:
    return {
        dimension: {value: one.as_dict() for value, one in values.items()}
        for dimension, values in slices.items()
    }
