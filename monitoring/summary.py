"""How the service is doing, as the monitoring page and the API show it.

Everything about many answers comes from the stored results of the daily checks, which are small;
the log itself is asked only about single days, through its index of time.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, Max, Min, Q, QuerySet

from ml.experiments import phase_current
from ml.models import DeploymentEvent, ModelVersion, Phase
from ml.registry import deployed
from ml.routing import BUCKETS
from monitoring.accuracy import Tally, day_to_check
from monitoring.alerts import MISSED_EMERGENCY
from monitoring.models import Alert, MLPredictionLog, MonitoringRun, RetrainingRun
from monitoring.selectors import DEFAULT_DAYS, LocalDay, predictions_of, site_today
from monitoring.watch import runs_due
from triage_rules.level import Level

Body = dict[str, Any]

MOST_ALERTS = 50
MOST_VALUES = 30

_COUNTS = ("labelled", "correct", "under", "over")
_LATENCIES = ("p50", "p95", "p99")
_DRIFT_KEYS = (
    "window", "rows", "reference", "columns_tested", "not_tested", "drifted", "findings", "words",
    "prediction", "estimated", "realised", "concept", "calibration",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The site's days that are looked at, the last of them the newest with its labels in."""

    start: date
    end: date

    @classmethod
    def of(cls, days: int, *, now: datetime) -> Window:
        """Return the newest ``days`` days whose labels have had time to come in."""
        end = day_to_check(now=now)
        return cls(start=end - timedelta(days=days - 1), end=end)

    @property
    def days(self) -> int:
        """How many days it has."""
        return (self.end - self.start).days + 1


def summary(*, days: int = DEFAULT_DAYS, now: datetime) -> Body:
    """Return all figures of the last ``days`` days; docs/summary.md explains each."""
    window = Window.of(days, now=now)
    runs = _runs(window)
    latest = runs[-1] if runs else _newest(MonitoringRun.Job.ACCURACY, until=window.end)
    drift = _newest(MonitoringRun.Job.DRIFT)
    accuracy = _accuracy(runs, latest)
    alerts = _alerts()
    counts = _alert_counts()
    overdue = {due.job for due in runs_due(now=now) if due.is_missing}
    jobs = [
        _job(job, run, overdue=job in overdue, now=now)
        for job, run in ((MonitoringRun.Job.ACCURACY, latest), (MonitoringRun.Job.DRIFT, drift))
    ]
    return {
        "as_of": now.isoformat(),
        "window": {"days": window.days, "start": str(window.start), "end": str(window.end)},
        "verdict": _verdict(accuracy, counts, jobs, now=now),
        "model": _model(),
        "changes": _changes(window),
        "accuracy": accuracy,
        "under_triage": _wrong(runs, latest, "under") | {"missed_emergencies": _missed(runs)},
        "over_triage": _wrong(runs, latest, "over"),
        "cusum": _cusum(runs),
        "confusion": _confusion(runs),
        "slices": _slices(runs) | {"worse": _worse(latest)},
        "levels": _levels(runs),
        "latency": _latency(runs),
        "coverage": _coverage(runs, window),
        "experiment": _experiment(runs, latest),
        "drift": _drift(drift, window),
        "alert_counts": counts,
        "alerts": alerts,
        "jobs": [*jobs, _retraining()],
    }


# --- stored runs -----------------------------------------------------------------------------


def _runs(window: Window) -> list[MonitoringRun]:
    rows = MonitoringRun.objects.filter(
        job=MonitoringRun.Job.ACCURACY, day__range=(window.start, window.end)
    )
    return list(rows.order_by("day"))


def _newest(job: MonitoringRun.Job, *, until: date | None = None) -> MonitoringRun | None:
    rows = MonitoringRun.objects.filter(job=job).order_by("-day")
    return (rows if until is None else rows.filter(day__lte=until)).first()


def _part(result: Any, *keys: str) -> Mapping[str, Any]:
    """Return a part of a result, empty where an older check did not write it."""
    for key in keys:
        result = result.get(key) if isinstance(result, Mapping) else None
    return result if isinstance(result, Mapping) else {}


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value


