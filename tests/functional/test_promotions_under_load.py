"""Promotions and rollbacks while patients are being triaged: nobody notices but the record.

``PROMOTIONS=20 python -m pytest -s tests/functional/test_promotions_under_load.py`` makes twenty
changes, prints the figures, and holds every process to the two seconds of the promise.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from ml.artefacts import TrainedModel, save
from ml.simulator import simulate
from ml.training import train
from tests.conftest import MODEL_DOCUMENTS, TRIAGE_URL
from tests.functional.conftest import (
    ROOT,
    Deployment,
    Server,
    events,
    new_database,
    wait_until,
    workers_at,
)

pytestmark = pytest.mark.functional
# A multiple of four: each half ends with a rollback to the version it began with.
CHANGES = int(os.environ.get("PROMOTIONS", "8"))
IS_MEASURED = "PROMOTIONS" in os.environ
PAUSE_S = 3.0 if IS_MEASURED else 0.5
PROMISED_S = 2.0
CALLERS, BUSY_WORKERS, IDLE_WORKERS = 6, 3, 2

# One process makes every change, as an operator would; it waits for a line before each.
OPERATOR = """
import json, sys, time
from django.db.models import F
from ml import registry
from ml.models import Deployment, ModelVersion

def say(**facts):
    print(json.dumps(facts), flush=True)

def promote(version):
    done = registry.version_promote(version, actor="test", reason="drill", override=True)
    say(epoch=done.epoch, version=done.version, at=time.time())

def rollback():
    done = registry.version_rollback(actor="test", reason="drill")
    say(epoch=done.epoch, version=done.version, at=time.time())

def force(version):
    row = ModelVersion.objects.get(version=version)
    Deployment.objects.update(current=row, epoch=F("epoch") + 1)
    registry.pointer_repair()
    say(epoch=Deployment.objects.get().epoch, at=time.time())

def try_to_promote(version):
    try:
        promote(version)
    except registry.UnusableVersionError:
        say(refused=True)

for line in sys.stdin:
    name, *arguments = line.split()
    globals()[name](*arguments)
"""


@dataclass
class Answers:
    """What the callers got, each thread adding to its own list."""

    given: list[dict[str, Any]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def versions(self) -> set[str]:
        """Return the versions that answered."""
        return {str(answer["model"]["version"]) for answer in self.given}


@contextmanager
def calling(server: Server, body: dict[str, Any], *, token: str) -> Iterator[Answers]:
    """Keep several connections busy: each sends its next request when it has its answer."""
    answers, stop = Answers(), threading.Event()
    host = server.url.removeprefix("http://")
    headers = {"Content-Type": "application/json", "Authorization": f"Token {token}"}

    def call() -> None:
        connection, given, failures = http.client.HTTPConnection(host, timeout=30), [], []
        while not stop.is_set():
            try:
                connection.request("POST", TRIAGE_URL, json.dumps(body), headers)
                response = connection.getresponse()
                answer = json.load(response)
                if response.status == 200:
                    given.append(answer)
                else:
                    failures.append(str(response.status))
            except (OSError, ValueError, http.client.HTTPException) as error:
                failures.append(repr(error))
                connection.close()
        connection.close()
        with answers.lock:
            answers.given += given
            answers.failures += failures

    callers = [threading.Thread(target=call) for _ in range(CALLERS)]
    for caller in callers:
        caller.start()
    try:
        yield answers
    finally:
        stop.set()
        for caller in callers:
            caller.join()


class Operator:
    """A process that changes what is deployed."""

    def __init__(self, deployment: Deployment) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "shell", "--verbosity", "0", "--command", OPERATOR],
            cwd=ROOT, env=deployment.environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def __enter__(self) -> Operator:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate(timeout=30)

    def ask(self, *words: str) -> dict[str, Any]:
        """Have a change made and return what came of it."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()
        return dict(json.loads(self.process.stdout.readline()))


@pytest.fixture
def registered(trained: TrainedModel, tmp_path: Path) -> Iterator[tuple[Deployment, list[str]]]:
    """A service with three registered versions, the first of them deployed."""
    other = train(simulate(1_500, seed=12), seed=12, dataset="synthetic", synthetic=True)
    third = train(simulate(1_500, seed=13), seed=13, dataset="synthetic", synthetic=True)
    store = tmp_path / "models"
    versions = [
        save(one, store, signing_key=settings.MODEL_SIGNING_KEY, documents=MODEL_DOCUMENTS)
        for one in (trained, other, third)
    ]
    with new_database(tmp_path) as url:
        deployment = Deployment(tmp_path, database_url=url, model_store=store)
        deployment.manage("migrate", "--verbosity", "0")
        deployment.python(
            "from ml.registry import version_register\n"
            f"for version in {versions}: version_register(version, actor='test')"
        )
        yield deployment, versions


