"""Whoever asks again gets the first answer, whatever is killed in between; Redis may go away."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import signal
import threading
import time
import uuid
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from tests.conftest import TRIAGE_URL
from tests.functional.conftest import Deployment, Server, events
from tests.functional.test_metrics import children
from tests.stoppable_redis import own_redis

pytestmark = pytest.mark.functional
KEYS = 50
CONNECTIONS = 20
BETWEEN_KILLS_S = 0.5
# On a slow machine new workers would otherwise be killed before they have answered anybody.
BETWEEN_KILLS_ANSWERS = 50
GIVE_UP_S = 240
TRY_LATER = {0, 409, 503}
# Forked from a master that has loaded everything but a model, a new worker is there at once.
QUICK = {"GUNICORN_CMD_ARGS": "--preload", "TRIAGE_LOAD": "never"}


class Frontend:
    """One connection, kept alive."""

    def __init__(self, server: Server, *, token: str) -> None:
        self.connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=10)
        self.headers = {"Content-Type": "application/json", "Authorization": f"Token {token}"}

    def __enter__(self) -> Frontend:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def ask(self, body: bytes, *, key: str) -> tuple[int, bytes]:
        """Send a request once; the status is 0 where the connection ends without an answer."""
        try:
            headers = self.headers | {"Idempotency-Key": key}
            self.connection.request("POST", TRIAGE_URL, body, headers)
            response = self.connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException):
            self.connection.close()
            return 0, b""


class Answers:
    """What was answered to each visit, to any connection."""

    def __init__(self) -> None:
        self.given: list[tuple[str, int, bytes]] = []

    def collect(self, frontend: Frontend, bodies: Mapping[str, bytes]) -> None:
        """Ask for every visit, and again later for those that were not answered."""
        waiting, deadline = deque(bodies), time.monotonic() + GIVE_UP_S
        while waiting and time.monotonic() < deadline:
            visit = waiting.popleft()
            status, answer = frontend.ask(bodies[visit], key=visit)
            if status in TRY_LATER:
                waiting.append(visit)
                time.sleep(0.05)
            else:
                self.given.append((visit, status, answer))

    def statuses(self) -> set[int]:
        """Return the statuses that were answered."""
        return {status for _, status, _ in self.given}


@contextmanager
def workers_killed(server: Server, answers: Answers) -> Iterator[list[int]]:
    """Kill a worker every now and then; yield those that were."""
    killed: list[int] = []
    is_over = threading.Event()

    def kill() -> None:
        seen = 0
        while not is_over.wait(BETWEEN_KILLS_S):
            workers = sorted(children(server.process.pid))
            if not workers or len(answers.given) < seen + BETWEEN_KILLS_ANSWERS:
                continue
            seen = len(answers.given)
            killed.append(secrets.choice(workers))
            os.kill(killed[-1], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        yield killed
    finally:
        is_over.set()
        killer.join()


def rows(deployment: Deployment, *, run: str) -> dict[str, int]:
    """Return how many rows there are of each visit of a run."""
    found = deployment.python(
        "import json; from collections import Counter\n"
        "from monitoring.models import MLPredictionLog as Log\n"
        f"rows = Log.objects.filter(triage_log_id__startswith={run!r})\n"
        "print(json.dumps(Counter(rows.values_list('triage_log_id', flat=True))))"
    )
    return dict(json.loads(found))


def test_a_thousand_repeats_are_fifty_rows_whatever_is_killed(
    own_deployment: Deployment, sore_throat: dict[str, Any]
) -> None:
    run, token = uuid.uuid4().hex[:8], own_deployment.token()
    bodies = {
        visit: json.dumps(sore_throat | {"triage_log_id": visit}).encode()
        for visit in (f"{run}-{n}" for n in range(KEYS))
    }
    answers, changed = Answers(), Answers()

    def call(_: int) -> None:
        with Frontend(server, token=token) as frontend:
            answers.collect(frontend, bodies)

    with own_deployment.server(**QUICK) as server:
        with workers_killed(server, answers) as killed, ThreadPoolExecutor(CONNECTIONS) as pool:
            list(pool.map(call, range(CONNECTIONS)))
        with Frontend(server, token=token) as frontend:
            changed.collect(frontend, {visit: body + b" " for visit, body in bodies.items()})

    assert len(killed) >= 3
    assert len(answers.given) == KEYS * CONNECTIONS
    assert (answers.statuses(), changed.statuses()) == ({200}, {422})
    assert len(set(answers.given)) == KEYS
    assert rows(own_deployment, run=run) == dict.fromkeys(bodies, 1)


def test_calls_are_answered_while_redis_hangs_and_once_it_is_gone(
    own_deployment: Deployment, sore_throat: dict[str, Any]
) -> None:
    token, body = own_deployment.token(), json.dumps(sore_throat).encode()

    with own_redis() as redis, own_deployment.server(REDIS_URL=redis.url) as server:

        def statuses() -> set[int]:
            with Frontend(server, token=token) as frontend:
                return {frontend.ask(body, key=uuid.uuid4().hex)[0] for _ in range(20)}

        assert statuses() == {200}
        assert not events(server.process, "limits_counted_alone")
        redis.hang()
        assert statuses() == {200}
        assert events(server.process, "limits_counted_alone")
        redis.kill()
        assert statuses() == {200}
