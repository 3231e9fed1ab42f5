"""The model of the process: loaded once, swapped whole, and its loss never an exception."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ml.artefacts import FILES, MANIFEST, LoadedModel, TrainedModel, current_version, point_to, save
from ml.service import TriagePredictionService, is_serving_process
from triage_rules.case import TriageCase, case_from_request
from triage_rules.level import Abstention


@pytest.fixture
def service() -> TriagePredictionService:
    return TriagePredictionService()


@pytest.fixture
def case(request_body: dict[str, Any]) -> TriageCase:
    return case_from_request(request_body)


def test_it_works(service: TriagePredictionService, model_store: Path, case: TriageCase) -> None:
    service.boot(model_store)

    assert service.predict(case).version == current_version(model_store)
    assert service.mode == "full"
    assert service.load_error is None


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


@pytest.mark.parametrize("name", [*FILES, MANIFEST])
def test_a_spoilt_file_leaves_the_rules_alone(
    service: TriagePredictionService,
    own_store: Path,
    own_version: Path,
    case: TriageCase,
    name: str,
) -> None:
    (own_version / name).write_bytes(b"spoilt")

    service.boot(own_store)

    assert service.predict(case).abstained is Abstention.MODEL_UNAVAILABLE
    assert name in str(service.load_error)


def test_a_later_failure_keeps_the_last_good_model(
    service: TriagePredictionService, own_store: Path, own_version: Path, case: TriageCase
) -> None:
    service.boot(own_store)
    before = service.predict(case)
    (own_version / "model.joblib").write_bytes(b"spoilt")

    service.boot(own_store)

    assert service.predict(case) == before
    assert service.load_error is not None


def test_a_model_that_fails_its_golden_rows_does_not_serve(
    service: TriagePredictionService,
    own_store: Path,
    own_version: Path,
    case: TriageCase,
    reseal: Any,
) -> None:
    rows = (own_version / "golden.jsonl").read_bytes().splitlines()
    wrong = rows[0].replace(b'"probabilities": [0.', b'"probabilities": [1.')
    reseal(own_version, "golden.jsonl", b"\n".join([wrong, *rows[1:]]))

    service.boot(own_store)

    assert service.predict(case).abstained is Abstention.MODEL_UNAVAILABLE
    assert "golden row 1" in str(service.load_error)


def test_nothing_is_predicted_while_booting(
    service: TriagePredictionService, model_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ml.service.check_golden", lambda _: pytest.fail("predicted"))

    service.boot(model_store)

    assert service.load_error is None


def test_no_answer_mixes_two_versions(
    service: TriagePredictionService, own_store: Path, trained: TrainedModel, case: TriageCase
) -> None:
    versions = {str(current_version(own_store)), save(trained, own_store)}
    service.boot(own_store)

    def swap(version: str) -> None:
        point_to(own_store, version)
        service.boot(own_store)

    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(service.predict, case) for _ in range(200)]
        for version in [*versions] * 3:
            swap(version)

    opinions = [answer.result() for answer in answers]
    assert {opinion.version for opinion in opinions} <= versions
    assert len({opinion.probabilities for opinion in opinions}) == 1


def test_a_child_of_a_warm_parent_answers(model_store: Path) -> None:
    script = """
import os, sys
from pathlib import Path
import django
django.setup()
from ml.service import TriagePredictionService
from ml.simulator import simulate
from triage_rules.case import case_from_request
service = TriagePredictionService.instance()
service.boot(Path(sys.argv[1]))
case = case_from_request(simulate(1, seed=1)[0].request)
service.predict(case)
child = os.fork()
if child == 0:
    os._exit(0 if service.predict(case).version else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = subprocess.run([sys.executable, "-c", script, model_store], timeout=60, check=False)

    assert done.returncode == 0


def test_broken_libraries_leave_the_rules_alone(model_store: Path) -> None:
    script = """
import sys
sys.modules.update(dict.fromkeys(["sklearn", "joblib", "numpy"]))
from pathlib import Path
import django
django.setup()
from ml.service import TriagePredictionService
from triage_rules.case import TriageCase
service = TriagePredictionService.instance()
service.boot(Path(sys.argv[1]))
opinion = service.predict(TriageCase(chief_complaint="cough", age_years=40))
sys.exit(0 if opinion.abstained == "model_unavailable" else 1)
"""
    done = subprocess.run([sys.executable, "-c", script, model_store], timeout=60, check=False)

    assert done.returncode == 0


@pytest.mark.parametrize(
    ("argv", "environ", "serves"),
    [
        (["/srv/.venv/bin/gunicorn", "config.wsgi"], {}, True),
        (["manage.py", "runserver"], {}, False),
        (["manage.py", "runserver"], {"RUN_MAIN": "true"}, True),
        (["manage.py", "runserver", "--noreload"], {}, True),
        (["manage.py", "migrate"], {}, False),
        (["manage.py", "shell"], {}, False),
        (["celery", "-A", "config", "worker"], {}, False),
        (["pytest"], {}, False),
        ([], {}, False),
        (["manage.py", "migrate"], {"TRIAGE_LOAD": "always"}, True),
        (["gunicorn"], {"TRIAGE_LOAD": "never"}, False),
        (["gunicorn"], {"TRIAGE_LOAD": "lazy"}, False),
    ],
    ids=str,
)
def test_only_processes_that_serve_load_at_start(
    argv: list[str], environ: dict[str, str], serves: bool
) -> None:
    assert is_serving_process(argv, environ) is serves


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


def test_a_child_needs_no_lock_of_its_parent_and_tries_the_model_anew(
    service: TriagePredictionService,
    model_store: Path,
    case: TriageCase,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    service.boot(model_store)
    service.predict(case)
    tried: list[LoadedModel] = []
    monkeypatch.setattr("ml.service.check_golden", tried.append)
    service._lock.acquire()

    service._after_fork()

    assert service.predict(case).version == current_version(model_store)
    assert len(tried) == 1
