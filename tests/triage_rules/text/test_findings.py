import pytest

from tests.triage_rules.patients import adult
from triage_rules import evaluate
from triage_rules.case import Symptom
from triage_rules.text.finding import Assertion, Field
from triage_rules.text.reading import read_case, read_text

SAID = [
    ("chest pain", "present"),
    ("possible chest pain", "possible"),
    ("r/o chest pain", "possible"),
    ("denies chest pain", "negated"),
    ("denies cough, fever, or chest pain", "negated"),
    ("denies cough, has chest pain", "present"),
    ("no cough, chest pain", "present"),
    ("no cough, fever or chest pain", "negated"),
    ("no fever and I have chest pain", "present"),
    ("w/o chest pain", "negated"),
    ("chest pain was ruled out", "negated"),
    ("chest pain: none", "negated"),
    ("chest pain: no relief", "present"),
    ("chest pain, denied fever", "present"),
    ("no change in chest pain", "present"),
    ("chest pain not improving", "present"),
    ("chest pain better now", "resolved"),
    ("chest pain stopped me sleeping", "present"),
    ("chest pain stopped then came back", "present"),
    ("chest pain last year", "historical"),
    ("h/o chest pain", "historical"),
    ("chest pain in 2019", "historical"),
    ("chest pain 3/12 ago", "historical"),
    ("chest pain last year and again today", "present"),
    ("chest pain last year and it is back", "present"),
    ("chest pain and back pain last year", "present"),
    ("come back if chest pain", "hypothetical"),
    ("if chest pain returns", "hypothetical"),
    ("if I walk I get chest pain", "present"),
    ("feels as if chest tight", "present"),
    ("worried about chest pain", "feared"),
    ("worried about my chest pain", "present"),
    ("my father had chest pain", "present"),
    ("my father had a heart attack", "family"),
    ("my father died of a heart attack", "family"),
    ("my father also has chest pain, I have a cough", "family"),
    ("my father brought me, chest pain", "present"),
    ("my father can't come, chest pain", "present"),
    ("had back pain and chest pain last year", "historical"),
    ("had chest pain and then back pain last year", "present"),
    ("chest pain at school", "present"),
    ("my husband has chest pain I am so scared", "present"),
    ("my husband has chest pain, I have palpitations", "present"),
    ("my husband has chest pain, I have called his doctor", "present"),
    ("my husband has chest pain, I have diabetes", "present"),
    ("my husband has chest pain, I have a cough", "family"),
    ("my husband has chest pain, I need a blood test", "family"),
    ("my husband has chest pain, I've been vomiting", "family"),
]


@pytest.mark.parametrize(("text", "assertion"), SAID)
def test_what_is_said_of_chest_pain(text, assertion):
    found = [f for f in read_text(text, field=Field.COMPLAINT) if f.concept == "chest_pain"]

    assert [f.assertion for f in found] == [Assertion(assertion)]


def test_the_evidence_is_the_original_words():
    (found,) = read_text("Feels SOB, tired", field=Field.DESCRIPTION)[:1]

    assert found.evidence == "SOB"
    assert found.field is Field.DESCRIPTION


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("stroke 3 days ago", 72),
        ("stroke an hour ago", 1),
        ("stroke two weeks ago", 336),
        ("stroke yesterday", 24),
        ("stroke 5/7 ago", 120),
        ("stroke 2/52 ago", 336),
        ("stroke 3/12 ago", 2190),
        ("stroke a couple of days ago", 48),
        ("stroke last week", 168),
        ("two days ago had a stroke", 48),
        ("stroke, fell 3 days ago", None),
        ("stroke since stopping tablets 3 days ago", None),
        ("had a stroke and a seizure 3 days ago", 72),
        ("had a stroke, a facial droop and a seizure 3 days ago", 72),
        ("stroke and a seizure 3 days ago", None),
        ("had tea, stroke and a seizure 3 days ago", None),
        ("stroke this week", None),
        ("stroke", None),
        ("stroke some time ago", None),
    ],
)
def test_the_time_of_a_finding_is_read(text, hours):
    found = [f for f in read_text(text, field=Field.COMPLAINT) if f.concept == "stroke_word"]

    assert [f.hours_ago for f in found] == [hours]


def test_what_is_said_twice_is_found_once():
    found = read_text("SOB, then again SOB", field=Field.COMPLAINT)

    assert [f.evidence for f in found if f.concept == "breathless"] == ["SOB"]


@pytest.mark.parametrize(
    ("text", "longstanding"),
    [
        ("slurred speech for years", True),
        ("slurred speech since childhood", True),
        ("long standing slurred speech", True),
        ("has long standing slurred speech", True),
        ("for many years slurred speech", True),
        ("slurred speech, hypertension for years", False),
        ("slurred speech and hypertension for years", False),
        ("hypertension for years, slurred speech", False),
        ("hypertension for years slurred speech", False),
        ("slurred speech", False),
    ],
)
def test_only_the_finding_beside_for_years_is_of_long_standing(text, longstanding):
    found = [f for f in read_text(text, field=Field.COMPLAINT) if f.concept == "speech_trouble"]

    assert [f.longstanding for f in found] == [longstanding]


def found_in(symptom):
    reading = read_case(adult("unwell", symptoms=(symptom,)))
    return [found for found in reading.findings if found.field is Field.SYMPTOM]


def test_a_lasting_symptom_began_when_the_structure_says():
    (found, *_) = found_in(Symptom(name="arm weakness", duration_hours=100))

    assert found.hours_ago == 100
    assert found.concept == "limb_weakness"


def test_the_words_of_a_symptom_say_more_than_its_duration():
    (found, *_) = found_in(Symptom(name="stroke 3 days ago", duration_hours=1))

    assert found.hours_ago == 72


def test_the_duration_of_another_symptom_is_not_a_time():
    (found, *_) = found_in(Symptom(name="drowsy", duration_hours=100))

    assert found.hours_ago is None


def test_a_sign_of_stroke_of_days_ago_is_urgent():
    case = adult("unwell", symptoms=(Symptom(name="arm weakness", duration_hours=100),))
    (flag,) = evaluate(case).red_flags

    assert (flag.id, flag.floor.label) == ("RF10", "urgent")
