"""config/gunicorn.py, with hooks that write down what master and workers are like inside."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

from config import gunicorn as production

globals().update({name: value for name, value in vars(production).items() if name[0] != "_"})


def _note(**facts: object) -> None:
    with Path(os.environ["OBSERVATIONS"]).open("a", encoding="utf-8") as file:
        file.write(json.dumps({"pid": os.getpid(), **facts}) + "\n")


def when_ready(_arbiter: object) -> None:
    """Note the master just before its first fork, with an open connection if asked for."""
    is_loaded = has_predicted = False
    if os.environ.get("GUNICORN_CMD_ARGS") == "--preload":
        from django.db import connection

        from ml.service import TriagePredictionService

        service = TriagePredictionService.instance()
        is_loaded, has_predicted = service._snapshot is not None, service._may_predict
        if os.environ.get("WITH_OPEN_CONNECTION"):
            connection.ensure_connection()
    threads = len(os.listdir("/proc/self/task"))  # noqa: PTH208
    _note(who="master", threads=threads, is_loaded=is_loaded, has_predicted=has_predicted)


def post_worker_init(worker: Any) -> None:
    """Note a worker that is about to take requests."""
    production.post_worker_init(worker)
    # Loaded as a tree model would load it, with the OpenMP pool that does not survive a fork.
    import sklearn.ensemble  # noqa: F401
    from django.db import connection
    from threadpoolctl import threadpool_info

    _note(
        who="worker",
        inherited_connection=connection.connection is not None,
        pools={pool["internal_api"]: pool["num_threads"] for pool in threadpool_info()},
        threads=[thread.name for thread in threading.enumerate()],
    )


def post_request(_worker: object, _request: object, _environ: object, response: Any) -> None:
    """Note who answered."""
    _note(who="answer", status=response.status_code)