def spoil(directory: Path) -> None:
    """Turn over one bit in the middle of the model."""
    file = directory / "model.joblib"
    file.chmod(0o644)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def test_no_request_fails_and_no_answer_differs_from_its_row(
    registered: tuple[Deployment, list[str]], sore_throat: dict[str, Any]
) -> None:
    deployment, (first, second, spoilt) = registered
    token = deployment.token()
    with ExitStack() as stack:
        busy = stack.enter_context(deployment.server(WEB_WORKERS=str(BUSY_WORKERS)))
        idle = stack.enter_context(
            deployment.server(WEB_WORKERS=str(IDLE_WORKERS), GUNICORN_CMD_ARGS="--preload")
        )
        operator = stack.enter_context(Operator(deployment))
        with calling(busy, sore_throat, token=token) as answers:
            done = [change(operator, n, first, second, busy, idle) for n in range(CHANGES // 2)]
            refused = refuse(operator, deployment, spoilt, busy, idle)
            done += [change(operator, n, first, second, busy, idle) for n in range(CHANGES // 2)]
        ready = idle.get("/readyz")

    by_change = [delays_s(one, busy, idle) for one in done]
    delays = [delay for one in by_change for delay in one]
    report(answers, by_change, refused)
    assert answers.failures == []
    assert answers.versions() == {first, second}
    assert {answer["model"]["abstained"] for answer in answers.given} == {None}
    # One patient, so each version has one answer: nobody was given half of each.
    assert len({json.dumps(answer["probabilities"]) for answer in answers.given}) == 2
    assert rows(deployment) == {
        answer["prediction_id"]: answer["model"]["version"] for answer in answers.given
    }
    assert (ready["mode"], ready["model_error"]) == ("full", None)
    assert len(delays) == CHANGES * (BUSY_WORKERS + IDLE_WORKERS)
    assert not IS_MEASURED or max(delays) < PROMISED_S


def change(
    operator: Operator, number: int, first: str, second: str, *servers: Server
) -> dict[str, Any]:
    """Promote the other version, or roll back, and wait until every process serves it."""
    made = operator.ask("promote", second) if number % 2 == 0 else operator.ask("rollback")
    assert made["version"] == (second if number % 2 == 0 else first)
    everybody = BUSY_WORKERS + IDLE_WORKERS
    wait_until(
        lambda: sum(len(workers_at(s.process, epoch=made["epoch"])) for s in servers) == everybody
    )
    threading.Event().wait(PAUSE_S)
    return made


def refuse(
    operator: Operator, deployment: Deployment, spoilt: str, *servers: Server
) -> dict[str, Any]:
    """Spoil a version: it is not promoted, and where it is deployed all the same, not served."""
    before = servers[-1].get("/readyz")
    spoil(Path(deployment.environment["MODEL_STORE"]) / spoilt)
    assert operator.ask("try_to_promote", spoilt) == {"refused": True}
    forced = operator.ask("force", spoilt)

    def refusals() -> list[dict[str, Any]]:
        found = [one for s in servers for one in events(s.process, "model_refused")]
        return [one for one in found if one["epoch"] == forced["epoch"]]

    wait_until(lambda: len({one["pid"] for one in refusals()}) == BUSY_WORKERS + IDLE_WORKERS)
    for server in servers:
        ready = server.get("/readyz")
        assert (ready["mode"], ready["model_version"]) == ("degraded", before["model_version"])
        assert "model.joblib" in ready["model_error"]
    threading.Event().wait(PAUSE_S)
    return forced | {"refusals": len(refusals())}


def delays_s(made: dict[str, Any], *servers: Server) -> list[float]:
    """Return how long after the change each process served it."""
    found = [one for server in servers for one in events(server.process, "model_serving")]
    return [
        datetime.fromisoformat(one["timestamp"]).timestamp() - made["at"]
        for one in found
        if one["epoch"] == made["epoch"]
    ]


def rows(deployment: Deployment) -> dict[str, str]:
    """Return the version of every row on record, by the id of its prediction."""
    printed = deployment.python(
        "import json; from monitoring.models import MLPredictionLog as Log\n"
        "print(json.dumps({str(id): v for id, v in Log.objects.values_list('id','model_version')}))"
    )
    return dict(json.loads(printed))


def report(answers: Answers, by_change: list[list[float]], refused: dict[str, Any]) -> None:
    """Show the figures of a run."""
    figures = {
        "changes": len(by_change),
        "requests": len(answers.given),
        "failures": len(answers.failures),
        "answers_by_version": Counter(str(one["model"]["version"]) for one in answers.given),
        "slowest_process_of_each_change_s": [round(max(delays), 2) for delays in by_change],
        "refusals_of_the_spoilt_version": refused["refusals"],
    }
    sys.stdout.write(json.dumps(figures) + "\n")
