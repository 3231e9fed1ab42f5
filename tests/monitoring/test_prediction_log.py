"""The log is written once; only the resolved ground truth is filled in later."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from ml.history import AppendOnlyError
from monitoring.models import MLPredictionLog
from tests.monitoring.conftest import prediction
from triage_rules.level import Level


@pytest.fixture
def row(db: None) -> MLPredictionLog:
    """A row on record."""
    row = prediction()
    row.save()
    return row


def test_a_row_is_not_saved_twice(row: MLPredictionLog) -> None:
    row.prediction = Level.ROUTINE

    with pytest.raises(AppendOnlyError):
        row.save()


@pytest.mark.parametrize("values", [{"prediction": 0}, {"ground_truth": 1, "method": "ml"}])
def test_a_query_cannot_change_history(row: MLPredictionLog, values: dict[str, Any]) -> None:
    with pytest.raises(AppendOnlyError):
        MLPredictionLog.objects.update(**values)


def test_no_back_door_changes_history(row: MLPredictionLog) -> None:
    with pytest.raises(AppendOnlyError):
        MLPredictionLog._base_manager.update(site="x")
    with pytest.raises(AppendOnlyError):
        MLPredictionLog.objects.bulk_create(
            [row], update_conflicts=True, update_fields=["site"], unique_fields=["id"]
        )


def test_the_resolved_ground_truth_may_be_filled_in(row: MLPredictionLog) -> None:
    updated = MLPredictionLog.objects.update(ground_truth=2, ground_truth_at=timezone.now())

    assert updated == 1


def test_a_row_is_not_deleted(row: MLPredictionLog) -> None:
    with pytest.raises(AppendOnlyError):
        row.delete()
    with pytest.raises(AppendOnlyError):
        MLPredictionLog.objects.all().delete()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "values",
    [
        {"prediction": 4},
        {"prediction": Level.ROUTINE, "rules_floor": Level.URGENT},
        {"ground_truth": Level.SOON},
        {"ground_truth_at": timezone.now()},
        {"ground_truth": 4, "ground_truth_at": timezone.now()},
    ],
)
def test_the_database_refuses_a_row_that_cannot_be(values: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        prediction(**values).save()


@pytest.mark.django_db
def test_ids_rise_with_time() -> None:
    rows = [prediction() for _ in range(50)]

    assert [row.id for row in rows] == sorted(row.id for row in rows)
