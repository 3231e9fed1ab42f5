import pytest

from tests.triage_rules.patients import adult, table
from triage_rules import Level, evaluate
from triage_rules.case import Symptom, SymptomSeverity

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
