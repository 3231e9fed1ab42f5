"""From a case to a row: one path for training and serving, and nothing the caller could steer."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

from ml.artefacts import TrainedModel
from ml.features import STRUCTURED_NAMES, Matrix, Observation, TriageFeatureExtractor, observe
from ml.simulator import simulate
from triage_rules.case import case_from_request


@pytest.fixture(scope="module")
def extractor(trained: TrainedModel) -> TriageFeatureExtractor:
    return trained.extractor


def vector(extractor: TriageFeatureExtractor, request: dict[str, Any]) -> Matrix:
    return extractor.vector(case_from_request(request))


def value(extractor: TriageFeatureExtractor, request: dict[str, Any], name: str) -> float:
    row = vector(extractor, request)[0]
    return float(row[list(extractor.get_feature_names_out()).index(name)])


def observed(*requests: dict[str, Any]) -> list[Observation]:
    return [observe(case_from_request(request)) for request in requests]


def test_it_works(extractor: TriageFeatureExtractor, request_body: dict[str, Any]) -> None:
    row = vector(extractor, request_body)

    assert row.shape == (1, len(extractor.get_feature_names_out()))
    assert row.dtype == np.float64
    assert value(extractor, request_body, "complaint: chest pain") > 0
    assert value(extractor, request_body, "finding: chest pain") == 1
    assert value(extractor, request_body, "heart_rate above normal") == pytest.approx(14 / 50)


def test_training_and_serving_see_the_same_vector(extractor: TriageFeatureExtractor) -> None:
    requests = [case.request for case in simulate(200, seed=3)]

    in_training = extractor.transform(observed(*requests)).toarray()

    in_serving = np.vstack([vector(extractor, request) for request in requests])
    assert in_training.tobytes() == in_serving.tobytes()


@pytest.mark.parametrize(
    "steering",
    [
        {"urgency": "emergency"},
        {"severity_score": 100},
        {"patient_id": "p-9", "encounter_id": "e-1", "triage_log_id": "T-1"},
        {"site": "a site that training did not know"},
        {"reported_by": "clinician"},
    ],
    ids=lambda steering: f"{next(iter(steering))} is not a feature",
)
def test_the_caller_cannot_steer_the_model(
    extractor: TriageFeatureExtractor, request_body: dict[str, Any], steering: dict[str, Any]
) -> None:
    plain = vector(extractor, request_body)

    steered = vector(extractor, request_body | steering)

    assert np.array_equal(plain, steered)


@pytest.mark.parametrize("word", ["urgency", "severity", "patient", "reported"])
def test_no_column_is_named_after_what_must_not_count(word: str) -> None:
    assert not [name for name in STRUCTURED_NAMES if word in name]


def test_a_symptom_that_is_absent_says_nothing(
    extractor: TriageFeatureExtractor, request_body: dict[str, Any]
) -> None:
    assert value(extractor, request_body, "complaint: nausea") > 0
    assert value(extractor, request_body, "complaint: fever") == 0


@pytest.mark.parametrize(
    ("vitals", "name"),
    [
        ({"consciousness": "C"}, "consciousness C"),
        ({"gcs": 14}, "consciousness C"),
        ({"gcs": 11}, "consciousness V"),
        ({"gcs": 7}, "consciousness P"),
        ({"gcs": 3}, "consciousness U"),
        ({"consciousness": "A", "gcs": 8}, "consciousness P"),
    ],
)
def test_the_worse_of_consciousness_and_coma_score_counts(
    extractor: TriageFeatureExtractor,
    request_body: dict[str, Any],
    vitals: dict[str, Any],
    name: str,
) -> None:
    request_body["vitals"] = vitals

    assert value(extractor, request_body, name) == 1


@pytest.mark.parametrize(
    ("age", "heart_rate", "is_fast"),
    [(0.5, 180, False), (0.5, 181, True), (4, 120, False), (4, 121, True), (30, 91, True)],
)
def test_normal_is_what_is_normal_at_that_age(
    extractor: TriageFeatureExtractor,
    request_body: dict[str, Any],
    age: float,
    heart_rate: float,
    is_fast: bool,
) -> None:
    request = copy.deepcopy(request_body) | {"patient_age": age}
    request["vitals"]["heart_rate"] = heart_rate

    assert (value(extractor, request, "heart_rate above normal") > 0) is is_fast


def test_what_is_met_in_few_rows_is_not_kept() -> None:
    requests = [{"patient_age": 30, "symptoms_data": {"chief_complaint": "cough"}}] * 5
    rare = [{"patient_age": 40, "symptoms_data": {"chief_complaint": "plugh"}}] * 2

    extractor = TriageFeatureExtractor().fit(observed(*requests, *rare))

    assert set(extractor.vocabulary_.columns) == {"cough"}
    assert extractor.unknown_rows_ == 2


@pytest.mark.parametrize(("rows", "is_kept"), [(29, False), (30, True)])
def test_a_site_is_a_column_where_training_had_enough_of_it(rows: int, is_kept: bool) -> None:
    request = {"patient_age": 30, "site": "east", "symptoms_data": {"chief_complaint": "cough"}}

    extractor = TriageFeatureExtractor().fit(observed(*[request] * rows))

    assert (extractor.sites_ == ("east",)) is is_kept
    assert ("site: east" in extractor.get_feature_names_out()) is is_kept


@pytest.mark.parametrize(
    "addition",
    [
        {"medical_history": ["chest pain"]},
        {"medications": ["aspirin for chest pain"]},
        {"allergies": ["nuts: wheeze"]},
        {"symptoms_data": {"symptoms": [{"name": "chest pain", "present": False}]}},
    ],
    ids=lambda addition: f"{next(iter(addition))} of another day, or denied",
)
def test_what_training_could_not_know_changes_nothing(
    extractor: TriageFeatureExtractor, addition: dict[str, Any]
) -> None:
    words = {"chief_complaint": "cough"}
    request = {"patient_age": 40, "symptoms_data": words}

    more = request | addition
    more["symptoms_data"] = words | addition.get("symptoms_data", {})

    assert np.array_equal(vector(extractor, request), vector(extractor, more))


def test_what_is_denied_is_no_finding(extractor: TriageFeatureExtractor) -> None:
    request = {"patient_age": 40, "symptoms_data": {"chief_complaint": "cough, no chest pain"}}

    assert value(extractor, request, "finding: chest pain") == 0
    assert not [name for name in extractor.get_feature_names_out() if "negated" in name]


def test_a_name_that_one_patient_has_at_every_visit_is_not_kept() -> None:
    visits = [{"patient_age": 30, "symptoms_data": {"chief_complaint": "cough, mr kowalczyk"}}] * 8

    together = TriageFeatureExtractor().fit(observed(*visits), patients=["p-1"] * 8)
    apart = TriageFeatureExtractor().fit(observed(*visits))

    assert "kowalczyk" not in together.vocabulary_.columns
    assert "kowalczyk" in apart.vocabulary_.columns


@pytest.mark.parametrize(
    ("vitals", "name", "is_missing"),
    [
        ({}, "heart_rate", True),
        ({"heart_rate": 70}, "heart_rate", False),
        ({"gcs": 15}, "consciousness", False),
        ({"consciousness": "A"}, "consciousness", False),
        ({"pain_score": 0}, "pain_score", False),
        ({"on_oxygen": False}, "on_oxygen", False),
    ],
)
def test_what_was_not_measured_is_a_column_of_its_own(
    extractor: TriageFeatureExtractor, vitals: dict[str, Any], name: str, is_missing: bool
) -> None:
    request = {
        "patient_age": 40,
        "symptoms_data": {"chief_complaint": "cough"},
        "vitals": vitals,
    }

    assert value(extractor, request, f"{name} not measured") == is_missing


def test_nothing_to_learn_from_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        TriageFeatureExtractor().fit([])


def test_the_schema_names_what_it_depends_on(extractor: TriageFeatureExtractor) -> None:
    schema = extractor.schema()

    assert set(schema) == {
        "name", "version", "normaliser_version", "reading_version", "scores_version", "input",
        "features",
    }  # fmt: skip
    assert schema["features"] == list(extractor.get_feature_names_out())
