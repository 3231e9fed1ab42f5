"""The promises that hold for every patient, over generated ones, through the real address."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage_rules.level import Level

COMPLAINTS = [
    "chest pain", "cannot breathe", "sore throat", "abdominal pain", "headache", "fell off a bike",
    "fever and cough", "no chest pain but short of breath", "won't stop bleeding", "rash",
]  # fmt: skip
NORMAL = {
    "heart_rate": st.integers(60, 90),
    "respiratory_rate": st.integers(12, 20),
    "spo2": st.integers(96, 100),
    "systolic_bp": st.integers(111, 150),
    "diastolic_bp": st.integers(60, 89),
    "temperature_c": st.sampled_from([36.1, 36.8, 37.9]),
    "consciousness": st.just("A"),
    "gcs": st.just(15),
    "pain_score": st.just(0),
    "on_oxygen": st.just(False),
    "glucose_mmol_l": st.floats(5.0, 7.0),
}
ABNORMAL = {
    "heart_rate": st.integers(0, 350),
    "respiratory_rate": st.integers(0, 120),
    "spo2": st.integers(20, 100),
    "systolic_bp": st.integers(150, 375),
    "temperature_c": st.floats(20, 46),
    "consciousness": st.sampled_from("ACVPU"),
    "pain_score": st.integers(0, 10),
}
patients = st.fixed_dictionaries(
    {
        "patient_id": st.one_of(st.none(), st.integers(0, 999).map(lambda n: f"p-{n}")),
        "patient_age": st.integers(16, 100),
        "symptoms_data": st.fixed_dictionaries({"chief_complaint": st.sampled_from(COMPLAINTS)}),
    }
)


@pytest.mark.django_db
@given(patient=patients, vitals=st.fixed_dictionaries({}, optional=ABNORMAL))
def test_no_answer_is_below_the_floor(
    patient: dict[str, Any], vitals: dict[str, Any], api: Any, with_model: Any
) -> None:
    answer = api.send(patient | {"vitals": vitals}).json()

    level = Level.from_label(answer["prediction"])
    assert level >= Level.from_label(answer["rules"]["floor"])
    assert all(level >= Level.from_label(flag["floor"]) for flag in answer["red_flags"])


@pytest.mark.django_db
@given(
    patient=patients,
    normal=st.fixed_dictionaries(NORMAL),
    gone=st.sets(st.sampled_from(sorted(NORMAL)), min_size=1),
)
def test_a_missing_value_never_answers_below_a_normal_one(
    patient: dict[str, Any], normal: dict[str, Any], gone: set[str], api: Any, with_model: Any
) -> None:
    rest = {name: value for name, value in normal.items() if name not in gone}

    known = api.send(patient | {"vitals": normal}).json()["prediction"]
    unknown = api.send(patient | {"vitals": rest}).json()["prediction"]

    assert Level.from_label(unknown) >= Level.from_label(known)
