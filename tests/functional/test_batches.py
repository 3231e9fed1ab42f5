"""Files of cases through real servers and workers, which are killed: every row is scored once."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import random
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.functional.conftest import (
    Deployment,
    Server,
    events,
    free_port,
    new_database,
    wait_until,
)

pytestmark = pytest.mark.functional
URL = "/api/v1/batches/"
# By hand: BATCH_TEST_ROWS=10000.
ROWS = int(os.environ.get("BATCH_TEST_ROWS", "1600"))
KILLS = max(4, ROWS // 1_000)
# A machine may be busy with others: nothing here is about speed.
WAIT_S = 300
WORKER = ("celery", "-A", "config", "worker", "-c", "2", "--without-gossip", "--without-mingle")
# What a minute does: nobody is at a chunk any more whose worker was killed.
A_MINUTE_LATER = """
from datetime import timedelta
from monitoring.models import BatchChunk
from django.db.models import F
minute = timedelta(minutes=1)
BatchChunk.objects.update(
    claimed_at=F("claimed_at") - minute, published_at=F("published_at") - minute
)
from api.tasks import resume_batches
resume_batches.apply()
"""
DELIVER_TWICE_MORE = """
from api.tasks import score_chunk
from monitoring.models import BatchChunk
for chunk in list(BatchChunk.objects.values_list("pk", flat=True)) * 2:
    score_chunk.delay(chunk)
"""
ON_RECORD = """
import json
from monitoring.models import BatchChunk, MLPredictionLog
ids = [str(one) for one in MLPredictionLog.objects.values_list("pk", flat=True)]
attempts = sum(BatchChunk.objects.values_list("attempts", flat=True))
print(json.dumps({"ids": sorted(ids), "attempts": attempts}))
"""


@pytest.fixture
def redis_url() -> str:
    """The real Redis of the run."""
    if not (url := os.environ.get("TEST_REDIS_URL", "")):
        pytest.skip("needs a real Redis")
    return url


@pytest.fixture
def hospital(tmp_path: Path, model_store: Path) -> Iterator[Deployment]:
    """A migrated service with a record of its own."""
    with new_database(tmp_path) as url:
        deployment = Deployment(tmp_path, database_url=url, model_store=model_store)
        deployment.manage("migrate", "--verbosity", "0")
        yield deployment


def file_of(rows: int) -> bytes:
    """Return a file of different patients; every tenth row cannot be answered."""
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(["patient_age", "chief_complaint", "heart_rate"])
    for number in range(rows):
        age = "old" if number % 10 == 9 else str(number % 100)
        writer.writerow([age, f"cough for {number} days", 60 + number % 80])
    return file.getvalue().encode()


def asked(url: str, token: str, body: bytes | None = None) -> bytes:
    """Send a file, or fetch what there is."""
    headers = {"Authorization": f"Token {token}", "Content-Type": "text/csv"}
    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=30) as response:
        return bytes(response.read())


def state_of(server: Server, token: str, batch: dict[str, Any]) -> dict[str, Any]:
    """Return how far a file is."""
    return dict(json.loads(asked(f"{server.url}{URL}{batch['id']}/", token)))


def answered(server: Server, token: str, batch: dict[str, Any]) -> list[str]:
    """Return the ids in the result, whose rows must be complete and in order."""
    text = asked(f"{server.url}{URL}{batch['id']}/result/", token).decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [int(row["row"]) for row in rows] == list(range(1, batch["rows"] + 1))
    assert all(bool(row["prediction_id"]) is not bool(row["errors"]) for row in rows)
    return sorted(row["prediction_id"] for row in rows if row["prediction_id"])


def children_of(worker: subprocess.Popen[bytes]) -> list[int]:
    """Return the processes that a worker scores with."""
    children = Path(f"/proc/{worker.pid}/task/{worker.pid}/children")
    return [int(pid) for pid in children.read_text().split()] if children.exists() else []


def kill(pid: int) -> None:
    """End a process as a power cut would."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


