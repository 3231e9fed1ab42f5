"""Every field that cannot be used is named, never echoed, and leaves no row."""

from __future__ import annotations

from typing import Any

import pytest

from monitoring.models import MLPredictionLog

CANARY = "CANARY-73219"
LONG = CANARY * 600

BAD_FIELDS = [
    ("patient_id", "", "blank"),
    ("patient_id", 5, "not_a_text"),
    ("patient_id", "x" * 256, "too_long"),
    ("encounter_id", [], "not_a_text"),
    ("triage_log_id", CANARY + "!", "pattern"),
    ("triage_log_id", "x" * 65, "too_long"),
    ("site", "é", "pattern"),
    ("patient_age", ..., "required"),
    ("patient_age", "57", "not_a_number"),
    ("patient_age", True, "not_a_number"),
    ("patient_age", -0.1, "out_of_range"),
    ("patient_age", 125.1, "out_of_range"),
    ("patient_age_days", 10, "ages_disagree"),
    ("patient_age_days", 1.5, "not_whole"),
    ("sex", CANARY, "not_a_choice"),
    ("sex", 1, "not_a_choice"),
    ("pregnancy", "yes", "not_a_choice"),
    ("urgency", "Soon", "not_a_choice"),
    ("severity_score", 101, "out_of_range"),
    ("arrival_mode", "helicopter", "not_a_choice"),
    ("injury", 1, "not_a_boolean"),
    ("injury", "true", "not_a_boolean"),
    ("reported_by", "dog", "not_a_choice"),
    ("symptoms_data", ..., "required"),
    ("symptoms_data", None, "null"),
    ("symptoms_data", CANARY, "invalid"),
    ("symptoms_data/chief_complaint", ..., "required"),
    ("symptoms_data/chief_complaint", "", "blank"),
    ("symptoms_data/chief_complaint", " \t ", "blank"),
    ("symptoms_data/chief_complaint", None, "null"),
    ("symptoms_data/chief_complaint", "x" * 2_001, "too_long"),
    ("symptoms_data/description", "x" * 4_001, "too_long"),
    ("symptoms_data/description", 7, "not_a_text"),
    ("symptoms_data/symptoms", {"name": "x"}, "not_a_list"),
    ("symptoms_data/symptoms", [{"name": "x"}] * 51, "max_length"),
    ("symptoms_data/symptoms/0", None, "null"),
    ("symptoms_data/symptoms/0", "nausea", "invalid"),
    ("symptoms_data/symptoms/0/name", ..., "required"),
    ("symptoms_data/symptoms/0/name", "x" * 201, "too_long"),
    ("symptoms_data/symptoms/0/present", "no", "not_a_boolean"),
    ("symptoms_data/symptoms/0/severity", "awful", "not_a_choice"),
    ("symptoms_data/symptoms/0/duration_hours", -1, "out_of_range"),
    ("symptoms_data/symptoms/0/colour", "red", "unknown_field"),
    ("symptoms_data/extra", 1, "unknown_field"),
    ("vitals", [], "invalid"),
    ("vitals/heart_rate", "80", "not_a_number"),
    ("vitals/heart_rate", True, "not_a_number"),
    ("vitals/heart_rate", -1, "out_of_range"),
    ("vitals/heart_rate", 350.5, "out_of_range"),
    ("vitals/heart_rate", 10**400, "out_of_range"),
    ("vitals/respiratory_rate", 121, "out_of_range"),
    ("vitals/spo2", 19, "out_of_range"),
    ("vitals/spo2", 101, "out_of_range"),
    ("vitals/spo2_scale", 3, "out_of_range"),
    ("vitals/on_oxygen", 0, "not_a_boolean"),
    ("vitals/systolic_bp", 376, "out_of_range"),
    ("vitals/diastolic_bp", 4, "out_of_range"),
    ("vitals/diastolic_bp", 142, "not_below_systolic"),
    ("vitals/temperature_c", 46.1, "out_of_range"),
    ("vitals/temperature_c", 98.6, "fahrenheit"),
    ("vitals/consciousness", "a", "not_a_choice"),
    ("vitals/gcs", 2, "out_of_range"),
    ("vitals/gcs", 16, "out_of_range"),
    ("vitals/gcs", 14.5, "not_whole"),
    ("vitals/pain_score", 11, "out_of_range"),
    ("vitals/glucose_mmol_l", 0.2, "out_of_range"),
    ("vitals/blood_pressure", CANARY, "unknown_field"),
    ("medical_history", CANARY, "not_a_list"),
    ("medications", ["x"] * 51, "max_length"),
    ("name", CANARY, "unknown_field"),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("field", "value", "code"), BAD_FIELDS)
def test_a_field_that_cannot_be_used_is_named(
    field: str, value: Any, code: str, api: Any, chest_pain: dict[str, Any], changed: Any
) -> None:
    response = api.send(changed(chest_pain, field, value))

    problem = response.json()
    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"
    assert [(e["pointer"], e["code"]) for e in problem["errors"]] == [(f"/{field}", code)]
    assert problem["instance"].startswith("urn:uuid:")
    assert CANARY not in response.content.decode()
    assert not MLPredictionLog.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("field", ["medical_history", "medications", "allergies"])
@pytest.mark.parametrize(("entry", "code"), [(3, "not_a_text"), ("x" * 201, "too_long")])
def test_a_list_entry_is_named_by_its_place(
    field: str, entry: Any, code: str, api: Any, chest_pain: dict[str, Any]
) -> None:
    response = api.send(chest_pain | {field: ["fine", entry]})

    assert [(e["pointer"], e["code"]) for e in response.json()["errors"]] == [(f"/{field}/1", code)]


@pytest.mark.django_db
def test_all_bad_fields_are_named_at_once(api: Any, chest_pain: dict[str, Any]) -> None:
    body = chest_pain | {"sex": "x", "injury": 1, "vitals": {"spo2": 5, "gcs": "15"}, "zzz": 1}

    pointers = {error["pointer"] for error in api.send(body).json()["errors"]}

    assert pointers == {"/sex", "/injury", "/vitals/spo2", "/vitals/gcs", "/zzz"}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("vitals/heart_rate", 0),
        ("vitals/heart_rate", 350),
        ("vitals/spo2", 20),
        ("vitals/temperature_c", 20.0),
        ("vitals/temperature_c", 46.0),
        ("vitals/gcs", 3),
        ("vitals/gcs", 15.0),
        ("vitals/glucose_mmol_l", 0.3),
        ("patient_age", 125),
        ("symptoms_data/chief_complaint", "x" * 2_000),
        ("symptoms_data/description", "x" * 4_000),
        ("symptoms_data/description", ""),
        ("patient_id", None),
        ("patient_id", "Jos\u00e9 \U0001f600"),
    ],
)
def test_the_limit_itself_is_accepted(
    field: str, value: Any, api: Any, chest_pain: dict[str, Any], changed: Any
) -> None:
    response = api.send(changed(chest_pain, field, value))

    assert response.status_code == 200
