"""Made-up patients: repeatable, of every kind, and accepted by the vocabulary."""

from __future__ import annotations

import pytest

from ml.labelled import LabelledCase
from ml.simulator import simulate
from triage_rules.case import VITAL_RANGES, case_from_request
from triage_rules.level import Level


@pytest.fixture(scope="module")
def patients() -> list[LabelledCase]:
    return simulate(2_000, seed=2)


def test_it_works(patients: list[LabelledCase]) -> None:
    assert len(patients) == 2_000
    assert {patient.level for patient in patients} == set(Level)
    assert {patient.scale for patient in patients} == {"simulated"}


def test_the_same_seed_gives_the_same_patients() -> None:
    assert simulate(50, seed=4) == simulate(50, seed=4)
    assert simulate(50, seed=4) != simulate(50, seed=5)


def test_every_measurement_is_one_the_api_accepts(patients: list[LabelledCase]) -> None:
    for patient in patients:
        for name, limits in VITAL_RANGES.items():
            value = patient.request["vitals"].get(name)
            assert value is None or limits.low <= value <= limits.high


def test_there_are_patients_of_every_kind(patients: list[LabelledCase]) -> None:
    cases = [case_from_request(patient.request) for patient in patients]

    assert {case.sex.value for case in cases} == {"female", "male", "other", "unknown"}
    assert {case.vitals.spo2_scale for case in cases} == {1, 2}
    assert min(case.age for case in cases) < 1
    assert max(case.age for case in cases) > 90
    assert any(case.vitals.heart_rate is None for case in cases)
    assert any(case.symptoms for case in cases)
    assert any(case.description for case in cases)
    assert any("no chest pain" in case.chief_complaint for case in cases)


def test_a_young_child_has_an_age_in_days(patients: list[LabelledCase]) -> None:
    young = [p.request for p in patients if p.request["patient_age"] < 2]

    assert young
    assert all(request["patient_age_days"] is not None for request in young)


def test_it_says_nothing_of_the_callers_own_view(patients: list[LabelledCase]) -> None:
    assert not any({"urgency", "severity_score"} & set(p.request) for p in patients)
