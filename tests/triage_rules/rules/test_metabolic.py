"""Whom a missing sugar or pressure concerns: of all others its flag is not "unassessed"."""

import pytest

from tests.triage_rules.patients import case_of
from triage_rules import evaluate

EVERYBODY = {"RF29", "RF43"}
SPRAIN = {"says": "sprained ankle"}


@pytest.mark.parametrize(
    ("row", "concerned"),
    [
        (SPRAIN, set()),
        ({**SPRAIN, "history": ["type 1 diabetes"]}, {"RF28"}),
        ({**SPRAIN, "medications": ["dapagliflozin"]}, {"RF28"}),
        ({"says": "my sugars are high"}, {"RF28"}),
        ({"says": "vomiting all day"}, {"RF28"}),
        ({**SPRAIN, "history": ["Addison's disease"]}, {"RF41"}),
        ({**SPRAIN, "medications": ["prednisolone 10 mg daily"]}, {"RF41"}),
        ({**SPRAIN, "medications": ["hydrocortisone 1% cream"]}, set()),
    ],
)
def test_a_missing_value_is_listed_only_for_those_whom_it_concerns(row, concerned):
    unassessed = set(evaluate(case_of(row)).unassessed)

    assert unassessed & {"RF28", "RF41", *EVERYBODY} == concerned | EVERYBODY
