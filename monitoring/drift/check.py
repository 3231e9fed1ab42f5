"""The daily comparison: one window of patients, the version that met them, one result row."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction

from ml.reference import CategorySummary, Reference
from ml.registry import RegistryError, document, version_get
from monitoring.alerts import alert_cause, alert_clear, alert_raise
from monitoring.drift.findings import Comparison, compare
from monitoring.drift.performance import Performance, labelled_read, performance_measure
from monitoring.drift.rows import (
    CategoryCounts,
    RowWindow,
    WindowCounts,
    rows_of,
    versions_counted,
    window_counted,
)
from monitoring.models import Alert, MonitoringRun
from monitoring.selectors import site_today

log = structlog.get_logger(__name__)

DRIFT, CONCEPT, CALIBRATION = "drift", "concept", "calibration"
LABELLED_DAYS = 28
MOST_DAYS = 31
Status = MonitoringRun.Status


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftResult:
    """What the check of one window found.

    Attributes
    ----------
    rows
        Rows of ``version`` in the window, the version that looked at most of them; None where no
        model looked at any.
    versions
        Rows of every version.
    reference, comparison, performance
        None where the version has no reference, and the latter two where there is too little to
        compare.
    """

    day: date
    window: RowWindow
    status: MonitoringRun.Status
    rows: int
    version: str | None
    versions: dict[str, int]
    reference: Reference | None = None
    counts: WindowCounts | None = None
    comparison: Comparison | None = None
    performance: Performance | None = None

    @property
    def drifted(self) -> tuple[str, ...]:
        """Every column that drifted, and ``concept`` and ``calibration`` where these did."""
        columns = self.comparison.drifted if self.comparison else ()
        return (*columns, *(name for name, is_drifted in self._measured().items() if is_drifted))

    @property
    def judged(self) -> dict[str, set[str]]:
        """Everything there was enough of to say whether it drifted: columns, in which kinds."""
        judged: dict[str, set[str]] = {name: set() for name in self._measured()}
        for one in self.comparison.findings if self.comparison else ():
            if one.n >= settings.DRIFT_MIN_ROWS:
                judged.setdefault(one.column, set()).add(one.kind)
        return judged

    def message(self, name: str) -> str:
        """Return what is wrong with one of ``drifted``, in sentences."""
        found = self.comparison.findings if self.comparison else ()
        sentences = [one.sentence for one in found if one.drifted and one.column == name]
        if not sentences and self.performance is not None:
            sentences = [_of_performance(name, self.performance)]
        days = f"From {self.window.first} to {self.window.last}, version {self.version}:"
        return "\n".join([days, *sentences])

    def as_dict(self) -> dict[str, Any]:
        """Return the result as it is stored."""
        found = self.comparison.findings if self.comparison else ()
        measured = self.performance.as_dict() if self.performance else {}
        return {
            "window": self.window.as_dict(),
            "rows": self.rows,
            "reference": {
                "version": self.version,
                "rows": self.reference.rows if self.reference else None,
            },
            "versions": self.versions,
            "findings": [asdict(one) for one in found],
            "columns_tested": len({one.column for one in found}),
            "not_tested": list(self.comparison.not_tested) if self.comparison else [],
            "drifted": list(self.drifted),
            "words": _words(self.reference, self.counts),
            "prediction": _prediction(self.reference, self.counts),
            **{name: measured.get(name) for name in ("estimated", "realised")},
            **{name: measured.get(name) for name in (CONCEPT, CALIBRATION)},
        }

    def _measured(self) -> dict[str, bool]:
        if self.performance is None or self.performance.concept.difference is None:
            return {}
        concept, calibration = self.performance.concept, self.performance.calibration
        return {CONCEPT: concept.drifted, CALIBRATION: calibration.drifted}


def drift_check(day: date) -> DriftResult:
    """Compare the window that ends with a local day, store the result, and record its alerts.

    In the order taken:

    1. No model looked at any row: "not enough rows".
    2. The version that looked at most has no reference, because it was trained before there were
       any or its files are gone: "no reference".
    3. Something drifted: "drifted". Each column, the concept and the calibration have an alert of
       their own; it is critical when the run of the day before found the same of the same version,
       else a warning.
    4. Fewer rows than ``DRIFT_MIN_ROWS``: "not enough rows".
    5. Otherwise: ok.

    What did not drift has its alert closed, if every kind of drift that was found while the alert
    stood could be looked for.
    """
    started = time.perf_counter()
    result = drift_measure(day)
    with transaction.atomic():
        # The row is held until the alerts are there, so that two checks of a day do not mix.
        MonitoringRun.objects.update_or_create(
            job=MonitoringRun.Job.DRIFT,
            day=day,
            defaults={
                "status": result.status,
                "result": result.as_dict(),
                "duration_ms": (time.perf_counter() - started) * 1000,
            },
        )
        _alert(result)
    log.info(
        "drift_checked",
        day=str(day),
        status=result.status,
        rows=result.rows,
        model_version=result.version,
        drifted=list(result.drifted),
    )
    return result


def drift_measure(day: date) -> DriftResult:
    """Compare the window that ends with a local day without storing anything."""
    window = RowWindow.ending(day, days=settings.DRIFT_WINDOW_DAYS)
    versions = versions_counted(rows_of(window))
    version = next(iter(versions), None)
    facts: dict[str, Any] = {
        "day": day,
        "window": window,
        "version": version,
        "versions": versions,
        "rows": versions[version] if version else 0,
    }
    if version is None:
        return DriftResult(status=Status.NOT_ENOUGH_ROWS, **facts)
    reference = reference_of_version(version)
    if reference is None:
        return DriftResult(status=Status.NO_REFERENCE, **facts)
    facts |= {"reference": reference, "performance": _performance(day, version, reference)}
    is_enough = facts["rows"] >= settings.DRIFT_MIN_ROWS
    if is_enough:
        counts = window_counted(rows_of(window).filter(model_version=version))
        compared = compare(reference, counts, min_rows=settings.DRIFT_MIN_ROWS)
        facts |= {"counts": counts, "comparison": compared}
    quiet = Status.OK if is_enough else Status.NOT_ENOUGH_ROWS
    drifted = DriftResult(status=quiet, **facts).drifted
    return DriftResult(status=Status.DRIFTED if drifted else quiet, **facts)


def drift_catch_up(*, now: datetime) -> list[DriftResult]:
    """Check every day up to yesterday that has no run yet, the oldest first.

    Never more than the last ``MOST_DAYS``, none before the first run there was; without any run
    only yesterday.
    """
    yesterday = site_today(now=now) - timedelta(days=1)
    days = [yesterday - timedelta(days=back) for back in reversed(range(MOST_DAYS))]
    runs = MonitoringRun.objects.filter(job=MonitoringRun.Job.DRIFT).order_by("day")
    done = set(runs.values_list("day", flat=True))
    first = min(done, default=yesterday)
    return [drift_check(day) for day in days if day >= first and day not in done]


def reference_of_version(version: str) -> Reference | None:
    """Return what a version was validated on; None where it does not say or cannot be read."""
    try:
        metadata = json.loads(document(version_get(version), "metadata.json"))
    except RegistryError:
        return None
    return Reference.from_metadata(metadata)


def _performance(day: date, version: str, reference: Reference) -> Performance | None:
    """Measure the model on the last days whose labels had time to come in."""
    if reference.performance is None:
        return None
    last = day - timedelta(days=settings.LABEL_MATURITY_DAYS)
    rows = rows_of(RowWindow.ending(last, days=LABELLED_DAYS)).filter(model_version=version)
    return performance_measure(rows, labelled_read(rows), reference=reference.performance)


# --- alerts ----------------------------------------------------------------------------------


def _alert(result: DriftResult) -> None:
    before = _drifted_the_day_before(result)
    for name in result.drifted:
        is_second = name in before
        policy, subject = _cause(name)
        alert_raise(
            policy=policy,
            subject=subject,
            day=result.day,
            severity=Alert.Severity.CRITICAL if is_second else Alert.Severity.WARNING,
            message=result.message(name),
        )
    for name, kinds in result.judged.items():
        policy, subject = _cause(name)
        if name not in result.drifted and _kinds_drifted(name) <= kinds:
            alert_clear(policy=policy, subject=subject, day=result.day)


def _kinds_drifted(name: str) -> set[str]:
    """Return in which kinds a column drifted on the days of its alert; none without an alert."""
    policy, subject = _cause(name)
    live = Alert.objects.exclude(state=Alert.State.CLOSED)
    alert = live.filter(cause=alert_cause(policy, subject)).first()
    if alert is None:
        return set()
    runs = MonitoringRun.objects.filter(
        job=MonitoringRun.Job.DRIFT, status=Status.DRIFTED, day__range=(alert.day, alert.last_day)
    )
    return {
        one["kind"]
        for findings in runs.values_list("result__findings", flat=True)
        for one in findings
        if one["column"] == name and one["drifted"]
    }


def _drifted_the_day_before(result: DriftResult) -> set[str]:
    run = MonitoringRun.objects.filter(
        job=MonitoringRun.Job.DRIFT, day=result.day - timedelta(days=1), status=Status.DRIFTED
    ).first()
    if run is None or run.result["reference"]["version"] != result.version:
        return set()
    return set(run.result["drifted"])


def _cause(name: str) -> tuple[str, str]:
    return (name, "") if name in (CONCEPT, CALIBRATION) else (DRIFT, name)


def _of_performance(name: str, found: Performance) -> str:
    if name == CONCEPT:
        low, high = found.concept.interval or (0.0, 0.0)
        return (
            f"The model was right in {found.realised.accuracy or 0:.1%} of {found.realised.n} "
            f"labelled answers, {found.concept.difference or 0:+.1%} from what its probabilities "
            f"promised (99 % interval {low:+.1%} to {high:+.1%}): what is right has changed."
        )
    figures = found.calibration
    return (
        f"The probabilities of {figures.n} labelled answers do not hold: Brier score "
        f"{figures.brier or 0:.3f} (reference {figures.reference_brier:.3f}, limit "
        f"{figures.brier_limit or 0:.3f}), calibration error {figures.ece or 0:.3f} (reference "
        f"{figures.reference_ece:.3f}, limit {figures.ece_limit or 0:.3f})."
    )


# --- what is stored --------------------------------------------------------------------------


def _words(reference: Reference | None, now: WindowCounts | None) -> dict[str, float | None]:
    return {
        "share": now.words.share if now else None,
        "reference_share": reference.words.share if reference else None,
    }


def _prediction(reference: Reference | None, now: WindowCounts | None) -> dict[str, Any]:
    """Return the mix of levels, and how sure the model was."""
    if reference is None or now is None:
        return {}
    confidence = now.numeric["model_confidence"]
    return {
        **{
            name: {"shares": _shares(now.categories[name]), "reference_shares": _shares(one)}
            for name, one in reference.categories.items()
            if name in ("prediction", "model_level", "model_abstained")
        },
        "confidence": {
            "mean": confidence.mean if confidence.n else None,
            "reference_mean": reference.numeric["model_confidence"].mean,
        },
    }


def _shares(one: CategoryCounts | CategorySummary) -> dict[str, float]:
    return {word: n / one.n for word, n in one.counts.items()}
