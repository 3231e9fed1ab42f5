"""Visits as rows of the record, to be planted as they are or with a fault."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as installed
from django.utils import timezone

from ml.artefacts import LoadedModel, load, pointer
from ml.labelled import LabelledCase
from ml.models import ModelVersion
from ml.predictor import predict
from ml.simulator import simulate
from monitoring.models import MLPredictionLog
from monitoring.services import case_columns, decision_columns
from tests.monitoring.conftest import prediction
from triage_rules import combine, evaluate
from triage_rules.case import case_from_request
from triage_rules.level import Decider

DAY = date(2026, 11, 18)
VISITS = 400
Columns = dict[str, Any]
Plant = Callable[..., None]


def columns_of(case: LabelledCase, *, model: LoadedModel) -> Columns:
    """Return the row of one visit in the model's arm, and what was right as its label."""
    patient = case_from_request(case.request)
    opinion = predict(patient, model=model)
    assert opinion.words is not None
    return {
        **decision_columns(combine(evaluate(patient), opinion, Decider.ML)),
        **case_columns(patient),
        "decider": Decider.ML,
        "sex": patient.sex,
        "arrival_mode": patient.arrival_mode,
        "injury": patient.injury,
        "words": opinion.words.said,
        "unknown_words": opinion.words.unknown,
        "ground_truth": case.level,
    }


@pytest.fixture(scope="session")
def visits(model_store: Path) -> list[Columns]:
    """Visits like those the model was validated on."""
    current = pointer(model_store)
    assert current is not None
    model = load(model_store / current.version, public_keys=installed.MODEL_PUBLIC_KEYS)
    return [columns_of(case, model=model) for case in simulate(VISITS, seed=99)]


@pytest.fixture
def version(model_store: Path, settings: Any, db: None) -> ModelVersion:
    """The small model of the suite, registered."""
    settings.MODEL_STORE = model_store
    current = pointer(model_store)
    assert current is not None
    model = load(model_store / current.version, public_keys=settings.MODEL_PUBLIC_KEYS)
    return ModelVersion.objects.create(
        version=model.version,
        digest=model.digest,
        created_at=timezone.now(),
        registered_by="test",
        dataset="synthetic",
        synthetic=True,
        scikit_learn="1",
    )


@pytest.fixture
def plant(version: ModelVersion, visits: list[Columns]) -> Plant:
    """Return a function that writes visits of one day, each changed by ``fault``."""

    def write(
        *,
        day: date = DAY,
        n: int = VISITS,
        labelled: bool = False,
        fault: Callable[[Columns], Columns] = lambda _: {},
    ) -> None:
        at = datetime.combine(day, time(12), tzinfo=installed.SITE_TIME_ZONE)
        unlabelled = {} if labelled else {"ground_truth": None}
        rows = [
            visit | {"created_at": at, "model_version": version.version} | unlabelled | fault(visit)
            for visit in visits[:n]
        ]
        for row in rows:
            labelled_at = None if row["ground_truth"] is None else at + timedelta(hours=5)
            row["ground_truth_at"] = labelled_at
        MLPredictionLog.objects.bulk_create(prediction(**row) for row in rows)

    return write
