"""Alerts from before they had a life are kept, and the newest that nobody was told of still is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

BEFORE = [("monitoring", "0003_retraining")]
AFTER = [("monitoring", "0004_record")]
TOLD = datetime(2026, 11, 18, 6, tzinfo=UTC)


def migrated(target: list[tuple[str, str]]) -> Any:
    """Migrate to a state and return its models."""
    executor = MigrationExecutor(connection)
    executor.migrate(target)
    return MigrationExecutor(connection).loader.project_state(target).apps


@pytest.fixture
def before(transactional_db: None) -> Iterator[Any]:
    """The models as they were; afterwards everything is migrated again."""
    yield migrated(BEFORE)
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())


@pytest.mark.django_db(transaction=True)
def test_alerts_become_causes(before: Any) -> None:
    alert = before.get_model("monitoring", "Alert").objects
    for day, delivered in ((16, None), (17, TOLD), (18, None)):
        alert.create(
            policy="accuracy", day=date(2026, 11, day), severity="warning", message="as it was",
            provisional=False, delivered_at=delivered,
        )  # fmt: skip

    after = migrated(AFTER).get_model("monitoring", "Alert").objects.order_by("day")

    assert [one.state for one in after] == ["closed", "closed", "open"]
    assert {(one.cause, one.message) for one in after} == {("accuracy", "as it was")}
    assert [one.last_day.day for one in after] == [16, 17, 18]
