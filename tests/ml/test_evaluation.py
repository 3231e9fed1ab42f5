"""The figures of a decider, against values computed by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score, f1_score

from ml.evaluation import confusion_table, evaluate, reliability, wilson_interval

TRUTH = [3, 3, 3, 2, 2, 1, 1, 1, 0, 0]
GIVEN = [3, 2, 1, 2, 3, 1, 1, 0, 0, 2]


def test_it_works() -> None:
    result = evaluate(TRUTH, GIVEN)

    assert result.n == 10
    assert result.accuracy == pytest.approx(5 / 10)
    assert result.under_triage == pytest.approx(3 / 10)
    assert result.over_triage == pytest.approx(2 / 10)
    assert result.two_level_under_triage == pytest.approx(1 / 10)
    assert result.emergency_recall == pytest.approx(1 / 3)
    assert result.confusion == ((1, 0, 1, 0), (1, 2, 0, 0), (0, 0, 1, 1), (0, 1, 1, 1))


def test_both_kappas_are_as_by_hand() -> None:
    result = evaluate(TRUTH, GIVEN)

    # Chance agreement: (2*2 + 3*3 + 2*3 + 3*2) / 100 = 0.25.
    assert result.kappa == pytest.approx((0.5 - 0.25) / 0.75)
    # Squared distances: seen 0+1+4+0+1+0+0+1+0+4 = 11; by chance 38 + 33 - 2 * 16 * 15 / 10 = 23.
    assert result.qwk == pytest.approx(1 - 11 / 23)


def test_macro_f1_is_the_mean_of_all_four_levels() -> None:
    result = evaluate(TRUTH, GIVEN)

    assert result.macro_f1 == pytest.approx((1 / 2 + 2 / 3 + 2 / 5 + 2 / 5) / 4)


levels = st.integers(0, 3)


@given(st.lists(st.tuples(levels, levels), min_size=2, max_size=40))
def test_agreement_is_what_scikit_learn_computes(rows: list[tuple[int, int]]) -> None:
    truth, answered = zip(*rows, strict=True)
    result = evaluate(truth, answered)

    f1 = f1_score(truth, answered, average="macro", labels=[0, 1, 2, 3], zero_division=0.0)
    assert result.macro_f1 == pytest.approx(f1)
    if len({*truth, *answered}) > 1:
        quadratic = cohen_kappa_score(truth, answered, weights="quadratic", labels=[0, 1, 2, 3])
        assert result.qwk == pytest.approx(quadratic)
        assert result.kappa == pytest.approx(cohen_kappa_score(truth, answered))


def test_the_cost_is_the_mean_over_the_rows() -> None:
    costs = [[0, 1, 2, 4], [1, 0, 1, 2], [3, 1, 0, 1], [8, 8, 3, 0]]

    result = evaluate(TRUTH, GIVEN, cost_matrix=costs)

    # In the order of the rows: 0 + 3 + 8 + 0 + 1 + 0 + 0 + 1 + 0 + 2.
    assert result.expected_cost == pytest.approx(15 / 10)
    assert evaluate(TRUTH, GIVEN).expected_cost is None


def test_brier_and_calibration_are_as_by_hand() -> None:
    result = evaluate([0, 3], [0, 0], probabilities=[[0.8, 0.2, 0.0, 0.0], [0.6, 0.0, 0.0, 0.4]])

    assert result.brier == pytest.approx(((0.04 + 0.04) + (0.36 + 0.36)) / 2)
    assert result.ece == pytest.approx((abs(1 - 0.8) + abs(0 - 0.6)) / 2)


def test_without_probabilities_there_is_no_calibration() -> None:
    result = evaluate(TRUTH, GIVEN)

    assert (result.brier, result.ece) == (None, None)


def test_reliability_is_as_by_hand() -> None:
    low, high = reliability([0.1, 0.19, 0.95, 1.0, 0.9], [False, True, True, True, False])

    assert (low.low, low.high, low.n, low.share) == (0.1, 0.2, 2, 0.5)
    assert low.mean_probability == pytest.approx(0.145)
    assert (high.low, high.high, high.n) == (0.9, 1.0, 3)
    assert high.share == pytest.approx(2 / 3)
    assert high.interval == wilson_interval(2, 3)


def test_the_bins_add_up_to_the_calibration_error() -> None:
    random = np.random.default_rng(5)
    probabilities = random.dirichlet([1, 1, 1, 1], size=200)
    truth = random.integers(4, size=200)

    bins = reliability(probabilities.max(axis=1), probabilities.argmax(axis=1) == truth)

    gap = sum(one.n * abs(one.share - one.mean_probability) for one in bins) / 200
    assert evaluate(truth, truth, probabilities=probabilities).ece == pytest.approx(gap)


@pytest.mark.parametrize("with_probabilities", [False, True])
def test_the_bootstrap_of_a_mean_agrees_with_its_formula(with_probabilities: bool) -> None:
    truth, answered = [3] * 100, [3] * 70 + [2] * 30
    probabilities = [[0, 0, 0, 1]] * 100 if with_probabilities else None
    one_for_each_error = 1 - np.eye(4)

    result = evaluate(
        truth, answered, probabilities=probabilities, cost_matrix=one_for_each_error,
        resamples=2_000, seed=1,
    )  # fmt: skip

    # 0.30 -+ 1.96 * sqrt(0.3 * 0.7 / 100)
    assert result.expected_cost == pytest.approx(0.3)
    assert result.intervals["expected_cost"] == pytest.approx((0.21, 0.39), abs=0.011)


@pytest.mark.parametrize("resamples", [0, 50])
def test_what_never_happened_is_not_called_impossible(resamples: int) -> None:
    result = evaluate([3] * 50, [3] * 50, resamples=resamples)

    assert result.intervals["under_triage"] == wilson_interval(0, 50)
    assert result.intervals["under_triage"][1] > 0.05


def test_the_same_seed_draws_the_same_intervals() -> None:
    first, again, other = (evaluate(TRUTH, GIVEN, resamples=50, seed=s) for s in (1, 1, 2))

    assert first == again
    assert first.intervals != other.intervals


def test_a_draw_in_which_a_figure_does_not_exist_is_left_out() -> None:
    result = evaluate([3, 0], [3, 0], resamples=100)

    # Half of the draws hold one level only, and have no kappa.
    assert result.intervals["kappa"] == (1.0, 1.0)


def test_a_subgroup_keeps_the_intervals_of_the_grave_figures() -> None:
    short = evaluate(TRUTH, GIVEN).short()

    assert short["emergencies"] == 3
    assert short["intervals"] == {
        "under_triage": wilson_interval(3, 10),
        "emergency_recall": wilson_interval(1, 3),
    }


def test_what_cannot_be_known_is_none_and_not_a_number() -> None:
    result = evaluate([1, 1], [1, 1])

    assert (result.kappa, result.qwk, result.emergency_recall) == (None, None, None)
    assert "NaN" not in json.dumps(result.as_dict())


def test_the_wilson_interval_is_as_published() -> None:
    # Newcombe (1998), table I: 81 of 263.
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)


@pytest.mark.parametrize(("truth", "given_"), [([], []), ([1], [1, 2])])
def test_nothing_or_unequal_lengths_are_refused(truth: list[int], given_: list[int]) -> None:
    with pytest.raises(ValueError, match="equally many"):
        evaluate(truth, given_)


def test_the_table_names_every_level_by_row_and_column() -> None:
    lines = confusion_table(evaluate(TRUTH, GIVEN)).splitlines()

    assert lines[0].split()[-4:] == ["routine", "soon", "urgent", "emergency"]
    assert lines[4].split() == ["emergency", "0", "1", "1", "1"]
