from dataclasses import replace
from datetime import date

import pytest

from tests.triage_rules.patients import adult
from triage_rules import evaluate, rule
from triage_rules.inquiry import inquire
from triage_rules.level import Level
from triage_rules.rule import Flag, both, listens_for
from triage_rules.ruleset import ruleset_as_of, ruleset_current


def test_every_rule_has_a_name_a_source_and_a_sentence():
    for line in ruleset_current().rules:
        assert line.id.startswith("RF")
        assert line.flag.name
        assert line.flag.source
        assert line.sentence.endswith(".")


def test_each_id_of_the_catalogue_is_one_flag():
    flags = {line.flag for line in ruleset_current().rules}

    assert len({flag.id for flag in flags}) == len(flags)


def test_the_version_is_a_short_digest_and_stays():
    version = ruleset_current().version

    assert int(version, 16) >= 0
    assert ruleset_as_of(date(2025, 6, 1)).version == version


def test_before_the_first_date_there_are_no_rules():
    ruleset = ruleset_as_of(date(2024, 12, 31))

    assert ruleset.rules == ()
    assert evaluate(adult("can't breathe"), ruleset=ruleset).level is Level.ROUTINE


OLD = Flag(id="RF99", name="Test", source="none", since=date(2025, 1, 1))


def test_a_line_ends_on_its_until_date(monkeypatch):
    monkeypatch.setattr(rule, "RULES", lines := [])
    OLD.urgent(until=date(2026, 1, 1))(lambda patient: ())
    OLD.emergency(since=date(2026, 1, 1))(lambda patient: ())
    former, present = lines

    assert former.holds_on(date(2025, 12, 31))
    assert not former.holds_on(date(2026, 1, 1))
    assert not former.holds_on(date(2024, 12, 31))
    assert present.holds_on(date(2026, 1, 1))
    assert not present.holds_on(date(2025, 12, 31))


def words_of(ask, only_if=None):
    today = ruleset_current()
    line = replace(today.rules[0], ask=ask, only_if=only_if, needs=())
    return listens_for(line, today.limits)


def test_a_line_that_finds_nothing_without_its_words_is_passed_over_where_none_is_said():
    assert words_of(lambda patient: patient.says("a") or patient.knows("b", "c")) == {"a", "b", "c"}
    assert words_of(lambda patient: both(patient.says("a"), patient.fever)) == {"a"}
    assert words_of(lambda patient: ("always",), only_if=lambda p: p.says("a")) == {"a"}


@pytest.mark.parametrize(
    "ask",
    [
        lambda patient: patient.says("a") if patient.age > 40 else (),
        lambda patient: patient.says("a") or ("always",),
        lambda patient: (*patient.says("a"), *patient.fever),
        lambda patient: patient.below("spo2", "low_spo2"),
        lambda patient: () if patient.altered_mind else patient.says("a"),
        lambda patient: () if patient.case.injury else patient.says("a"),
        lambda patient: () if len(patient.abnormal_vitals) else patient.says("a"),
    ],
)
def test_a_line_that_looks_at_more_is_asked_of_everybody(ask):
    assert words_of(ask) is None


def test_passing_over_lines_changes_no_answer():
    for case in (adult("wart"), adult("chest pain, no fever"), adult("worried about a stroke")):
        asked = inquire(case, ruleset=(today := ruleset_current()))
        fired = {
            (rule.sentence, rule.answer(asked.patient))
            for rule in today.rules
            if rule.answer(asked.patient)
        }

        assert {(rule.sentence, said) for rule, said in asked.fired if rule in today.rules} == fired
