"""A file of 10,000 patients from upload to done, beside the same rows in bulk calls: rows a second.

``make bench ARGS=batches``. On the PostgreSQL of ``benchmarks.bulk``, a new database a way; with
workers on Redis where ``BENCH_REDIS_URL`` names one whose queue may be used, and in place without.
Server, workers and caller share the machine.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

from django.conf import settings

from benchmarks import bulk
from ml.simulator import simulate

PATH = "/api/v1/batches/"
PATIENTS = 10_000
PROCESSES = (1, 2)
REDIS_URL = os.environ.get("BENCH_REDIS_URL", "")
POLL_S = 0.1
WARM_UP = 400


def main() -> None:
    """Measure each way on a database of its own and print one line a way."""
    requests = [case.request for case in simulate(PATIENTS, seed=0)]
    print(
        f"\n{f'{PATIENTS} rows, load {os.getloadavg()[0]:.1f}':46}{'rows/s':>10}{'accepted, s':>13}"
    )
    _measure("bulk calls of 1,000", requests, processes=None)
    _measure("a file, scored in place", requests, processes=0)
    for processes in PROCESSES if REDIS_URL else ():
        _measure(f"a file, worker processes: {processes}", requests, processes=processes)


def _measure(way: str, requests: Sequence[dict[str, Any]], *, processes: int | None) -> None:
    """Time one way; None stands for bulk calls, 0 for no worker."""
    os.environ["REDIS_URL"] = REDIS_URL if processes else ""
    with bulk._postgresql() as url:
        if url is None:
            raise SystemExit("PostgreSQL does not answer: no figures.")
        workers = _workers(url, processes) if processes else nullcontext()
        with bulk._server(url) as server, workers:
            if processes is None:
                accepted_s = done_s = sum(server.send(bulk.BULK_PATH, bulk._bulks(requests)))
            else:
                _hand_in(server, requests[:WARM_UP])
                accepted_s, done_s = _hand_in(server, requests)
    print(f"{way:46}{PATIENTS / done_s:>10,.0f}{accepted_s:>13.1f}")


def _hand_in(server: bulk.Server, requests: Sequence[dict[str, Any]]) -> tuple[float, float]:
    """Hand a file in; return the seconds until it is accepted, and until it is done."""
    body = b"".join(json.dumps(request).encode() + b"\n" for request in requests)
    started = time.perf_counter()
    job = _asked(server, "POST", PATH, body)
    accepted_s = time.perf_counter() - started
    while job["finished_at"] is None:
        time.sleep(POLL_S)
        job = _asked(server, "GET", f"{PATH}{job['id']}/")
    if job["answered"] != len(requests):
        raise SystemExit(f"{job['refused']} rows were refused.")
    return accepted_s, time.perf_counter() - started


def _asked(server: bulk.Server, method: str, path: str, body: bytes | None = None) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=600)
    headers = {
        "Authorization": f"Token {server.token}",
        "Content-Type": "application/x-ndjson",
    }
    connection.request(method, path, body, headers)
    return json.load(connection.getresponse())


@contextmanager
def _workers(database_url: str, processes: int) -> Iterator[None]:
    """Run a Celery worker with so many processes."""
    command = [bulk.BIN / "celery", "-A", "config", "worker", "-c", str(processes)]
    environment = os.environ | {
        "DATABASE_URL": database_url,
        "MODEL_STORE": str(settings.MODEL_STORE),
    }
    running = subprocess.Popen(
        command,
        cwd=bulk.ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        running.send_signal(signal.SIGTERM)
        running.wait(timeout=60)
