"""The figures of a decider, against values computed by hand."""

from __future__ import annotations

import json

import pytest

from ml.evaluation import confusion_table, evaluate, wilson_interval

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


def test_brier_and_calibration_are_as_by_hand() -> None:
    result = evaluate([0, 3], [0, 0], probabilities=[[0.8, 0.2, 0.0, 0.0], [0.6, 0.0, 0.0, 0.4]])

    assert result.brier == pytest.approx(((0.04 + 0.04) + (0.36 + 0.36)) / 2)
    assert result.ece == pytest.approx((abs(1 - 0.8) + abs(0 - 0.6)) / 2)


def test_without_probabilities_there_is_no_calibration() -> None:
    result = evaluate(TRUTH, GIVEN)

    assert (result.brier, result.ece) == (None, None)


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
