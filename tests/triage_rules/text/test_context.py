"""What stands around a finding: another person, another time, another clause."""

from dataclasses import replace

import pytest

from tests.triage_rules.patients import case_of, table
from triage_rules import Level, evaluate

CONTEXT = table("context")
ROWS = [pytest.param(row, id=row["says"]) for rows in CONTEXT.values() for row in rows]


@pytest.mark.parametrize("row", ROWS)
def test_exactly_these_emergencies_are_read(row):
    case = replace(case_of(row), description=row.get("description", ""))
    flags = evaluate(case).red_flags

    assert {flag.id for flag in flags if flag.floor is Level.EMERGENCY} == set(row["flags"])
