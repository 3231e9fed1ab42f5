"""When a day is too bad, from counts alone."""

from __future__ import annotations

from typing import Any

import pytest

from monitoring.accuracy import judgement


def judged(correct: int, labelled: int, **trailing: int) -> tuple[Any, Any]:
    """Judge against three of four right and thirty labels."""
    facts = {"trailing_correct": correct, "trailing_labelled": labelled} | trailing
    found = judgement(correct=correct, labelled=labelled, threshold=0.75, min_labels=30, **facts)
    return found.status, found.severity


@pytest.mark.parametrize(
    ("correct", "labelled", "status", "severity"),
    [
        (0, 0, "not_enough_labels", None),
        (0, 29, "not_enough_labels", None),
        (0, 30, "below_threshold", "critical"),
        (30, 40, "ok", None),
        (29, 40, "below_threshold", "warning"),
        (25, 40, "below_threshold", "warning"),  # 62.5 %, and up to 75.8 %
        (24, 40, "below_threshold", "critical"),  # 60 %, and up to 73.7 %
    ],
)
def test_a_day_is_critical_only_when_it_is_surely_below(
    correct: int, labelled: int, status: str, severity: str | None
) -> None:
    assert judged(correct, labelled) == (status, severity)


@pytest.mark.parametrize(("right", "severity"), [(1_450, "warning"), (1_420, "critical")])
def test_many_slightly_bad_days_together_are_critical(right: int, severity: str) -> None:
    found = judged(28, 40, trailing_correct=right, trailing_labelled=2_000)

    assert found == ("below_threshold", severity)


def test_a_good_day_is_good_after_bad_weeks() -> None:
    assert judged(36, 40, trailing_correct=500, trailing_labelled=1_000) == ("ok", None)


def test_weeks_without_labels_say_nothing() -> None:
    assert judged(29, 40, trailing_correct=0, trailing_labelled=0) == ("below_threshold", "warning")
