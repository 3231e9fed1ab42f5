"""10,000 patients in calls of 1,000 beside calls of one: rows a second through real gunicorn.

``make bench ARGS=bulk``. On SQLite, and on PostgreSQL where ``BENCH_DATABASE_URL`` names a database
that can be made and dropped (``triage_bench`` on 127.0.0.1). Calls of one are fewer, and their rate
is what is compared. Each database is new; server and caller share the machine. Where other work
disturbs the clock, look at the processor time of the server.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from rest_framework.renderers import JSONRenderer
from tqdm import tqdm

from api.bulk_views import BulkRequestSerializer
from api.parsers import BulkJSONParser
from api.services import Answer
from api.views import decided_body
from benchmarks.ten_million_rows import DEFAULT_URL
from ml.experiments import NO_PHASE
from ml.routing import Assignment
from ml.service import TriagePredictionService
from ml.simulator import simulate
from monitoring.intake import seal
from triage_rules import combine, evaluate
from triage_rules.case import case_from_request
from triage_rules.level import Decider

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
PATIENTS = 10_000
SINGLES = 1_000
A_CALL = 1_000
ROUNDS = 3
START_S = 60
BULK_PATH = "/api/v1/triage/bulk/"
PATH = "/api/v1/triage/"


@dataclass(frozen=True)
class Server:
    """A running gunicorn with a database of its own, and a token for it."""

    port: int
    token: str
    master: int

    @property
    def cpu_s(self) -> float:
        """The seconds of processor that the workers have used; a busy machine adds none."""
        children = Path(f"/proc/{self.master}/task/{self.master}/children").read_text().split()
        return sum(_cpu_s(int(worker)) for worker in children)

    def send(self, path: str, bodies: Sequence[bytes]) -> list[float]:
        """Send bodies one after the other over one connection; return the seconds of each."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        headers = {"Authorization": f"Token {self.token}", "Content-Type": "application/json"}
        times: list[float] = []
        for body in bodies:
            start = time.perf_counter()
            connection.request("POST", path, body, headers)
            response = connection.getresponse()
            answer = response.read()
            times.append(time.perf_counter() - start)
            if response.status != http.client.OK or b'"problem":' in answer:
                raise SystemExit(f"{path} answered {response.status}.")
        return times


def main() -> None:
    """Measure the parts in this process, then both ways on both databases."""
    requests = [case.request for case in simulate(PATIENTS, seed=0)]
    _print_parts(requests[:A_CALL])
    for name, database in (("SQLite", _sqlite), ("PostgreSQL", _postgresql)):
        with database() as url:
            if url is None:
                print(f"\n{name} does not answer: no figures.")
                continue
            with _server(url) as server:
                _compare(name, server, requests)


# --- whole calls ----------------------------------------------------------------------------------


def _compare(name: str, server: Server, requests: Sequence[dict[str, Any]]) -> None:
    ways = {
        (f"calls of one, {n} at a time", n): (PATH, [_json(r) for r in requests[:SINGLES]], 1)
        for n in (1, 2)
    } | {
        (f"calls of 1,000, {n} at a time", n): (BULK_PATH, _bulks(requests), A_CALL) for n in (1, 2)
    }
    rates: dict[str, list[float]] = {way: [] for way, _ in ways}
    calls: dict[str, list[float]] = {way: [] for way, _ in ways}
    cpu: dict[str, list[float]] = {way: [] for way, _ in ways}
    server.send(PATH, [_json(request) for request in requests[:50]])
    for _ in tqdm(range(ROUNDS), leave=False, unit="round"):
        for (way, connections), (path, bodies, rows) in ways.items():
            before = server.cpu_s
            seconds, times = _sent(server, path, bodies, connections=connections)
            rates[way].append(len(bodies) * rows / seconds)
            cpu[way].append((server.cpu_s - before) / (len(bodies) * rows) * 1e6)
            calls[way] += times
    load = os.getloadavg()[0]
    heads = f"{'rows/s':>10}{'ratio':>8}{'a call, ms':>12}{'CPU us a row':>14}"
    print(f"\n{f'{name}, load {load:.1f}':38}{heads}")
    base = statistics.median(next(iter(rates.values())))
    for way, found in rates.items():
        rate, call_ms = statistics.median(found), statistics.median(calls[way]) * 1000
        line = f"{way:38}{rate:>10,.0f}{rate / base:>8.1f}{call_ms:>12,.1f}"
        print(f"{line}{statistics.median(cpu[way]):>14,.0f}")


