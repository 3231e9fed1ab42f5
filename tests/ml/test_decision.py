"""The answer is the level of least expected cost, not the likeliest one."""

from __future__ import annotations

import pytest

from ml.predictor import decide, plausible_levels
from ml.training import COST_MATRIX
from triage_rules.level import Level


@pytest.mark.parametrize(
    ("probabilities", "answer"),
    [
        ((1.0, 0.0, 0.0, 0.0), Level.ROUTINE),
        ((0.0, 1.0, 0.0, 0.0), Level.SOON),
        ((0.0, 0.0, 1.0, 0.0), Level.URGENT),
        ((0.0, 0.0, 0.0, 1.0), Level.EMERGENCY),
        ((0.0, 0.0, 0.84, 0.16), Level.URGENT),
        ((0.0, 0.0, 0.82, 0.18), Level.EMERGENCY),
        ((0.0, 0.68, 0.0, 0.32), Level.EMERGENCY),
        ((0.0, 0.40, 0.46, 0.14), Level.URGENT),
        ((0.0, 0.90, 0.0, 0.10), Level.SOON),
    ],
    ids=str,
)
def test_it_works(probabilities: tuple[float, ...], answer: Level) -> None:
    assert decide(probabilities, cost_matrix=COST_MATRIX) is answer


def test_of_two_equally_costly_answers_the_more_urgent_is_given() -> None:
    indifferent = ((0.0,) * 4,) * 4

    assert decide((0.25,) * 4, cost_matrix=indifferent) is Level.EMERGENCY


@pytest.mark.parametrize("truth", list(Level))
def test_too_low_never_costs_less_than_as_much_too_high(truth: Level) -> None:
    costs = COST_MATRIX[truth]

    for distance in (1, 2, 3):
        low, high = truth - distance, truth + distance
        if low >= 0 and high <= Level.EMERGENCY:
            assert costs[low] >= costs[high]


def test_a_missed_emergency_costs_eight_times_one_level_too_many() -> None:
    missed = COST_MATRIX[Level.EMERGENCY]

    assert missed[Level.ROUTINE] == 8 * COST_MATRIX[Level.SOON][Level.URGENT]
    assert sorted(missed, reverse=True) == list(missed)


def test_the_answer_is_always_plausible() -> None:
    levels = plausible_levels(
        (0.05, 0.05, 0.8, 0.1), level=Level.EMERGENCY, conformal_quantiles=(0.5,) * 4
    )

    assert levels == (Level.URGENT, Level.EMERGENCY)
