import pytest

from tests.triage_rules.patients import adult, table
from triage_rules import Level, evaluate
from triage_rules.case import Symptom, SymptomSeverity
from triage_rules.text.normalise import pieces_of, written_out
from triage_rules.text.numbers import (
    glucose_mmol_l,
    pain_scores,
)

VOCABULARY = table("vocabulary")
ROWS = [(row, says) for row in VOCABULARY["rows"] for says in row["says"]]
FIRES = [(row, says) for row, says in ROWS if row.get("fires", True)]
SILENT = [(row["flag"], says) for row, says in ROWS if not row.get("fires", True)]


def case_in_words(row, says):

    symptoms = []
    if "severe_symptom" in row:
        symptoms += [Symptom(name=row["severe_symptom"], severity=SymptomSeverity.SEVERE)]
    symptoms += [Symptom(name=row["symptom"])] if "symptom" in row else []
    return adult(
        says,
        age_years=row.get("age", 30),
        medications=tuple(row.get("medications", ())),
        symptoms=tuple(symptoms),
    )


@pytest.mark.parametrize(("row", "says"), FIRES)
def test_words_for_a_finding_fire_its_flag(row, says):
    fired = {flag.id: flag for flag in evaluate(case_in_words(row, says)).red_flags}

    assert row["flag"] in fired
    hard = Level.EMERGENCY if row.get("hard", True) else Level.URGENT
    assert fired[row["flag"]].floor is hard


@pytest.mark.parametrize(("row", "says"), [pair for pair in FIRES if pair[0].get("immediate")])
def test_words_for_a_finding_that_cannot_wait_say_so(row, says):
    assert evaluate(case_in_words(row, says)).immediate


@pytest.mark.parametrize(("flag", "says"), SILENT)
def test_words_that_only_look_like_a_finding_fire_nothing(flag, says):
    assert flag not in {fired.id for fired in evaluate(adult(says)).red_flags}


@pytest.mark.parametrize("says", VOCABULARY["soon"]["complaints"])
def test_words_between_urgent_and_routine_are_soon(says):
    verdict = evaluate(adult(says))

    assert verdict.level is Level.SOON
    assert not verdict.needs_human


def words(text):
    return [word for piece in pieces_of(text) for word in written_out(piece)]


@pytest.mark.parametrize(
    ("text", "sugars"),
    [
        ("BM 2.3 x2", [2.3]),
        ("BM 2 x today", []),
        ("BM x2 today", []),
        ("hypo, type 2 diabetes", []),
        ("type 2 diabetes, hypo, 2.2 on meter", [2.2]),
        ("hypo 2 this week", []),
        ("hypo 2 mmol", [2]),
        ("hypo. 2.2", []),
        ("libre 2 sensor fell off", []),
        ("hypo 2.5 hours ago", []),
    ],
)
def test_a_count_or_a_name_is_no_sugar(text, sugars):
    assert list(glucose_mmol_l(words(text))) == pytest.approx(sugars)


@pytest.mark.parametrize(
    ("text", "scores"),
    [
        ("pain 5 / 10", [5]),
        ("pain 5 10 days", []),
        ("pain 12 10", []),
        ("room 5 10", []),
        ("pain 5", []),
    ],
)
def test_a_score_apart_from_its_ten_is_read(text, scores):
    assert list(pain_scores(words(text))) == scores
