"""The summary of a version's held-out rows: all that drift is measured against."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ml.artefacts import LoadedModel, TrainedModel
from ml.predictor import predict
from ml.reference import (
    CATEGORIES,
    MIN_ROWS,
    MOST_BINS,
    STEPS,
    CategorySummary,
    NumericSummary,
    Reference,
    WordSummary,
    reference_of,
)
from triage_rules import evaluate
from triage_rules.case import case_from_request
from triage_rules.level import Abstention, Level, WordCount


@pytest.fixture(scope="module")
def reference(trained: TrainedModel) -> Reference:
    found = Reference.from_metadata({"reference": trained.reference})
    assert found is not None
    return found


def test_it_works(trained: TrainedModel, reference: Reference) -> None:
    assert reference.rows == len(trained.held_out) == 1_500
    assert set(reference.numeric) == set(STEPS)
    assert set(reference.categories) == set(CATEGORIES)
    rates = [case.request["vitals"].get("heart_rate") for case in trained.held_out]
    known = [rate for rate in rates if rate is not None]
    assert reference.numeric["heart_rate"].n == len(known)
    assert reference.numeric["heart_rate"].missing == 1_500 - len(known)
    assert reference.numeric["heart_rate"].mean == pytest.approx(np.mean(known))


def test_it_stands_in_the_metadata_of_the_version(model: LoadedModel, reference: Reference) -> None:
    assert Reference.from_metadata(model.metadata) == reference


def test_it_is_small(trained: TrainedModel) -> None:
    assert len(json.dumps(trained.reference, indent=2)) < 60_000


@pytest.mark.parametrize("metadata", [{}, {"reference": {}}, {"reference": {"format": 99}}])
def test_a_version_without_one_says_so(metadata: dict[str, Any]) -> None:
    assert Reference.from_metadata(metadata) is None


def test_every_bin_holds_ten_rows_at_least(reference: Reference) -> None:
    for summary in reference.numeric.values():
        assert all(n >= MIN_ROWS or n == 0 for n in summary.counts)
        assert len(summary.counts) <= MOST_BINS
    assert reference.performance is not None
    assert all(one.n >= MIN_ROWS for one in reference.performance.bins)


def test_no_single_value_can_be_read() -> None:
    usual = np.random.default_rng(0).normal(80, 15, 500).round().tolist()

    summary = NumericSummary.of([*usual, 219.0], name="heart_rate")

    assert summary.counts[-1] >= MIN_ROWS
    assert summary.edges[-1] < max(usual)
    assert 219.0 not in summary.means


def test_bins_hold_what_the_values_say() -> None:
    summary = NumericSummary.of([36.5] * 20 + [36.6] * 20 + [39.0] * 20 + [None] * 5,
                                name="temperature_c")  # fmt: skip

    assert summary.edges == (36.55, 36.65)
    assert (summary.counts, summary.missing) == ((20, 20, 20), 5)
    assert summary.means == (36.5, 36.6, 39.0)
    assert summary.median == 36.6


def test_other_values_fall_into_the_same_bins() -> None:
    values = [35.0 + tenth / 10 for tenth in range(50)] * 10
    summary = NumericSummary.of(values, name="temperature_c")

    distinct, counts = np.unique(np.round(values, 1), return_counts=True)
    binned, means = summary.binned(distinct, counts)

    assert tuple(binned) == summary.counts
    assert means == pytest.approx(summary.means)


@pytest.mark.parametrize("odd", [0, MIN_ROWS - 1])
def test_a_constant_has_room_to_either_side(odd: int) -> None:
    summary = NumericSummary.of([15.0] * 100 + [3.0] * odd, name="gcs")

    assert summary.edges == (14.5, 15.5)
    assert summary.counts == (0, 100 + odd, 0)
    assert summary.means == (14.0, 15.0, 16.0)


def test_too_few_values_are_not_described() -> None:
    summary = NumericSummary.of([36.5] * (MIN_ROWS - 1) + [None], name="temperature_c")

    assert (summary.n, summary.mean, summary.sd, summary.missing) == (0, None, None, 1)


@pytest.mark.parametrize(
    ("name", "value", "outside"),
    [("heart_rate", 220, 0), ("heart_rate", 221, 20), ("age_years", 125, 0), ("news2", 99, 0)],
)
def test_values_outside_the_usual_range_are_counted(name: str, value: float, outside: int) -> None:
    assert NumericSummary.of([value] * 20, name=name).outside == outside


def test_rare_words_are_counted_together() -> None:
    values = ["female"] * 50 + ["male"] * 40 + ["other"] * 9 + ["unknown"] * 4 + [None] * 3

    summary = CategorySummary.of(values, name="sex")

    assert summary.counts == {"female": 50, "male": 40}
    assert (summary.rare, summary.rare_rows, summary.missing, summary.n) == (("other",), 9, 7, 99)


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("prediction", Level.URGENT, "urgent"),
        ("model_level", 0, "routine"),
        ("model_abstained", None, "answered"),
        ("model_abstained", "", "answered"),
        ("model_abstained", Abstention.OUT_OF_RANGE, "out_of_range"),
        ("injury", False, "no"),
        ("on_oxygen", True, "yes"),
    ],
)
def test_each_value_has_its_word(name: str, value: object, word: str) -> None:
    assert CategorySummary.of([value] * 10, name=name).counts == {word: 10}


def test_words_are_added_up_with_their_squares() -> None:
    summary = WordSummary.of({WordCount(said=4, unknown=1): 2, WordCount(said=3, unknown=3): 1})

    assert summary == WordSummary(
        rows=3, said=11, unknown=5, said_squared=41, unknown_squared=11, said_unknown=17
    )
    assert summary.share == pytest.approx(5 / 11)
    assert WordSummary.of({}).share is None


def test_its_figures_are_those_of_the_version(trained: TrainedModel, reference: Reference) -> None:
    found, figures = reference.performance, trained.metrics["model"]

    assert found is not None
    assert (found.n, found.accuracy) == (figures["n"], pytest.approx(figures["accuracy"]))
    assert (found.brier, found.ece) == pytest.approx((figures["brier"], figures["ece"]))
    assert found.hybrid_right / found.hybrid_n == pytest.approx(
        trained.metrics["hybrid"]["accuracy"]
    )
    assert sum(one.n for one in found.bins) == found.n


def test_a_model_that_answered_nobody_has_no_figures(trained: TrainedModel) -> None:
    cases = trained.held_out[:20]
    patients = [case_from_request(case.request) for case in cases]
    silent = trained.held_out_opinions[0].abstain(Abstention.OUT_OF_RANGE)

    summary = reference_of(
        patients,
        verdicts=[evaluate(patient) for patient in patients],
        opinions=[silent] * 20,
        words=[WordCount(said=1, unknown=0)] * 20,
        truth=[case.level for case in cases],
    )

    assert summary.performance is None
    assert Reference.from_metadata({"reference": summary.as_dict()}) == summary


def test_the_model_counts_the_words_it_has_never_met(
    model: LoadedModel, request_body: dict[str, Any]
) -> None:
    request_body["symptoms_data"]["chief_complaint"] = "The chest pain of a quokka"

    opinion = predict(case_from_request(request_body), model=model)

    assert opinion.words == WordCount(said=3, unknown=1)


def test_it_counts_them_where_it_abstains_too(
    model: LoadedModel, request_body: dict[str, Any]
) -> None:
    case = replace(case_from_request(request_body), age_years=124)

    opinion = predict(case, model=model)

    assert opinion.abstained is Abstention.OUT_OF_RANGE
    assert opinion.words == WordCount(said=2, unknown=0)


def test_without_a_model_no_words_are_counted(request_body: dict[str, Any]) -> None:
    assert predict(case_from_request(request_body), model=None).words is None