def _count(value: Any) -> int:
    return int(_number(value) or 0)


# --- tallies ---------------------------------------------------------------------------------


def _tally(parts: Iterable[Mapping[str, Any]]) -> Body:
    """Return the counts of all parts together, with their shares and 95 % intervals."""
    counts = dict.fromkeys(_COUNTS, 0)
    for part in parts:
        for name in _COUNTS:
            counts[name] += _count(part.get(name))
    tally = Tally(**counts)
    return tally.as_dict() | {
        "under_triage": tally.under_triage["share"],
        "over_triage": tally.over_triage["share"],
    }


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _groups(runs: Sequence[MonitoringRun], *keys: str) -> dict[str, Body]:
    """Return the tallies of all runs by the names under which they keep them."""
    names: dict[str, list[Mapping[str, Any]]] = {}
    for run in runs:
        for name, part in _part(run.result, *keys).items():
            if isinstance(part, Mapping):
                names.setdefault(str(name), []).append(part)
    return {name: _tally(parts) for name, parts in names.items()}


# --- accuracy --------------------------------------------------------------------------------


def _accuracy(runs: Sequence[MonitoringRun], latest: MonitoringRun | None) -> Body:
    return {
        "threshold": settings.ACCURACY_THRESHOLD,
        "min_labels": settings.ACCURACY_MIN_LABELS,
        "latest": None if latest is None else _day(latest),
        "window": _tally(run.result for run in runs),
        "series": [_day(run) for run in runs],
        "by_version": _with_synthetic(_groups(runs, "by_model_version")),
        "by_arm": _groups(runs, "by_arm"),
        "by_level": _in_order(_groups(runs, "by_level")),
        "by_saw_prediction": _groups(runs, "by_saw_prediction"),
        "audited": _groups(runs, "by_audit").get("audited"),
    }


def _day(run: MonitoringRun) -> Body:
    result = _part(run.result)
    return {
        "day": str(run.day),
        "status": run.status,
        "provisional": result.get("provisional") is True,
        "predictions": _count(result.get("predictions")),
        "coverage": _number(result.get("coverage")),
        "versions": sorted(_part(result, "by_model_version")),
        "pooled": _pooled(result),
        **_tally([result]),
    }


def _pooled(result: Mapping[str, Any]) -> Body | None:
    """Return what a day of few labels was judged by: the last ones before it, added to its own."""
    pooled = _part(result, "pooled")
    return {**pooled, **_tally([pooled])} if pooled else None


def _with_synthetic(groups: dict[str, Body]) -> dict[str, Body]:
    known = dict(
        ModelVersion.objects.filter(version__in=groups).values_list("version", "synthetic")
    )
    return {name: tally | {"synthetic": known.get(name)} for name, tally in sorted(groups.items())}


def _in_order(groups: dict[str, Body]) -> dict[str, Body]:
    return {level.label: groups[level.label] for level in Level if level.label in groups}


def _wrong(
    runs: Sequence[MonitoringRun], latest: MonitoringRun | None, direction: str
) -> dict[str, Any]:
    def body(tally: Body) -> Body:
        return {
            "n": tally["labelled"],
            "cases": tally[direction],
            "share": tally[f"{direction}_triage"],
            "interval": tally[f"{direction}_interval"],
        }

    return {
        "latest": None if latest is None else body(_tally([_part(latest.result)])),
        "window": body(_tally(_part(run.result) for run in runs)),
    }


def _missed(runs: Sequence[MonitoringRun]) -> int:
    return sum(_count(_part(run.result).get("missed_emergencies")) for run in runs)


def _cusum(runs: Sequence[MonitoringRun]) -> Body:
    series = [
        {
            "day": str(run.day),
            "value": _number(found.get("value")),
            "limit": _number(found.get("limit")),
            "expected": _number(found.get("expected")),
            "labels": _count(found.get("labels")),
            "crossed": found.get("crossed") is True,
        }
        for run in runs
        # Without a watermark the check of that day took no part in the sum.
        if (found := _part(run.result, "cusum")).get("watermark")
    ]
    return {"latest": series[-1] if series else None, "series": series}


