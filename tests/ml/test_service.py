"""The model of the process: loaded once, swapped whole, and its loss never an exception."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import structlog
from django.conf import settings

from ml.artefacts import (
    FILES,
    MANIFEST,
    POINTER,
    SIGNATURE,
    ArtefactError,
    LoadedModel,
    Pointer,
    TrainedModel,
    point_to,
    pointer,
    save,
)
from ml.models import Deployment, ModelVersion
from ml.service import TriagePredictionService
from ml.targets import Target
from tests.conftest import MODEL_DOCUMENTS
from triage_rules.case import TriageCase, case_from_request
from triage_rules.level import Abstention

SENTENCE = "This version is no good."


@pytest.fixture(autouse=True)
def own_marks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What this host remembers of trials, apart from other tests."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.fixture
def service() -> TriagePredictionService:
    return TriagePredictionService()


@pytest.fixture
def case(request_body: dict[str, Any]) -> TriageCase:
    return case_from_request(request_body)


@pytest.fixture
def trials(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The versions tried, in place of the trial, which has its own tests."""
    tried: list[Path] = []
    monkeypatch.setattr("ml.loading.try_out", lambda directory, **_: tried.append(directory))
    return tried


@pytest.fixture
def no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that knows of no deployment."""
    monkeypatch.setattr("ml.service.deployed_target", lambda: None)


@pytest.fixture
def serving(
    service: TriagePredictionService, own_store: Path, trials: list[Path], no_database: None
) -> TriagePredictionService:
    """A service that serves the version of its own store and has answered once."""
    service.boot(own_store)
    assert service.mode == "full", service.load_error
    return service


@pytest.fixture
def newer(own_store: Path, trained: TrainedModel) -> str:
    """A second version in the store, which the pointer does not name yet."""
    version = save(
        trained, own_store, signing_key=settings.MODEL_SIGNING_KEY, documents=MODEL_DOCUMENTS
    )
    for file in (own_store / version).iterdir():
        file.chmod(0o644)
    return version


@pytest.fixture
def events() -> Iterator[list[Any]]:
    """What is logged."""
    with structlog.testing.capture_logs() as captured:
        yield captured


def served(service: TriagePredictionService) -> tuple[str | None, int | None]:
    return service.status.model_version, service.status.epoch


def deploy(version: str, *, epoch: int, digest: str = "0" * 64) -> None:
    row = ModelVersion.objects.create(
        version=version,
        digest=digest,
        created_at="2026-01-01T00:00:00Z",
        registered_by="test",
        dataset="synthetic",
        synthetic=True,
        scikit_learn="1.0",
    )
    Deployment.objects.create(slot="champion", current=row, epoch=epoch)


def digest_of(directory: Path) -> str:
    return hashlib.sha256((directory / MANIFEST).read_bytes()).hexdigest()


# --- start ---------------------------------------------------------------------------------------


def test_it_works(service: TriagePredictionService, model_store: Path, case: TriageCase) -> None:
    service.boot(model_store)

    assert service.predict(case).version == pointer(model_store).version
    assert service.mode == "full"
    assert service.load_error is None
    assert served(service) == (pointer(model_store).version, 1)


def test_there_is_one_service_in_a_process() -> None:
    with ThreadPoolExecutor(8) as pool:
        services = list(pool.map(lambda _: TriagePredictionService.instance(), range(32)))

    assert len(set(map(id, services))) == 1


def test_an_empty_store_leaves_the_rules_alone(
    service: TriagePredictionService, tmp_path: Path, case: TriageCase
) -> None:
    service.boot(tmp_path / "nowhere")

    assert service.predict(case).abstained is Abstention.MODEL_UNAVAILABLE
    assert service.mode == "rules_only"
    assert service.load_error == "The model store names no current version."


@pytest.mark.parametrize("name", [*FILES, MANIFEST, SIGNATURE])
def test_a_file_spoilt_after_its_trial_leaves_the_rules_alone(
    service: TriagePredictionService,
    own_store: Path,
    own_version: Path,
    trials: list[Path],
    case: TriageCase,
    name: str,
) -> None:
    (own_version / name).write_bytes(b"spoilt")

    service.boot(own_store)

    assert service.predict(case).abstained is Abstention.MODEL_UNAVAILABLE
    assert name in str(service.load_error)


def test_a_version_that_fails_its_trial_is_not_loaded(
    service: TriagePredictionService,
    own_store: Path,
    own_version: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (own_version / "model.joblib").write_bytes(b"spoilt")
    monkeypatch.setattr("ml.loading.load", lambda *_, **__: pytest.fail("loaded"))

    service.boot(own_store)

    assert "model.joblib" in str(service.load_error)


def test_a_model_that_fails_its_golden_rows_here_does_not_serve(
    service: TriagePredictionService,
    own_store: Path,
    own_version: Path,
    trials: list[Path],
    case: TriageCase,
    reseal: Any,
) -> None:
    rows = (own_version / "golden.jsonl").read_bytes().splitlines()
    wrong = rows[0].replace(b'"probabilities": [0.', b'"probabilities": [1.')
    reseal(own_version, "golden.jsonl", b"\n".join([wrong, *rows[1:]]))

    service.boot(own_store)

    assert service.predict(case).abstained is Abstention.MODEL_UNAVAILABLE
    assert "golden row 1" in str(service.load_error)


def test_a_model_withdrawn_at_first_use_is_not_loaded_again(
    service: TriagePredictionService,
    own_store: Path,
    trials: list[Path],
    no_database: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    service.boot(own_store)
    monkeypatch.setattr("ml.service.check_golden", fail)

    assert service.mode == "rules_only"
    for _ in range(3):
        service.refresh()

    assert len(trials) == 1
    assert (service.mode, service.load_error) == ("rules_only", SENTENCE)


def fail(*_: Any, **__: Any) -> None:
    raise ArtefactError(SENTENCE)


def test_nothing_is_predicted_while_booting(
    service: TriagePredictionService, model_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ml.service.check_golden", lambda _: pytest.fail("predicted"))

    service.boot(model_store)

    assert service.load_error is None


def test_broken_libraries_leave_the_rules_alone(model_store: Path) -> None:
    script = """
