"""The service on gunicorn: it decides, remembers, restarts, and does without its model."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import TRIAGE_URL
from tests.functional.conftest import Deployment, Server

pytestmark = pytest.mark.functional


def test_it_works(server: Server, token: str, chest_pain: dict[str, Any]) -> None:
    assert server.get("/readyz")["mode"] == "full"

    answer = server.post(TRIAGE_URL, chest_pain, token=token)

    assert (answer["prediction"], answer["method"]) == ("emergency", "red_flag")
    assert answer["model"]["version"] == server.get("/readyz")["model_version"]


def test_fifty_calls_at_once_are_fifty_rows(
    server: Server, token: str, deployment: Deployment, sore_throat: dict[str, Any]
) -> None:
    body = sore_throat | {"triage_log_id": "fifty-at-once"}

    with ThreadPoolExecutor(8) as pool:
        posts = [pool.submit(server.post, TRIAGE_URL, body, token=token) for _ in range(50)]
        ids = {post.result()["prediction_id"] for post in posts}

    count = deployment.python(
        "from monitoring.models import MLPredictionLog as Log\n"
        "print(Log.objects.filter(triage_log_id='fifty-at-once').count())"
    )
    assert len(ids) == int(count) == 50


def test_the_arm_survives_a_restart_and_another_process(
    server: Server, token: str, deployment: Deployment, sore_throat: dict[str, Any]
) -> None:
    def arms(running: Server) -> list[str]:
        return [
            running.post(TRIAGE_URL, sore_throat | {"patient_id": f"p-{n}"}, token=token)[
                "ab_group"
            ]
            for n in range(30)
        ]

    before = arms(server)
    with deployment.server() as restarted:
        after = arms(restarted)

    elsewhere = deployment.python(
        "import json; from django.conf import settings\n"
        "from ml.experiments import phase_current; from ml.routing import assign\n"
        "phase, key = phase_current(), settings.ASSIGNMENT_KEY\n"
        "print(json.dumps([assign(unit=f'p-{n}', key=key, phase=phase).ab_group"
        " for n in range(30)]))"
    )
    assert before == after == json.loads(elsewhere)
    assert set(before) == {"ml", "rules"}


def delete(file: Path) -> None:
    file.unlink()


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:1000])


def flip_a_bit(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize("damage", [delete, truncate, flip_a_bit])
@pytest.mark.parametrize("name", ["model.joblib", "extractor.joblib"])
def test_with_a_damaged_model_it_starts_and_answers_by_rules(
    damage: Callable[[Path], None],
    name: str,
    deployment: Deployment,
    token: str,
    model_store: Path,
    tmp_path: Path,
    sore_throat: dict[str, Any],
) -> None:
    store = shutil.copytree(model_store, tmp_path / "models")
    file = next(store.glob(f"*/{name}"))
    file.parent.chmod(0o755)
    file.chmod(0o644)
    damage(file)

    with deployment.server(MODEL_STORE=str(store)) as server:
        ready = server.get("/readyz")
        answer = server.post(TRIAGE_URL, sore_throat | {"patient_id": None}, token=token)

    assert (ready["mode"], ready["model_version"]) == ("rules_only", None)
    assert ready["model_error"]
    assert (answer["method"], answer["fallback_reason"]) == ("rules", "model_unavailable")


def test_preloading_the_app_before_the_fork_does_not_hang(
    deployment: Deployment, token: str, sore_throat: dict[str, Any]
) -> None:
    with deployment.server(GUNICORN_CMD_ARGS="--preload") as server:
        answers = [server.post(TRIAGE_URL, sore_throat, token=token) for _ in range(10)]

    assert {answer["model"]["abstained"] for answer in answers} == {None}


def test_nothing_of_a_patient_reaches_the_logs(
    server: Server, token: str, chest_pain: dict[str, Any]
) -> None:
    chest_pain["patient_id"] = "CANARY-1"
    chest_pain["symptoms_data"]["chief_complaint"] = "chest pain CANARY-2"
    server.post(TRIAGE_URL, chest_pain, token=token)
    server.post(TRIAGE_URL, chest_pain | {"vitals": {"spo2": "CANARY-3"}}, token=token)
    server.post("/api/v1/CANARY-4/", chest_pain, token=token)

    log = server.process.log.read_text()  # type: ignore[attr-defined]
    assert "prediction_logged" in log
    assert "CANARY" not in log
