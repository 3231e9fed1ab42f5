from datetime import date

from tests.triage_rules.patients import adult
from triage_rules import evaluate, rule
from triage_rules.level import Level
from triage_rules.rule import Flag
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
