"""The real service: its own database, its own processes, nothing mocked."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
START_S = 60


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], Any], *, within_s: float = START_S) -> Any:
    """Return the first true value of the condition, or fail."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.1)
    raise AssertionError(f"nothing came of it within {within_s:g} s")


class Deployment:
    """A database and the environment in which the real processes run."""

    def __init__(self, folder: Path, *, database_url: str, model_store: Path) -> None:
        self.folder = folder
        self.environment = {
            **{
                k: v
                for k, v in os.environ.items()
                if k in {"PATH", "LANG", "TZ", "LD_LIBRARY_PATH"}
            },
            "HOME": str(folder),
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DATABASE_URL": database_url,
            "REDIS_URL": os.environ.get("TEST_REDIS_URL", ""),
            "DJANGO_DEBUG": "true",
            "SECURE_SSL_REDIRECT": "false",
            "DJANGO_SECRET_KEY": "functional-" + "s" * 40,
            "PATIENT_ID_KEY": "functional-" + "p" * 40,
            "ASSIGNMENT_KEY": "functional-" + "a" * 40,
            "INTAKE_KEYS": settings.INTAKE_KEYS[0],
            "MODEL_SIGNING_KEY": os.environ["MODEL_SIGNING_KEY"],
            "MODEL_PUBLIC_KEYS": "",
            "MODEL_STORE": str(model_store),
            "ALERT_EMAILS": "on-call@hospital.example",
            # A test under load calls more often than any frontend may.
            "RATE_LIMIT": "1000000",
        }

    def manage(self, *arguments: str, check: bool = True) -> str:
        """Run a management command and return what it printed."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0 or not check, done.stderr
        return done.stdout if check else done.stderr

    def python(self, code: str) -> str:
        """Run lines of Python inside the project and return what they print."""
        return self.manage("shell", "--verbosity", "0", "--command", code).strip()

    def token(self, name: str = "frontend", role: str = "frontend") -> str:
        """Return a fresh token for an account, which has a role."""
        return self.python(
            "from django.contrib.auth.models import Group, User\n"
            "from knox.models import AuthToken\n"
            f"user, _ = User.objects.get_or_create(username={name!r})\n"
            f"user.groups.add(Group.objects.get(name={role!r}))\n"
            "print(AuthToken.objects.create(user)[1])"
        )

    @contextmanager
    def process(self, *command: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run a process of the service and stop it at the end."""
        log = self.folder / f"{Path(command[0]).name}-{uuid.uuid4().hex[:6]}.log"
        with log.open("wb") as output:
            running = subprocess.Popen(
                [str(BIN / command[0]), *command[1:]],
                cwd=ROOT, env=self.environment | environment, stdout=output, stderr=output,
            )  # fmt: skip
            running.log = log  # type: ignore[attr-defined]
            try:
                yield running
            finally:
                running.send_signal(signal.SIGTERM)
                with suppress(subprocess.TimeoutExpired):
                    running.wait(20)
                running.kill()
                running.wait()

    @contextmanager
    def server(self, *arguments: str, **environment: str) -> Iterator[Server]:
        """Run gunicorn and yield it once it is ready."""
        port = free_port()
        command = ("gunicorn", "-c", "config/gunicorn.py", *arguments)
        with self.process(*command, BIND=f"127.0.0.1:{port}", **environment) as running:
            server = Server(f"http://127.0.0.1:{port}", running)
            wait_until(server.answers)
            yield server


def events(process: subprocess.Popen[bytes], name: str) -> list[dict[str, Any]]:
    """Return what a process and its children have logged under a name, in order."""
    lines = process.log.read_text().splitlines()  # type: ignore[attr-defined]
    found = (json.loads(line) for line in lines if name in line and line.endswith("}"))
    return [event for event in found if event["event"] == name]


def workers_at(process: subprocess.Popen[bytes], *, epoch: int) -> set[int]:
    """Return the ids of the processes that serve the epoch, or did."""
    return {one["pid"] for one in events(process, "model_serving") if one["epoch"] == epoch}


class Server:
    """A running gunicorn."""

    def __init__(self, url: str, process: subprocess.Popen[bytes]) -> None:
        self.url = url
        self.process = process

    def answers(self) -> bool:
        """Tell whether it listens; a server that died fails the test with its own words."""
        assert self.process.poll() is None, self.process.log.read_text()  # type: ignore[attr-defined]
        with suppress(OSError):
            return self.get("/readyz")["status"] == "ready"
        return False

    def get(self, path: str) -> dict[str, Any]:
        """Get a JSON answer."""
        with urllib.request.urlopen(self.url + path, timeout=10) as response:
            return dict(json.load(response))

    def post(self, path: str, body: Any, *, token: str) -> dict[str, Any]:
        """Post JSON and return the answer, whatever its status."""
        request = urllib.request.Request(
            self.url + path,
            json.dumps(body).encode(),
            {"Content-Type": "application/json", "Authorization": f"Token {token}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return dict(json.load(response))
        except urllib.error.HTTPError as error:
            return dict(json.load(error))


@contextmanager
def new_database(folder: Path) -> Iterator[str]:
    """Yield the address of an empty database, on the server the suite runs on."""
    url = os.environ.get("TEST_DATABASE_URL", "")
    if not url:
        yield f"sqlite:///{folder / 'triage.sqlite3'}"
        return
    import psycopg

    name = f"triage_functional_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
    yield f"{url.rsplit('/', 1)[0]}/{name}"
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def copy_store(store: Path, folder: Path) -> Path:
    """Return a copy of a model store whose files may be spoilt."""
    copy = Path(shutil.copytree(store, folder / "models"))
    for file in copy.rglob("*"):
        file.chmod(0o755 if file.is_dir() else 0o644)
    return copy


@pytest.fixture(scope="session")
def database_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database of their own for the processes."""
    with new_database(tmp_path_factory.mktemp("database")) as url:
        yield url


@pytest.fixture(scope="session")
def deployment(
    tmp_path_factory: pytest.TempPathFactory, database_url: str, model_store: Path
) -> Deployment:
    """A migrated service, not yet running."""
    deployment = Deployment(
        tmp_path_factory.mktemp("service"), database_url=database_url, model_store=model_store
    )
    deployment.manage("migrate", "--verbosity", "0")
    return deployment


@pytest.fixture(scope="module")
def own_deployment(
    tmp_path_factory: pytest.TempPathFactory, model_store: Path
) -> Iterator[Deployment]:
    """A migrated service with a database and a model store that the module may change."""
    folder = tmp_path_factory.mktemp("own")
    store = copy_store(model_store, folder)
    with new_database(folder) as url:
        deployment = Deployment(folder, database_url=url, model_store=store)
        deployment.manage("migrate", "--verbosity", "0")
        yield deployment


@pytest.fixture(scope="session")
def server(deployment: Deployment) -> Iterator[Server]:
    """The service, running on gunicorn with its model."""
    with deployment.server() as server:
        yield server


@pytest.fixture(scope="session")
def token(deployment: Deployment) -> str:
    """The frontend's token."""
    return deployment.token()
