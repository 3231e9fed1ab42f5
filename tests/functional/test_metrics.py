"""``/metrics`` of the real service: all workers add up, the dead ones too, database or not."""

from __future__ import annotations

import os
import signal
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.mmap_dict import MmapedDict, mmap_key
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import TRIAGE_URL
from tests.functional.conftest import Deployment, Server, wait_until

pytestmark = pytest.mark.functional
UNREACHABLE = "postgres://nobody@127.0.0.1:1/nothing"
METRICS_TOKEN = "m" * 40
SCRAPER = {"Authorization": f"Bearer {METRICS_TOKEN}"}
CALLS = 40
SCRAPES = 12


def guarded(deployment: Deployment, *arguments: str, **environment: str) -> Any:
    """Run the service as in a hospital: whoever reads the figures must bring a token."""
    environment |= {"DJANGO_DEBUG": "false", "METRICS_TOKENS": METRICS_TOKEN}
    return deployment.server(*arguments, **environment)


def scrape(server: Server) -> list[Any]:
    """Return every sample of one scrape, over a connection of its own."""
    request = urllib.request.Request(f"{server.url}/metrics", headers=SCRAPER)
    with urllib.request.urlopen(request, timeout=10) as response:
        text = response.read().decode()
    return [s for family in text_string_to_metric_families(text) for s in family.samples]


def total(server: Server, name: str, **labels: str) -> float:
    """Return the sum of the samples of a name whose labels are these."""
    samples = [s for s in scrape(server) if s.name == name and labels.items() <= s.labels.items()]
    return sum(sample.value for sample in samples)


def decided(server: Server) -> float:
    """Return how many decisions the workers say they made."""
    return total(server, "triage_decisions_total")


def children(pid: int) -> set[int]:
    """Return the ids of the workers of a master."""
    return {int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def decide(server: Server, body: dict[str, Any], *, token: str, times: int) -> None:
    """Ask for so many decisions over several connections."""
    with ThreadPoolExecutor(8) as pool:
        posts = [
            pool.submit(server.post, TRIAGE_URL, body | {"patient_id": f"p-{n}"}, token=token)
            for n in range(times)
        ]
        assert all(post.result()["prediction_id"] for post in posts)


def test_the_counts_of_all_workers_add_up_and_outlive_them(
    deployment: Deployment, token: str, sore_throat: dict[str, Any], tmp_path: Path
) -> None:
    folder = tmp_path / "counts"
    left_behind_by_an_earlier_start(folder)

    with guarded(
        deployment, TRIAGE_LOAD="never", PROMETHEUS_MULTIPROC_DIR=str(folder), WEB_WORKERS="2"
    ) as server:
        master = server.process.pid
        decide(server, sore_throat, token=token, times=CALLS)
        assert {decided(server) for _ in range(SCRAPES)} == {CALLS}
        counting = {int(file.stem.split("_")[1]) for file in folder.glob("counter_*.db")}
        assert counting == children(master)

        os.kill(min(counting), signal.SIGKILL)
        wait_until(lambda: len(children(master) - counting) == 1)
        assert {decided(server) for _ in range(SCRAPES)} == {CALLS}
        decide(server, sore_throat, token=token, times=CALLS)

        assert {decided(server) for _ in range(SCRAPES)} == {2 * CALLS}
        assert total(server, "triage_http_requests_total", route="triage") == 2 * CALLS
        assert total(server, "triage_decision_seconds_count") == 2 * CALLS
        # One file of each kind for each worker, and one for all that have ended.
        assert len(list(folder.glob("*.db"))) <= 3 * 2 + 2


def left_behind_by_an_earlier_start(folder: Path) -> None:
    """Write a file of a worker that ended with its master, long ago."""
    folder.mkdir()
    file = MmapedDict(str(folder / "counter_99999.db"))
    file.write_value(mmap_key("triage_decisions", "triage_decisions_total", [], [], ""), 7, 0.0)
    file.close()


def test_preloaded_and_reloaded_workers_lose_no_count(
    deployment: Deployment, token: str, sore_throat: dict[str, Any]
) -> None:
    with guarded(
        deployment, "--preload", TRIAGE_LOAD="never", PROMETHEUS_MULTIPROC_DIR=""
    ) as server:
        decide(server, sore_throat, token=token, times=CALLS)
        before = children(server.process.pid)
        folder = counting_in(min(before))
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: not before & children(server.process.pid))
        wait_until(server.answers)
        decide(server, sore_throat, token=token, times=3)

        assert {decided(server) for _ in range(SCRAPES)} == {CALLS + 3}
        assert folder.stat().st_mode & 0o777 == 0o700
    assert not folder.exists()


def counting_in(worker: int) -> Path:
    """Return the folder of the files that a worker counts in."""
    files = [link.readlink() for link in Path(f"/proc/{worker}/fd").iterdir()]
    return next(file.parent for file in files if file.suffix == ".db")


def test_without_the_database_the_processes_still_tell_what_they_count(
    deployment: Deployment, token: str, sore_throat: dict[str, Any]
) -> None:
    with guarded(deployment, TRIAGE_LOAD="never", DATABASE_URL=UNREACHABLE) as server:
        assert server.post(TRIAGE_URL, sore_throat, token=token)["manual_triage"] is True

        started = time.monotonic()
        found = {sample.name: sample.value for sample in scrape(server)}
        took_s = time.monotonic() - started
        log = server.process.log.read_text()  # type: ignore[attr-defined]

    assert found["triage_database_up"] == 0
    assert found["triage_not_recorded_total"] == 1
    assert "triage_alerts_open" not in found
    assert took_s < 3
    assert "Traceback" not in log
