"""A candidate trained from the log: when one is due, how it is made, and what is kept of it.

A candidate is registered and waits. Nothing here lets it serve: that is a person's decision, with
the gate's report before them.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from ml.registry import deployed, gate_report, version_get
from monitoring.accuracy import POLICY as ACCURACY_POLICY
from monitoring.accuracy import day_to_check
from monitoring.models import Alert, RetrainingRun
from monitoring.training_set import labels_new, training_path, training_set_export

log = structlog.get_logger(__name__)

Trainer = Callable[[Path], str]
Trigger = Callable[[datetime | None, datetime], str | None]

TRAINING_TIMEOUT_S = 40 * 60
# Longer than any run may take, so what is older was left by a process that died; and shorter than
# the hour after which the broker hands a task to somebody else.
RUN_LASTS = timedelta(seconds=TRAINING_TIMEOUT_S + 10 * 60)
# A cause that persists starts one run a day, not one an hour.
PAUSE = timedelta(days=1)
MAX_REASON_CHARACTERS = 200
ABANDONED = "The process that ran it ended without a word."
_SET_ASIDE = ".retrain-"
_REFUSAL = "CommandError: "


class RetrainingError(Exception):
    """No candidate came of it; the message is one sentence without any patient data."""


class RetrainingRefusedError(RetrainingError):
    """It was not begun."""


# --- when --------------------------------------------------------------------------------------


def retraining_due(*, now: datetime) -> str | None:
    """Return why a candidate should be trained now; None when there is no reason.

    Each of ``TRIGGERS`` is asked what has come up since the last candidate was registered; the
    first that answers is the reason. After any run there is a day of rest.
    """
    if RetrainingRun.objects.filter(started_at__gt=now - PAUSE).exists():
        return None
    since = _last_registered()
    return next((reason for asked in TRIGGERS if (reason := asked(since, now))), None)


def _last_registered() -> datetime | None:
    runs = RetrainingRun.objects.filter(status=RetrainingRun.Status.REGISTERED)
    return runs.values_list("started_at", flat=True).first()


def _by_accuracy(since: datetime | None, now: datetime) -> str | None:
    if not settings.RETRAIN_AFTER_ALERT:
        return None
    alerts = Alert.objects.filter(policy=ACCURACY_POLICY, provisional=False)
    alerts = alerts.exclude(state=Alert.State.CLOSED)
    if since is not None:
        # An alert that stays open is added to: what counts is the newest day on which it came up.
        alerts = alerts.filter(last_day__gt=day_to_check(now=since))
    newest = alerts.order_by("-last_day").first()
    return None if newest is None else f"accuracy alert of {newest.last_day}"


def _by_new_labels(since: datetime | None, now: datetime) -> str | None:
    if not settings.RETRAIN_AFTER_LABELS:
        return None
    new = labels_new(since=since, now=now)
    return f"{new} new labels" if new >= settings.RETRAIN_AFTER_LABELS else None


TRIGGERS: tuple[Trigger, ...] = (_by_accuracy, _by_new_labels)


# --- how ---------------------------------------------------------------------------------------


def train_apart(training_set: Path) -> str:
    """Train and register a candidate in a process of its own, and return its version.

    A worker's child may not have children of its own and is not to hold a training's memory.

    Raises
    ------
    RetrainingError
        When it fails or takes too long. Of what it printed only its own refusal is repeated,
        because a traceback might quote a patient.
    """
    try:
        done = subprocess.run(  # noqa: S603 - our own command, and no part of it from outside
            _command(training_set),
            capture_output=True,
            text=True,
            timeout=TRAINING_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise RetrainingError(f"Training took longer than {TRAINING_TIMEOUT_S} s.") from None
    if done.returncode:
        raise RetrainingError(_refusal(done.stderr, status=done.returncode))
    return str(json.loads(done.stdout)["version"])


def _command(training_set: Path) -> list[str]:
    manage = str(settings.BASE_DIR / "manage.py")
    command = [sys.executable, manage, "train_model", "--dataset", "log", "--register", "--json"]
    command += ["--path", str(training_set), "--base", settings.RETRAIN_BASE]
    if settings.RETRAIN_BASE_PATH:
        command += ["--base-path", settings.RETRAIN_BASE_PATH]
    return command


def _refusal(printed: str, *, status: int) -> str:
    lines = [line for line in printed.splitlines() if line.startswith(_REFUSAL)]
    if lines:
        return lines[-1].removeprefix(_REFUSAL)
    return f"Training ended with status {status}."


def model_retrain(*, reason: str, now: datetime, train: Trainer = train_apart) -> RetrainingRun:
    """Train a candidate on the log and a base set, register it, and keep what came of it.

    In this order: a signing key is set and a version serves, so that the candidate cannot become
    the first; no other run is going on; the labelled log is written where only this user reads;
    ``train`` learns from it in a process of its own; the gate is asked what it would say. The
    written log is removed in any case.

    Parameters
    ----------
    reason
        Why, in words, up to 200 characters.
    now
        The time, which says whose labels have matured.
    train
        Trains and registers on a training set and returns the version.

    Raises
    ------
    RetrainingRefusedError
        When it cannot be begun; nothing is kept of that.
    RetrainingError
        When no candidate came of it; the run says so, too.
    """
    _check_possible(reason)
    run = _begin(reason, now=now)
    try:
        version, result = _candidate(now=now, train=train)
    except Exception as error:  # noqa: BLE001 - whatever broke, the run must say that it ended
        sentence = _sentence(error)
        _end(run, status=RetrainingRun.Status.FAILED, error=sentence)
        log.error("retraining_failed", run=run.pk, reason=sentence)
        raise RetrainingError(sentence) from None
    _end(run, status=RetrainingRun.Status.REGISTERED, version=version, result=result)
    log.info("model_retrained", run=run.pk, version=version, rows=result["training_set"]["rows"])
    return run


def _check_possible(reason: str) -> None:
    if not 1 <= len(reason) <= MAX_REASON_CHARACTERS:
        raise RetrainingRefusedError(
            f"A reason of 1 to {MAX_REASON_CHARACTERS} characters is needed."
        )
    if settings.MODEL_SIGNING_KEY is None:
        raise RetrainingRefusedError("MODEL_SIGNING_KEY is not set; only a trainer holds it.")
    if deployed() is None:
        raise RetrainingRefusedError(
            "No model version serves yet, so the candidate would be the first to: train and "
            "register one by hand."
        )


def _begin(reason: str, *, now: datetime) -> RetrainingRun:
    running = RetrainingRun.objects.filter(status=RetrainingRun.Status.RUNNING)
    running.filter(started_at__lt=now - RUN_LASTS).update(
        status=RetrainingRun.Status.FAILED, ended_at=now, error=ABANDONED
    )
    try:
        with transaction.atomic():
            return RetrainingRun.objects.create(reason=reason, started_at=now)
    except IntegrityError:
        raise RetrainingRefusedError("Another retraining is still running.") from None


def _end(run: RetrainingRun, **outcome: Any) -> None:
    for name, value in {"ended_at": timezone.now(), **outcome}.items():
        setattr(run, name, value)
    run.save()


def _candidate(*, now: datetime, train: Trainer) -> tuple[str, dict[str, Any]]:
    with _aside() as folder:
        training_set = training_set_export(
            folder / training_path().name, now=now, actor="retraining"
        )
        version = train(training_set.path)
    figures = version_get(version).metrics
    result = {
        "training_set": training_set.as_dict(),
        "base": settings.RETRAIN_BASE,
        "figures": figures,
        "gate": _gate_preview(version),
    }
    return version, result


@contextmanager
def _aside() -> Iterator[Path]:
    """Give a folder that only this user reads and remove it, after what a killed run left."""
    parent = training_path().parent
    parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    for leftover in parent.glob(f"{_SET_ASIDE}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=_SET_ASIDE, dir=parent) as folder:
        yield Path(folder)


def _gate_preview(version: str) -> Mapping[str, Any] | None:
    """Return what the gate would say to a promotion now; None when nothing serves any more."""
    serving = deployed()
    if serving is None:
        return None
    report = gate_report(version_get(version), serving)
    return {"passed": report.passed, "against": serving.version, "refusals": list(report.refusals)}


def _sentence(error: Exception) -> str:
    if isinstance(error, RetrainingError):
        return str(error)
    if isinstance(error, OSError):
        return f"A file or a process could not be used ({type(error).__name__})."
    # The class alone: a message might quote what a patient said.
    return f"It broke ({type(error).__name__})."
