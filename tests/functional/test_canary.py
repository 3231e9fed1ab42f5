"""Unique words as patient and complaint, through every door and every fault, and where they end.

Nothing but the encrypted request and the answer to the caller may hold them.
"""

from __future__ import annotations

import http.client
import json
import os
import threading
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from tests.conftest import TRIAGE_URL
from tests.functional.conftest import Deployment, Server

pytestmark = pytest.mark.functional

PATIENT = "CanaryPatientQx7"
VISIT = "CanaryVisitWk3"
COMPLAINT = "canarycomplaintzv9"
CANARIES = (PATIENT, VISIT, COMPLAINT)

DUMP = """
from django.db import connection
with connection.cursor() as cursor:
    for table in connection.introspection.table_names(cursor):
        cursor.execute(f'SELECT * FROM "{table}"')
        for row in cursor.fetchall():
            print(table, *(bytes(v) if isinstance(v, memoryview) else v for v in row))
"""
# A row that the database refuses, and says so with the row's values in its message.
REFUSE = {
    "sqlite": "ALTER TABLE monitoring_triageintake RENAME TO intake_gone",
    "postgresql": (
        "ALTER TABLE monitoring_mlpredictionlog ADD CONSTRAINT nothing_fits CHECK (false) NOT VALID"
    ),
}
ALLOW = {
    "sqlite": "ALTER TABLE intake_gone RENAME TO monitoring_triageintake",
    "postgresql": "ALTER TABLE monitoring_mlpredictionlog DROP CONSTRAINT nothing_fits",
}
JOBS = """
from django.utils import timezone
from monitoring.models import MLPredictionLog
from monitoring.accuracy import accuracy_check
from monitoring.selectors import site_today
from monitoring.drift import drift_check
from monitoring.deliveries import deliver_pending
from monitoring.watch import runs_watch
now = timezone.now()
accuracy_check(site_today(now=now), now=now)
drift_check(site_today(now=now))
runs_watch(now=now)
print(deliver_pending(now=now))
"""
ENQUEUE = """
from config.celery import app
from monitoring import tasks
for name in sorted(app.tasks):
    if name.startswith("monitoring."):
        app.send_task(name)
"""


@dataclass
class Journey:
    """What came out of the service, other than the body of an answer to who had asked."""

    headers: list[str] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    metrics: str = ""
    logs: str = ""
    tables: str = ""
    sent: list[str] = field(default_factory=list)
    queue: str = ""


