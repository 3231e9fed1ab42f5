"""The Celery app with one more task: predict, and write down which process did."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from config.celery import app
from triage_rules.case import TriageCase

app.conf.task_default_queue = os.environ["TEST_QUEUE"]


@app.task  # type: ignore[untyped-decorator]
def predict_once(seconds: float) -> None:
    """Predict, hold the process for a while so that another one takes the next, and tell."""
    from threadpoolctl import threadpool_info

    from ml.service import TriagePredictionService

    service = TriagePredictionService.instance()
    opinion = service.predict(TriageCase(chief_complaint="cough", age_years=40))
    time.sleep(seconds)
    facts = {
        "pid": os.getpid(),
        "version": opinion.version,
        "abstained": opinion.abstained,
        "epoch": service.status.epoch,
        "pools": [pool["num_threads"] for pool in threadpool_info()],
    }
    with Path(os.environ["OBSERVATIONS"]).open("a", encoding="utf-8") as file:
        file.write(json.dumps(facts) + "\n")
