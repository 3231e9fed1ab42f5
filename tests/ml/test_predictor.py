"""One opinion: it answers, or it says why not, and it never raises."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from ml.artefacts import LoadedModel
from ml.predictor import predict
from triage_rules.case import case_from_request
from triage_rules.level import Abstention, Level


class BrokenClassifier:
    """Gives what it was told to give."""

    classes_ = (0, 1, 2, 3)

    def __init__(self, *answer: float) -> None:
        self.answer = answer

    def predict_proba(self, _: Any) -> Any:
        if not self.answer:
            raise RuntimeError("chest pain of p-123")
        return np.array([self.answer])


def test_it_works(model: LoadedModel, request_body: dict[str, Any]) -> None:
    opinion = predict(case_from_request(request_body), model=model)

    assert opinion.level is Level.EMERGENCY
    assert sum(opinion.probabilities) == pytest.approx(1)
    assert opinion.level in opinion.plausible_levels
    assert (opinion.version, opinion.digest) == (model.version, model.digest)
    assert opinion.threshold == model.threshold


def test_without_a_model_it_abstains(request_body: dict[str, Any]) -> None:
    opinion = predict(case_from_request(request_body), model=None)

    assert opinion.abstained is Abstention.MODEL_UNAVAILABLE
    assert opinion.version is None


@pytest.mark.parametrize(
    "answer",
    [
        (),
        (0.5, 0.5),
        (0.5, 0.5, 0.5, 0.5),
        (float("nan"), 0.0, 0.0, 1.0),
        (float("inf"), 0.0, 0.0, 1.0),
        (-0.5, 0.5, 0.5, 0.5),
    ],
    ids=["raises", "too few", "sums to 2", "not a number", "infinite", "negative"],
)
def test_a_broken_model_abstains(
    model: LoadedModel, request_body: dict[str, Any], answer: tuple[float, ...]
) -> None:
    broken = dataclasses.replace(model, classifier=BrokenClassifier(*answer))

    opinion = predict(case_from_request(request_body), model=broken)

    assert opinion.abstained is Abstention.PREDICTION_FAILED
    assert opinion.version == model.version


def test_what_broke_is_logged_without_the_patients_words(
    model: LoadedModel, request_body: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    broken = dataclasses.replace(model, classifier=BrokenClassifier())

    predict(case_from_request(request_body), model=broken)

    assert "p-123" not in "".join(capfd.readouterr())


def test_a_case_without_an_age_abstains(model: LoadedModel, request_body: dict[str, Any]) -> None:
    del request_body["patient_age"]

    opinion = predict(case_from_request(request_body), model=model)

    assert opinion.abstained is Abstention.PREDICTION_FAILED


@pytest.mark.parametrize(
    "change",
    [
        {"patient_age": 120},
        {"vitals": {"heart_rate": 221}},
        {"vitals": {"heart_rate": 29}},
        {"vitals": {"spo2": 69}},
        {"vitals": {"temperature_c": 31.9}},
        {"vitals": {"glucose_mmol_l": 31}},
        {"symptoms_data": {"chief_complaint": "xyzzy plugh"}},
    ],
    ids=str,
)
def test_a_case_unlike_the_training_rows_abstains(
    model: LoadedModel, request_body: dict[str, Any], change: dict[str, Any]
) -> None:
    opinion = predict(case_from_request(request_body | change), model=model)

    assert opinion.abstained is Abstention.OUT_OF_RANGE


@pytest.mark.parametrize(
    "change",
    [
        {"vitals": {"heart_rate": 220}},
        {"vitals": {"spo2": 70}},
        {"vitals": {}},
        {"patient_age": 1, "vitals": {"heart_rate": 225}},
    ],
    ids=str,
)
def test_a_case_at_the_limit_or_with_nothing_measured_is_answered(
    model: LoadedModel, request_body: dict[str, Any], change: dict[str, Any]
) -> None:
    opinion = predict(case_from_request(request_body | change), model=model)

    assert opinion.abstained is None


def test_the_sites_threshold_beats_the_versions_own(
    model: LoadedModel, request_body: dict[str, Any]
) -> None:
    case = case_from_request(request_body)

    assert predict(case, model=model, threshold=0.0).is_confident
    assert not predict(case, model=model, threshold=1.0).is_confident


def test_it_explains_itself_when_asked(model: LoadedModel, request_body: dict[str, Any]) -> None:
    case = case_from_request(request_body)

    explained = predict(case, model=model, explain=True)

    assert explained.level is not None
    effects = {one.feature: one.effect for one in explained.contributions}
    score = model.classifier.score(model.extractor.vector(case)[0], level=int(explained.level))
    assert sum(effects.values()) == pytest.approx(score)
    assert "finding: chest pain" in effects
    assert predict(case, model=model).contributions == ()
