"""Whole requests against the running server of ``make run``: a decision beside an empty answer.

``/livez`` is the floor: the same server, middleware and JSON, without token, rules, model or row.
"""

from __future__ import annotations

import http.client
import json
import os
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings
from tqdm import tqdm

from benchmarks.parts import SHORT

URL = os.environ.get("BENCH_URL", "http://127.0.0.1:8000")
ROUNDS = 3
ROUND_S = 5
CONNECTIONS = 4


@dataclass(frozen=True)
class Round:
    """The times, in milliseconds, of all calls of one round."""

    times_ms: list[float]

    @property
    def per_second(self) -> float:
        """Answers a second over all connections."""
        return len(self.times_ms) / ROUND_S

    def percentile(self, n: int) -> float:
        """Return the n-th percentile."""
        return statistics.quantiles(self.times_ms, n=100)[n - 1]


def main() -> None:
    """Interleave rounds of both addresses and print the medians over the rounds."""
    if not _answers():
        print(f"\nNothing answers at {URL}: start `make run` beside this for the HTTP figures.")
        return
    rounds: dict[str, list[Round]] = {"/livez": [], "/api/v1/triage/": []}
    for _ in tqdm(range(ROUNDS), leave=False, unit="round"):
        for path, done in rounds.items():
            done.append(_round(path))
    print(f"\n{f'HTTP, {CONNECTIONS} connections':40}{'req/s':>10}{'p50 ms':>10}{'p99 ms':>10}")
    for path, done in rounds.items():
        rate, p50, p99 = (
            statistics.median(values)
            for values in zip(
                *((r.per_second, r.percentile(50), r.percentile(99)) for r in done), strict=True
            )
        )
        print(f"{path:40}{rate:>10.0f}{p50:>10.2f}{p99:>10.2f}")


def _round(path: str) -> Round:
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        calls = [pool.submit(_calls, path) for _ in range(CONNECTIONS)]
    return Round([time_ms for call in calls for time_ms in call.result()])


def _calls(path: str) -> list[float]:
    connection = _connection()
    method, body, headers = _request(path)
    times: list[float] = []
    end = time.perf_counter() + ROUND_S
    while (start := time.perf_counter()) < end:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        response.read()
        if response.status != http.client.OK:
            raise SystemExit(f"{path} answered {response.status}.")
        times.append((time.perf_counter() - start) * 1000)
    return times


def _request(path: str) -> tuple[str, bytes | None, dict[str, str]]:
    if path == "/livez":
        return "GET", None, {}
    token = (settings.VAR_DIR / "dev-token").read_text().strip()
    headers = {"Authorization": f"Token {token}", "Content-Type": "application/json"}
    return "POST", json.dumps({"patient_id": "bench-1"} | SHORT).encode(), headers


def _connection() -> http.client.HTTPConnection:
    parts = urlsplit(URL)
    return http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)


def _answers() -> bool:
    try:
        _connection().request("GET", "/livez")
    except OSError:
        return False
    return True
