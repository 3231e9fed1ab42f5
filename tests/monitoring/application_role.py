"""A role of PostgreSQL for one test: made, granted and forgotten in the test's transaction."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from monitoring.grants import role_grant

on_postgresql = pytest.mark.skipif(
    settings.DATABASES["default"]["ENGINE"] != "django.db.backends.postgresql",
    reason="only PostgreSQL has roles",
)


def run(*statements: str) -> None:
    """Run SQL in the transaction of the test."""
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def value(query: str) -> Any:
    """Return the one value that a query finds."""
    with connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchone()[0]


def new_role() -> str:
    """Make a role that nobody has granted anything, under a name that no other test has."""
    name = f"triage_test_{uuid.uuid4().hex[:12]}"
    run(f"CREATE ROLE {name} LOGIN")
    return name


@contextmanager
def acting_as(role: str) -> Iterator[None]:
    """Be a role for a while, as far as the database is concerned."""
    run(f'SET LOCAL ROLE "{role}"')
    yield
    run("RESET ROLE")


@contextmanager
def serving() -> Iterator[str]:
    """Be, for a while, a role with the rights of the service."""
    role = new_role()
    role_grant(role)
    with acting_as(role):
        yield role
