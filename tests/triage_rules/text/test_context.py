"""What stands around a finding: a denial, another person, another time, another clause."""

from dataclasses import replace

import pytest

from tests.triage_rules.patients import case_of, table
from triage_rules import evaluate

CONTEXT = table("context")
ROWS = [
    pytest.param(row, id=f"{rule}: {row['says']}") for rule, rows in CONTEXT.items() for row in rows
]
COMPARED = frozenset(
    {
        *("RF01", "RF02", "RF03", "RF04", "RF05", "RF06", "RF07", "RF10", "RF12", "RF13"),
        *("RF20", "RF29", "RF30", "RF31"),
    }
)


@pytest.mark.parametrize("row", ROWS)
def test_exactly_these_emergencies_are_read(row):
    case = replace(case_of(row), description=row.get("description", ""))
    verdict = evaluate(case)

    assert {flag.id for flag in verdict.red_flags if flag.is_hard} & COMPARED == set(row["flags"])
    assert verdict.immediate == row.get("immediate", verdict.immediate)