def _sent(
    server: Server, path: str, bodies: Sequence[bytes], *, connections: int
) -> tuple[float, list[float]]:
    """Send bodies over several connections; return the seconds of all and of each."""
    started = time.perf_counter()
    with ThreadPoolExecutor(connections) as pool:
        shares = [bodies[n::connections] for n in range(connections)]
        times = list(pool.map(lambda share: server.send(path, share), shares))
    return time.perf_counter() - started, [one for share in times for one in share]


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _bulks(requests: Sequence[dict[str, Any]]) -> list[bytes]:
    starts = range(0, len(requests), A_CALL)
    return [_json({"requests": requests[start : start + A_CALL]}) for start in starts]


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


# --- the parts of a call --------------------------------------------------------------------------


def _print_parts(requests: Sequence[dict[str, Any]]) -> None:
    """Print what each step takes in this process, with no database: microseconds of processor."""
    body = _json({"requests": requests})
    parser = BulkJSONParser()
    checked = [dict(request) for request in requests]
    cases = [case_from_request(request) for request in requests]
    model = TriagePredictionService.instance()
    verdicts, opinions = [evaluate(case) for case in cases], model.predict_many(cases)
    decided = [
        Answer(
            decision=combine(verdict, opinion, Decider.ML),
            assignment=Assignment(phase=NO_PHASE, decider=Decider.ML),
            prediction_id=None,
        )
        for verdict, opinion in zip(verdicts, opinions, strict=True)
    ]
    parts: dict[str, Callable[[], object]] = {
        "read the body": lambda: parser.parse(
            BytesIO(body), "application/json", {"request": HttpRequest()}
        ),
        "check the fields": lambda: _checked(requests),
        "make the cases": lambda: [case_from_request(request) for request in requests],
        "rules": lambda: [evaluate(case) for case in cases],
        "model, together": lambda: model.predict_many(cases),
        "model, one by one": lambda: [model.predict(case) for case in cases],
        "seal the intakes": lambda: [seal(request) for request in checked],
        "write the answer": lambda: JSONRenderer().render([decided_body(one) for one in decided]),
    }
    print(f"\n{f'{len(requests)} cases, in this process':38}{'CPU us':>10}")
    for name, part in parts.items():
        print(f"{name:38}{_fastest(part) / len(requests) * 1e6:>10.0f}")


def _checked(requests: Sequence[dict[str, Any]]) -> object:
    serializer = BulkRequestSerializer(data={"requests": requests})
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data


def _fastest(part: Callable[[], object]) -> float:
    """Return the seconds of the fastest of some rounds: the others were disturbed."""
    times = []
    for _ in range(ROUNDS):
        start = time.process_time()
        part()
        times.append(time.process_time() - start)
    return min(times)


# --- servers and databases ------------------------------------------------------------------------


@contextmanager
def _sqlite() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        yield f"sqlite:///{folder}/bench.sqlite3"


@contextmanager
def _postgresql() -> Iterator[str | None]:
    """Make the database, and drop it whatever happens; None where no server answers."""
    import psycopg

    url = os.environ.get("BENCH_DATABASE_URL", DEFAULT_URL)
    server, name = url.rsplit("/", 1)
    try:
        admin = psycopg.connect(f"{server}/postgres", autocommit=True, connect_timeout=2)
    except psycopg.OperationalError:
        yield None
        return
    with admin:
        admin.execute(f"CREATE DATABASE {name}")
        try:
            yield url
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def _server(database_url: str) -> Iterator[Server]:
    """Start gunicorn as it is started in production, on a migrated database."""
    port = _free_port()
    environment = {
        **os.environ,
        "DATABASE_URL": database_url,
        "BIND": f"127.0.0.1:{port}",
        "RATE_LIMIT": "1000000",
        "MODEL_STORE": str(settings.MODEL_STORE),
        "TRIAGE_LOAD": "always",
    }
    _manage("migrate", "--verbosity", "0", environment=environment)
    token = _manage("shell", "--verbosity", "0", "--command", _TOKEN, environment=environment)
    command = [BIN / "gunicorn", "-c", "config/gunicorn.py"]
    running = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait_for(port)
        yield Server(port, re.findall(r"[0-9a-f]{64}", token)[-1], running.pid)
    finally:
        running.send_signal(signal.SIGTERM)
        running.wait(timeout=30)


_TOKEN = (
    "from django.contrib.auth.models import Group, User\n"
    "from knox.models import AuthToken\n"
    "user = User.objects.create_user('bench')\n"
    "user.groups.add(Group.objects.get(name='frontend'))\n"
    "print(AuthToken.objects.create(user)[1])"
)


def _manage(*arguments: str, environment: dict[str, str]) -> str:
    command = [sys.executable, "manage.py", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("GET", "/readyz")
            if connection.getresponse().status == http.client.OK:
                return
        except OSError:
            time.sleep(0.2)
    raise SystemExit("The server did not start.")
