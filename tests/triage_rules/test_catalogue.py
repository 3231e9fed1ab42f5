"""The phrasings and traps of the catalogue, word for word."""

import pytest

from tests.triage_rules.patients import case_of, table
from triage_rules import evaluate

ROWS = [
    pytest.param(flag, expected, {**row.get("patient", {}), "says": says}, id=f"{flag}: {says}")
    for flag, rows in table("catalogue").items()
    for row in rows
    for expected in ("emergency", "urgent", "none")
    for says in row.get(expected, ())
]


@pytest.mark.parametrize(("flag", "expected", "row"), ROWS)
def test_the_catalogue_s_own_words_set_the_floor_it_names(flag, expected, row):
    floors = {fired.id: fired.floor.label for fired in evaluate(case_of(row)).red_flags}

    assert floors.get(flag, "none") == expected
