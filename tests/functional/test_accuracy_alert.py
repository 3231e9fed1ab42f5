"""Worker and beat, started for real on Redis, run the daily check and send the mail."""

from __future__ import annotations

import os
from collections.abc import Iterator
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from tests.functional.conftest import Deployment, free_port, wait_until

pytestmark = [
    pytest.mark.functional,
    pytest.mark.skipif(not os.environ.get("TEST_REDIS_URL"), reason="needs a real Redis"),
]

FORTY_WRONG_ANSWERS = """
from datetime import timedelta
from django.utils import timezone
from monitoring.models import MLPredictionLog
from tests.monitoring.conftest import prediction
day = timezone.now() - timedelta(days=2)
MLPredictionLog.objects.bulk_create(
    prediction(created_at=day, ground_truth=3, ground_truth_at=day) for _ in range(40)
)
"""


class Inbox:
    """A mail server that keeps what it gets."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        """Keep a message."""
        self.messages.append(message_from_bytes(envelope.content))
        return "250 OK"


@pytest.fixture
def mail_server() -> Iterator[tuple[Inbox, str]]:
    """A running mail server and its address."""
    inbox, port = Inbox(), free_port()
    controller = Controller(inbox, hostname="127.0.0.1", port=port)
    controller.start()
    yield inbox, f"smtp://127.0.0.1:{port}"
    controller.stop()


def test_beat_and_worker_check_the_day_and_mail_the_alert(
    deployment: Deployment, mail_server: tuple[Inbox, str], tmp_path: Path
) -> None:
    inbox, email_url = mail_server
    deployment.python(FORTY_WRONG_ANSWERS)
    celery = ("celery", "-A", "config")
    environment = {"EMAIL_URL": email_url, "ACCURACY_CHECK_CRON": "* * * * *"}

    with (
        deployment.process(*celery, "worker", "-c", "1", **environment),
        deployment.process(*celery, "beat", "-s", str(tmp_path / "schedule"), **environment),
    ):
        wait_until(lambda: inbox.messages, within_s=100)

    message = inbox.messages[0]
    run = deployment.python(
        "from monitoring.models import MonitoringRun\n"
        "run = MonitoringRun.objects.get(); print(run.status, run.result['labelled'])"
    )
    assert message["To"] == "on-call@hospital.example"
    assert "accuracy" in message["Subject"]
    assert "0 of 40 labelled answers were right" in message.get_payload()
    assert run == "below_threshold 40"
    assert len(inbox.messages) == 1
