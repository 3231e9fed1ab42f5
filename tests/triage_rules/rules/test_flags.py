"""Each flag against its table: words that fire it, words that must not, and every limit.

A table holds lists of sentences (``emergency``, ``urgent``, ``none``, ``immediate``), said by an
adult of 30 or by the ``patient`` it describes, and ``measured`` rows, each with a patient of its
own and the level that the flag then has: "none", or "unassessed" where a value is missing.
"""

import pytest

from tests.triage_rules.patients import case_of, table, tables_in
from triage_rules import evaluate
from triage_rules.ruleset import ruleset_current

TABLES = {flag: table(f"flags/{flag}") for flag in tables_in("flags")}


def sentences(kind):
    return [
        pytest.param(flag, {**rows.get("patient", {}), "says": says}, id=f"{flag}: {says}")
        for flag, rows in TABLES.items()
        for says in rows.get(kind, ())
    ]


def measured():
    return [
        pytest.param(flag, {**rows.get("patient", {}), **row}, id=f"{flag}: {row['row']}")
        for flag, rows in TABLES.items()
        for row in rows.get("measured", ())
    ]


def flag_in(verdict, flag):
    return next((fired for fired in verdict.red_flags if fired.id == flag), None)


def test_every_flag_of_the_ruleset_has_a_table():
    assert {rule.id for rule in ruleset_current().rules} == set(TABLES)


@pytest.mark.parametrize(("flag", "row"), sentences("emergency"))
def test_these_words_are_an_emergency(flag, row):
    fired = flag_in(evaluate(case_of(row)), flag)

    assert fired is not None
    assert fired.is_hard


@pytest.mark.parametrize(("flag", "row"), sentences("urgent"))
def test_these_words_set_the_floor_at_urgent(flag, row):
    fired = flag_in(evaluate(case_of(row)), flag)

    assert fired is not None
    assert fired.floor.label == "urgent"


@pytest.mark.parametrize(("flag", "row"), sentences("none"))
def test_these_words_do_not_fire(flag, row):
    assert flag_in(evaluate(case_of(row)), flag) is None


@pytest.mark.parametrize(("flag", "row"), sentences("immediate"))
def test_these_words_say_now(flag, row):
    fired = flag_in(evaluate(case_of(row)), flag)

    assert fired is not None
    assert fired.immediate


@pytest.mark.parametrize(("flag", "row"), measured())
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