import sys
sys.modules.update(dict.fromkeys(["sklearn", "joblib", "numpy"]))
from pathlib import Path
import django
django.setup()
import config.urls
from ml.service import TriagePredictionService
from triage_rules.case import TriageCase
service = TriagePredictionService.instance()
service.boot(Path(sys.argv[1]))
opinion = service.predict(TriageCase(chief_complaint="cough", age_years=40))
sys.exit(0 if opinion.abstained == "model_unavailable" else 1)
"""
    done = subprocess.run([sys.executable, "-c", script, model_store], timeout=60, check=False)

    assert done.returncode == 0


@pytest.mark.parametrize(("wish", "mode"), [("lazy", "full"), ("never", "rules_only")])
def test_a_command_loads_at_first_use_unless_told_never_to(
    service: TriagePredictionService,
    model_store: Path,
    monkeypatch: pytest.MonkeyPatch,
    wish: str,
    mode: str,
) -> None:
    monkeypatch.setitem(os.environ, "TRIAGE_LOAD", wish)
    monkeypatch.setattr("ml.service._store", lambda: model_store)

    assert service.mode == mode
    assert service._watcher is None


# --- reload --------------------------------------------------------------------------------------


def test_a_newer_deployment_is_taken_over(
    serving: TriagePredictionService, own_store: Path, newer: str, case: TriageCase
) -> None:
    point_to(own_store, newer, epoch=2)

    serving.refresh()

    assert served(serving) == (newer, 2)
    assert serving.predict(case).version == newer
    assert (serving.mode, serving.load_error) == ("full", None)


@pytest.mark.parametrize("epoch", [0, 1])
def test_an_epoch_that_is_not_newer_is_not_followed(
    serving: TriagePredictionService, own_store: Path, newer: str, epoch: int
) -> None:
    before = served(serving)
    point_to(own_store, newer, epoch=epoch)

    serving.refresh()

    assert served(serving) == before


def test_the_same_version_under_a_newer_epoch_is_not_loaded_again(
    serving: TriagePredictionService, own_store: Path, trials: list[Path]
) -> None:
    model = serving.snapshot.model
    point_to(own_store, model.version, epoch=7)

    serving.refresh()

    assert serving.snapshot.model is model
    assert (serving.status.epoch, serving.mode) == (7, "full")
    assert len(trials) == 1


def test_a_failing_newcomer_leaves_the_last_good_model_and_is_seen(
    serving: TriagePredictionService, own_store: Path, newer: str, case: TriageCase
) -> None:
    before = serving.predict(case)
    (own_store / newer / "model.joblib").write_bytes(b"spoilt")
    point_to(own_store, newer, epoch=2)

    serving.refresh()

    assert serving.predict(case) == before
    assert serving.mode == "degraded"
    assert "model.joblib" in str(serving.load_error)


def test_a_newcomer_with_other_golden_answers_never_serves(
    serving: TriagePredictionService,
    own_store: Path,
    newer: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ml.service.check_golden", fail)
    point_to(own_store, newer, epoch=2)

    serving.refresh()

    assert serving.status.epoch == 1
    assert (serving.mode, serving.load_error) == ("degraded", SENTENCE)


def test_a_refused_version_is_not_tried_every_second(
    serving: TriagePredictionService,
    own_store: Path,
    newer: str,
    trials: list[Path],
    events: list[Any],
) -> None:
    (own_store / newer / "model.joblib").write_bytes(b"spoilt")
    point_to(own_store, newer, epoch=2)

    for _ in range(5):
        serving.refresh()

    refusals = [event for event in events if event["event"] == "model_refused"]
    assert len(trials) == 2  # the first version, and this one once
    assert [(one["version"], one["epoch"]) for one in refusals] == [(newer, 2)]
    assert "model.joblib" in str(serving.load_error)


def test_a_refused_version_is_tried_again_when_its_files_change(
    serving: TriagePredictionService, own_store: Path, newer: str
) -> None:
    file = own_store / newer / "model.joblib"
    good = file.read_bytes()
    file.write_bytes(b"spoilt")
    point_to(own_store, newer, epoch=2)
    serving.refresh()

    file.write_bytes(good)
    serving.refresh()

    assert served(serving) == (newer, 2)
    assert (serving.mode, serving.load_error) == ("full", None)


def test_a_version_whose_files_come_late_serves_once_they_are_there(
    serving: TriagePredictionService, own_store: Path, newer: str
) -> None:
    point_to(own_store, newer, epoch=2)
    elsewhere = (own_store / newer).rename(own_store / "elsewhere")
    serving.refresh()
    assert serving.mode == "degraded"

    elsewhere.rename(own_store / newer)
    serving.refresh()

    assert (served(serving), serving.mode) == ((newer, 2), "full")


def test_a_refused_version_is_tried_again_after_a_while(
    serving: TriagePredictionService,
    own_store: Path,
    newer: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as busy:
        busy.setattr("ml.loading.try_out", fail)
        point_to(own_store, newer, epoch=2)
        serving.refresh()
    assert serving.mode == "degraded"
    monkeypatch.setattr("ml.targets.RETRY_AFTER_S", 0)
    monkeypatch.setattr("ml.loading.RETRY_AFTER_S", 0)

    serving.refresh()

    assert served(serving) == (newer, 2)


def test_going_back_to_the_version_that_serves_ends_the_alarm(
    serving: TriagePredictionService, own_store: Path, newer: str
) -> None:
    good = serving.status.model_version
    (own_store / newer / "model.joblib").write_bytes(b"spoilt")
    point_to(own_store, newer, epoch=2)
    serving.refresh()

    point_to(own_store, good, epoch=3)
    serving.refresh()

    assert (served(serving), serving.mode) == ((good, 3), "full")
    assert serving.load_error is None


def test_a_lost_pointer_leaves_the_last_good_model(
    serving: TriagePredictionService, own_store: Path
) -> None:
    (own_store / POINTER).write_text("{")

    serving.refresh()

    assert serving.snapshot is not None
    assert serving.load_error == "current.json is not JSON."


def test_no_answer_mixes_two_versions(
    serving: TriagePredictionService, own_store: Path, newer: str, case: TriageCase
) -> None:
    versions = [str(serving.status.model_version), newer]

    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(serving.predict, case) for _ in range(200)]
        for epoch in range(2, 8):
            point_to(own_store, versions[epoch % 2], epoch=epoch)
            serving.refresh()

    opinions = [answer.result() for answer in answers]
    assert {opinion.version for opinion in opinions} <= set(versions)
    assert len({opinion.probabilities for opinion in opinions}) == 1


# --- the database --------------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_database_is_followed_and_the_pointer_repaired(
    service: TriagePredictionService,
    own_store: Path,
    newer: str,
    trials: list[Path],
    settings: Any,
) -> None:
    settings.MODEL_STORE = own_store
    service.boot(own_store)
    deploy(newer, epoch=9, digest=digest_of(own_store / newer))

    service.refresh()

    assert served(service) == (newer, 9)
    assert pointer(own_store) == Pointer(newer, 9)
    assert service.mode == "full"


@pytest.mark.django_db
def test_a_version_with_another_digest_than_the_deployed_one_is_refused(
    service: TriagePredictionService, own_store: Path, newer: str, trials: list[Path]
) -> None:
    service.boot(own_store)
    deploy(newer, epoch=9)

    service.refresh()

    assert service.mode == "degraded"
    assert "digest" in str(service.load_error)
    assert pointer(own_store).epoch == 1


def test_without_the_database_the_pointer_is_followed_and_it_is_said_once(
    service: TriagePredictionService,
    own_store: Path,
    newer: str,
    trials: list[Path],
    monkeypatch: pytest.MonkeyPatch,
    events: list[Any],
) -> None:
    def unreachable() -> None:
        raise ConnectionError

    monkeypatch.setattr("ml.service.deployed_target", unreachable)
    service.boot(own_store)
    point_to(own_store, newer, epoch=2)

    for _ in range(3):
        service.refresh()

    assert served(service) == (newer, 2)
    assert [e["event"] for e in events].count("deployment_unreadable") == 1


def test_a_pointer_that_names_what_the_database_does_not_deploy_is_not_followed(
    serving: TriagePredictionService,
    own_store: Path,
    newer: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deployed = Target(str(serving.status.model_version), 3)
    monkeypatch.setattr("ml.service.deployed_target", lambda: deployed)
    point_to(own_store, newer, epoch=99)

    serving.refresh()

    assert served(serving) == (deployed.version, 3)
    assert serving.mode == "full"


def test_what_a_pointer_let_in_at_the_start_gives_way_to_the_database(
    serving: TriagePredictionService,
    own_store: Path,
    newer: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deployed = Target(str(serving.status.model_version), 3)
    point_to(own_store, newer, epoch=99)
    serving.refresh()
    assert served(serving) == (newer, 99)
    monkeypatch.setattr("ml.service.deployed_target", lambda: deployed)

    serving.refresh()

    assert served(serving) == (deployed.version, 3)


# --- fork ----------------------------------------------------------------------------------------


def test_a_child_of_a_warm_parent_answers_and_has_its_own_watcher(
    model_store: Path, tmp_path: Path
) -> None:
    script = """
