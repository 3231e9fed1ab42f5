"""Named people, their tokens, and the service with and without its model."""

from __future__ import annotations

import copy
import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from knox.models import AuthToken

from api import limits
from api.demo import EXAMPLE_REQUEST
from config.celery import app as celery_app
from ml.artefacts import DOCUMENTS, TrainedModel, point_to, save
from ml.service import TriagePredictionService
from ml.simulator import simulate
from ml.training import train
from monitoring.roles import Role

TRIAGE_URL = "/api/v1/triage/"
# What a version is documented by is written elsewhere; the store asks only that it is there.
MODEL_DOCUMENTS = {name: f"{name} of a test\n".encode() for name in DOCUMENTS}

_SLOW_CHECKS = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
hypothesis_settings.register_profile(
    "default", max_examples=50, deadline=None, suppress_health_check=_SLOW_CHECKS
)
hypothesis_settings.register_profile(
    "nightly", max_examples=10_000, deadline=None, suppress_health_check=_SLOW_CHECKS
)
hypothesis_settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say which real services the run used, as they answer themselves."""
    terminalreporter.write_line(f"triage: database={_database()} redis={_redis()}")


def _database() -> str:
    if "sqlite" in settings.DATABASES["default"]["ENGINE"]:
        return "sqlite"
    with connection.get_new_connection(connection.get_connection_params()) as raw:
        return f"postgresql {raw.info.parameter_status('server_version')}"


def _redis() -> str:
    if not settings.REDIS_URL:
        return "none"
    import redis

    with redis.Redis.from_url(settings.REDIS_URL) as client:
        return str(client.info("server")["redis_version"])


@pytest.fixture
def chest_pain() -> dict[str, Any]:
    """A man of 57 whose words and age make an acute coronary syndrome possible."""
    return copy.deepcopy(dict(EXAMPLE_REQUEST))


@pytest.fixture
def sore_throat() -> dict[str, Any]:
    """A woman of 30 with a sore throat and normal vital signs."""
    return {
        "patient_id": "p-7",
        "patient_age": 30,
        "sex": "female",
        "symptoms_data": {"chief_complaint": "sore throat"},
        "vitals": {
            "heart_rate": 72,
            "respiratory_rate": 14,
            "spo2": 99,
            "on_oxygen": False,
            "systolic_bp": 122,
            "diastolic_bp": 78,
            "temperature_c": 36.8,
            "consciousness": "A",
        },
    }


def account(name: str, *roles: Role, **properties: Any) -> User:
    """Make an account with roles."""
    user = User.objects.create_user(name, **properties)
    user.groups.set(Group.objects.filter(name__in=roles))
    return user


def browser_of(user: User) -> Client:
    """Return a browser in which somebody has logged in."""
    browser = Client()
    browser.force_login(user)
    return browser


@pytest.fixture
def frontend(db: None) -> User:
    """The account of the web frontend."""
    return account("frontend", Role.FRONTEND)


@pytest.fixture
def reviewer(db: None) -> User:
    """A clinician who may read the record and say what was right."""
    return account("reviewer", Role.REVIEWER, password="correct horse battery", is_staff=True)


class ApiClient(Client):
    """A test client that sends JSON and, once told who it is, a token."""

    def send(self, body: Any, *, path: str = TRIAGE_URL, **extra: Any) -> Any:
        """Post a body as JSON."""
        return self.post(path, json.dumps(body), content_type="application/json", **extra)

    def send_raw(self, body: bytes, *, content_type: str = "application/json", **extra: Any) -> Any:
        """Post bytes as they are."""
        return self.generic("POST", TRIAGE_URL, body, content_type=content_type, **extra)


@pytest.fixture
def anonymous() -> ApiClient:
    """Somebody without a token."""
    return ApiClient(raise_request_exception=False)


def client_of(user: User) -> ApiClient:
    """Return a client with a fresh token of the user."""
    _, token = AuthToken.objects.create(user)
    return ApiClient(raise_request_exception=False, headers={"authorization": f"Token {token}"})


@pytest.fixture
def api(frontend: User) -> ApiClient:
    """The frontend, with its token."""
    return client_of(frontend)


@pytest.fixture(autouse=True)
def service(monkeypatch: pytest.MonkeyPatch) -> TriagePredictionService:
    """The prediction service of this process, without a model unless a test loads one."""
    service = TriagePredictionService()
    monkeypatch.setattr(TriagePredictionService, "_instance", service)
    return service


@pytest.fixture(autouse=True)
def nobody_has_called(monkeypatch: pytest.MonkeyPatch) -> None:
    """What earlier tests have called does not count against the limits of this one."""
    monkeypatch.setattr(limits, "KEY_PREFIX", f"test-limits-{uuid.uuid4().hex}")
    monkeypatch.setattr(limits.Counts, "_instance", None)


@pytest.fixture(scope="session")
def trained() -> TrainedModel:
    """A small model, fresh from training on simulated patients."""
    return train(simulate(1_500, seed=11), seed=11, dataset="synthetic", synthetic=True)


@pytest.fixture(scope="session")
def model_store(trained: TrainedModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model store whose pointer names that model. Not to be changed by tests."""
    store = tmp_path_factory.mktemp("models")
    version = save(
        trained, store, signing_key=settings.MODEL_SIGNING_KEY, documents=MODEL_DOCUMENTS
    )
    point_to(store, version, epoch=1)
    return store


@pytest.fixture
def with_model(service: TriagePredictionService, model_store: Path) -> TriagePredictionService:
    """The prediction service with a small trained model."""
    service.boot(model_store)
    assert service.mode == "full", service.load_error
    return service


@pytest.fixture
def tasks_in_place(settings: Any) -> Iterator[None]:
    """Tasks run where they are called, as they do without Redis."""
    before = celery_app.conf.task_always_eager
    settings.CELERY_TASK_ALWAYS_EAGER = celery_app.conf.task_always_eager = True
    yield
    celery_app.conf.task_always_eager = before


@pytest.fixture
def changed() -> Any:
    """Return a function that copies a body with one field set or, with ``...``, removed."""

    def change(body: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
        result = copy.deepcopy(body)
        *parents, leaf = (int(step) if step.isdigit() else step for step in path.split("/"))
        target: Any = result
        for parent in parents:
            target = target[parent]
        if value is ...:
            del target[leaf]
        else:
            target[leaf] = value
        return result

    return change
