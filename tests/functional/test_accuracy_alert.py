"""Worker and beat, started for real on Redis, run the daily check and send the mail."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.functional.conftest import Deployment, wait_until
from tests.receivers import mail_server

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
    prediction(created_at=day, ground_truth=0, ground_truth_at=day) for _ in range(40)
)
"""
RUN = """
from monitoring.models import MonitoringRun
run = MonitoringRun.objects.get(job="accuracy")
print(run.status, run.result["labelled"])
"""


def test_beat_and_worker_check_the_day_and_mail_the_alert(
    own_deployment: Deployment, tmp_path: Path
) -> None:
    own_deployment.python(FORTY_WRONG_ANSWERS)
    celery = ("celery", "-A", "config")

    with mail_server() as inbox:
        environment = {
            "EMAIL_URL": f"smtp://127.0.0.1:{inbox.port}",
            "ACCURACY_CHECK_CRON": "* * * * *",
        }
        with (
            own_deployment.process(*celery, "worker", "-c", "1", **environment),
            own_deployment.process(
                *celery, "beat", "-s", str(tmp_path / "schedule"), **environment
            ),
        ):
            wait_until(lambda: "[triage] critical: accuracy" in str(inbox.subjects), within_s=100)

    told = [one for one in inbox.messages if "accuracy" in one["Subject"]]
    assert [one["To"] for one in told] == ["on-call@hospital.example"]
    assert "0 of 40 labelled answers were right" in told[0].get_payload()
    assert own_deployment.python(RUN) == "below_threshold 40"