def _confusion(runs: Sequence[MonitoringRun]) -> Body | None:
    """Return the counts by the right level, then by the level answered; None where none is kept."""
    tables = [table for run in runs if (table := _table(_part(run.result).get("confusion")))]
    if not tables:
        return None
    return {
        truth.label: {
            answer.label: sum(table[truth][answer] for table in tables) for answer in Level
        }
        for truth in Level
    }


def _table(rows: Any) -> list[list[int]]:
    if not isinstance(rows, list) or len(rows) != len(Level):
        return []
    if not all(isinstance(row, list) and len(row) == len(Level) for row in rows):
        return []
    return [[_count(n) for n in row] for row in rows]


# --- groups of patients and levels -----------------------------------------------------------


def _slices(runs: Sequence[MonitoringRun]) -> Body:
    """Return the tallies of groups of patients: the worst first, those with few labels last."""
    return {
        column: _worst_first(_groups(runs, "slices", column))
        for column in ("sex", "age_band", "site")
    }


def _worse(latest: MonitoringRun | None) -> list[Body]:
    """Return the groups that the newest check found to be surely and clearly worse."""
    found = [] if latest is None else _part(latest.result, "trailing").get("worse")
    return found if isinstance(found, list) else []


def _worst_first(groups: dict[str, Body]) -> Body:
    rows = [
        {"value": name, **tally, "enough": tally["labelled"] >= settings.ACCURACY_MIN_LABELS}
        for name, tally in groups.items()
        if tally["labelled"]
    ]
    rows.sort(key=lambda row: (not row["enough"], row["accuracy"], row["value"]))
    return {"values": rows[:MOST_VALUES], "left_out": max(0, len(rows) - MOST_VALUES)}


def _levels(runs: Sequence[MonitoringRun]) -> dict[str, dict[str, int]]:
    """Return how often each level was given, said by either decider, and right."""
    mix = {
        who: _level_counts(_part(run.result, "levels", who) for run in runs)
        for who in ("given", "rules", "model")
    }
    right = _groups(runs, "by_level")
    labels = {level.label: right.get(level.label, {}).get("labelled", 0) for level in Level}
    return mix | {"labels": labels}


