import pytest

from triage_rules.text.finding import Assertion, Field
from triage_rules.text.reading import read_text

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
    ("chest pain last year and again today", "present"),
    ("chest pain last year and it is back", "present"),
    ("chest pain and back pain last year", "historical"),
    ("come back if chest pain", "hypothetical"),
    ("if chest pain returns", "hypothetical"),
    ("if I walk I get chest pain", "present"),
    ("feels as if chest tight", "present"),
    ("worried about chest pain", "feared"),
    ("worried about my chest pain", "present"),
    ("my father had chest pain", "family"),
    ("my father also has chest pain, I have a cough", "family"),
    ("my father brought me, chest pain", "present"),
    ("my father can't come, chest pain", "present"),
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
