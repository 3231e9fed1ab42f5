"""What the record says, as figures for Prometheus: asked anew at each scrape, never stored.

Each question takes an index and reads a bounded number of rows. Labels are words of lists in the
code, so nothing that a caller sent can be one. Docs: docs/metrics.md.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count, Min, Q
from prometheus_client.core import GaugeMetricFamily

from ml.experiments import phase_current
from ml.registry import deployed
from ml.routing import BUCKETS
from monitoring.accuracy import day_to_check
from monitoring.deliveries import deliveries_pending
from monitoring.models import Alert, AlertDelivery, MLPredictionLog, MonitoringRun
from monitoring.review import Queue, conflicting, queue_cases
from monitoring.selectors import LocalDay
from triage_rules.level import Level
from triage_rules.outcome import Method

log = structlog.get_logger(__name__)

# A scrape waits so long for the database, then tells what the processes count without it.
PATIENCE_S: Final = 2.5
STATEMENT_TIMEOUT_MS: Final = 1_000
# So many of the newest rows are read, so that a scrape costs the same whatever the table holds; of
# a queue so many are counted, which means "that or more".
MOST_ROWS: Final = 20_000
MOST_LABELS: Final = 5_000
MOST_WAITING: Final = 1_000
OTHER: Final = "other"
# What alerts are raised for; another policy is counted as "other".
POLICIES: Final = (
    "accuracy", "under_triage", "missed_emergency", "slice", "labels", "latency", "drift",
    "concept", "calibration", "no_run", "no_traffic", "batch_failed",
)  # fmt: skip

Labels = Mapping[str, str]
Answer = Future[list[GaugeMetricFamily] | None]

_turn = threading.Lock()
# The scrape of this process that runs, or the last that ran.
_newest: Answer | None = None


def record_metrics(*, now: datetime) -> Iterator[GaugeMetricFamily]:
    """Return the figures of the record, and whether the database answered in time. Never raises."""
    try:
        figures = scrape_shared(now=now).result(timeout=PATIENCE_S)
    except TimeoutError:
        log.warning("record_not_scraped", error="Timeout")
        figures = None
    yield _gauge(
        "triage_database_up",
        "Whether the database answered every question of this scrape in time.",
        0 if figures is None else 1,
    )
    yield _gauge(
        "triage_accuracy_threshold_ratio",
        "The accuracy below which an alert is raised.",
        settings.ACCURACY_THRESHOLD,
    )
    yield from figures or ()


def scrape_shared(*, now: datetime) -> Answer:
    """Return the scrape of this process that runs, or start one where none does.

    So whoever calls without a token costs the database one connection per process, however often.
    """
    global _newest
    with _turn:
        if _newest is None or _newest.done():
            answer: Answer = Future()
            # A thread of its own has a new connection, which gives up in time; an old one may hang.
            threading.Thread(target=_answer, args=(answer, now), name="scrape", daemon=True).start()
            _newest = answer
        return _newest


def record_figures(*, now: datetime) -> list[GaugeMetricFamily]:
    """Ask the database for every figure of the record.

    Raises
    ------
    django.db.Error
        When it does not answer, or not in time.
    """
    if connection.vendor == "sqlite":
        # There a transaction would wait for the writers' lock, and a read needs none.
        return _ask_all(now)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = {STATEMENT_TIMEOUT_MS}")
        # Short questions gain nothing from helpers, and starting these takes longer than the rest.
        cursor.execute("SET LOCAL max_parallel_workers_per_gather = 0")
        return _ask_all(now)


def _answer(answer: Answer, now: datetime) -> None:
    figures = None
    try:
        try:
            figures = record_figures(now=now)
        finally:
            connection.close()
    except Exception as error:  # noqa: BLE001 - what the processes count is told all the same
        log.warning("record_not_scraped", error=type(error).__name__)
    finally:
        # Last of all: from here on another scrape may open a connection.
        answer.set_result(figures)


def _ask_all(now: datetime) -> list[GaugeMetricFamily]:
    return [figure for question in _QUESTIONS for figure in question(now)]


# --- the checks ------------------------------------------------------------------------------


def _checks(_: datetime) -> Iterator[GaugeMetricFamily]:
    """Return what the newest run of each check found, and when it ran."""
    runs = {job: _newest_run(job) for job in MonitoringRun.Job}
    ran_at = {job.value: run.ran_at.timestamp() for job, run in runs.items() if run is not None}
    yield _gauges(
        "triage_check_last_run_timestamp_seconds",
        "When the job ran that looked at the newest day.",
        [({"check": check}, when) for check, when in ran_at.items()],
    )
    yield from _accuracy(_result(runs[MonitoringRun.Job.ACCURACY]))
    yield from _drift(_result(runs[MonitoringRun.Job.DRIFT]))


def _accuracy(result: Mapping[str, Any]) -> Iterator[GaugeMetricFamily]:
    yield _gauge(
        "triage_accuracy_ratio",
        "Share of right answers among the labelled ones of the day checked last.",
        _number(result, "accuracy"),
    )
    yield _gauges(
        "triage_accuracy_interval_ratio",
        "95 % interval of that share.",
        [
            ({"bound": "low"}, _number(result, "interval", 0)),
            ({"bound": "high"}, _number(result, "interval", 1)),
        ],
    )
    yield _gauge(
        "triage_accuracy_predictions", "Answers of that day.", _number(result, "predictions")
    )
    yield _gauge(
        "triage_accuracy_labelled", "Those that have a label.", _number(result, "labelled")
    )
    yield _gauge(
        "triage_label_coverage_ratio", "Share that has a label.", _number(result, "coverage")
    )
    yield _gauge(
        "triage_under_triage_ratio",
        "Share of the labelled answers that was not urgent enough.",
        _share(result, "under_triage"),
    )
    yield _gauge(
        "triage_over_triage_ratio",
        "Share of the labelled answers that was more urgent than needed.",
        _share(result, "over_triage"),
    )
    yield _gauge(
        "triage_cusum_value",
        "The watch over each label: how far under-triage has run up.",
        _number(result, "cusum", "value"),
    )
    yield _gauge(
        "triage_cusum_limit",
        "The value at which that watch raises an alert.",
        _number(result, "cusum", "limit"),
    )


def _drift(result: Mapping[str, Any]) -> Iterator[GaugeMetricFamily]:
    yield _gauges(
        "triage_drift_columns",
        "Columns that the drift check compared, and how many things drifted: columns, the concept "
        "and the calibration.",
        [
            ({"state": "tested"}, _number(result, "columns_tested")),
            ({"state": "drifted"}, _length(result, "drifted")),
        ],
    )
    yield _gauges(
        "triage_drift_unknown_words_ratio",
        "Share of the words of complaints that the model never met.",
        [
            ({"rows": "recent"}, _number(result, "words", "share")),
            ({"rows": "reference"}, _number(result, "words", "reference_share")),
        ],
    )
    yield _gauge(
        "triage_drift_concept_difference_ratio",
        "Accuracy seen less accuracy expected from the model's own probabilities.",
        _number(result, "concept", "difference"),
    )
    yield _gauge(
        "triage_calibration_error_ratio",
        "Expected calibration error (ECE) of the model on recent labelled rows.",
        _number(result, "calibration", "ece"),
    )
    yield _gauge(
        "triage_brier_score",
        "Brier score of the model on recent labelled rows.",
        _number(result, "calibration", "brier"),
    )


def _newest_run(job: MonitoringRun.Job) -> MonitoringRun | None:
    return MonitoringRun.objects.filter(job=job).order_by("-day").first()


def _result(run: MonitoringRun | None) -> Mapping[str, Any]:
    return {} if run is None else run.result


# --- the rows --------------------------------------------------------------------------------


def _predictions(now: datetime) -> Iterator[GaugeMetricFamily]:
    made = MLPredictionLog.objects.filter(created_at__gte=now - timedelta(hours=1))
    cells = {
        f"{level.label}_{method}": ({"level": level.label, "method": method.value}, level, method)
        for level in Level
        for method in Method
    }
    newest = made.order_by("-created_at").values("prediction", "method")[:MOST_ROWS]
    counts = newest.aggregate(
        **{
            name: Count("prediction", filter=Q(prediction=level, method=method))
            for name, (_, level, method) in cells.items()
        }
    )
    yield _gauges(
        "triage_predictions_last_hour",
        f"Answers of the last hour, of at most the newest {MOST_ROWS:,}.",
        [(labels, counts[name]) for name, (labels, _, _) in cells.items()],
    )


def _labels(now: datetime) -> Iterator[GaugeMetricFamily]:
    end = LocalDay.of(day_to_check(now=now), zone=settings.SITE_TIME_ZONE).end
    spans = {"pending": Q(created_at__gte=end), "matured": Q(created_at__lt=end)}
    samples: list[tuple[Labels, float | None]] = []
    for maturity, span in spans.items():
        made = MLPredictionLog.objects.filter(span).order_by("-created_at")
        rows = made.values("created_at", "ground_truth")[:MOST_LABELS]
        counts = rows.aggregate(
            labelled=Count("ground_truth"),
            unlabelled=Count("created_at", filter=Q(ground_truth=None)),
        )
        samples += [({"maturity": maturity, "state": s}, n) for s, n in counts.items()]
    yield _gauges(
        "triage_label_predictions",
        "Answers whose label has had time to come in, and those whose has not; of each at most "
        f"the newest {MOST_LABELS:,}.",
        samples,
    )


def _waiting(_: datetime) -> Iterator[GaugeMetricFamily]:
    """Return what waits for a person."""
    yield _gauge(
        "triage_label_conflicts_waiting",
        f"Predictions on whose labels people differ, counted up to {MOST_WAITING:,}.",
        conflicting().distinct()[:MOST_WAITING].count(),
    )
    yield _gauge(
        "triage_audit_sample_waiting",
        "Predictions drawn for a blind label that nobody has judged, counted up to "
        f"{MOST_WAITING:,}.",
        queue_cases(Queue.AUDIT).values("pk")[:MOST_WAITING].count(),
    )


# --- alerts ----------------------------------------------------------------------------------


def _alerts(_: datetime) -> Iterator[GaugeMetricFamily]:
    states = (Alert.State.OPEN, Alert.State.ACKNOWLEDGED)
    counts = {
        (policy, severity.value, state.value): 0
        for policy in (*POLICIES, OTHER)
        for severity in Alert.Severity
        for state in states
    }
    rows = Alert.objects.exclude(state=Alert.State.CLOSED).order_by()
    for policy, severity, state in rows.values_list("policy", "severity", "state"):
        counts[policy if policy in POLICIES else OTHER, severity, state] += 1
    yield _gauges(
        "triage_alerts_open",
        "Alerts that are not closed.",
        [
            ({"policy": policy, "severity": severity, "state": state}, n)
            for (policy, severity, state), n in counts.items()
        ],
    )


def _notifications(now: datetime) -> Iterator[GaugeMetricFamily]:
    rows = deliveries_pending(now=now).values("channel")
    found = {row["channel"]: row for row in rows.annotate(n=Count("id"), oldest=Min("created_at"))}
    yield _gauges(
        "triage_notifications_undelivered",
        "Notifications of alerts that are still to be handed over, by channels that are set up.",
        [({"channel": c.value}, found[c]["n"] if c in found else 0) for c in AlertDelivery.Channel],
    )
    oldest = min((row["oldest"] for row in found.values()), default=now)
    yield _gauge(
        "triage_notification_oldest_undelivered_seconds",
        "How long the oldest of them has waited; 0 where there is none.",
        max((now - oldest).total_seconds(), 0),
    )


# --- the trial and the deployment ------------------------------------------------------------


def _trial(_: datetime) -> Iterator[GaugeMetricFamily]:
    phase, serving = phase_current(), deployed()
    yield _gauge(
        "triage_kill_switch_on",
        "1 while the kill switch lets the rules decide for everybody.",
        phase.kill_switch,
    )
    yield _gauge(
        "triage_phase_number", "The open phase of the experiment; 0 for none.", phase.number
    )
    yield _gauge(
        "triage_phase_enrolled_ratio",
        "Share of patients who are in the trial.",
        phase.ramp / BUCKETS,
    )
    yield _gauge(
        "triage_phase_model_arm_ratio",
        "Share of those for whom the model decides.",
        phase.ml_share / BUCKETS,
    )
    yield _gauge(
        "triage_deployed_epoch",
        "How often what serves was changed; 0 where nothing is deployed.",
        0 if serving is None else serving.epoch,
    )


_QUESTIONS: Final[tuple[Callable[[datetime], Iterable[GaugeMetricFamily]], ...]] = (
    _checks,
    _predictions,
    _labels,
    _waiting,
    _alerts,
    _notifications,
    _trial,
)


# --- reading and writing figures -------------------------------------------------------------


def _at(result: Any, *path: str | int) -> Any:
    """Return what stands at a path of a stored result; None where there is nothing."""
    for step in path:
        try:
            result = result[step]
        except (KeyError, IndexError, TypeError):
            return None
    return result


def _number(result: Any, *path: str | int) -> float | None:
    found = _at(result, *path)
    return float(found) if isinstance(found, int | float) else None


def _length(result: Any, *path: str | int) -> float | None:
    found = _at(result, *path)
    return float(len(found)) if isinstance(found, list) else None


def _share(result: Any, name: str) -> float | None:
    """Return a share that stands alone or beside its interval."""
    alone = _number(result, name)
    return _number(result, name, "share") if alone is None else alone


def _gauge(name: str, meaning: str, value: float | None) -> GaugeMetricFamily:
    """Return a figure; without a value it has a name and no sample."""
    return GaugeMetricFamily(name, meaning, value=value)


def _gauges(
    name: str, meaning: str, samples: Sequence[tuple[Labels, float | None]]
) -> GaugeMetricFamily:
    """Return a figure of several values, less those that are not there."""
    family = GaugeMetricFamily(name, meaning)
    for labels, value in samples:
        if value is not None:
            family.add_sample(name, dict(labels), value)
    return family
