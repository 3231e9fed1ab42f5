"""The sentences a matcher must not misread."""

import pytest

from tests.triage_rules.patients import adult
from triage_rules import evaluate
from triage_rules.case import ReportedBy

SENTENCES = [
    ("Denies chest pain, no shortness of breath", set()),
    ("No chest pain but can't breathe", {"RF04"}),
    ("not breathing properly", {"RF04"}),
    ("can't feel my legs, no back pain", {"RF27"}),
    ("chest pain denied; jaw pain and sweating", {"RF07"}),
    ("?stroke, FAST negative now", {"RF10"}),
    ("no rash, stiff neck, fever, headache", {"RF12"}),
    ("mother has chest pain; I have a cough", set()),
    ("wife says he is confused", {"RF02"}),
    ("not denying overdose", {"RF30"}),
    ("can't rule out stroke", {"RF10"}),
    ("stroke ruled out last week", set()),
    ("no, I do have slurred speech", {"RF10"}),
    ("seizure: none", set()),
    ("told to come back if seizure", set()),
    ("if she has a seizure again what do I do", set()),
    ("had a stroke last year, slurred again today", {"RF10"}),
    ("husband had a stroke and I have a cough", set()),
    ("my son had a seizure", {"RF13"}),
    ("family history of stroke", set()),
    ("denies seizure, has slurred speech", {"RF10"}),
    ("two day history of confusion", {"RF02"}),
    ("seizure yesterday", {"RF13"}),
    ("stroke in 2019", set()),
    ("stroke 2 months ago", set()),
    ("my son is fitting, I have given him an epipen", {"RF06", "RF13"}),
    ("overdose - denies", set()),
    ("no longer able to speak", {"RF10"}),
    ("no longer breathing", {"RF01"}),
    ("I feel like killing myself", {"RF31"}),
    ("denies fever, not breathing properly", {"RF04"}),
    ("denies fever or can't breathe", {"RF04"}),
    ("arm went dead", {"RF10"}),
    ("fell on my knee a month ago, seizure then", {"RF13"}),
    ("chest infection and panic attack", set()),
    ("nosebleed stopped but started again", {"RF20"}),
    ("stroke came back", {"RF10"}),
    ("stroke, lower back sore, in 2019", {"RF10"}),
    ("my mum is on chemo and has a fever", {"RF15"}),
    ("my mum is unwell. fever, she is on chemo", {"RF15"}),
    ("fever. grandmother is on chemo", {"RF15"}),
    ("fever, grandmother is on chemo", set()),
    ("sister on chemo, I've got a fever", set()),
    ("dad has addisons, vomiting today", {"RF41"}),
    ("my sister has Addison's, I am vomiting", set()),
    ("family all have diabetes, I've been vomiting", set()),
    ("had arm weakness and slurred speech four days ago", {"RF10"}),
    ("TIA last week", {"RF10"}),
    ("worried I might get sepsis", {"RF14"}),
]


@pytest.mark.parametrize(("says", "flags"), SENTENCES)
def test_exactly_these_flags_fire(says, flags):
    assert {flag.id for flag in evaluate(adult(says)).red_flags} == flags


def test_a_carer_speaks_of_the_patient():
    case = adult("my mother had a stroke", reported_by=ReportedBy.CARER)

    assert [flag.id for flag in evaluate(case).red_flags] == ["RF10"]


@pytest.mark.parametrize("reported_by", [None, *ReportedBy])
def test_nobody_who_died_is_the_patient(reported_by):
    case = adult("my father died of a stroke", reported_by=reported_by)

    assert not evaluate(case).red_flags


@pytest.mark.parametrize(
    "says",
    ["my wife says I am confused", "my mum found me unresponsive", "Dad brought me, confused"],
)
def test_a_patient_of_whom_a_relative_tells_is_the_patient(says):
    case = adult(says, reported_by=ReportedBy.PATIENT)

    assert [flag.id for flag in evaluate(case).red_flags] == ["RF02"]


def test_a_patient_who_speaks_of_a_relative_is_not_that_relative():
    case = adult("husband has slurred speech", reported_by=ReportedBy.PATIENT)

    assert not evaluate(case).red_flags


def test_a_feared_finding_in_the_description_does_not_fire():
    case = adult("sore knee", description="also worried about a stroke")

    assert not evaluate(case).red_flags


def test_a_feared_emergency_is_urgent_and_not_at_once():
    verdict = evaluate(adult("worried about a seizure"))

    assert verdict.level.label == "urgent"
    assert not verdict.immediate


def test_the_worry_about_ones_own_finding_is_that_finding():
    assert evaluate(adult("worried about my seizures")).level.label == "emergency"
