"""Months of daily checks of a department that does not exist, for pages that show them."""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta
from typing import Any

from ml.evaluation import wilson_interval
from ml.models import Deployment, DeploymentEvent, Experiment, ModelVersion, Phase
from monitoring.models import Alert, MonitoringRun
from triage_rules.level import Level

SIMULATED = "simulated"
_LEVEL_SHARES = (0.30, 0.36, 0.24, 0.10)
_SLICES = {
    "sex": {"female": (0.52, 0.0), "male": (0.47, 0.01), "unknown": (0.01, -0.1)},
    "age_band": {
        "under 16": (0.15, -0.03), "16 to 64": (0.55, 0.02), "65 and over": (0.3, -0.02),
    },
    "site": {"simulated-north": (0.6, 0.01), "simulated-south": (0.4, -0.02)},
}  # fmt: skip


def tally(labelled: int, right: float, *, low: float = 0.4, dice: random.Random) -> dict[str, Any]:
    """Return the tally of so many labels, of which about the share ``right`` was right."""
    correct = sum(dice.random() < right for _ in range(labelled))
    under = sum(dice.random() < low for _ in range(labelled - correct))
    return counted(labelled, correct, under)


def counted(labelled: int, correct: int, under: int) -> dict[str, Any]:
    """Return the tally of these counts, as the daily check stores it."""
    over = labelled - correct - under
    shares = {"interval": correct, "under_interval": under, "over_interval": over}
    return {
        "labelled": labelled, "correct": correct, "under": under, "over": over,
        "accuracy": correct / labelled if labelled else None,
        **{name: list(wilson_interval(n, labelled)) if labelled else None
           for name, n in shares.items()},
    }  # fmt: skip


def accuracy_result(
    *, predictions: int, labelled: int, right: float, version: str, cusum: float,
    dice: random.Random,
) -> dict[str, Any]:  # fmt: skip
    """Return what the accuracy check stores of a day."""
    overall = tally(labelled, right, dice=dice)

    def part(share: float, better: float = 0.0) -> dict[str, Any]:
        return tally(round(labelled * share), right + better, dice=dice)

    p50 = 3.2 + dice.random()
    return {
        **overall,
        "predictions": predictions,
        "coverage": labelled / predictions if predictions else 0.0,
        "provisional": False,
        "under_triage": {"share": 0.0, "interval": [0.0, 0.1]},
        "over_triage": {"share": 0.0, "interval": [0.0, 0.1]},
        "by_arm": {"ml": part(0.45, 0.03), "rules": part(0.45, -0.04), "none": part(0.1)},
        "by_model_version": {version: part(1.0)},
        "by_level": {
            level.label: part(share, 0.02 * level)
            for level, share in zip(Level, _LEVEL_SHARES, strict=True)
        },
        "by_saw_prediction": {
            "blind": part(0.2, -0.05), "saw": part(0.6, 0.04), "unknown": part(0.2),
        },
        "by_audit": {"audited": part(0.05, -0.06)},
        "slices": {
            column: {value: part(share, better) for value, (share, better) in values.items()}
            for column, values in _SLICES.items()
        },
        "confusion": _confusion(labelled, right, dice=dice),
        "levels": {
            "given": _mix(predictions, (0.27, 0.36, 0.26, 0.11)),
            "rules": _mix(predictions, (0.24, 0.35, 0.28, 0.13)),
            "model": _mix(predictions, (0.31, 0.37, 0.23, 0.09)),
        },
        "latency": {"p50": p50, "p95": p50 * 2.6, "p99": p50 * 9, "slow": dice.randrange(3)},
        "cusum": {
            "value": cusum % 7, "limit": 7.0, "expected": 0.08, "crossed": cusum >= 7,
            "labels": labelled, "watermark": "2026-01-01T00:00:00+00:00",
        },
        "missed_emergencies": int(dice.random() < 0.1),
        "pooled": None,
    }  # fmt: skip


