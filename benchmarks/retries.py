"""What an Idempotency-Key and the limits add to a call: beside the same call without, in one run.

``make bench ARGS=retries``. On the databases of ``benchmarks.bulk``; with Redis where
``BENCH_REDIS_URL`` names one, in which a count of a minute is kept. The three kinds of call take
turns on one connection, so whatever else the machine does disturbs them alike.
"""

from __future__ import annotations

import http.client
import json
import os
import statistics
import time
import uuid
from collections.abc import Callable

from tqdm import tqdm

from api.limits import Counts
from benchmarks import bulk
from benchmarks.parts import SHORT

TURNS = 300
WARM_UP = 20
TAKES = 2_000
REDIS_URL = os.environ.get("BENCH_REDIS_URL", "")
WITHOUT, FIRST, REPEATED = "without a key", "with a new key", "with a key that was answered"


def main() -> None:
    """Measure whole calls on each database, and the counting by itself."""
    without_ms: list[float] = []
    for name, database in (("SQLite", bulk._sqlite), ("PostgreSQL", bulk._postgresql)):
        with database() as url:
            if url is None:
                print(f"\n{name} does not answer: no figures.")
                continue
            with bulk._server(url) as server:
                without_ms.append(_compare(name, server))
    _count(statistics.median(without_ms))


def _compare(name: str, server: bulk.Server) -> float:
    """Print one line a kind of call; return the median of a call without a key."""
    times = _turns(server)
    print(f"\n{f'{name}, load {os.getloadavg()[0]:.1f}':34}{'p50 ms':>9}{'p99 ms':>9}{'ratio':>8}")
    base = statistics.median(times[WITHOUT])
    for kind, found in times.items():
        median, p99 = statistics.median(found), statistics.quantiles(found, n=100)[98]
        print(f"{kind:34}{median:>9.2f}{p99:>9.2f}{median / base:>8.2f}")
    return base


def _turns(server: bulk.Server) -> dict[str, list[float]]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    headers = {"Authorization": f"Token {server.token}", "Content-Type": "application/json"}
    body = json.dumps({"patient_id": "bench-1"} | SHORT).encode()
    times: dict[str, list[float]] = {WITHOUT: [], FIRST: [], REPEATED: []}
    for turn in tqdm(range(-WARM_UP, TURNS), leave=False, unit="turn"):
        key = {"Idempotency-Key": uuid.uuid4().hex}
        for kind, extra in ((WITHOUT, {}), (FIRST, key), (REPEATED, key)):
            took_ms = _milliseconds(connection, body, headers | extra)
            if turn >= 0:
                times[kind].append(took_ms)
    return times


def _milliseconds(
    connection: http.client.HTTPConnection, body: bytes, headers: dict[str, str]
) -> float:
    start = time.perf_counter()
    connection.request("POST", bulk.PATH, body, headers)
    response = connection.getresponse()
    response.read()
    if response.status != http.client.OK:
        raise SystemExit(f"{bulk.PATH} answered {response.status}.")
    return (time.perf_counter() - start) * 1000


def _count(call_ms: float) -> None:
    """Print what counting a call takes, and what part of a call without a key that is."""
    places = {"in the process": ""} | ({"in Redis": REDIS_URL} if REDIS_URL else {})
    print(f"\n{'counting a call':34}{'p50 us':>9}{'of a call':>11}")
    for place, url in places.items():
        median = _microseconds(Counts(url).take)
        print(f"{place:34}{median:>9.1f}{median / call_ms / 1000:>11.2%}")


def _microseconds(take: Callable[..., float | None]) -> float:
    who, times = uuid.uuid4().hex, []
    for _ in range(TAKES):
        start = time.perf_counter()
        take(who, limit=1_000_000)
        times.append((time.perf_counter() - start) * 1e6)
    return statistics.median(times)
