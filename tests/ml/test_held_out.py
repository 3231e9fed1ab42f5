"""A version is judged by what it said of a row before it had learnt from it."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from ml.artefacts import LoadedModel
from ml.held_out import answerer, judge_each, pack
from ml.labelled import LabelledCase
from ml.predictor import predict
from triage_rules.case import case_from_request
from triage_rules.level import Abstention, Level, Opinion

KEY = b"k" * 32


@pytest.fixture
def row(request_body: dict[str, Any]) -> LabelledCase:
    """A labelled case."""
    return LabelledCase(request=request_body, level=Level.EMERGENCY, row_id="1", scale="simulated")


def with_request(row: LabelledCase, **changes: Any) -> LabelledCase:
    return dataclasses.replace(row, request={**row.request, **changes})


def sure_of(level: Level, *, top: float = 0.7) -> Opinion:
    rest = (1 - top) / 3
    probabilities = tuple(top if one is level else rest for one in Level)
    return Opinion(level=level, probabilities=probabilities, threshold=0.6)


def test_a_row_it_learnt_from_has_the_answer_given_before(
    model: LoadedModel, row: LabelledCase
) -> None:
    answer = answerer(model, packed=pack([row], [sure_of(Level.ROUTINE)], key=KEY), key=KEY)

    assert predict(case_from_request(row.request), model=model).level is not Level.ROUTINE
    assert answer(row).level is Level.ROUTINE
    assert answer(row).confidence == pytest.approx(0.7)


def test_any_other_row_is_answered_now(model: LoadedModel, row: LabelledCase) -> None:
    answer = answerer(model, packed=pack([row], [sure_of(Level.ROUTINE)], key=KEY), key=KEY)
    other = with_request(row, patient_age=58)

    assert answer(other) == predict(
        case_from_request(other.request), model=model, threshold=model.threshold
    )


@pytest.mark.parametrize(
    "change",
    [{"patient_id": "p-9"}, {"encounter_id": "e-1", "triage_log_id": "T-1"}, {"medications": None}],
    ids=str,
)
def test_a_row_is_known_by_what_it_says_and_not_by_its_ids(
    model: LoadedModel, row: LabelledCase, change: dict[str, Any]
) -> None:
    answer = answerer(model, packed=pack([row], [sure_of(Level.ROUTINE)], key=KEY), key=KEY)

    assert answer(with_request(row, **change)).level is Level.ROUTINE


def test_without_the_key_nothing_is_known(model: LoadedModel, row: LabelledCase) -> None:
    packed = pack([row], [sure_of(Level.ROUTINE)], key=KEY)

    assert answerer(model, packed=packed, key=b"x" * 32)(row).level is not Level.ROUTINE
    assert b"chest" not in packed


def test_an_abstention_stays_one(model: LoadedModel, row: LabelledCase) -> None:
    abstained = Opinion.abstain(Abstention.OUT_OF_RANGE)

    answer = answerer(model, packed=pack([row], [abstained], key=KEY), key=KEY)

    assert answer(row) == abstained


@pytest.mark.parametrize(("threshold", "is_confident"), [(0.65, True), (0.75, False)])
def test_the_threshold_is_the_one_of_today(
    model: LoadedModel, row: LabelledCase, threshold: float, is_confident: bool
) -> None:
    packed = pack([row], [sure_of(Level.ROUTINE)], key=KEY)

    answer = answerer(model, packed=packed, key=KEY, threshold=threshold)

    assert answer(row).is_confident is is_confident


def test_both_are_combined_with_the_rules(model: LoadedModel, row: LabelledCase) -> None:
    before = answerer(model, packed=pack([row], [sure_of(Level.ROUTINE)], key=KEY), key=KEY)

    [(first, second)] = judge_each([row], before, answerer(model, key=KEY))

    assert first.opinion.level is Level.ROUTINE
    assert first.rules is second.rules
    assert first.hybrid >= first.rules or first.opinion.is_confident


def test_rows_and_answers_go_together(row: LabelledCase) -> None:
    with pytest.raises(ValueError, match="zip"):
        pack([row], [], key=KEY)
