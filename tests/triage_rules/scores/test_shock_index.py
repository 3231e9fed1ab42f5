import math

import pytest

from triage_rules.case import Vitals
from triage_rules.scores.shock_index import shock_index


def test_it_works():
    index = shock_index(Vitals(heart_rate=60, systolic_bp=120))

    assert index.value == 0.5
    assert index.missing == ()


@pytest.mark.parametrize(
    ("heart_rate", "systolic_bp", "value"),
    [
        (99, 100, 0.99),
        (100, 100, 1.0),
        (101, 100, 1.01),
        (140, 100, 1.4),
        (126, 90, 1.4),
        (119, 85, 1.4),
        (0, 100, 0.0),
        (99.5, 100, 1.0),
        (99.4, 100, 0.99),
        (100, 99.5, 1.0),
    ],
)
def test_whole_numbers_are_divided_rounded_half_up(heart_rate, systolic_bp, value):
    vitals = Vitals(heart_rate=heart_rate, systolic_bp=systolic_bp)

    assert shock_index(vitals).value == value


@pytest.mark.parametrize(
    ("heart_rate", "systolic_bp", "missing"),
    [
        (None, 120, ("heart_rate",)),
        (80, None, ("systolic_bp",)),
        (None, None, ("heart_rate", "systolic_bp")),
        (80, 0, ("systolic_bp",)),
        (80, 0.4, ("systolic_bp",)),
        (None, 0, ("heart_rate", "systolic_bp")),
        (math.nan, 120, ("heart_rate",)),
        (80, math.inf, ("systolic_bp",)),
    ],
)
def test_it_is_not_computed_without_both_values(heart_rate, systolic_bp, missing):
    index = shock_index(Vitals(heart_rate=heart_rate, systolic_bp=systolic_bp))

    assert index.value is None
    assert index.missing == missing