def _level_counts(parts: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    parts = list(parts)
    return {level.label: sum(_count(part.get(level.label)) for part in parts) for level in Level}


# --- speed, labels, trial --------------------------------------------------------------------


def _latency(runs: Sequence[MonitoringRun]) -> Body:
    series = [
        {
            "day": str(run.day),
            **{name: _number(found.get(name)) for name in _LATENCIES},
            "slow": _count(found.get("slow")),
        }
        for run in runs
        if _number((found := _part(run.result, "latency")).get("p50")) is not None
    ]
    return {
        "limit_ms": settings.LATENCY_WARNING_MS,
        "latest": series[-1] if series else None,
        "series": series,
    }


def _coverage(runs: Sequence[MonitoringRun], window: Window) -> Body:
    """Return how many answers of the window have a label, and how many wait for theirs."""
    matured = sum(_count(_part(run.result).get("predictions")) for run in runs)
    labelled = sum(_count(_part(run.result).get("labelled")) for run in runs)
    after = LocalDay.of(window.end, zone=settings.SITE_TIME_ZONE).end
    return {
        "matured": matured,
        "labelled": labelled,
        "never": max(0, matured - labelled),
        "share": _share(labelled, matured),
        "pending": MLPredictionLog.objects.filter(created_at__gte=after).count(),
    }


def _experiment(runs: Sequence[MonitoringRun], latest: MonitoringRun | None) -> Body:
    terms = phase_current()
    answered = {} if latest is None else _answered_by_arm(latest.day)
    tallies = _groups(runs, "by_arm")
    return {
        "name": terms.experiment,
        "phase": terms.number,
        "enrolled_share": terms.ramp / BUCKETS,
        "ml_share": terms.ml_share / BUCKETS,
        "kill_switch": terms.kill_switch,
        "arms": {
            arm: {
                "answered_latest_day": answered.get(arm, 0),
                "labelled_window": tallies.get(arm, {}).get("labelled", 0),
            }
            for arm in sorted({*answered, *tallies})
        },
    }


def _answered_by_arm(day: date) -> dict[str, int]:
    counts = predictions_of(day, day).values_list("ab_group").annotate(n=Count("pk"))
    return {arm or "none": n for arm, n in counts}


# --- model, drift, alerts, jobs --------------------------------------------------------------


def _model() -> Body | None:
    now = deployed()
    if now is None:
        return None
    synthetic = ModelVersion.objects.filter(version=now.version).values_list("synthetic", flat=True)
    return {"version": now.version, "epoch": now.epoch, "synthetic": synthetic.first()}


def _changes(window: Window) -> list[Body]:
    """Return the days of the window on which another version or another phase began."""
    start = LocalDay.of(window.start, zone=settings.SITE_TIME_ZONE).start
    end = LocalDay.of(window.end, zone=settings.SITE_TIME_ZONE).end
    events = DeploymentEvent.objects.filter(created_at__gte=start, created_at__lt=end)
    phases = Phase.objects.filter(started_at__gte=start, started_at__lt=end)
    found = [
        {"day": _local(at), "kind": "version", "name": version}
        for at, version in events.order_by("epoch").values_list("created_at", "to_version__version")
    ] + [
        {"day": _local(at), "kind": "phase", "name": f"{name} phase {number}"}
        for at, name, number in phases.order_by("pk").values_list(
            "started_at", "experiment__name", "number"
        )
    ]
    return sorted(found, key=lambda change: (change["day"], change["kind"] != "version"))


def _local(moment: datetime) -> str:
    return str(site_today(now=moment))


def _drift(latest: MonitoringRun | None, window: Window) -> Body:
    """Return what the newest comparison found, and how the estimate of each went."""
    rows = MonitoringRun.objects.filter(
        job=MonitoringRun.Job.DRIFT, day__range=(window.start, window.end)
    ).order_by("day")
    series = rows.values_list(
        "day", "status", "result__drifted", "result__estimated", "result__realised"
    )
    return {
        "latest": None if latest is None else _comparison(latest),
        "series": [
            {
                "day": str(day),
                "status": status,
                "drifted": len(drifted) if isinstance(drifted, list) else 0,
                "estimated": _number(_part(estimated).get("accuracy")),
                "realised": _number(_part(realised).get("accuracy")),
            }
            for day, status, drifted, estimated, realised in series
        ],
    }


def _comparison(run: MonitoringRun) -> Body:
    result = _part(run.result)
    return {
        "day": str(run.day),
        "status": run.status,
        **{key: result.get(key) for key in _DRIFT_KEYS},
    }


def _live() -> QuerySet[Alert]:
    return Alert.objects.exclude(state=Alert.State.CLOSED)


def _alert_counts() -> Body:
    found = _live().aggregate(
        open=Count("pk"),
        critical=Count("pk", filter=Q(severity=Alert.Severity.CRITICAL)),
        listed=Count("pk", filter=~Q(policy=MISSED_EMERGENCY)),
    )
    return {
        "open": found["open"],
        "critical": found["critical"],
        "left_out": max(0, found["listed"] - MOST_ALERTS),
    }


def _alerts() -> list[Body]:
    """Return what is open, the emergencies that were missed first and as one."""
    rows = _live().exclude(policy=MISSED_EMERGENCY).order_by("severity", "-last_day", "-id")
    return _missed_emergencies() + [
        {
            "id": row.pk,
            "cause": row.cause,
            "count": 1,
            "severity": row.severity,
            "state": row.state,
            "since": str(row.day),
            "last_day": str(row.last_day),
            "provisional": row.provisional,
            "message": row.message,
        }
        for row in rows[:MOST_ALERTS]
    ]


def _missed_emergencies() -> list[Body]:
    """Return one entry of all, without a case: not all who may see the runs may see the cases."""
    found = _live().filter(policy=MISSED_EMERGENCY).aggregate(
        count=Count("pk"),
        open=Count("pk", filter=Q(state=Alert.State.OPEN)),
        since=Min("day"),
        last_day=Max("last_day"),
    )  # fmt: skip
    if not found["count"]:
        return []
    return [
        {
            "id": None,
            "cause": MISSED_EMERGENCY,
            "count": found["count"],
            "severity": Alert.Severity.CRITICAL.value,
            "state": (Alert.State.OPEN if found["open"] else Alert.State.ACKNOWLEDGED).value,
            "since": str(found["since"]),
            "last_day": str(found["last_day"]),
            "provisional": False,
            "message": "",
        }
    ]


def _job(
    job: MonitoringRun.Job, run: MonitoringRun | None, *, overdue: bool, now: datetime
) -> Body:
    age = None if run is None else now - run.ran_at
    return {
        "job": job.value,
        "day": None if run is None else str(run.day),
        "status": None if run is None else run.status,
        "ran_at": None if run is None else run.ran_at.isoformat(),
        "age_hours": None if age is None else round(age.total_seconds() / 3600, 1),
        "overdue": overdue,
    }


def _retraining() -> Body:
    run = RetrainingRun.objects.order_by("-started_at").first()
    return {
        "job": "retraining",
        "day": None if run is None else _local(run.started_at),
        "status": None if run is None else run.status,
        "ran_at": None if run is None else run.started_at.isoformat(),
        "age_hours": None,
        # Nobody has to train: a candidate is asked for, or it is not.
        "overdue": False,
    }


# --- in plain words --------------------------------------------------------------------------


def _verdict(accuracy: Body, counts: Body, jobs: Sequence[Body], *, now: datetime) -> Body:
    sentences = [_of_the_day(accuracy, now=now), _of_alerts(counts)]
    sentences += [
        f"The {job['job']} check {'has never run' if job['ran_at'] is None else 'is overdue'}."
        for job in jobs
        if job["overdue"]
    ]
    latest = accuracy["latest"]
    return {
        "status": None if latest is None else latest["status"],
        "sentence": " ".join(sentences),
    }


def _of_the_day(accuracy: Body, *, now: datetime) -> str:
    latest = accuracy["latest"]
    if latest is None:
        return "No day has been checked yet."
    whose = _whose(date.fromisoformat(latest["day"]), now=now)
    judged = latest["pooled"] or latest
    if latest["status"] == MonitoringRun.Status.NOT_ENOUGH_LABELS or not judged["labelled"]:
        return (
            f"{whose}: {latest['labelled']} labelled, too few to judge "
            f"({accuracy['min_labels']} are needed)."
        )
    if latest["pooled"]:
        whose += f" and of the days before, from {latest['pooled'].get('first')}"
    low, high = judged["interval"]
    share, threshold = judged["accuracy"], accuracy["threshold"]
    # Two figures that differ must not read the same: 74.9 % is below 75 %.
    digits = 1 if f"{share:.0%}" == f"{threshold:.0%}" and share != threshold else 0
    return (
        f"{whose}: {share * 100:.{digits}f} % right ({low * 100:.0f}–{high * 100:.0f} %, "
        f"{judged['labelled']:,} labelled), {_against(share, threshold)}."
    )


def _whose(day: date, *, now: datetime) -> str:
    if day == site_today(now=now) - timedelta(days=1):
        return "Yesterday's answers"
    return f"Answers of {day.day} {day:%B %Y}"


def _against(share: float, threshold: float) -> str:
    where = "at" if share == threshold else "above" if share > threshold else "below"
    return f"{where} the threshold of {threshold * 100:g} %"


def _of_alerts(counts: Body) -> str:
    n, critical = counts["open"], counts["critical"]
    if not n:
        return "No open alert."
    words = "1 open alert" if n == 1 else f"{n} open alerts"
    return f"{words}, {critical} critical." if critical else f"{words}."
