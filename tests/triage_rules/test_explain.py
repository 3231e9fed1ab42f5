"""Why a patient got the level: what fired on what, what was scored, what is not known."""

import runpy

from tests.triage_rules.patients import case_of
from triage_rules.document import document
from triage_rules.explain import explain
from triage_rules.ruleset import ruleset_current


def explained(says, **row):
    return explain(case_of({"says": says, "age": 57, **row}), ruleset=ruleset_current())


def test_it_names_the_rule_and_the_words_that_fired_it():
    text = explained("Chest pain radiating to left arm, no fever")

    assert text.startswith("EMERGENCY (floor emergency")
    assert "RF07 Acute coronary syndrome" in text
    assert "on: Chest pain, radiating to left arm" in text
    assert '"fever" in chief_complaint: fever, negated' in text


def test_what_cannot_wait_says_so():
    assert explained("not breathing").startswith("EMERGENCY, at once (")


def test_nothing_found_is_said():
    text = explained("wart on my thumb")

    assert text.startswith("ROUTINE")
    assert "Which rules fired, and on what\n------------------------------\nnothing" in text


def test_it_says_what_was_scored_and_what_was_not_measured():
    vitals = {"heart_rate": 131, "systolic_bp": 100, "spo2": 93}
    text = explained("sore throat", vitals=vitals)

    assert "NEWS2: 7 (spo2 2, systolic_bp 2, heart_rate 3); at least, not measured: resp" in text
    assert "qSOFA: 1 of 3; at least, not measured: " in text
    assert "Shock index: 1.31" in text
    assert "Beyond ESI-informed high risk: heart_rate; at least, not measured: resp" in text


def test_it_says_what_a_rule_lacked():
    text = explained("sore throat")

    assert "RF29 Hypoglycaemia: needs glucose_mmol_l" in text
    assert "RF02 Reduced consciousness: needs consciousness or gcs" in text


def test_what_a_rule_has_is_not_what_it_lacks():
    text = explained("sore throat", vitals={"spo2": 97})

    assert "RF04 Severe breathing difficulty: needs respiratory_rate\n" in text


def test_it_says_why_a_child_is_seen_soon_and_which_days_are_missing():
    text = explained("cough", age=1, vitals={"spo2": 95})

    assert "NEWS2: not for this age" in text
    assert "qSOFA" not in text
    assert "Beyond NICE moderate risk: spo2; at least, not measured: " in text
    assert "A child's vital sign in the moderate risk band: SpO2 95 %" in text
    assert "patient_age_days" in text


def test_it_shows_a_conflict_and_a_number_of_the_text():
    symptoms = [{"name": "slurred speech", "present": False}]
    text = explained("slurred speech, pain 3/10", symptoms=symptoms)

    assert '"slurred speech" is marked as absent, but the text says "slurred speech".' in text
    assert "pain_score in the text: 3" in text


def test_it_says_that_a_text_could_not_be_read():
    text = explained("\u0431\u043e\u043b\u0438\u0442 \u0433\u0440\u0443\u0434\u044c")

    assert "A person must look." in text.splitlines()[0]
    assert "the text, or part of it" in text


def test_in_pregnancy_the_early_warning_score_is_not_validated():
    text = explained("cough", age=30, pregnancy="pregnant", vitals={"heart_rate": 92})

    assert "not validated in pregnancy" in text


def test_a_pregnancy_that_is_only_said_counts_for_the_score_too():
    assert "not validated in pregnancy" in explained(
        "cough, 12 weeks pregnant", age=30, vitals={"heart_rate": 92}
    )


def test_the_package_prints_the_rule_book(capsys):
    runpy.run_module("triage_rules", run_name="__main__")

    assert capsys.readouterr().out == document()
