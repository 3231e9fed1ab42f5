"""Each flag against its table: words that fire it, words that must not, and every limit."""

import pytest

from tests.triage_rules.patients import adult, case_of, table
from triage_rules import evaluate
from triage_rules.ruleset import ruleset_current

FLAGS = (
    "RF01", "RF02", "RF03", "RF04", "RF05", "RF06", "RF07", "RF10", "RF12", "RF13", "RF20",
    "RF29", "RF30", "RF31",
)  # fmt: skip


def rows(kind):
    return [
        pytest.param(flag, row, id=f"{flag}: {row if isinstance(row, str) else row['row']}")
        for flag in FLAGS
        for row in table(f"flags/{flag}").get(kind, ())
    ]


def flag_in(verdict, flag):
    return next((fired for fired in verdict.red_flags if fired.id == flag), None)


def test_every_flag_of_the_ruleset_has_a_table():
    assert {rule.id for rule in ruleset_current().rules} == set(FLAGS)


@pytest.mark.parametrize(("flag", "says"), rows("emergency"))
def test_these_words_are_an_emergency(flag, says):
    fired = flag_in(evaluate(adult(says)), flag)

    assert fired is not None
    assert fired.is_hard


@pytest.mark.parametrize(("flag", "says"), rows("urgent"))
def test_these_words_set_the_floor_at_urgent(flag, says):
    fired = flag_in(evaluate(adult(says)), flag)

    assert fired is not None
    assert fired.floor.label == "urgent"


@pytest.mark.parametrize(("flag", "says"), rows("none"))
def test_these_words_do_not_fire(flag, says):
    assert flag_in(evaluate(adult(says)), flag) is None


@pytest.mark.parametrize(("flag", "says"), rows("immediate"))
def test_these_words_say_now(flag, says):
    fired = flag_in(evaluate(adult(says)), flag)

    assert fired is not None
    assert fired.immediate


@pytest.mark.parametrize(("flag", "row"), rows("measured"))
def test_the_limit_itself_one_below_one_above_and_missing(flag, row):
    verdict = evaluate(case_of(row))
    fired = flag_in(verdict, flag)

    if row["level"] in ("none", "unassessed"):
        assert fired is None
        assert (flag in verdict.unassessed) or row["level"] == "none"
    else:
        assert fired is not None
        assert fired.floor.label == row["level"]
        assert fired.immediate == row.get("immediate", fired.immediate)
