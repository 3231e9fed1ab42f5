"""Each kind of process, started for real: who loads the model, when, and who never does."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ml.artefacts import POINTER, point_to, pointer
from tests.conftest import TRIAGE_URL
from tests.functional.conftest import (
    ROOT,
    Deployment,
    Server,
    copy_store,
    events,
    free_port,
    new_database,
    wait_until,
    workers_at,
)

pytestmark = pytest.mark.functional
OBSERVED = ("-c", "tests/functional/observed_gunicorn.py")
UNREACHABLE = "postgres://nobody@127.0.0.1:1/nothing"
WORKERS = 3


@pytest.fixture
def observations(tmp_path: Path) -> Callable[..., list[dict[str, Any]]]:
    """Return a function that reads what the hooks of processes wrote down."""
    file = tmp_path / "observations.jsonl"
    file.touch()

    def read(**wanted: Any) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        return [line for line in lines if wanted.items() <= line.items()]

    read.file = str(file)  # type: ignore[attr-defined]
    return read


def loads(process: subprocess.Popen[bytes]) -> list[int]:
    """Return the ids of the processes that loaded the model, once for each time."""
    return [event["pid"] for event in events(process, "model_serving")]


# --- gunicorn ------------------------------------------------------------------------------------


@pytest.mark.parametrize("preload", [False, True], ids=["each worker loads", "preload"])
def test_every_gunicorn_worker_answers_with_the_model(
    preload: bool,
    deployment: Deployment,
    token: str,
    sore_throat: dict[str, Any],
    observations: Any,
) -> None:
    environment = {"OBSERVATIONS": observations.file, "WEB_WORKERS": str(WORKERS)}
    if preload:
        environment |= {"GUNICORN_CMD_ARGS": "--preload", "WITH_OPEN_CONNECTION": "yes"}

    with deployment.server(*OBSERVED, **environment) as server:
        answers = []

        def all_have_answered() -> bool:
            answers.append(server.post(TRIAGE_URL, sore_throat, token=token))
            return len({one["pid"] for one in observations(who="answer", status=200)}) == WORKERS

        wait_until(lambda: len(observations(who="worker")) == WORKERS)
        wait_until(all_have_answered)
        loaded, master = loads(server.process), server.process.pid

    assert {answer["model"]["abstained"] for answer in answers} == {None}
    (parent,) = observations(who="master")
    # One thread of any kind: no watcher, no control socket, and no pool that a prediction starts.
    assert (parent["threads"], parent["is_loaded"]) == (1, preload)
    assert not parent["has_predicted"]
    workers = observations(who="worker")
    assert sorted(loaded) == ([master] if preload else sorted(one["pid"] for one in workers))
    for worker in workers:
        assert worker["threads"].count("model-watcher") == 1
        assert not worker["inherited_connection"]
        assert set(worker["pools"]) == {"openblas", "openmp"}
        assert set(worker["pools"].values()) == {1}


@pytest.mark.parametrize("arguments", ["", "--preload"])
def test_without_the_database_gunicorn_starts_with_the_model_of_the_pointer(
    arguments: str, deployment: Deployment
) -> None:
    environment = {"GUNICORN_CMD_ARGS": arguments, "PYTHONWARNINGS": "error::RuntimeWarning"}

    with deployment.server(DATABASE_URL=UNREACHABLE, **environment) as server:
        ready = server.get("/readyz")

    assert (ready["mode"], ready["epoch"], ready["model_error"]) == ("full", 1, None)


@pytest.mark.parametrize("arguments", ["", "--preload"])
def test_hup_brings_new_workers_with_the_newest_model_and_term_ends_cleanly(
    arguments: str, own_deployment: Deployment, tmp_path: Path
) -> None:
    store = copy_store(Path(own_deployment.environment["MODEL_STORE"]), tmp_path)
    version = pointer(store).version

    with own_deployment.server(MODEL_STORE=str(store), GUNICORN_CMD_ARGS=arguments) as server:
        point_to(store, version, epoch=2)
        wait_until(lambda: len(workers_at(server.process, epoch=2)) == 2)
        before = set(loads(server.process))

        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: len(workers_at(server.process, epoch=2) - before) == 2)
        ready = wait_until(lambda: server.answers() and server.get("/readyz"))

    assert ready["epoch"] == 2
    assert server.process.returncode == 0
    log = server.process.log.read_text()  # type: ignore[attr-defined]
    assert "WORKER TIMEOUT" not in log
    assert "SIGKILL" not in log


# --- runserver -----------------------------------------------------------------------------------


@pytest.mark.parametrize("option", [None, "--noreload"])
def test_runserver_loads_once_in_the_process_that_serves(
    option: str | None, deployment: Deployment, token: str, sore_throat: dict[str, Any]
) -> None:
    port = free_port()
    command = [
        "python",
        "manage.py",
        "runserver",
        f"127.0.0.1:{port}",
        *([option] if option else []),
    ]

    with deployment.process(*command) as running:
        server = Server(f"http://127.0.0.1:{port}", running)
        wait_until(server.answers)
        answer = server.post(TRIAGE_URL, sore_throat, token=token)
        loaded = loads(running)

    assert answer["model"]["abstained"] is None
    assert len(loaded) == 1
    assert (loaded[0] == running.pid) is (option == "--noreload")


# --- Celery --------------------------------------------------------------------------------------


@pytest.mark.skipif(not os.environ.get("TEST_REDIS_URL"), reason="needs a real Redis")
@pytest.mark.parametrize("load", ["", "always"], ids=["lazy", "parent loads"])
def test_celery_children_predict_and_follow(
    load: str, own_deployment: Deployment, tmp_path: Path, observations: Any
) -> None:
    store = copy_store(Path(own_deployment.environment["MODEL_STORE"]), tmp_path)
    environment = {
        "TEST_QUEUE": f"test-{uuid.uuid4().hex[:8]}",
        "OBSERVATIONS": observations.file,
        "MODEL_STORE": str(store),
        "TRIAGE_LOAD": load,
    }
    app = ("celery", "-A", "tests.functional.celery_app")

    def both_children_predicted(*, epoch: int) -> bool:
        send(own_deployment, environment)
        return len({one["pid"] for one in observations(epoch=epoch)}) == 2

    with own_deployment.process(*app, "worker", "-c", "2", **environment) as worker:
        wait_until(lambda: both_children_predicted(epoch=1))
        first = loads(worker)
        point_to(store, pointer(store).version, epoch=2)
        children = {one["pid"] for one in observations(epoch=1)}
        wait_until(lambda: workers_at(worker, epoch=2) == children)

    assert worker.returncode == 0
    assert worker.pid not in children
    assert set(first) == ({worker.pid} if load else children)
    assert len(first) == len(set(first))
    for one in observations():
        assert one["abstained"] is None
        assert set(one["pools"]) == {1}


def send(deployment: Deployment, environment: dict[str, str]) -> None:
    subprocess.run(
        [sys.executable, "-c", "from tests.functional.celery_app import predict_once as task\n"
         "[task.delay(0.3) for _ in range(4)]"],
        cwd=ROOT, env=deployment.environment | environment, check=True,
    )  # fmt: skip


# --- commands ------------------------------------------------------------------------------------


def command(
    deployment: Deployment, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", "manage.py", *arguments],
        cwd=ROOT, env=deployment.environment | environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    "arguments",
    [["check"], ["shell", "--verbosity", "0", "--command", "pass"], ["makemigrations", "--help"]],
    ids=lambda arguments: arguments[0],
)
def test_a_command_starts_without_database_and_model(
    arguments: list[str], deployment: Deployment
) -> None:
    done = command(deployment, *arguments, DATABASE_URL=UNREACHABLE, LOG_LEVEL="DEBUG")

    assert done.returncode == 0, done.stderr
    assert "model_" not in done.stderr


def test_migrating_a_new_database_asks_it_nothing_before_and_loads_no_model(
    deployment: Deployment, tmp_path: Path
) -> None:
    with new_database(tmp_path) as url:
        shown = command(deployment, "showmigrations", DATABASE_URL=url)
        migrated = command(deployment, "migrate", "--verbosity", "0", DATABASE_URL=url)

    assert (shown.returncode, migrated.returncode) == (0, 0), migrated.stderr
    assert "[ ] 0001_initial" in shown.stdout
    assert "model_" not in shown.stderr + migrated.stderr


def test_loading_at_start_asks_no_database(deployment: Deployment) -> None:
    done = command(deployment, "check", DATABASE_URL=UNREACHABLE, TRIAGE_LOAD="always")

    assert done.returncode == 0, done.stderr
    assert "model_serving" in done.stderr
    assert "deployment_unreadable" not in done.stderr


def is_missing(store: Path) -> None:
    shutil.rmtree(store)


def is_a_file(store: Path) -> None:
    shutil.rmtree(store)
    store.write_text("no store")


def has_no_pointer(store: Path) -> None:
    (store / POINTER).unlink()


def has_a_pointer_of_noise(store: Path) -> None:
    (store / POINTER).write_bytes(os.urandom(64))


def has_a_folder_for_a_pointer(store: Path) -> None:
    (store / POINTER).unlink()
    (store / POINTER).mkdir()


def names_a_lost_version(store: Path) -> None:
    (store / POINTER).write_text('{"version": "lost", "epoch": 1}')


def has_an_unsigned_version(store: Path) -> None:
    next(store.glob("*/manifest.sig")).write_bytes(bytes(64))


@pytest.mark.parametrize(
    "spoil",
    [
        is_missing,
        is_a_file,
        has_no_pointer,
        has_a_pointer_of_noise,
        has_a_folder_for_a_pointer,
        names_a_lost_version,
        has_an_unsigned_version,
    ],
    ids=lambda spoil: spoil.__name__.replace("_", " "),
)
def test_a_spoilt_store_never_stops_a_start(
    spoil: Callable[[Path], None], deployment: Deployment, model_store: Path, tmp_path: Path
) -> None:
    store = copy_store(model_store, tmp_path)
    spoil(store)

    done = command(deployment, "check", TRIAGE_LOAD="always", MODEL_STORE=str(store))

    assert done.returncode == 0, done.stderr
    assert "model_serving" not in done.stderr
    assert "model_not_loaded" in done.stderr or "model_refused" in done.stderr
