"""Twice the text costs about twice the steps, whatever is repeated in it.

Steps are counted, not seconds: the interpreter's own instructions, so that no machine is too slow.
"""

import sys

import pytest

from tests.triage_rules.patients import adult
from triage_rules import evaluate
from triage_rules.case import MAX_DESCRIPTION_CHARACTERS, MAX_ENTRY_CHARACTERS, Symptom

AT_MOST = 2.5
REPEATED = [
    "sob ",
    "sob, ",
    "blood vomit ",
    "no ",
    "no sob, ",
    "not not ",
    "denies sob or ",
    "chest pain, ",
    "chest ",
    "chest pain was denied ",
    "stroke was was ",
    "seizure stopped ",
    "if ",
    "if sob ",
    "if i get a ",
    "a ",
    "i ",
    "mi? ",
    "my mum has sob ",
    "mum and and ",
    "family history of sob, ",
    "in case, or ",
    "risk of ",
    "worried about sob ",
    "stroke 3 days ago ",
    "stroke in 2019 back ",
    "seizur ",
    "pain in the left arm and jaw ",
    "and ",
    "(",
    "x",
    "hr 150 ",
    "1 - ",
    "pulse a ",
    "burns 2% ",
    "pregnant 6 weeks ",
    "1/",
    "sezures ",
    "dolor ",
]


def steps_of(case):
    """Count the instructions that judging a case takes once every cache is warm."""
    evaluate(case)
    steps = 0

    def count(frame, event, _):
        nonlocal steps
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        steps += event == "opcode"
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        evaluate(case)
    finally:
        sys.settrace(before)
    return steps


def text_of(repeated, length):
    return (repeated * length)[:length]


@pytest.mark.parametrize("repeated", REPEATED)
def test_twice_the_text_takes_about_twice_the_steps(repeated):
    once, twice = (
        steps_of(adult("sore throat", description=text_of(repeated, length)))
        for length in (MAX_DESCRIPTION_CHARACTERS // 2, MAX_DESCRIPTION_CHARACTERS)
    )

    assert twice <= AT_MOST * once


@pytest.mark.parametrize("end", ["or sob", "sob " * 100])
@pytest.mark.parametrize("repeated", ["in case, ", "in case ", "if a a ", "denies, ", "was "])
def test_a_cue_far_from_its_finding_is_followed_once(repeated, end):
    once, twice = (
        steps_of(adult("sore throat", description=text_of(repeated, length) + " " + end))
        for length in (1_500, 3_000)
    )

    assert twice <= AT_MOST * once


@pytest.mark.parametrize("repeated", ["sob ", "blood vomit ", "if sob ", "a "])
def test_twice_the_entries_take_about_twice_the_steps(repeated):
    once, twice = (
        steps_of(
            adult(
                symptoms=tuple(Symptom(name=entry) for entry in entries),
                medical_history=entries,
                medications=entries,
                allergies=entries,
            )
        )
        for entries in (entries_of(repeated, 25), entries_of(repeated, 50))
    )

    assert twice <= AT_MOST * once


@pytest.mark.parametrize("repeated", ["sob ", "blood vomit ", "if sob ", "a "])
def test_the_same_entry_again_takes_next_to_no_steps(repeated):
    entry = text_of(repeated, MAX_ENTRY_CHARACTERS)
    one, fifty = (
        steps_of(adult(symptoms=(Symptom(name=entry),) * times, medications=(entry,) * times))
        for times in (1, 50)
    )

    assert fifty <= AT_MOST * one


def entries_of(repeated, count):
    text = text_of(repeated, MAX_ENTRY_CHARACTERS - 3)
    return tuple(f"{number} {text}" for number in range(count))
