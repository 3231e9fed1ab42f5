"""The daily question: does the answer still agree with what turned out to be right?

One local day, its labelled predictions, one result row, and an alert when the share of right
answers falls below the threshold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta

import structlog
from django.conf import settings

from ml.evaluation import Interval, wilson_interval
from monitoring.alerts import alert_raise
from monitoring.models import Alert, MonitoringRun
from monitoring.selectors import Cell, LocalDay, confusion_cells, predictions_counted

log = structlog.get_logger(__name__)
POLICY = "accuracy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Counts of one group of labelled predictions."""

    labelled: int
    correct: int
    under: int
    over: int

    @classmethod
    def of(cls, cells: Iterable[Cell]) -> Tally:
        """Add up the cells of a group."""
        cells = tuple(cells)
        return cls(
            labelled=sum(cell.n for cell in cells),
            correct=sum(cell.n for cell in cells if cell.prediction == cell.ground_truth),
            under=sum(cell.n for cell in cells if cell.prediction < cell.ground_truth),
            over=sum(cell.n for cell in cells if cell.prediction > cell.ground_truth),
        )

    @property
    def accuracy(self) -> float | None:
        """The share of right answers; None where nothing is labelled."""
        return self.correct / self.labelled if self.labelled else None

    def as_dict(self) -> dict[str, float | None]:
        """Return counts and shares for the result row."""
        return asdict(self) | {"accuracy": self.accuracy}


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyResult:
    """What the check of one day found.

    ``provisional`` says that the day was checked before its labels had time to come in.
    """

    day: date
    status: MonitoringRun.Status
    predictions: int
    overall: Tally
    interval: Interval | None
    by_arm: dict[str, Tally]
    by_model_version: dict[str, Tally]
    by_level: dict[str, Tally]
    provisional: bool

    @property
    def coverage(self) -> float:
        """The share of the day's predictions that have a label."""
        return self.overall.labelled / self.predictions if self.predictions else 0.0

    def as_dict(self) -> dict[str, object]:
        """Return the result as it is stored."""
        return {
            "predictions": self.predictions,
            "coverage": self.coverage,
            "interval": self.interval,
            "provisional": self.provisional,
            **self.overall.as_dict(),
            "by_arm": _as_dicts(self.by_arm),
            "by_model_version": _as_dicts(self.by_model_version),
            "by_level": _as_dicts(self.by_level),
        }


def site_today(*, now: datetime) -> date:
    """Return the date on the site's own calendar."""
    return now.astimezone(settings.SITE_TIME_ZONE).date()


def day_to_check(*, now: datetime) -> date:
    """Return the newest local day whose last answer is ``LABEL_MATURITY_DAYS`` days old."""
    return site_today(now=now) - timedelta(days=settings.LABEL_MATURITY_DAYS + 1)


def accuracy_check(day: date, *, now: datetime) -> AccuracyResult:
    """Check one local day, store the result in its one row, and record the alert it calls for.

    The alert is not sent here: ``alerts_deliver_pending`` does that, once all is stored.

    In the order taken:

    1. Fewer labels than ``ACCURACY_MIN_LABELS``: "not enough labels", no judgement.
    2. Accuracy below ``ACCURACY_THRESHOLD``: an alert; critical when even the upper end of the
       Wilson interval is below, else a warning.
    3. Otherwise: ok.
    """
    result = accuracy_measure(day, now=now)
    MonitoringRun.objects.update_or_create(
        job=MonitoringRun.Job.ACCURACY,
        day=day,
        defaults={"status": result.status, "result": result.as_dict()},
    )
    log.info("accuracy_checked", day=str(day), status=result.status, **result.overall.as_dict())
    if result.status is MonitoringRun.Status.BELOW_THRESHOLD:
        alert_raise(
            policy=POLICY,
            day=day,
            severity=_severity(result),
            message=_message(result),
            provisional=result.provisional,
        )
    return result


def accuracy_measure(day: date, *, now: datetime) -> AccuracyResult:
    """Measure one local day without storing anything."""
    span = LocalDay.of(day, zone=settings.SITE_TIME_ZONE)
    cells = confusion_cells(span)
    overall = Tally.of(cells)
    return AccuracyResult(
        day=day,
        status=_status(overall),
        predictions=predictions_counted(span),
        overall=overall,
        interval=wilson_interval(overall.correct, overall.labelled) if overall.labelled else None,
        by_arm=_tallies(cells, lambda cell: cell.ab_group or "none"),
        by_model_version=_tallies(cells, lambda cell: cell.model_version or "none"),
        by_level=_tallies(cells, lambda cell: cell.ground_truth.label),
        provisional=day > day_to_check(now=now),
    )


def _status(overall: Tally) -> MonitoringRun.Status:
    if overall.accuracy is None or overall.labelled < settings.ACCURACY_MIN_LABELS:
        return MonitoringRun.Status.NOT_ENOUGH_LABELS
    if overall.accuracy < settings.ACCURACY_THRESHOLD:
        return MonitoringRun.Status.BELOW_THRESHOLD
    return MonitoringRun.Status.OK


def _severity(result: AccuracyResult) -> Alert.Severity:
    surely_below = result.interval is not None and result.interval[1] < settings.ACCURACY_THRESHOLD
    return Alert.Severity.CRITICAL if surely_below else Alert.Severity.WARNING


def _message(result: AccuracyResult) -> str:
    tally = result.overall
    low, high = result.interval or (0.0, 1.0)
    lines = [
        f"On {result.day}, {tally.correct} of {tally.labelled} labelled answers were right: "
        f"{tally.accuracy:.1%} (95 % interval {low:.1%} to {high:.1%}), "
        f"below the threshold of {settings.ACCURACY_THRESHOLD:.0%}.",
        f"Under-triage {tally.under}, over-triage {tally.over}. "
        f"Labels for {result.coverage:.0%} of {result.predictions} predictions.",
    ]
    lines += [
        f"Arm {arm}: {group.correct} of {group.labelled} right."
        for arm, group in sorted(result.by_arm.items())
    ]
    if result.provisional:
        lines.append("Provisional: more labels of this day may still come in.")
    return "\n".join(lines)


def _tallies(cells: Iterable[Cell], key: Callable[[Cell], str]) -> dict[str, Tally]:
    groups: dict[str, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(key(cell), []).append(cell)
    return {name: Tally.of(group) for name, group in sorted(groups.items())}


def _as_dicts(tallies: dict[str, Tally]) -> dict[str, dict[str, float | None]]:
    return {name: tally.as_dict() for name, tally in tallies.items()}
