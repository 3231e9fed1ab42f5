from datetime import date

from tests.triage_rules.patients import adult
from triage_rules import evaluate
from triage_rules.level import Level
from triage_rules.rule import Rule
from triage_rules.ruleset import ruleset_as_of, ruleset_current


def test_every_rule_has_a_name_a_source_and_a_sentence():
    for rule in ruleset_current().rules:
        assert rule.id.startswith("RF")
        assert rule.name
        assert rule.source
        assert rule.ask.__doc__


def test_lines_of_one_flag_share_name_and_source_area():
    names = {}
    for rule in ruleset_current().rules:
        assert names.setdefault(rule.id, rule.name) == rule.name


def test_the_version_is_a_short_digest_and_stays():
    version = ruleset_current().version

    assert int(version, 16) >= 0
    assert ruleset_as_of(date(2025, 6, 1)).version == version


def test_before_the_first_date_there_are_no_rules():
    ruleset = ruleset_as_of(date(2024, 12, 31))

    assert ruleset.rules == ()
    assert evaluate(adult("can't breathe"), ruleset=ruleset).level is Level.ROUTINE


def test_a_rule_ends_on_its_until_date():
    old = Rule(
        id="RF05", name="Low oxygen", floor=Level.URGENT, ask=lambda patient: (), source="none",
        since=date(2025, 1, 1), until=date(2026, 1, 1),
    )  # fmt: skip

    assert old.holds_on(date(2025, 12, 31))
    assert not old.holds_on(date(2026, 1, 1))
    assert not old.holds_on(date(2024, 12, 31))
