"""Demonstration accounts and one made-up patient, for a development machine only."""

from __future__ import annotations

import json
import os
import secrets
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group, Permission, User
from django.db import transaction
from knox.models import AuthToken
from rest_framework.exceptions import AuthenticationFailed

from api.authentication import TokenAuthentication
from api.client import TRIAGE_PATH, TriageClient
from monitoring.roles import Role

PASSWORD_FILE = "dev-passwords"  # noqa: S105
TOKEN_FILE = "dev-token"  # noqa: S105
SUPERUSER = "admin"
# Beside the superuser, somebody of each role that is a person's.
PEOPLE: Mapping[str, Role] = {
    "clinician": Role.CLINICIAN,
    "reviewer": Role.REVIEWER,
    "ml_engineer": Role.ML_ENGINEER,
    "manager": Role.ADMIN,
    "auditor": Role.AUDITOR,
}
EXAMPLE_REQUEST: Mapping[str, Any] = {
    "patient_id": "p-123",
    "encounter_id": "e-9",
    "triage_log_id": "T-2026-00017",
    "site": "main",
    "patient_age": 57,
    "sex": "male",
    "urgency": "soon",
    "arrival_mode": "walk_in",
    "injury": False,
    "reported_by": "patient",
    "symptoms_data": {
        "chief_complaint": "chest pain radiating to left arm",
        "description": "since an hour, sweating",
        "symptoms": [
            {"name": "nausea", "present": True, "severity": "moderate", "duration_hours": 1}
        ],
    },
    "vitals": {
        "heart_rate": 104,
        "respiratory_rate": 20,
        "spo2": 96,
        "on_oxygen": False,
        "systolic_bp": 142,
        "diastolic_bp": 88,
        "temperature_c": 36.9,
        "consciousness": "A",
        "pain_score": 7,
    },
    "medical_history": ["hypertension"],
    "medications": ["apixaban"],
    "allergies": [],
}


class DemoError(Exception):
    """The demonstration cannot go on; the message is one sentence saying why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstDecision:
    """What the running service answered, and the line that asks the same again."""

    answer: Mapping[str, Any]
    curl: str


@transaction.atomic
def demo_setup(folder: Path) -> None:
    """Make the demonstration users and the frontend's token in a folder; what is there stays."""
    if not settings.DEBUG:
        raise DemoError("demonstration users are made only where DJANGO_DEBUG is true")
    folder.mkdir(parents=True, exist_ok=True)
    passwords = _passwords_ensure(folder / PASSWORD_FILE, (SUPERUSER, *PEOPLE))
    _user_ensure(SUPERUSER, password=passwords[SUPERUSER], is_staff=True, is_superuser=True)
    for name, role in PEOPLE.items():
        person = _user_ensure(name, password=passwords[name], is_staff=True)
        person.groups.add(Group.objects.get(name=role))
    frontend = _user_ensure("frontend", password=None)
    frontend.groups.add(Group.objects.get(name=Role.FRONTEND))
    # The token that `make run` prints also shows the summary.
    frontend.user_permissions.add(Permission.objects.get(codename="view_monitoringrun"))
    _token_ensure(folder / TOKEN_FILE, user=frontend)


def first_decision(*, url: str, folder: Path) -> FirstDecision:
    """Ask the service at an address for the decision on the made-up patient.

    Raises
    ------
    DemoError
        When there is no token yet.
    ServiceError
        When the service does not answer, or refuses.
    """
    token = _read(folder / TOKEN_FILE)
    if not token:
        raise DemoError(
            f"there is no token in {folder / TOKEN_FILE}; manage.py setup_demo makes it"
        )
    client = TriageClient(url=url, token=token)
    return FirstDecision(
        answer=client.post(TRIAGE_PATH, EXAMPLE_REQUEST),
        curl=curl_line(
            url.rstrip("/") + TRIAGE_PATH, body=json.dumps(EXAMPLE_REQUEST), headers=client.headers
        ),
    )


def curl_line(address: str, *, body: str, headers: Mapping[str, str]) -> str:
    """Return the one shell line that posts a body, safe whatever stands in it."""
    named = [word for name, value in headers.items() for word in ("-H", f"{name}: {value}")]
    return shlex.join(["curl", "-sS", *named, "-d", body, address])


def _passwords_ensure(path: Path, names: tuple[str, ...]) -> dict[str, str]:
    known = dict(line.split(maxsplit=1) for line in _read(path).splitlines() if " " in line)
    fresh = {name: secrets.token_urlsafe(16) for name in names if name not in known}
    # A password that was never set on the user would only mislead.
    fresh = {n: p for n, p in fresh.items() if not User.objects.filter(username=n).exists()}
    if fresh:
        lines = [f"{name} {password}" for name, password in {**known, **fresh}.items()]
        _write_private(path, "\n".join(lines))
    return {name: (known | fresh).get(name, "") for name in names}


def _user_ensure(
    name: str, *, password: str | None, is_staff: bool = False, is_superuser: bool = False
) -> User:
    """Return the user; a new one gets the password (None: it can never log in with one)."""
    user = User.objects.filter(username=name).first()
    return user or User.objects.create_user(
        name, password=password, is_staff=is_staff, is_superuser=is_superuser
    )


def _token_ensure(path: Path, *, user: User) -> None:
    if not _token_works(_read(path)):
        _, token = AuthToken.objects.create(user)
        _write_private(path, token)


def _token_works(token: str) -> bool:
    try:
        TokenAuthentication().authenticate_credentials(token.encode())
    except AuthenticationFailed:
        return False
    return True


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8").strip() if path.exists() else ""


def _write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text + "\n")
    temporary.replace(path)
