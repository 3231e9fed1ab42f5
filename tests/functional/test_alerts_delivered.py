"""An alert reaches people by mail and webhook, through real processes, also when one is killed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.functional.conftest import Deployment, events, new_database, wait_until
from tests.receivers import Inbox, Receiver, http_server, mail_server

pytestmark = pytest.mark.functional

RAISE = """
from datetime import date
from monitoring.alerts import alert_raise
from monitoring.models import Alert
critical = Alert.Severity.CRITICAL
alert_raise(policy="{policy}", day=date(2026, 11, 18), severity=critical, message="low")
"""
DELIVER = """
from django.utils import timezone
from monitoring.deliveries import deliver_pending
print(deliver_pending(now=timezone.now()))
"""
CLAIMED_LONG_AGO = """
from datetime import timedelta
from monitoring.models import AlertDelivery
AlertDelivery.objects.update(claimed_at=timezone.now() - timedelta(minutes=11))
"""
ASKED_AND_NOT_CHECKED = """
from datetime import timedelta
from django.utils import timezone
from monitoring.models import MLPredictionLog
from tests.monitoring.conftest import prediction
MLPredictionLog.objects.bulk_create(
    prediction(created_at=timezone.now() - timedelta(days=day)) for day in range(1, 9)
)
"""
CHECKED = """
from django.utils import timezone
from monitoring.models import MonitoringRun
from monitoring.watch import runs_due
for due in runs_due(now=timezone.now()):
    MonitoringRun.objects.create(job=due.job, day=due.day, status="ok", result={})
"""
QUEUE = "from monitoring.tasks import {task}; {task}.delay()"
MISSING = ["no_run.accuracy", "no_run.drift"]


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    """A running mail server."""
    with mail_server() as inbox:
        yield inbox


@pytest.fixture
def pager() -> Iterator[Receiver]:
    """A running receiver of webhooks."""
    with http_server() as pager:
        yield pager


@pytest.fixture
def told(tmp_path: Path, inbox: Inbox, pager: Receiver) -> Iterator[Deployment]:
    """A service without a model that tells people over both; each test has its own record."""
    with new_database(tmp_path) as url:
        told = Deployment(tmp_path, database_url=url, model_store=tmp_path / "models")
        told.environment |= {
            "EMAIL_URL": f"smtp://127.0.0.1:{inbox.port}",
            "ALERT_WEBHOOK_URL": pager.url,
            "ALERT_WEBHOOK_SECRET": "functional-" + "w" * 40,
        }
        told.manage("migrate", "--verbosity", "0")
        yield told


@pytest.fixture
def outside() -> Iterator[Receiver]:
    """Whoever waits for the sign of life."""
    with http_server() as outside:
        yield outside


@pytest.fixture
def worker(told: Deployment, outside: Receiver) -> Iterator[subprocess.Popen[bytes]]:
    """A running Celery worker."""
    if not os.environ.get("TEST_REDIS_URL"):
        pytest.skip("needs a real Redis")
    command = ("celery", "-A", "config", "worker", "-c", "1")
    with told.process(*command, HEARTBEAT_URL=outside.url) as worker:
        yield worker


def causes(worker: subprocess.Popen[bytes], event: str) -> list[str]:
    """Return of which causes the worker has logged an event."""
    return sorted(one["cause"] for one in events(worker, event))


def test_what_a_killed_process_had_in_hand_is_handed_over_by_the_next(
    told: Deployment, inbox: Inbox, pager: Receiver
) -> None:
    pager.may_answer.clear()
    code = RAISE.format(policy="latency") + DELIVER

    with told.process("python", "manage.py", "shell", "--command", code) as victim:
        wait_until(lambda: pager.calls)
        victim.kill()
        victim.wait()
    pager.may_answer.set()

    assert told.python(DELIVER + CLAIMED_LONG_AGO + DELIVER).split() == ["0", "1"]
    assert len({call.headers["Idempotency-Key"] for call in pager.calls}) == 1
    assert [call.json["cause"] for call in pager.calls] == ["latency", "latency"]
    assert inbox.subjects == ["[triage] critical: latency on 2026-11-18"]


def test_a_worker_hands_it_over_by_mail_and_webhook(
    told: Deployment, inbox: Inbox, pager: Receiver, worker: subprocess.Popen[bytes]
) -> None:
    told.python(RAISE.format(policy="accuracy") + QUEUE.format(task="deliver_alerts"))

    wait_until(
        lambda: (
            any("accuracy" in subject for subject in inbox.subjects)
            and any(call.json["cause"] == "accuracy" for call in pager.calls)
        )
    )


def test_a_worker_notices_missing_checks_and_keeps_silent_until_they_are_there(
    told: Deployment, outside: Receiver, worker: subprocess.Popen[bytes]
) -> None:
    told.python(ASKED_AND_NOT_CHECKED + QUEUE.format(task="watch_runs"))

    wait_until(lambda: causes(worker, "alert_raised") == MISSING)
    assert outside.calls == []
    told.python(CHECKED + QUEUE.format(task="watch_runs"))
    wait_until(lambda: outside.calls)

    assert causes(worker, "alert_closed") == MISSING
