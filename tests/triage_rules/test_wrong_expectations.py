"""What circulates and is wrong, against our own answers; the error is named, not its author."""

from dataclasses import replace

import pytest

from tests.triage_rules.patients import NORMAL, case_of, table
from triage_rules import Level, evaluate
from triage_rules.ruleset import ruleset_current
from triage_rules.scores.qsofa import qsofa

ROWS = [pytest.param(row, id=row["error"]) for row in table("wrong_expectations")["news2"]]


@pytest.mark.parametrize("row", ROWS)
def test_the_early_warning_score_does_not_repeat_the_error(row):
    verdict = evaluate(case_of(row))

    if "points" in row:
        assert dict(verdict.news2.subscores)["spo2"] == row["points"]
    if "total" in row:
        assert verdict.news2.total == row["total"]
    if "floor" in row:
        assert verdict.floor.label == row["floor"]


def test_oxygen_that_is_not_known_is_listed_and_not_taken_for_air():
    verdict = evaluate(case_of({"vitals": {"spo2": 97}}))

    assert "on_oxygen" in verdict.news2.missing


def test_there_is_no_qsofa_of_a_child():
    fast = replace(NORMAL, respiratory_rate=40, systolic_bp=90)
    limits = ruleset_current().limits

    assert qsofa(fast, age=15.9, limits=limits).total is None
    assert qsofa(fast, age=16, limits=limits).total == 2


def test_a_fever_in_fahrenheit_is_not_a_temperature_of_a_hundred():
    assert evaluate(case_of({"says": "temp 101 F"})).level < Level.EMERGENCY
