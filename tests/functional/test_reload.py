"""A newer deployment reaches running processes, idle ones too; a bad one never serves."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import random
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import pytest
from django.conf import settings

from ml.artefacts import (
    FILES,
    MANIFEST,
    SIGNATURE,
    Pointer,
    TrainedModel,
    point_to,
    pointer,
    save,
)
from ml.service import POLL_S, Mode, TriagePredictionService
from tests.conftest import MODEL_DOCUMENTS, TRIAGE_URL
from tests.functional.conftest import (
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
WORKERS = 3
FLIPS, FLIPS_UNDER_A_SERVER = 400, int(os.environ.get("FLIPS_UNDER_A_SERVER", "6"))


@pytest.fixture
def store(model_store: Path, tmp_path: Path) -> Path:
    """A model store of its own, whose pointer is at epoch 1."""
    return copy_store(model_store, tmp_path)


@pytest.fixture
def newer(store: Path, trained: TrainedModel) -> str:
    """A second version in the store."""
    return add_version(store, trained)


def add_version(store: Path, model: TrainedModel) -> str:
    version = save(model, store, signing_key=settings.MODEL_SIGNING_KEY, documents=MODEL_DOCUMENTS)
    for file in (store / version).iterdir():
        file.chmod(0o644)
    return version


def seal(directory: Path, name: str, content: bytes) -> None:
    """Replace a file of a version and sign the whole anew, as only the trainer can."""
    manifest = json.loads((directory / MANIFEST).read_bytes())
    manifest["files"][name] = {
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
    }
    sealed = json.dumps(manifest).encode()
    (directory / name).write_bytes(content)
    (directory / MANIFEST).write_bytes(sealed)
    (directory / SIGNATURE).write_bytes(settings.MODEL_SIGNING_KEY.sign(sealed))


def refused_by(server: Server, *, epoch: int) -> list[int]:
    return [e["pid"] for e in events(server.process, "model_refused") if e["epoch"] == epoch]


@pytest.mark.parametrize("arguments", ["", "--preload"])
def test_idle_workers_take_over_what_the_pointer_names(
    arguments: str, own_deployment: Deployment, store: Path, newer: str
) -> None:
    environment = {"GUNICORN_CMD_ARGS": arguments, "WEB_WORKERS": str(WORKERS)}

    with own_deployment.server(MODEL_STORE=str(store), **environment) as server:
        point_to(store, newer, epoch=2)
        wait_until(lambda: len(workers_at(server.process, epoch=2)) == WORKERS)
        ready = server.get("/readyz")

    assert server.process.pid not in workers_at(server.process, epoch=2)
    assert (
        ready["model_digest"] == hashlib.sha256((store / newer / MANIFEST).read_bytes()).hexdigest()
    )
    assert (ready["mode"], ready["model_version"], ready["epoch"]) == ("full", newer, 2)


def test_runserver_takes_over_what_the_pointer_names(
    own_deployment: Deployment, store: Path, newer: str
) -> None:
    port = free_port()
    command = ("python", "manage.py", "runserver", f"127.0.0.1:{port}")

    with own_deployment.process(*command, MODEL_STORE=str(store)) as running:
        server = Server(f"http://127.0.0.1:{port}", running)
        wait_until(server.answers)
        point_to(store, newer, epoch=2)
        wait_until(lambda: server.get("/readyz")["model_version"] == newer)


def kill_the_reader(directory: Path) -> None:
    """Sign a version that ends the process which reads it."""

    class Poison:
        def __reduce__(self) -> Any:
            return signal.raise_signal, (signal.SIGKILL,)

    assert b"raise_signal" in pickle.dumps(Poison())
    with tempfile.NamedTemporaryFile() as file:
        joblib.dump(Poison(), file.name)
        seal(directory, "model.joblib", Path(file.name).read_bytes())


def spoil(directory: Path) -> None:
    """Cut a file of a version."""
    file = directory / "model.joblib"
    file.write_bytes(file.read_bytes()[:-1])


def change_an_answer(directory: Path) -> None:
    """Sign a version that does not give the answers it was trained to give."""
    rows = (directory / "golden.jsonl").read_bytes()
    seal(directory, "golden.jsonl", rows.replace(b'"probabilities": [0.', b'"probabilities": [1.'))


@pytest.mark.parametrize("damage", [spoil, kill_the_reader, change_an_answer])
def test_a_bad_version_never_serves_is_named_and_blocks_no_later_one(
    damage: Any,
    own_deployment: Deployment,
    store: Path,
    newer: str,
    trained: TrainedModel,
    sore_throat: dict[str, Any],
) -> None:
    good, token = pointer(store).version, own_deployment.token()
    damage(store / newer)

    with own_deployment.server(MODEL_STORE=str(store)) as server:
        point_to(store, newer, epoch=2)
        wait_until(lambda: len(refused_by(server, epoch=2)) == 2)
        during = server.get("/readyz")
        answer = server.post(TRIAGE_URL, sore_throat, token=token)
        point_to(store, add_version(store, trained), epoch=3)
        wait_until(lambda: len(workers_at(server.process, epoch=3)) == 2)
        after = server.get("/readyz")

    assert (during["mode"], during["model_version"], during["epoch"]) == ("degraded", good, 1)
    assert during["model_error"].endswith(".")
    assert (answer["model"]["version"], answer["model"]["abstained"]) == (good, None)
    assert (after["mode"], after["epoch"], after["model_error"]) == ("full", 3, None)
    assert len(refused_by(server, epoch=2)) == 2
    assert not workers_at(server.process, epoch=2)
    assert server.process.returncode == 0


@pytest.fixture
def registered(store: Path, newer: str, tmp_path: Path) -> Iterator[Deployment]:
    """A service whose database deploys the older of the two versions it has registered."""
    with new_database(tmp_path) as url:
        deployment = Deployment(tmp_path, database_url=url, model_store=store)
        deployment.manage("migrate", "--verbosity", "0")
        older = pointer(store).version
        deployment.python(
            "from ml.registry import version_register\n"
            f"for version in ({older!r}, {newer!r}): version_register(version, actor='test')"
        )
        yield deployment


def deploy_in_the_database(deployment: Deployment, version: str, *, epoch: int) -> None:
    deployment.python(
        "from ml.models import Deployment, ModelVersion\n"
        f"version = ModelVersion.objects.get(version={version!r})\n"
        f"Deployment.objects.update(current=version, epoch={epoch})"
    )


def test_a_promotion_that_died_before_it_wrote_the_pointer_is_followed_and_finished(
    registered: Deployment, store: Path, newer: str
) -> None:
    with registered.server() as server:
        before = server.get("/readyz")
        deploy_in_the_database(registered, newer, epoch=20)
        wait_until(lambda: len(workers_at(server.process, epoch=20)) == 2)
        wait_until(lambda: pointer(store) == Pointer(newer, 20))
        after = server.get("/readyz")

    assert before["mode"] == "full"
    assert (after["mode"], after["model_version"], after["epoch"]) == ("full", newer, 20)


@pytest.mark.skipif(not os.environ.get("TEST_DATABASE_URL"), reason="needs a real PostgreSQL")
def test_a_watcher_whose_connection_was_cut_goes_on(registered: Deployment, newer: str) -> None:
    import psycopg

    name = registered.environment["DATABASE_URL"].rsplit("/", 1)[1]
    there = "SELECT pid FROM pg_stat_activity WHERE datname = %s"
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"

    with registered.server() as server:
        with psycopg.connect(os.environ["TEST_DATABASE_URL"], autocommit=True) as admin:
            # One for each watcher: nobody else has asked the database anything yet.
            wait_until(lambda: len(admin.execute(there, [name]).fetchall()) == 2)
            admin.execute(cut, [name])
        deploy_in_the_database(registered, newer, epoch=20)
        wait_until(lambda: len(workers_at(server.process, epoch=20)) == 2)


# --- bit flips -----------------------------------------------------------------------------------


def flip(file: Path, dice: random.Random) -> None:
    """Turn over one bit."""
    content = bytearray(file.read_bytes())
    content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
    file.write_bytes(content)


def test_no_flipped_bit_is_ever_served(
    store: Path, newer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each would be refused in its trial; without trials the process itself has to refuse it.
    monkeypatch.setattr("ml.loading.try_out", lambda *_, **__: None)
    monkeypatch.setattr("ml.service.deployed_target", lambda: None)
    monkeypatch.setattr(tempfile, "tempdir", str(store.parent))
    dice, service = random.Random(1), TriagePredictionService()  # noqa: S311
    service.boot(store)
    good = service.snapshot.model

    for epoch in range(2, FLIPS + 2):
        file = store / newer / dice.choice([*FILES, MANIFEST, SIGNATURE])
        content = file.read_bytes()
        flip(file, dice)
        point_to(store, newer, epoch=epoch)
        service.refresh()
        assert service.snapshot.model is good, file.name
        assert service.mode is Mode.DEGRADED
        file.write_bytes(content)

    service.refresh()
    assert (service.mode, service.status.model_version) == (Mode.FULL, newer)


def test_no_flipped_bit_is_ever_served_by_a_server(
    own_deployment: Deployment, store: Path, newer: str, sore_throat: dict[str, Any]
) -> None:
    dice = random.Random(2)  # noqa: S311
    token, good = own_deployment.token(), pointer(store).version

    with own_deployment.server(MODEL_STORE=str(store)) as server:
        for epoch in range(2, FLIPS_UNDER_A_SERVER + 2):
            file = store / newer / dice.choice([*FILES, MANIFEST, SIGNATURE])
            content = file.read_bytes()
            flip(file, dice)
            point_to(store, newer, epoch=epoch)
            wait_until(lambda epoch=epoch: len(refused_by(server, epoch=epoch)) == 2)
            answers = [server.post(TRIAGE_URL, sore_throat, token=token) for _ in range(4)]
            assert {answer["model"]["version"] for answer in answers} == {good}, file.name
            # No worker may find the version whole while the pointer, as it last saw it, names it.
            point_to(store, good, epoch=1)
            time.sleep(2 * POLL_S)
            file.write_bytes(content)
        ready = server.get("/readyz")

    assert ready["model_version"] == good
    assert {event["pid"] for event in events(server.process, "model_refused")} == {
        event["pid"] for event in events(server.process, "model_serving")
    }
    assert len(workers_at(server.process, epoch=1)) == 2
