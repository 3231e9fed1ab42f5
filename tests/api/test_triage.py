"""The main job: one request, one decision, one row."""

from __future__ import annotations

import json
from typing import Any

import pytest

from monitoring.models import MLPredictionLog
from tests.conftest import TRIAGE_URL

ANSWER_KEYS = {
    "prediction_id", "prediction", "confidence", "probabilities", "plausible_levels", "method",
    "ab_group", "fallback", "fallback_reason", "immediate", "needs_human", "care_level",
    "target_minutes", "red_flags", "rules", "model", "reasons", "degraded", "log_durability",
    "requires_clinician_review",
}  # fmt: skip


@pytest.mark.django_db
def test_it_works(api: Any, chest_pain: dict[str, Any], with_model: Any) -> None:
    response = api.send(chest_pain)

    answer = response.json()
    assert response.status_code == 200
    assert answer.keys() == ANSWER_KEYS
    assert answer["prediction"] == "emergency"
    assert answer["method"] == "red_flag"
    assert "RF07" in [flag["id"] for flag in answer["red_flags"]]
    assert answer["care_level"] == "emergency_department"
    assert answer["target_minutes"] == 10
    assert answer["requires_clinician_review"] is True


@pytest.mark.django_db
def test_both_addresses_give_the_same_decision(
    api: Any, chest_pain: dict[str, Any], with_model: Any
) -> None:
    first = api.send(chest_pain).json()
    second = api.send(chest_pain, path="/api/ml/predict/").json()

    del first["prediction_id"], second["prediction_id"]
    assert first == second


@pytest.mark.django_db
def test_the_smallest_request_is_answered(api: Any) -> None:
    body = {"patient_age": 40, "symptoms_data": {"chief_complaint": "cough"}}

    response = api.send(body)

    assert response.status_code == 200
    assert response.json()["ab_group"] is None
    assert set(response.json()["rules"]["news2"]["missing"]) >= {"heart_rate", "spo2"}


@pytest.mark.django_db
def test_null_means_not_known(api: Any, sore_throat: dict[str, Any]) -> None:
    nulls = dict.fromkeys(
        ["encounter_id", "triage_log_id", "site", "sex", "pregnancy", "urgency", "severity_score",
         "arrival_mode", "injury", "reported_by", "medical_history", "medications", "allergies"]
    )  # fmt: skip

    response = api.send(sore_throat | nulls | {"vitals": None})

    assert response.status_code == 200


@pytest.mark.django_db
def test_every_answer_is_one_row_that_says_the_same(
    api: Any, chest_pain: dict[str, Any], with_model: Any
) -> None:
    answer = api.send(chest_pain).json()

    row = MLPredictionLog.objects.get()
    assert str(row.id) == answer["prediction_id"]
    assert row.get_prediction_display() == answer["prediction"]
    assert row.method == answer["method"]
    assert row.ab_group == answer["ab_group"]
    assert row.model_version == answer["model"]["version"]
    assert row.get_model_level_display() == answer["model"]["prediction"]
    assert row.get_rules_level_display() == answer["rules"]["prediction"]
    assert row.red_flags == [flag["id"] for flag in answer["red_flags"]]
    assert (row.client, row.site, row.triage_log_id) == ("frontend", "main", "T-2026-00017")
    assert (row.heart_rate, row.temperature_c, row.glucose_mmol_l) == (104, 36.9, None)
    assert row.latency_ms > 0


@pytest.mark.django_db
def test_the_row_holds_no_id_and_no_words_of_the_patient(api: Any) -> None:
    body = {
        "patient_id": "CANARY-1",
        "encounter_id": "CANARY-2",
        "patient_age": 57,
        "symptoms_data": {
            "chief_complaint": "chest pain and sweating CANARY-3",
            "description": "CANARY-4",
            "symptoms": [{"name": "CANARY-5"}],
        },
        "medications": ["CANARY-6"],
    }

    answer = api.send(body)

    row = MLPredictionLog.objects.values().get()
    assert answer.json()["red_flags"]
    assert "CANARY" not in str(row)
    assert "chest" not in str(row)


@pytest.mark.django_db
def test_the_model_column_is_filled_in_both_arms(
    api: Any, sore_throat: dict[str, Any], with_model: Any
) -> None:
    for number in range(20):
        api.send(sore_throat | {"patient_id": f"patient-{number}"})

    arms = set(MLPredictionLog.objects.values_list("ab_group", flat=True))
    assert arms == {"ml", "rules"}
    assert not MLPredictionLog.objects.filter(model_level=None).exists()


@pytest.mark.django_db
def test_the_arm_says_who_decides(api: Any, sore_throat: dict[str, Any], with_model: Any) -> None:
    for number in range(20):
        answer = api.send(sore_throat | {"patient_id": f"patient-{number}"}).json()

        if answer["ab_group"] == "rules":
            assert answer["prediction"] == answer["rules"]["prediction"]
            assert (answer["method"], answer["fallback"]) == ("rules", False)


@pytest.mark.django_db
def test_contributions_come_only_when_asked_for(
    api: Any, sore_throat: dict[str, Any], with_model: Any
) -> None:
    plain = api.send(sore_throat).json()
    explained = api.send(sore_throat, path=f"{TRIAGE_URL}?explain=true").json()

    assert plain["model"]["contributions"] == []
    *largest, rest, start = explained["model"]["contributions"]
    effects = [one["effect"] for one in largest]
    assert effects
    assert effects == sorted(effects, key=abs, reverse=True)
    assert (rest["feature"], start["feature"]) == ("all other features", "start")


@pytest.mark.django_db
def test_ids_are_trimmed_for_arm_and_pseudonym(
    api: Any, sore_throat: dict[str, Any], with_model: Any
) -> None:
    api.send(sore_throat | {"patient_id": "p-7"})
    api.send(sore_throat | {"patient_id": "  p-7 "})

    first, second = MLPredictionLog.objects.all()
    assert (first.subject, first.bucket) == (second.subject, second.bucket)
    assert first.subject


@pytest.mark.django_db
def test_the_answer_is_not_stored_by_caches(api: Any, sore_throat: dict[str, Any]) -> None:
    response = api.send(sore_throat)

    assert response["Cache-Control"] == "no-store"
    assert json.loads(response.content)