class Receiver(BaseHTTPRequestHandler):
    """Keeps what is posted to it."""

    kept: list[str]

    def do_POST(self) -> None:
        """Keep the headers and the body."""
        length = int(self.headers.get("Content-Length", 0))
        self.kept.append(f"{self.headers}{self.rfile.read(length).decode()}")
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def request(extra: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return a call in which every free word is a canary."""
    return {
        "patient_id": PATIENT,
        "encounter_id": VISIT,
        "patient_age": 44,
        "symptoms_data": {
            "chief_complaint": f"{COMPLAINT} sore throat",
            "description": COMPLAINT,
            "symptoms": [{"name": COMPLAINT}],
        },
        "medical_history": [COMPLAINT],
        "medications": [COMPLAINT],
        "allergies": [COMPLAINT],
        **(extra or {}),
    }


def bad_bodies() -> Iterator[bytes]:
    """Yield bodies with a canary at every place that is refused."""
    yield json.dumps(request({"patient_age": COMPLAINT})).encode()
    yield json.dumps(request({COMPLAINT: 1})).encode()
    yield json.dumps(request({"sex": COMPLAINT, "site": f"{PATIENT} !"})).encode()
    yield json.dumps(request({"patient_id": PATIENT * 40})).encode()
    yield json.dumps(request({"vitals": {"heart_rate": COMPLAINT, COMPLAINT: 1}})).encode()
    yield json.dumps(request({"symptoms_data": {"chief_complaint": COMPLAINT * 500}})).encode()
    yield json.dumps(request())[:-1].encode()
    yield f'{{"patient_id": "{PATIENT}", "patient_id": "{PATIENT}"}}'.encode()
    yield f"{COMPLAINT}\x00".encode()
    yield json.dumps(request({"description": COMPLAINT * 6_000})).encode()
    yield f'["{COMPLAINT}"]'.encode()


@pytest.fixture(scope="module")
def journey(own_deployment: Deployment) -> Journey:
    """Everything that the service says while canaries fly through it."""
    journey = Journey()
    receiver = HTTPServer(("127.0.0.1", 0), type("Kept", (Receiver,), {"kept": journey.sent}))
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    own_deployment.environment |= {
        "ALERT_WEBHOOK_URL": f"http://127.0.0.1:{receiver.server_port}/",
        "ALERT_WEBHOOK_SECRET": "w" * 40,
        "EMAIL_URL": f"filemail://{own_deployment.folder / 'mail'}",
        "LOG_LEVEL": "DEBUG",
        "DJANGO_DEBUG": "false",
        "ALLOWED_HOSTS": "127.0.0.1",
    }
    token = own_deployment.token()
    with own_deployment.server("--capture-output") as server:
        fly(server, own_deployment, journey, token=token)
        engineer = own_deployment.token("engineer", "ml_engineer")
        journey.metrics = call(server, journey, "GET", "/metrics", token=engineer)
    own_deployment.python(JOBS)
    if own_deployment.environment["REDIS_URL"]:
        journey.queue = queued(own_deployment)
    journey.logs = "".join(log.read_text() for log in own_deployment.folder.glob("*.log"))
    journey.sent += [mail.read_text() for mail in files(own_deployment.folder / "mail")]
    journey.tables = own_deployment.python(DUMP)
    receiver.shutdown()
    receiver.server_close()
    return journey


def fly(server: Server, deployment: Deployment, journey: Journey, *, token: str) -> None:
    """Send canaries through every door, and then while the database refuses."""
    answer = json.loads(call(server, journey, "POST", TRIAGE_URL, request(), token=token))
    explained = f"{TRIAGE_URL}?explain=true"
    call(server, journey, "POST", explained, request(), token=token)
    for body in bad_bodies():
        call(server, journey, "POST", TRIAGE_URL, body, token=token)
    label = {"level": "emergency", "source": "clinician", "note": COMPLAINT}
    path = f"/api/v1/predictions/{answer['prediction_id']}/ground-truth/"
    call(server, journey, "POST", path, label, token=token)
    call(server, journey, "POST", path, {"level": COMPLAINT, "source": PATIENT}, token=token)
    elsewhere = f"/api/v1/predictions/{uuid.uuid4()}/ground-truth/"
    call(server, journey, "POST", elsewhere, label, token=token)
    credentials = {"username": PATIENT, "password": COMPLAINT}
    for _ in range(6):
        call(server, journey, "POST", f"/api/v1/auth/login/?{VISIT}={PATIENT}", credentials)
    call(server, journey, "POST", TRIAGE_URL, request(), token=COMPLAINT)
    call(server, journey, "POST", "/api/v1/models/rollback/", {"reason": COMPLAINT}, token=token)
    for path in (f"/api/{PATIENT}/", f"/admin/{PATIENT}/", f"/{PATIENT}?q={COMPLAINT}"):
        call(server, journey, "GET", quote(path, safe="/?="), token=token)
    call(server, journey, "GET", f"/api/v1/monitoring/summary/?{COMPLAINT}=1", token=token)
    vendor = "postgresql" if "postgres" in deployment.environment["DATABASE_URL"] else "sqlite"
    alter(deployment, REFUSE[vendor])
    call(server, journey, "POST", TRIAGE_URL, request(), token=token)
    alter(deployment, ALLOW[vendor])


def call(
    server: Server, journey: Journey, method: str, path: str, body: Any = None, *, token: str = ""
) -> str:
    """Make one call, keep status and headers, and return the body."""
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=20)
    headers = {"Content-Type": "application/json", "X-Forwarded-Proto": "https"}
    if token:
        headers["Authorization"] = f"Token {token}"
    content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    connection.request(method, path, content, headers)
    with closing(connection), connection.getresponse() as response:
        journey.statuses.append(response.status)
        journey.headers.append(str(response.headers))
        return response.read().decode()


def alter(deployment: Deployment, statement: str) -> None:
    """Change the database under the running service."""
    deployment.python(
        f"from django.db import connection\nconnection.cursor().execute({statement!r})"
    )


def queued(deployment: Deployment) -> str:
    """Enqueue every job where no worker takes it, and return all that the broker then holds."""
    import redis

    deployment.python(ENQUEUE)
    with redis.Redis.from_url(os.environ["TEST_REDIS_URL"]) as client:
        lists = [key for key in client.scan_iter() if client.type(key) == b"list"]
        content = [client.lrange(key, 0, -1) for key in lists]
        client.delete(*lists)
    return str(content)


def files(folder: Path) -> list[Path]:
    """Return the files of a folder that may not be there."""
    return sorted(folder.iterdir()) if folder.is_dir() else []


def test_the_canaries_flew(journey: Journey) -> None:
    assert journey.statuses[:2] == [200, 200]
    assert 503 in journey.statuses
    assert sum(status in {400, 413} for status in journey.statuses) >= 11
    assert 500 not in journey.statuses


def test_every_sink_was_looked_at(journey: Journey) -> None:
    assert "prediction_logged" in journey.logs
    assert "triage_" in journey.metrics
    assert "monitoring_mlpredictionlog" in journey.tables
    assert "monitoring_alert " in journey.tables
    assert any("missed_emergency" in sent for sent in journey.sent)


@pytest.mark.parametrize("canary", CANARIES)
@pytest.mark.parametrize("sink", ["headers", "metrics", "logs", "tables", "sent", "queue"])
def test_no_canary_is_found(sink: str, canary: str, journey: Journey) -> None:
    held = getattr(journey, sink)
    content = held if isinstance(held, str) else "".join(held)

    assert canary.lower() not in content.lower()