def drift_result(*, day: date, drifted: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return what the comparison with the reference stores."""
    effects = {
        "temperature_c": 0.24, "words": 0.11, "age_years": 0.05, "arrival_mode": 0.06,
        "heart_rate": 0.04, "respiratory_rate": 0.05, "spo2": 0.08, "systolic_bp": 0.03,
        "pain_score": 0.07, "sex": 0.01, "glucose_mmol_l": 0.02, "injury": 0.02,
        "unknown_words": 0.09, "consciousness": 0.01,
    }  # fmt: skip
    return {
        "window": {"start": str(day - timedelta(days=6)), "end": str(day)},
        "rows": 2_041,
        "reference": {"version": SIMULATED, "rows": 4_000},
        "findings": [
            _finding(column, effect, drifted=column in drifted)
            for column, effect in effects.items()
        ],
        "columns_tested": len(effects),
        "drifted": list(drifted),
        "words": {"share": 0.031, "reference_share": 0.024},
        "prediction": {"effect": 0.04},
        "estimated": {"accuracy": 0.815, "interval": [0.79, 0.84], "valid": True, "why_not": []},
        "realised": {"accuracy": 0.809, "interval": [0.79, 0.83]},
        "concept": {"difference": -0.006, "interval": [-0.03, 0.02], "drifted": False},
        "calibration": {
            "n": 1_310, "brier": 0.27, "reference_brier": 0.26, "ece": 0.031,
            "reference_ece": 0.022,
            "reliability": [
                _bin(low, n, share)
                for low, n, share in (
                    (0.3, 22, 0.45), (0.4, 96, 0.43), (0.5, 158, 0.60), (0.6, 214, 0.66),
                    (0.7, 280, 0.74), (0.8, 330, 0.83), (0.9, 210, 0.94),
                )
            ],
        },
    }  # fmt: skip


def _finding(column: str, effect: float, *, drifted: bool) -> dict[str, Any]:
    is_of_missing = column == "glucose_mmol_l"
    return {
        "column": column, "kind": "missing" if is_of_missing else "distribution", "n": 2_041,
        "reference_n": 4_000, "statistic": effect, "p": 0.01,
        "p_adjusted": 0.002 if drifted else 0.3, "effect": effect,
        "limit": 0.05 if is_of_missing else 0.2, "drifted": drifted,
        "sentence": f"{column}: its values lie elsewhere than in the reference.",
    }  # fmt: skip


def months(days: int, *, until: date, now: datetime, seed: int = 7) -> None:
    """Write the daily checks of so many days, with a fall and a recovery in between."""
    dice, cusum = random.Random(seed), 0.0  # noqa: S311
    for back in range(days - 1, -1, -1):
        day = until - timedelta(days=back)
        share = 1 - back / max(1, days)
        right = 0.82 - (0.09 if 0.45 < share < 0.55 else 0)
        predictions = dice.randrange(220, 330) - (90 if day.weekday() > 4 else 0)
        labelled = (
            12 if share > 0.2 and day.weekday() == 6 and day.day < 8 else predictions * 7 // 10
        )
        cusum = max(0.0, cusum % 7 + dice.uniform(-0.9, 0.8) + (1.6 if right < 0.8 else 0))
        result = accuracy_result(
            predictions=predictions, labelled=labelled, right=right, cusum=cusum, dice=dice,
            version="simulated-b" if share > 0.6 else "simulated-a",
        )  # fmt: skip
        MonitoringRun.objects.create(
            job=MonitoringRun.Job.ACCURACY, day=day, status=_status(result), result=result,
            duration_ms=120.0,
        )  # fmt: skip
    drifted = ("temperature_c",)
    MonitoringRun.objects.create(
        job=MonitoringRun.Job.DRIFT, day=until, status=MonitoringRun.Status.DRIFTED,
        result=drift_result(day=until, drifted=drifted), duration_ms=850.0,
    )  # fmt: skip
    Alert.objects.create(
        policy="drift", cause="drift.temperature_c", day=until - timedelta(days=2), last_day=until,
        severity=Alert.Severity.WARNING, provisional=False,
        message="Temperatures have moved away from the reference: 0.24 where 0.2 is allowed.",
    )  # fmt: skip


def _status(result: dict[str, Any]) -> str:
    if result["labelled"] < 30:
        return str(MonitoringRun.Status.NOT_ENOUGH_LABELS)
    below = result["accuracy"] < 0.75
    return str(MonitoringRun.Status.BELOW_THRESHOLD if below else MonitoringRun.Status.OK)


def _mix(n: int, shares: tuple[float, ...]) -> dict[str, int]:
    return {level.label: round(n * share) for level, share in zip(Level, shares, strict=True)}


def _confusion(labelled: int, right: float, *, dice: random.Random) -> list[list[int]]:
    table = [[0] * len(Level) for _ in Level]
    for truth in dice.choices(tuple(Level), _LEVEL_SHARES, k=labelled):
        missed = 0 if dice.random() < right else dice.choice((-1, 1, 1))
        table[truth][min(max(truth + missed, 0), 3)] += 1
    return table


def _bin(low: float, n: int, share: float) -> dict[str, Any]:
    return {
        "low": low, "high": low + 0.1, "n": n, "mean_probability": low + 0.052, "share": share,
        "interval": list(wilson_interval(round(share * n), n)),
    }  # fmt: skip


def settled(*, now: datetime) -> None:
    """Register the simulated versions and open the phases of the trial they served in."""
    experiment = Experiment.objects.get_or_create(name="simulated-trial")[0]
    first = _version("simulated-a", now=now)
    second = _version("simulated-b", now=now)
    Phase.objects.filter(ended_at=None).update(ended_at=now - timedelta(days=80))
    _phase(experiment, 1, first, started=now - timedelta(days=80), ended=now - timedelta(days=25))
    _phase(experiment, 2, second, started=now - timedelta(days=25), ended=None)
    terms = {"actor": "simulated", "reason": "simulated"}
    DeploymentEvent.objects.create(
        epoch=1, kind="first", to_version=first, created_at=now - timedelta(days=80), **terms
    )
    DeploymentEvent.objects.create(
        epoch=2, kind="promote", from_version=first, to_version=second,
        created_at=now - timedelta(days=25), **terms,
    )  # fmt: skip
    Deployment.objects.create(slot=Deployment.Slot.CHAMPION, current=second, epoch=2)


def _version(name: str, *, now: datetime) -> ModelVersion:
    return ModelVersion.objects.create(
        version=name, digest=name, created_at=now, registered_by="simulated", dataset=SIMULATED,
        synthetic=True, scikit_learn="1.7",
    )  # fmt: skip


def _phase(
    experiment: Experiment,
    number: int,
    version: ModelVersion,
    *,
    started: datetime,
    ended: datetime | None,
) -> None:
    phase = Phase.objects.create(
        experiment=experiment, number=number, ramp=900_000, ml_share=500_000,
        default_decider="ml", model_version=version, ended_at=ended,
    )  # fmt: skip
    Phase.objects.filter(pk=phase.pk).update(started_at=started)
