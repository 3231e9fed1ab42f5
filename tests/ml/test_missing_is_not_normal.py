"""Promise 1, the model's part: leaving out a normal value can never lower an answer.

It holds by construction: a missing value and a normal one give the same vector but for the column
that says it is missing, and that column can only raise (``tests/ml/test_classifier.py``).
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ml.artefacts import LoadedModel, TrainedModel
from ml.features import MISSING_NAMES, TEMPERATURE_C, Matrix, normal_bands
from ml.predictor import predict
from triage_rules.case import case_from_request
from triage_rules.level import Level, Opinion

OPTIONAL = ("sex", "pregnancy", "arrival_mode", "injury")
WORDS = st.sampled_from(["chest pain", "fever, no cough", "fall", "abd pain", "rash"])


@st.composite
def patients_with_normal_values(draw: st.DrawFn) -> tuple[dict[str, Any], list[str]]:
    """A request whose measurements are normal at that age, and some of their names."""
    age = draw(st.floats(0, 100))
    scale, on_oxygen = draw(st.sampled_from([(1, False), (2, False), (2, None)]))
    vitals = _normal_vitals(draw, age=age, least_spo2=96 if scale == 1 else 88)
    vitals |= {"on_oxygen": on_oxygen, "spo2_scale": scale}
    request = {
        "patient_age": age,
        "symptoms_data": {"chief_complaint": draw(WORDS)},
        "vitals": vitals,
        "injury": False,
    }
    measured = sorted(set(vitals) - {"spo2_scale"})
    return request, draw(st.lists(st.sampled_from(measured), min_size=1, unique=True))


def _normal_vitals(draw: st.DrawFn, *, age: float, least_spo2: int) -> dict[str, Any]:
    bands = normal_bands(age)
    names = ("heart_rate", "respiratory_rate", "systolic_bp")
    ranges = {name: getattr(bands, name) for name in names} | {"temperature_c": TEMPERATURE_C}
    vitals = {name: draw(st.floats(band.low, band.high)) for name, band in ranges.items()}
    return vitals | {
        "diastolic_bp": draw(st.floats(50, 60)),
        "spo2": draw(st.floats(least_spo2, 100)),
        "glucose_mmol_l": draw(st.floats(4, 7.8)),
        "consciousness": "A",
        "gcs": 15,
        "pain_score": 0,
    }


def _without(request: dict[str, Any], names: list[str]) -> dict[str, Any]:
    copied = copy.deepcopy(request)
    copied["vitals"] |= dict.fromkeys(names)
    return copied


def _measured_part(trained: TrainedModel, request: dict[str, Any]) -> Matrix:
    row = trained.extractor.vector(case_from_request(request))[0]
    names = trained.extractor.get_feature_names_out()
    return row[[name not in MISSING_NAMES for name in names]]


@given(patients_with_normal_values())
def test_a_missing_value_differs_from_a_normal_one_in_that_it_is_missing_only(
    trained: TrainedModel, drawn: tuple[dict[str, Any], list[str]]
) -> None:
    request, left_out = drawn

    rows = [_measured_part(trained, one) for one in (request, _without(request, left_out))]

    assert np.array_equal(*rows)


@given(patients_with_normal_values(), st.sampled_from(["heart_rate", "spo2", "consciousness"]))
def test_it_holds_beside_an_abnormal_value_too(
    trained: TrainedModel, drawn: tuple[dict[str, Any], list[str]], abnormal: str
) -> None:
    request, left_out = drawn
    request["vitals"][abnormal] = {"heart_rate": 200, "spo2": 80, "consciousness": "V"}[abnormal]
    left_out = [name for name in left_out if name != abnormal]

    rows = [_measured_part(trained, one) for one in (request, _without(request, left_out))]

    assert np.array_equal(*rows)


@given(
    patients_with_normal_values(),
    st.lists(st.floats(0, 0.5), min_size=len(MISSING_NAMES), max_size=len(MISSING_NAMES)),
    st.sampled_from(Level),
    st.sampled_from([0.5, 0.6, 0.8]),
)
def test_leaving_out_a_normal_value_never_lowers_what_the_patient_is_answered(
    model: LoadedModel,
    drawn: tuple[dict[str, Any], list[str]],
    shares: list[float],
    rules: Level,
    threshold: float,
) -> None:
    request, left_out = drawn
    careful = replace(model, classifier=replace(model.classifier, missing_shares=np.array(shares)))

    complete, incomplete = (
        predict(case_from_request(one), model=careful, threshold=threshold)
        for one in (request, _without(request, left_out))
    )

    assert complete.abstained == incomplete.abstained
    if complete.level is not None and incomplete.level is not None:
        assert incomplete.level >= complete.level
        assert _answered(incomplete, rules) >= _answered(complete, rules)


def _answered(opinion: Opinion, rules: Level) -> Level:
    """Return what the model's arm answers beside rules that say ``rules`` without a floor."""
    assert opinion.level is not None
    return opinion.level if opinion.is_confident else max(opinion.level, rules)
