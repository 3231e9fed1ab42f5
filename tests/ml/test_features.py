"""From a case to a row: one path for training and serving, and nothing the caller could steer."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

from ml.artefacts import TrainedModel
from ml.features import STRUCTURED_NAMES, TriageFeatureExtractor
from ml.simulator import simulate
from triage_rules.case import case_from_request


@pytest.fixture(scope="module")
def extractor(trained: TrainedModel) -> TriageFeatureExtractor:
    return trained.extractor


def value(extractor: TriageFeatureExtractor, request: dict[str, Any], name: str) -> float:
    row = extractor.transform([request])[0]
    return float(row[list(extractor.get_feature_names_out()).index(name)])


def test_it_works(extractor: TriageFeatureExtractor, request_body: dict[str, Any]) -> None:
    row = extractor.transform([request_body])

    assert row.shape == (1, len(extractor.get_feature_names_out()))
    assert row.dtype == np.float64
    assert value(extractor, request_body, "complaint: chest pain") > 0
    assert value(extractor, request_body, "heart_rate above normal") == pytest.approx(14 / 50)


def test_training_and_serving_see_the_same_vector(extractor: TriageFeatureExtractor) -> None:
    requests = [case.request for case in simulate(200, seed=3)]

    in_training = extractor.transform(requests)

    in_serving = np.vstack([extractor.vector(case_from_request(r)) for r in requests])
    assert in_training.tobytes() == in_serving.tobytes()


@pytest.mark.parametrize(
    "steering",
    [
        {"urgency": "emergency"},
        {"severity_score": 100},
        {"patient_id": "p-9", "encounter_id": "e-1", "triage_log_id": "T-1"},
        {"site": "east"},
        {"reported_by": "clinician"},
    ],
    ids=lambda steering: f"{next(iter(steering))} is not a feature",
)
def test_the_caller_cannot_steer_the_model(
    extractor: TriageFeatureExtractor, request_body: dict[str, Any], steering: dict[str, Any]
) -> None:
    plain = extractor.transform([request_body])

    steered = extractor.transform([request_body | steering])

    assert np.array_equal(plain, steered)


@pytest.mark.parametrize("word", ["urgency", "severity", "patient", "site", "reported"])
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


def test_a_term_met_in_fewer_than_five_rows_is_not_kept() -> None:
    requests = [{"patient_age": 30, "symptoms_data": {"chief_complaint": "cough"}}] * 5
    rare = [{"patient_age": 40, "symptoms_data": {"chief_complaint": "hiccups"}}] * 4

    extractor = TriageFeatureExtractor().fit(requests + rare)

    assert set(extractor.vocabulary_) == {"cough"}


def test_nothing_to_learn_from_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        TriageFeatureExtractor().fit([])


def test_the_schema_names_the_versions_it_depends_on(extractor: TriageFeatureExtractor) -> None:
    schema = extractor.schema()

    assert {"name", "version", "normaliser_version", "scores_version", "features"} == set(schema)
    assert schema["features"] == list(extractor.get_feature_names_out())
