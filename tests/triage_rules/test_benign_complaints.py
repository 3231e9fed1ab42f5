"""Everyday complaints of every area and age stay at soon or below: over-triage is a failure too."""

import pytest

from tests.triage_rules.patients import NORMAL, adult, case_of, table
from triage_rules import Level, evaluate

BENIGN = table("benign")
OF_ADULTS = BENIGN["complaints"]
OF_OTHERS = [
    pytest.param({**person, "says": says}, id=f"{person['who']}: {says}")
    for person in BENIGN["people"]
    for says in person["complaints"]
]


def test_the_table_has_many_complaints_and_none_twice():
    assert len(set(OF_ADULTS)) == len(OF_ADULTS) >= 150


@pytest.mark.parametrize("complaint", OF_ADULTS)
def test_an_everyday_complaint_stays_at_soon_or_below(complaint):
    verdict = evaluate(adult(complaint, vitals=NORMAL))

    assert verdict.level <= Level.SOON, verdict.reasons
    assert not verdict.red_flags


@pytest.mark.parametrize("person", OF_OTHERS)
def test_an_everyday_complaint_of_any_age_stays_at_soon_or_below(person):
    verdict = evaluate(case_of(person))

    assert verdict.level <= Level.SOON, verdict.reasons
    assert not verdict.red_flags


@pytest.mark.parametrize("row", [pytest.param(row, id=row["row"]) for row in BENIGN["levels"]])
def test_what_makes_a_patient_soon_and_what_does_not(row):
    assert evaluate(case_of(row)).level.label == row["level"]
