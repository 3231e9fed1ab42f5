"""How gunicorn serves the API: threads, because a slow client must not hold up the others."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from config.env import env_text, env_whole

wsgi_app = "config.wsgi:application"
bind = env_text("BIND", "127.0.0.1:8000")
worker_class = "config.threads.WholeRequestsWorker"
workers = env_whole("WEB_WORKERS", 2, low=1, high=256)
threads = env_whole("WEB_THREADS", 4, low=1, high=256)
timeout = 30
graceful_timeout = 20
keepalive = 5
max_requests = 50_000
max_requests_jitter = 5_000
# Request lines would carry ids into the log; the service logs its own events.
accesslog = None
# The control socket's thread in the master does not survive a fork (gunicorn#3529).
control_socket_disable = True


def _new_folder() -> str:
    """Return a folder of this master's own, in ``var/`` or where temporary files go."""
    var = Path(__file__).resolve().parent.parent / "var"
    folder = tempfile.mkdtemp(prefix="metrics-", dir=var if os.access(var, os.W_OK) else None)
    master = os.getpid()

    def remove() -> None:
        # Its workers end before it does, and take this with them.
        if os.getpid() == master:
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)
    return folder


# The workers add up their counts in this folder; the library looks for it when it is imported. A
# reload reads this file again, and finds what the start chose.
metrics_folder = Path(env_text("PROMETHEUS_MULTIPROC_DIR") or _new_folder())
os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(metrics_folder)


def on_starting(_arbiter: object) -> None:
    """Begin to count from zero: what an earlier start left behind is not of these workers."""
    from api.shared_counts import counts_empty

    counts_empty(metrics_folder)


def pre_fork(_arbiter: object, _worker: object) -> None:
    """Make sure that the worker can count, whoever has tidied up temporary files since."""
    metrics_folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def child_exit(arbiter: Any, worker: Any) -> None:
    """Keep what a worker has counted when it ends, and its files from piling up."""
    from api.shared_counts import counts_keep

    try:
        counts_keep(metrics_folder, pid=worker.pid, alive=set(arbiter.WORKERS) - {worker.pid})
    except Exception as error:  # noqa: BLE001 - the master must live, whatever becomes of counts
        arbiter.log.warning("counts of a worker were not kept: %s", type(error).__name__)


# How long a new worker waits for the database's word on the model before it serves what it has.
FIRST_LOOK_S = 5.0


def post_fork(_arbiter: object, _worker: object) -> None:
    """Leave the master's database connections alone; only a preloaded app can have opened any."""
    from django.apps import apps
    from django.db import connections

    if apps.ready:
        connections.close_all()


def post_worker_init(_worker: object) -> None:
    """Make the first patient's answer as quick as the next: check the model, read the rules.

    This is the first moment after the fork; a prediction or a thread any earlier would be lost
    to the worker, or hang it.
    """
    from api.instruments import model_show
    from ml.service import TriagePredictionService
    from triage_rules import evaluate
    from triage_rules.case import TriageCase

    service = TriagePredictionService.instance()
    service.start(patience_s=FIRST_LOOK_S)
    case = TriageCase(chief_complaint="cough", age_years=40)
    evaluate(case)
    service.predict(case)
    model_show()
