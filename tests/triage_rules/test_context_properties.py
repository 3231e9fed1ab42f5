"""What holds for every emergency in words alone: company does not hide it, nor who tells of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.triage_rules.patients import adult, table
from triage_rules import evaluate
from triage_rules.level import Level

FLAGS = (
    "RF01",
    "RF02",
    "RF03",
    "RF04",
    "RF06",
    "RF07",
    "RF10",
    "RF12",
    "RF13",
    "RF20",
    "RF30",
    "RF31",
)
WRITTEN = [says for flag in FLAGS for says in table(f"flags/{flag}")["emergency"]]
SPOKEN = [says for flag in FLAGS for says in table("everyday")["fires"].get(flag, ())]
COMPLAINTS = sorted({*WRITTEN, *SPOKEN})

EVERYDAY = [
    "took paracetamol at home",
    "wife drove",
    "no allergies",
    "had my appendix out in 2010",
    "my mother has diabetes",
    "not slept well",
    "denies smoking",
    "lives alone",
    "no fever",
    "had covid last year",
    "stopped smoking last year",
    "my dad died of a stroke",
    "my mum had a heart attack",
    "my husband has epilepsy",
    "history of hypertension",
    "family history of heart disease",
    "no recent travel",
    "was fine yesterday",
    "worried about my job",
    "if it gets worse I will call",
    "the stroke clinic closed years ago",
    "never smoked",
]

RELATIVES = [
    *("wife", "husband", "partner", "son", "daughter", "baby", "mum", "mother", "dad", "father"),
    *("nan", "grandad", "sister", "brother", "uncle", "friend", "neighbour", "colleague"),
]
STATES = [
    "is not breathing",
    "is unresponsive",
    "is confused",
    "is choking",
    "is having a seizure",
    "is having a stroke",
    "is suicidal",
    "is gasping for air",
    "has stopped breathing",
    "has no pulse",
    "has slurred speech",
    "has stridor",
    "has hives and is wheezing",
    "has taken an overdose",
    "has swallowed bleach",
    "has left arm weakness",
]
LEADS = ["", "I think ", "please help ", "please help, ", "help! ", "hi, "]
TRAILS = [
    *("", " I am scared", ", I am scared", " what do I do", ", what do I do", ", please hurry"),
    *(", my heart is racing", " and I have called 999", ", I have no car", " I am shaking"),
    *(", I feel sick", " I need help", ", I want an ambulance", ", should I give aspirin"),
    *(", I have her tablets here", ", I am his carer", ", I'm pregnant", ", I have diabetes"),
]


@given(st.sampled_from(COMPLAINTS), st.lists(st.sampled_from(EVERYDAY), min_size=1, max_size=3))
def test_an_everyday_sentence_never_lowers_what_was_complained_of(complaint, sentences):
    alone = evaluate(adult(complaint))
    described = evaluate(adult(complaint, description=". ".join(sentences)))

    assert described.level >= alone.level


@given(
    st.sampled_from(COMPLAINTS), st.sampled_from(EVERYDAY), st.sampled_from([". ", ", ", " and "])
)
def test_nor_does_one_in_the_same_breath(complaint, sentence, link):
    alone = evaluate(adult(complaint))
    together = evaluate(adult(complaint + link + sentence))

    assert together.level >= alone.level


@given(*map(st.sampled_from, (LEADS, RELATIVES, STATES, TRAILS)))
def test_a_relatives_emergency_is_one_when_nobody_said_who_reports(lead, relative, state, trail):
    verdict = evaluate(adult(f"{lead}my {relative} {state}{trail}"))

    assert verdict.level is Level.EMERGENCY


@pytest.mark.parametrize("complaint", COMPLAINTS)
def test_the_complaints_of_this_file_are_of_more_than_routine(complaint):
    assert evaluate(adult(complaint)).level > Level.ROUTINE
