"""Settings refuse nonsense with one sentence that names the variable and never its value."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from config.env import (
    SettingError,
    env_bool,
    env_list,
    env_number,
    env_secret,
    env_url,
    env_whole,
    env_zone,
)

FERNET_KEY = "dGVzdC10ZXN0LXRlc3QtdGVzdC10ZXN0LXRlc3QtMTI="
OTHER_FERNET_KEY = "dGVzdC10ZXN0LXRlc3QtdGVzdC10ZXN0LXRlc3QtMzQ="
PUBLIC_KEY = "dGVzdC10ZXN0LXRlc3QtdGVzdC10ZXN0LXRlc3QtMTI="


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("ON", True), ("0", False), ("", True)]
)
def test_a_switch_is_true_or_false(text: str, value: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X", text)

    assert env_bool("X", default=True) is value


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (lambda: env_bool("X", default=True), "maybe"),
        (lambda: env_number("X", 1, low=0, high=1), "1.01"),
        (lambda: env_number("X", 1, low=0, high=1), "nan"),
        (lambda: env_number("X", 1, low=0, high=1), "much"),
        (lambda: env_whole("X", 1, low=0, high=9), "1.5"),
        (lambda: env_whole("X", 1, low=0, high=9), "10"),
        (lambda: env_zone("X", "UTC"), "Mars/Olympus"),
        (lambda: env_zone("X", "UTC"), "../etc/passwd"),
        (lambda: env_secret("X"), "short"),
    ],
)
def test_an_odd_value_is_refused_without_being_echoed(
    read: Callable[[], Any], text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("X", text)

    with pytest.raises(SettingError) as refusal:
        read()

    assert "X must" in str(refusal.value)
    assert text not in str(refusal.value)


def test_a_list_is_comma_separated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X", " a@b.c, ,d@e.f ")

    assert env_list("X") == ["a@b.c", "d@e.f"]


def test_a_secret_may_lie_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "secret"
    file.write_text("s" * 40 + "\n")
    monkeypatch.setenv("X_FILE", str(file))

    assert env_secret("X") == "s" * 40


def test_a_missing_secret_stops_the_start() -> None:
    with pytest.raises(SettingError, match="X is not set"):
        env_secret("X")


@pytest.mark.parametrize("url", ["sqlite://:memory:", "sqlite:////srv/db", "postgres://u@h:5/n"])
def test_an_address_is_taken_as_it_is(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X", url)

    assert env_url("X", "", schemes=("sqlite", "postgres")) == url


def test_a_secret_file_that_cannot_be_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("X_FILE", str(tmp_path / "nothing"))

    with pytest.raises(SettingError, match="X_FILE names a file that cannot be read"):
        env_secret("X")


def start(tmp_path: Path, **changes: str) -> subprocess.CompletedProcess[str]:
    """Start the service's settings with a whole environment, changed in places."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(Path.cwd()),
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DJANGO_DEBUG": "false",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'db'}",
        "DJANGO_SECRET_KEY": "s" * 50,
        "PATIENT_ID_KEY": "p" * 40,
        "ASSIGNMENT_KEY": "a" * 40,
        "INTAKE_KEYS": FERNET_KEY,
        "MODEL_PUBLIC_KEYS": PUBLIC_KEY,
    }
    return subprocess.run(
        [sys.executable, "-c", "import django; django.setup(); print('started')"],
        env=environment | changes,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )


def test_with_a_whole_environment_it_starts(tmp_path: Path) -> None:
    assert start(tmp_path).stdout == "started\n"


@pytest.mark.parametrize(
    "changes",
    [
        {"MODEL_SIGNING_KEY": PUBLIC_KEY},
        {"MODEL_SIGNING_KEY": "", "DJANGO_DEBUG": "true"},
    ],
    ids=["a trainer believes itself", "development without a model"],
)
def test_it_starts_without_a_public_key_when(changes: dict[str, str], tmp_path: Path) -> None:
    assert start(tmp_path, MODEL_PUBLIC_KEYS="", **changes).stdout == "started\n"


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"INTAKE_KEYS": "x" * 44}, "INTAKE_KEYS"),
        ({"PATIENT_ID_KEY": "a" * 40}, "must all differ"),
        (
            {"PATIENT_ID_KEY": "a" * 40, "INTAKE_KEYS": f"{FERNET_KEY},{OTHER_FERNET_KEY}"},
            "must all differ",
        ),
        ({"DATABASE_URL": "mysql://localhost/x"}, "DATABASE_URL"),
        ({"DATABASE_URL": "nonsense"}, "DATABASE_URL"),
        ({"REDIS_URL": "http://localhost"}, "REDIS_URL"),
        ({"SITE_TIME_ZONE": "Nowhere"}, "SITE_TIME_ZONE"),
        ({"ACCURACY_THRESHOLD": "75"}, "ACCURACY_THRESHOLD"),
        ({"ACCURACY_CHECK_CRON": "daily"}, "ACCURACY_CHECK_CRON"),
        ({"RETRAIN_CRON": "monthly"}, "RETRAIN_CRON"),
        ({"RETRAIN_AFTER_LABELS": "many"}, "RETRAIN_AFTER_LABELS"),
        ({"RETRAIN_BASE": "log"}, "RETRAIN_BASE"),
        ({"RETRAIN_BASE": "csv"}, "RETRAIN_BASE_PATH"),
        ({"LABEL_MATURITY_DAYS": "-1"}, "LABEL_MATURITY_DAYS"),
        ({"CONFIDENCE_THRESHOLD": "high"}, "CONFIDENCE_THRESHOLD"),
        ({"EMAIL_URL": "pigeon://x"}, "EMAIL_URL"),
        ({"EMAIL_URL": "smtp://u:pa55word#x@h:25"}, "EMAIL_URL"),
        ({"DATABASE_URL": "postgres://u:p@h:port/x"}, "DATABASE_URL"),
        ({"TRIAGE_LOAD": "Alwayz"}, "TRIAGE_LOAD"),
        ({"LOG_LEVEL": "LOUD"}, "LOG_LEVEL"),
        ({"MODEL_PUBLIC_KEYS": "", "MODEL_SIGNING_KEY": ""}, "MODEL_PUBLIC_KEYS is not set"),
        ({"MODEL_PUBLIC_KEYS": f"{PUBLIC_KEY},pa55word"}, "MODEL_PUBLIC_KEYS cannot be used"),
        ({"MODEL_SIGNING_KEY": "pa55word"}, "MODEL_SIGNING_KEY cannot be used"),
    ],
)
def test_nonsense_stops_the_start_with_one_plain_sentence(
    changes: dict[str, str], names: str, tmp_path: Path
) -> None:
    result = start(tmp_path, **changes)

    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith("Cannot start: ")
    assert names in result.stderr
    assert "pa55word" not in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
