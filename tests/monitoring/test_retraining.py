"""A candidate is trained when it is due, by one run at a time, and never serves by itself."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from io import StringIO
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from ml.artefacts import MANIFEST, TrainedModel, pointer, save
from ml.datasets.log import load_log
from ml.models import Deployment, DeploymentEvent, ModelVersion
from ml.registry import deployed, version_register
from ml.simulator import simulate
from monitoring import retraining, tasks
from monitoring.management.commands import retrain_model
from monitoring.models import Alert, RetrainingRun
from monitoring.retraining import (
    ABANDONED,
    RUN_LASTS,
    TRAINING_TIMEOUT_S,
    RetrainingError,
    RetrainingRefusedError,
    model_retrain,
    retraining_due,
    train_apart,
)
from tests.conftest import MODEL_DOCUMENTS

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 11, 20, 5, tzinfo=UTC)
Train = Callable[[Path], str]


@pytest.fixture
def store(settings: Any, tmp_path: Path, model_store: Path) -> Path:
    """A model store of this test's own, beside a folder for what is written on the way."""
    settings.VAR_DIR = tmp_path / "var"
    settings.MODEL_STORE = tmp_path / "models"
    return Path(shutil.copytree(model_store, settings.MODEL_STORE))


@pytest.fixture
def serving(db: None, store: Path) -> str:
    """The version that serves."""
    found = pointer(store)
    assert found is not None
    row = ModelVersion.objects.create(
        version=found.version,
        digest=hashlib.sha256((store / found.version / MANIFEST).read_bytes()).hexdigest(),
        created_at=NOW,
        registered_by="set-up",
        dataset="synthetic",
        synthetic=True,
    )
    Deployment.objects.create(slot="champion", current=row, epoch=found.epoch)
    return found.version


@pytest.fixture
def train(trained: TrainedModel, store: Path, settings: Any) -> Train:
    """What the process of its own does, done here: save a version, register it."""
    seeds = count(1)

    def fit(training_set: Path) -> str:
        load_log(training_set)
        version = save(
            # Another seed makes another version of the same model.
            replace(trained, seed=next(seeds)),
            store,
            signing_key=settings.MODEL_SIGNING_KEY,
            documents=MODEL_DOCUMENTS,
        )
        version_register(version, actor="trainer", held_out=simulate(100, seed=5))
        return version

    return fit


def test_it_works(serving: str, train: Train, store: Path) -> None:
    run = model_retrain(reason="by hand", now=NOW, train=train)

    run.refresh_from_db()
    assert (run.status, run.reason, run.error) == ("registered", "by hand", "")
    assert run.version != serving
    assert (store / run.version).is_dir()
    assert run.result["training_set"]["rows"] == 0
    assert run.result["base"] == "synthetic"
    assert run.result["figures"]["model"]["n"] > 0
    assert run.result["gate"]["against"] == serving
    assert run.result["gate"]["passed"] is False
    assert run.ended_at is not None


def test_what_serves_is_not_touched(
    serving: str, train: Train, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "model_retrain", partial(model_retrain, train=train))
    before = deployed(), pointer(store), DeploymentEvent.objects.count()

    tasks.retrain_model.apply(args=["schedule"])
    tasks.retrain_model.apply(args=["500 new labels"])

    assert RetrainingRun.objects.filter(status="registered").count() == 2
    assert (deployed(), pointer(store), DeploymentEvent.objects.count()) == before


@pytest.mark.parametrize(
    "path",
    [
        "monitoring/retraining.py",
        "monitoring/tasks.py",
        "monitoring/training_set.py",
        "monitoring/management/commands/retrain_model.py",
        "ml/management/commands/train_model.py",
    ],
)
def test_nothing_on_this_path_knows_how_to_promote(path: str) -> None:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    names |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    names |= {one.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
              for one in node.names}  # fmt: skip
    forbidden = {"version_promote", "version_rollback", "point_to", "Deployment", "import_module"}

    assert not names & forbidden


@pytest.mark.django_db
def test_a_candidate_does_not_become_the_first_version(store: Path, train: Train) -> None:
    with pytest.raises(RetrainingRefusedError, match="No model version serves yet"):
        model_retrain(reason="by hand", now=NOW, train=train)

    assert deployed() is None
    assert not RetrainingRun.objects.exists()


def test_without_the_key_that_signs_it_is_not_begun(
    serving: str, train: Train, settings: Any
) -> None:
    settings.MODEL_SIGNING_KEY = None

    with pytest.raises(RetrainingRefusedError, match="MODEL_SIGNING_KEY"):
        model_retrain(reason="by hand", now=NOW, train=train)


@pytest.mark.parametrize("reason", ["", "x" * 201])
def test_a_reason_has_a_length(reason: str, serving: str, train: Train) -> None:
    with pytest.raises(RetrainingRefusedError, match="1 to 200 characters"):
        model_retrain(reason=reason, now=NOW, train=train)