@contextmanager
def worker_of(hospital: Deployment) -> Iterator[subprocess.Popen[bytes]]:
    """Run a worker; whatever it leaves behind when it is killed ends with it."""
    with hospital.process(*WORKER) as worker:
        wait_until(lambda: len(children_of(worker)) == 2)
        family = children_of(worker)
        try:
            yield worker
        finally:
            family += children_of(worker)
    for pid in family:
        kill(pid)


def killed(worker: subprocess.Popen[bytes], *, wholly: bool, dice: random.Random) -> None:
    """Kill one process that scores, or a worker with all of its processes."""
    children = children_of(worker)
    if wholly:
        for pid in [worker.pid, *children]:
            kill(pid)
    else:
        kill(dice.choice(children))


def test_every_row_is_scored_once_whoever_is_killed(hospital: Deployment, redis_url: str) -> None:
    token, dice = hospital.token(), random.Random(20261121)  # noqa: S311 - chance, not secrecy
    with hospital.server() as server, ExitStack() as workers:
        worker = workers.enter_context(worker_of(hospital))
        batch = json.loads(asked(server.url + URL, token, file_of(ROWS)))

        for number, point in enumerate(sorted(dice.uniform(0.05, 0.85) for _ in range(KILLS))):
            wait_until(partial(has_come_to, point, server, token, batch), within_s=WAIT_S)
            killed(worker, wholly=number % 2 == 1, dice=dice)
            if number % 2 == 1:
                worker = workers.enter_context(worker_of(hospital))
            hospital.python(A_MINUTE_LATER)

        wait_until(partial(has_come_to, 1.0, server, token, batch), within_s=WAIT_S)
        done = state_of(server, token, batch)
        ids = answered(server, token, done)
    record = json.loads(hospital.python(ON_RECORD))
    assert (done["state"], done["rows"], done["refused"]) == ("done", ROWS, ROWS // 10)
    assert ids == record["ids"]
    assert len(set(ids)) == ROWS - ROWS // 10


def has_come_to(point: float, server: Server, token: str, batch: dict[str, Any]) -> bool:
    """Tell whether so much of a file is scored."""
    return bool(state_of(server, token, batch)["progress"] >= point)


def test_a_chunk_that_is_delivered_three_times_to_two_workers_has_one_effect(
    hospital: Deployment, redis_url: str
) -> None:
    token = hospital.token()
    with hospital.server() as server, ExitStack() as workers:
        batch = json.loads(asked(server.url + URL, token, file_of(1_000)))
        hospital.python(DELIVER_TWICE_MORE)
        for _ in range(2):
            workers.enter_context(worker_of(hospital))

        wait_until(lambda: state_of(server, token, batch)["state"] == "done", within_s=WAIT_S)
        ids = answered(server, token, batch)

    record = json.loads(hospital.python(ON_RECORD))
    assert ids == record["ids"]
    assert (len(ids), record["attempts"]) == (900, 5)


def test_a_broker_that_is_away_holds_up_nobody_and_loses_nothing(
    hospital: Deployment, redis_url: str
) -> None:
    token, away = hospital.token(), f"redis://127.0.0.1:{free_port()}/0"
    with hospital.server(REDIS_URL=away) as server:
        batch = json.loads(asked(server.url + URL, token, file_of(20)))
        wait_until(lambda: events(server.process, "chunks_not_published"))

    with hospital.server() as server, worker_of(hospital):
        assert state_of(server, token, batch)["state"] == "queued"
        hospital.python(A_MINUTE_LATER)
        wait_until(lambda: state_of(server, token, batch)["state"] == "done")


def test_without_a_queue_the_answer_waits_for_the_last_row(hospital: Deployment) -> None:
    token = hospital.token()

    with hospital.server(REDIS_URL="") as server:
        batch = json.loads(asked(server.url + URL, token, file_of(100)))
        assert (batch["state"], batch["answered"], batch["refused"]) == ("done", 90, 10)
        assert len(answered(server, token, batch)) == 90
