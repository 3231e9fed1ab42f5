"""A release by the owner of the tables, and the service as a role that cannot rewrite history."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import psycopg
import pytest

from tests.conftest import TRIAGE_URL
from tests.functional.conftest import BIN, ROOT, Deployment, Server, copy_store

pytestmark = [
    pytest.mark.functional,
    pytest.mark.skipif(not os.environ.get("TEST_DATABASE_URL"), reason="only PostgreSQL has roles"),
]
ADMIN_URL = os.environ.get("TEST_DATABASE_URL", "")
PERSON = "correct horse battery"
# Writes down every command line, then does what it says.
WATCHED_PYTHON = """#!/bin/sh
printf '%s\\n' "$*" >>"$0.seen"
exec {python} "$@"
"""


@dataclass(frozen=True)
class Place:
    """An empty database, the role that owns it, and one that is not there yet."""

    owner_url: str
    application_url: str
    application: str
    passwords: tuple[str, str]


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    """As a database administrator leaves it: an owner that can make roles, and no more."""
    mark = uuid.uuid4().hex[:12]
    owner, application = f"triage_owner_{mark}", f"triage_app_{mark}"
    passwords = (f"owner-{uuid.uuid4().hex}", f"application-{uuid.uuid4().hex}")
    where = urlsplit(ADMIN_URL).netloc.rpartition("@")[2]
    with psycopg.connect(ADMIN_URL, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {owner} LOGIN CREATEROLE PASSWORD '{passwords[0]}'")
        admin.execute(f"CREATE DATABASE {owner} OWNER {owner}")
    yield Place(
        owner_url=f"postgres://{owner}:{passwords[0]}@{where}/{owner}",
        application_url=f"postgres://{application}:{passwords[1]}@{where}/{owner}",
        application=application,
        passwords=passwords,
    )
    with psycopg.connect(ADMIN_URL, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {owner} WITH (FORCE)")
        admin.execute(f"DROP ROLE IF EXISTS {application}")
        admin.execute(f"DROP ROLE {owner}")


@pytest.fixture(scope="module")
def owned(tmp_path_factory: pytest.TempPathFactory, place: Place, model_store: Path) -> Deployment:
    """The service as its owner runs it."""
    folder = tmp_path_factory.mktemp("owned")
    store = copy_store(model_store, folder)
    deployment = Deployment(folder, database_url=place.owner_url, model_store=store)
    (folder / "database_url").write_text(place.application_url + "\n")
    deployment.environment["APPLICATION_DATABASE_URL_FILE"] = str(folder / "database_url")
    python = folder / "bin" / "python"
    python.parent.mkdir()
    python.write_text(WATCHED_PYTHON.format(python=sys.executable))
    python.chmod(0o755)
    deployment.environment["PATH"] = f"{python.parent}:{BIN}:{deployment.environment['PATH']}"
    return deployment


def release(deployment: Deployment) -> subprocess.CompletedProcess[str]:
    """Run the script as the container does and keep what it says."""
    return subprocess.run(
        [ROOT / "deploy" / "release.sh"],
        env=deployment.environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def released(owned: Deployment) -> subprocess.CompletedProcess[str]:
    """What the first release said."""
    done = release(owned)
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def serving(
    tmp_path_factory: pytest.TempPathFactory,
    released: object,
    owned: Deployment,
    place: Place,
) -> Iterator[Server]:
    """The service on gunicorn, logged in as the role of the application alone."""
    owned.python(
        "from django.contrib.auth.models import Group, User\n"
        f"User.objects.create_superuser('chief', password={PERSON!r})\n"
        f"reviewer = User.objects.create_user('reviewer', password={PERSON!r})\n"
        "reviewer.groups.set(Group.objects.filter(name__in=['clinician', 'reviewer']))"
    )
    service = Deployment(
        tmp_path_factory.mktemp("serving"),
        database_url=place.application_url,
        model_store=Path(owned.environment["MODEL_STORE"]),
    )
    with service.server() as server:
        yield server


def test_the_owner_migrates_and_makes_the_role(
    released: subprocess.CompletedProcess[str], place: Place
) -> None:
    assert f"The role {place.application} was made and has the rights" in released.stdout
    assert "Applying monitoring.0001_initial... OK" in released.stdout


def test_no_password_is_said_or_stands_on_a_command_line(
    released: subprocess.CompletedProcess[str], owned: Deployment, place: Place
) -> None:
    seen = (owned.folder / "bin" / "python.seen").read_text()

    assert "manage.py grant_application_role" in seen
    told = released.stdout + released.stderr + seen
    assert not any(password in told for password in place.passwords)


def test_the_database_keeps_the_password_of_the_address(released: object, place: Place) -> None:
    with psycopg.connect(ADMIN_URL) as admin:
        query = "SELECT rolpassword FROM pg_authid WHERE rolname = %s"
        (kept,) = admin.execute(query, [place.application]).fetchone() or ("",)

    assert kept.startswith("SCRAM-SHA-256$")
    assert place.passwords[1] not in kept


def test_a_second_release_has_nothing_to_do(released: object, owned: Deployment) -> None:
    again = release(owned)

    assert again.returncode == 0, again.stderr
    assert "No migrations to apply." in again.stdout
    assert "was made" not in again.stdout


def test_a_person_logs_in_asks_labels_and_reads(
    serving: Server, sore_throat: dict[str, Any]
) -> None:
    login = {"username": "reviewer", "password": PERSON}
    token = post(serving, "/api/v1/auth/login/", login)["token"]

    answer = serving.post(TRIAGE_URL, sore_throat, token=token)
    address = f"/api/v1/predictions/{answer['prediction_id']}/"
    label = {"level": "urgent", "source": "outcome", "saw_prediction": False}
    said = serving.post(f"{address}ground-truth/", label, token=token)

    assert said["ground_truth"] == "urgent"
    read = get(serving, address, token=token)
    assert read["prediction_id"] == answer["prediction_id"]
    listed = get(serving, "/api/v1/predictions/", token=token)["results"]
    assert [one["prediction_id"] for one in listed] == [answer["prediction_id"]]


def test_a_wrong_password_is_refused_and_counted(serving: Server, place: Place) -> None:
    answer = serving.post(
        "/api/v1/auth/login/", {"username": "reviewer", "password": "wrong"}, token=""
    )

    assert answer["status"] == 401
    with psycopg.connect(place.owner_url) as owner:
        counted = owner.execute("SELECT count(*) FROM axes_accessattempt").fetchone()
    assert counted == (1,)


def test_somebody_logs_in_to_the_admin(serving: Server) -> None:
    page = browser_of(serving).open(f"{serving.url}/admin/").read().decode()

    assert "Log out" in page


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM monitoring_accessevent",
        "UPDATE monitoring_accessevent SET actor = ''",
        "DELETE FROM monitoring_mlpredictionlog",
        "UPDATE monitoring_mlpredictionlog SET prediction = 0",
        "TRUNCATE monitoring_accessevent",
        "DROP TABLE monitoring_accessevent",
        "CREATE TABLE mine ()",
    ],
)
def test_who_has_its_password_cannot_rewrite_history(
    released: object, place: Place, statement: str
) -> None:
    refused = pytest.raises(psycopg.errors.InsufficientPrivilege)
    with psycopg.connect(place.application_url) as thief, refused:
        thief.execute(statement)


def post(server: Server, path: str, body: dict[str, str]) -> dict[str, Any]:
    """Post JSON without a token and return the answer."""
    request = urllib.request.Request(
        server.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        return dict(json.load(response))


def get(server: Server, path: str, *, token: str) -> dict[str, Any]:
    """Get JSON with a token."""
    request = urllib.request.Request(server.url + path, headers={"Authorization": f"Token {token}"})
    with urllib.request.urlopen(request, timeout=10) as response:
        return dict(json.load(response))


def browser_of(server: Server) -> urllib.request.OpenerDirector:
    """Return a browser in which the chief has logged in to the admin."""
    cookies = CookieJar()
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(cookies))
    address = f"{server.url}/admin/login/"
    browser.open(address).read()
    token = next(cookie.value for cookie in cookies if cookie.name == "csrftoken")
    form = {"username": "chief", "password": PERSON, "csrfmiddlewaretoken": token}
    browser.open(address + "?next=/admin/", urlencode(form).encode()).read()
    return browser
