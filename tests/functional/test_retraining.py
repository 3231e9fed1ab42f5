"""The whole way: decide, label, learn from it in a process of its own, register, and wait."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from ml.simulator import simulate
from tests.functional.conftest import ROOT, Deployment

pytestmark = pytest.mark.functional

REGISTER_FIRST = """
from django.conf import settings; from ml.artefacts import pointer
from ml.registry import version_register
version_register(pointer(settings.MODEL_STORE).version, actor="set-up")
"""
DECIDE_AND_LABEL = """
import uuid
from datetime import timedelta
from django.contrib.auth.models import User; from django.db.models import F, QuerySet
from api.services import triage_decide
from ml.simulator import simulate
from monitoring.labels import Label, LabelSource; from monitoring.models import MLPredictionLog
from monitoring.labelling import ground_truth_record
from monitoring.services import Caller
from triage_rules.case import case_from_request
nurse = User.objects.create_user("nurse")
for one in simulate(30, seed=77):
    caller = Caller(client="f", actor="f", request_id=uuid.uuid4(), patient_id="p")
    case = case_from_request(one.request)
    answer = triage_decide(case=case, caller=caller, body=one.request)
    label = Label(level=one.level, source=LabelSource.OUTCOME, saw_prediction=False)
    ground_truth_record(prediction_id=answer.prediction_id, author=nurse, label=label)
long_ago = F("created_at") - timedelta(days=9)
QuerySet.update(MLPredictionLog.objects.all(), created_at=long_ago)
"""
STATE = """
import json; from ml.registry import deployed, versions
print(json.dumps([deployed().version, deployed().epoch, versions().count()]))
"""


def write_base(path: Path) -> Path:
    """Write simulated patients as a CSV file, so that the training is short."""
    rows = [
        {
            "row_id": case.row_id,
            "patient_age": case.request["patient_age"],
            "patient_age_days": case.request.get("patient_age_days"),
            "chief_complaint": case.request["symptoms_data"]["chief_complaint"],
            "heart_rate": case.request["vitals"].get("heart_rate"),
            "spo2": case.request["vitals"].get("spo2"),
            "level": case.level.label,
        }
        for case in simulate(600, seed=78)
    ]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_a_candidate_is_registered_and_what_serves_stays(
    own_deployment: Deployment, tmp_path: Path
) -> None:
    own_deployment.python(REGISTER_FIRST)
    own_deployment.python(DECIDE_AND_LABEL)
    own_deployment.environment |= {
        "RETRAIN_BASE": "csv",
        "RETRAIN_BASE_PATH": str(write_base(tmp_path / "base.csv")),
    }
    serving, epoch, count = json.loads(own_deployment.python(STATE))

    report = json.loads(own_deployment.manage("retrain_model", "--reason", "a test"))

    assert report["training_set"]["rows"] == 30
    assert report["gate"]["against"] == serving
    assert report["version"] != serving
    assert json.loads(own_deployment.python(STATE)) == [serving, epoch, count + 1]
    assert not list((ROOT / "var" / "training").glob(".retrain-*"))
    replayed = json.loads(own_deployment.manage("replay_decisions", "--json"))
    assert (replayed["in_full"], replayed["differing"]) == (30, [])