def test_a_second_run_at_once_is_refused(serving: str) -> None:
    second: list[str] = []

    def meanwhile(_: Path) -> str:
        with pytest.raises(RetrainingRefusedError, match="still running") as error:
            model_retrain(reason="second", now=NOW, train=meanwhile)
        second.append(str(error.value))
        raise RetrainingError("enough")

    with pytest.raises(RetrainingError, match="enough"):
        model_retrain(reason="first", now=NOW, train=meanwhile)

    assert len(second) == 1
    assert [run.reason for run in RetrainingRun.objects.all()] == ["first"]


def test_a_run_whose_process_died_does_not_stand_in_the_way(serving: str, train: Train) -> None:
    RetrainingRun.objects.create(reason="died", started_at=NOW - RUN_LASTS - timedelta(seconds=1))

    model_retrain(reason="next", now=NOW, train=train)

    died = RetrainingRun.objects.get(reason="died")
    assert (died.status, died.error) == ("failed", ABANDONED)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (RetrainingError("12 rows are too few."), "12 rows are too few."),
        (ValueError("CANARY chest pain"), "It broke (ValueError)."),
        (OSError(28, "CANARY"), "A file or a process could not be used (OSError)."),
    ],
)
def test_a_failure_is_kept_as_a_sentence_without_the_patients_words(
    error: Exception, sentence: str, serving: str
) -> None:
    def broken(_: Path) -> str:
        raise error

    with pytest.raises(RetrainingError, match=re.escape(sentence)):
        model_retrain(reason="by hand", now=NOW, train=broken)

    run = RetrainingRun.objects.get()
    assert run.error == sentence
    assert (run.status, run.version) == ("failed", "")


@pytest.mark.parametrize("fails", [True, False])
def test_what_patients_said_is_removed_in_any_case(
    fails: bool, serving: str, train: Train, settings: Any
) -> None:
    folder = settings.VAR_DIR / "training"
    leftover = folder / ".retrain-killed"
    leftover.mkdir(parents=True)
    seen: list[Path] = []

    def look(training_set: Path) -> str:
        seen.append(training_set)
        assert training_set.stat().st_mode & 0o777 == 0o600
        assert training_set.parent.stat().st_mode & 0o777 == 0o700
        if fails:
            raise RuntimeError
        return train(training_set)

    try:
        model_retrain(reason="by hand", now=NOW, train=look)
    except RetrainingError:
        assert fails

    assert seen
    assert list(folder.iterdir()) == []


# --- the process of its own --------------------------------------------------------------------


def stand_in(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Run a line of Python in place of ``train_model``."""
    command = [sys.executable, "-c", f"import sys\n{code}"]
    monkeypatch.setattr(retraining, "_command", lambda _: command)


def test_the_version_is_read_from_what_training_prints(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, """print('{"version": "v-7", "metrics": {}}')""")

    assert train_apart(Path("f")) == "v-7"


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("sys.exit('bar 10 %\\nCommandError: 12 rows are too few.')", "12 rows are too few."),
        ("raise ValueError('CANARY')", "Training ended with status 1."),
        ("import os; os.kill(os.getpid(), 9)", "Training ended with status -9."),
    ],
)
def test_of_a_failure_only_its_own_refusal_is_repeated(
    code: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(monkeypatch, code)

    with pytest.raises(RetrainingError) as error:
        train_apart(Path("f"))

    assert str(error.value) == sentence


def test_training_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, "import time; time.sleep(60)")
    monkeypatch.setattr(retraining, "TRAINING_TIMEOUT_S", 0.2)

    with pytest.raises(RetrainingError, match="took longer"):
        train_apart(Path("f"))


def test_it_ends_before_its_task_is_killed_and_before_the_broker_hands_it_on(
    settings: Any,
) -> None:
    handed_on_after = settings.CELERY_BROKER_TRANSPORT_OPTIONS["visibility_timeout"]

    assert TRAINING_TIMEOUT_S < tasks.retrain_model.time_limit < handed_on_after


@pytest.mark.parametrize(
    ("base", "path", "expected"),
    [("synthetic", "", ["--base", "synthetic"]),
     ("csv", "/f.csv", ["--base", "csv", "--base-path", "/f.csv"])],
)  # fmt: skip
def test_training_is_told_the_set_and_the_base(
    base: str, path: str, expected: list[str], settings: Any
) -> None:
    settings.RETRAIN_BASE, settings.RETRAIN_BASE_PATH = base, path

    command = retraining._command(Path("/log"))

    assert command[2:7] == ["train_model", "--dataset", "log", "--register", "--json"]
    assert command[7:] == ["--path", "/log", *expected]


# --- when it is due ----------------------------------------------------------------------------


@pytest.fixture
def new_labels(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Return a function that says how many labels are new."""
    return lambda n: monkeypatch.setattr(retraining, "labels_new", lambda **_: n)


def alert(**values: Any) -> None:
    day = date(2026, 11, 18)
    facts = {"policy": "accuracy", "day": day, "last_day": day, "severity": "warning",
             "message": "", "provisional": False}  # fmt: skip
    Alert.objects.create(**facts | values)


def run_of(at: datetime, status: str) -> None:
    RetrainingRun.objects.create(reason="r", started_at=at, status=status)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("after", "new", "due"),
    [(0, 5_000, None), (500, 499, None), (500, 500, "500 new labels"), (1, 0, None)],
)
def test_enough_new_labels_make_it_due(
    after: int, new: int, due: str | None, new_labels: Any, settings: Any
) -> None:
    settings.RETRAIN_AFTER_LABELS = after
    new_labels(new)

    assert retraining_due(now=NOW) == due


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("wanted", "values", "due"),
    [
        (True, {}, "accuracy alert of 2026-11-18"),
        (False, {}, None),
        (True, {"provisional": True}, None),
        (True, {"policy": "another"}, None),
        (True, {"state": "acknowledged"}, "accuracy alert of 2026-11-18"),
        (True, {"state": "closed"}, None),
        (True, {"last_day": date(2026, 11, 19)}, "accuracy alert of 2026-11-19"),
    ],
)
def test_an_alert_of_accuracy_makes_it_due(
    wanted: bool, values: dict[str, Any], due: str | None, settings: Any
) -> None:
    settings.RETRAIN_AFTER_ALERT = wanted
    alert(**values)

    assert retraining_due(now=NOW) == due


