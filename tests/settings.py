"""Settings of the tests: real ones, with keys of their own and cheap passwords.

``DATABASE_URL`` and ``REDIS_URL`` come from ``TEST_DATABASE_URL`` and ``TEST_REDIS_URL``; without
them the tests run on SQLite and without Redis, the embedded default.
"""

import atexit
import os
import shutil
import tempfile


def folder(prefix: str) -> str:
    """Return a new folder that goes when the tests end."""
    path, owner = tempfile.mkdtemp(prefix=prefix), os.getpid()

    def remove() -> None:
        # A child that a test forks ends before the tests do.
        if os.getpid() == owner:
            shutil.rmtree(path, ignore_errors=True)

    atexit.register(remove)
    return path


os.environ.update(
    DATABASE_URL=os.environ.get("TEST_DATABASE_URL", ""),
    REDIS_URL=os.environ.get("TEST_REDIS_URL", ""),
    DJANGO_DEBUG="false",
    SECURE_SSL_REDIRECT="false",
    DJANGO_SECRET_KEY="test-" + "s" * 40,
    PATIENT_ID_KEY="test-" + "p" * 40,
    ASSIGNMENT_KEY="test-" + "a" * 40,
    INTAKE_KEYS="dGVzdC10ZXN0LXRlc3QtdGVzdC10ZXN0LXRlc3QtMTI=",
    MODEL_SIGNING_KEY="dGVzdC10ZXN0LXRlc3QtdGVzdC10ZXN0LXRlc3QtMTI=",
    MODEL_PUBLIC_KEYS="",
    MODEL_STORE=folder("triage-models-"),
    TRIAGE_LOAD="never",
    ALERT_EMAILS="on-call@hospital.example",
    LOG_LEVEL="WARNING",
)

from config.settings import *  # noqa: E402, F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

if not os.environ["DATABASE_URL"]:
    # A real file, as in service: SQLite in memory locks differently.
    DATABASES["default"]["TEST"] = {"NAME": f"{folder('triage-db-')}/test.sqlite3"}  # noqa: F405
