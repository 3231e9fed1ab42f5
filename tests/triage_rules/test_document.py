"""The rule book says what the rules do, today."""

from pathlib import Path

from triage_rules.document import document
from triage_rules.ruleset import every_rule
from triage_rules.thresholds import all_limits

RULE_BOOK = Path(__file__).parents[2] / "docs" / "rules.md"


def test_the_rule_book_is_current():
    assert RULE_BOOK.read_text(encoding="utf-8") == document(), (
        "docs/rules.md is not what the rules say: python -m triage_rules > docs/rules.md"
    )


def test_it_has_every_line_with_its_sentence():
    text = document()

    for rule in every_rule():
        assert rule.sentence in text


def test_every_number_names_a_flag_that_there_is():
    flags = {rule.id for rule in every_rule()}

    assert {flag for limit in all_limits() for flag in limit.used_by} <= flags


def test_the_catalogue_is_complete():
    assert {rule.id for rule in every_rule()} == {f"RF{number:02}" for number in range(1, 47)}