@pytest.mark.django_db
def test_an_alert_that_a_candidate_has_answered_is_over(settings: Any) -> None:
    settings.RETRAIN_AFTER_ALERT = True
    alert()
    run_of(NOW, "registered")

    assert retraining_due(now=NOW + timedelta(days=2)) is None


@pytest.mark.django_db
def test_an_alert_that_goes_on_after_a_candidate_makes_another_one_due(settings: Any) -> None:
    settings.RETRAIN_AFTER_ALERT = True
    alert(last_day=date(2026, 11, 20))
    run_of(NOW, "registered")

    assert retraining_due(now=NOW + timedelta(days=2)) == "accuracy alert of 2026-11-20"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("hours_ago", "due"), [(1, None), (23, None), (25, "9 new labels"), (24 * 9, "9 new labels")]
)
@pytest.mark.parametrize("status", ["failed", "registered"])
def test_after_any_run_there_is_a_day_of_rest(
    hours_ago: int, due: str | None, status: str, new_labels: Any, settings: Any
) -> None:
    settings.RETRAIN_AFTER_LABELS = 9
    new_labels(9)
    run_of(NOW - timedelta(hours=hours_ago), status)

    assert retraining_due(now=NOW) == due


@pytest.mark.django_db
def test_another_cause_comes_in_by_the_same_door(monkeypatch: pytest.MonkeyPatch) -> None:
    drift: Any = lambda since, now: "drift of heart_rate"  # noqa: E731
    monkeypatch.setattr(retraining, "TRIGGERS", (*retraining.TRIGGERS, drift))

    assert retraining_due(now=NOW) == "drift of heart_rate"


@pytest.mark.django_db
@pytest.mark.parametrize(("due", "asked"), [(None, []), ("500 new labels", ["500 new labels"])])
def test_the_task_asks_for_a_candidate_only_when_it_is_due(
    due: str | None, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    monkeypatch.setattr(tasks, "retraining_due", lambda **_: due)
    monkeypatch.setattr(tasks.retrain_model, "delay", calls.append)

    tasks.retrain_when_due()

    assert calls == asked


# --- the schedule ------------------------------------------------------------------------------


def schedule(**environment: str) -> set[str]:
    """Return the names of the beat's jobs under other settings."""
    code = (
        "import json; from config import settings\n"
        "print(json.dumps(sorted(settings.CELERY_BEAT_SCHEDULE)))"
    )

    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return set(json.loads(done.stdout))


def test_nothing_is_retrained_unless_it_is_asked_for() -> None:
    assert not {job for job in schedule() if "retrain" in job}


@pytest.mark.parametrize(
    ("environment", "job"),
    [
        ({"RETRAIN_CRON": "0 3 1 * *"}, "retrain-model"),
        ({"RETRAIN_AFTER_LABELS": "500"}, "retrain-when-due"),
        ({"RETRAIN_AFTER_ALERT": "true"}, "retrain-when-due"),
    ],
)
def test_a_setting_puts_it_on_the_schedule(environment: dict[str, str], job: str) -> None:
    assert {job for job in schedule(**environment) if "retrain" in job} == {job}


# --- the command -------------------------------------------------------------------------------


def test_the_command_prints_the_report(
    serving: str, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retrain_model, "model_retrain", partial(model_retrain, train=train))
    out = StringIO()

    call_command("retrain_model", "--reason", "new protocol", stdout=out)

    report = json.loads(out.getvalue())
    assert report["reason"] == "new protocol"
    assert report["version"] == RetrainingRun.objects.get().version
    assert report["gate"]["refusals"]


@pytest.mark.django_db
def test_the_command_refuses_in_one_sentence(store: Path) -> None:
    with pytest.raises(CommandError, match="No model version serves yet"):
        call_command("retrain_model")