import os, sys, threading
from pathlib import Path
import django
django.setup()
os.environ["TRIAGE_LOAD"] = "always"
from ml.service import TriagePredictionService
from ml.simulator import simulate
from triage_rules.case import case_from_request
service = TriagePredictionService.instance()
service.boot(Path(sys.argv[1]))
case = case_from_request(simulate(1, seed=1)[0].request)
service.predict(case)
child = os.fork()
if child == 0:
    answered = service.predict(case).version
    watched = [thread.name for thread in threading.enumerate()].count("model-watcher")
    os._exit(0 if answered and watched == 1 else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = subprocess.run(
        [sys.executable, "-c", script, model_store],
        env=os.environ | {"TEST_DATABASE_URL": f"sqlite:///{tmp_path / 'empty.sqlite3'}"},
        timeout=60,
        check=False,
    )

    assert done.returncode == 0


def test_a_child_needs_no_lock_of_its_parent_and_tries_the_model_anew(
    serving: TriagePredictionService, case: TriageCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving.predict(case)
    tried: list[LoadedModel] = []
    monkeypatch.setattr("ml.service.check_golden", tried.append)
    serving._lock.acquire()

    serving._after_fork()

    assert serving.predict(case).version == serving.status.model_version
    assert len(tried) == 1


def test_a_child_catches_up_with_what_was_deployed_since_its_parent_loaded(
    serving: TriagePredictionService, own_store: Path, newer: str, case: TriageCase
) -> None:
    point_to(own_store, newer, epoch=2)

    serving._after_fork()

    assert serving.predict(case).version == newer


def test_a_child_keeps_the_model_of_its_parent_where_the_newer_one_fails(
    serving: TriagePredictionService,
    own_store: Path,
    newer: str,
    case: TriageCase,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    good = serving.status.model_version
    point_to(own_store, newer, epoch=2)
    monkeypatch.setattr(
        "ml.service.check_golden", lambda model: fail() if model.version == newer else None
    )

    serving._after_fork()

    assert serving.predict(case).version == good
    assert (serving.mode, serving.load_error) == ("degraded", SENTENCE)
