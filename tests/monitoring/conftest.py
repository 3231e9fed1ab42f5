"""Rows of the record, made without a request."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from monitoring.models import MLPredictionLog
from triage_rules.level import Level

NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)


def prediction(**values: Any) -> MLPredictionLog:
    """Return an unsaved row of an answer "soon" by the rules."""
    defaults: dict[str, Any] = {
        "created_at": NOON,
        "request_id": uuid.uuid4(),
        "client": "frontend",
        "actor": "frontend",
        "experiment": "ml-vs-rules",
        "phase": 1,
        "decider": "rules",
        "method": "rules",
        "prediction": Level.SOON,
        "confidence": 0.0,
        "needs_human": False,
        "immediate": False,
        "rules_level": Level.SOON,
        "rules_floor": Level.ROUTINE,
        "rules_version": "r1",
        "rules_severity_score": 25,
        "hard_flag": False,
        "rules_needs_human": False,
        "age_years": 40,
        "spo2_scale": 1,
        "latency_ms": 2.0,
    }
    return MLPredictionLog(**defaults | values)


@pytest.fixture
def labelled(db: None) -> Callable[..., None]:
    """Return a function that writes n rows with one answer and one truth."""

    def write(
        n: int,
        *,
        answered: Level = Level.SOON,
        truth: Level | None = Level.SOON,
        at: datetime = NOON,
        truth_at: datetime | None = None,
        **values: Any,
    ) -> None:
        when = None if truth is None else truth_at or at + timedelta(hours=5)
        MLPredictionLog.objects.bulk_create(
            prediction(
                prediction=answered,
                ground_truth=truth,
                ground_truth_at=when,
                created_at=at,
                **values,
            )
            for _ in range(n)
        )

    return write
