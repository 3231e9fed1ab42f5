"""Every cell of the table in which verdict and opinion become a decision."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triage_rules import Decider, Level, Opinion, Verdict, combine
from triage_rules.level import Abstention
from triage_rules.outcome import FallbackReason as Reason
from triage_rules.outcome import Method, RedFlag
from triage_rules.scores.news2 import News2

ROUTINE, SOON, URGENT, EMERGENCY = Level


def verdict(level, floor=ROUTINE, *, hard=False, needs_human=False):
    flag = RedFlag(
        id="RF04", name="Breathing", floor=EMERGENCY, immediate=False, evidence=(), source="x"
    )
    return Verdict(
        level=level, floor=floor, severity_score=0, news2=News2(total=None), version="v",
        red_flags=(flag,) if hard else (), needs_human=needs_human,
    )  # fmt: skip


def opinion(level, *, top=0.9):
    rest = (1 - top) / 3
    probabilities = tuple(top if other is level else rest for other in Level)
    return Opinion(level=level, probabilities=probabilities, threshold=0.6)


RED = verdict(EMERGENCY, EMERGENCY, hard=True)
SURE, UNSURE = opinion(SOON), opinion(SOON, top=0.4)
GONE = Opinion.abstain(Abstention.MODEL_UNAVAILABLE)
ML, RULES = Decider.ML, Decider.RULES

CELLS = [
    # verdict, opinion, decider, kill switch -> level, method, reason, needs human
    (verdict(URGENT), SURE, RULES, False, URGENT, Method.RULES, None, False),
    (verdict(URGENT), GONE, RULES, False, URGENT, Method.RULES, None, False),
    (verdict(URGENT), UNSURE, RULES, False, URGENT, Method.RULES, None, False),
    (verdict(URGENT), SURE, ML, False, SOON, Method.ML, None, False),
    (verdict(URGENT, SOON), SURE, ML, False, SOON, Method.ML, None, False),
    (verdict(URGENT, URGENT), SURE, ML, False, URGENT, Method.RULE_FLOOR, None, False),
    (verdict(URGENT), UNSURE, ML, False, URGENT, Method.RULES, Reason.LOW_CONFIDENCE, True),
    (verdict(ROUTINE), UNSURE, ML, False, SOON, Method.ML, Reason.LOW_CONFIDENCE, True),
    (verdict(SOON), GONE, ML, False, SOON, Method.RULES, Reason.MODEL_UNAVAILABLE, False),
    (verdict(SOON), SURE, ML, True, SOON, Method.RULES, Reason.KILL_SWITCH, False),
    (verdict(SOON), SURE, RULES, True, SOON, Method.RULES, Reason.KILL_SWITCH, False),
    (RED, SURE, ML, False, EMERGENCY, Method.RED_FLAG, None, False),
    (RED, SURE, RULES, False, EMERGENCY, Method.RED_FLAG, None, False),
    (RED, SURE, ML, True, EMERGENCY, Method.RED_FLAG, Reason.KILL_SWITCH, False),
    (verdict(EMERGENCY, EMERGENCY), SURE, ML, False, EMERGENCY, Method.RULE_FLOOR, None, False),
    (verdict(SOON, needs_human=True), SURE, ML, False, SOON, Method.ML, None, True),
]  # fmt: skip


@pytest.mark.parametrize("cell", CELLS)
def test_each_cell_of_the_table(cell):
    said, thought, decider, kill_switch, level, method, reason, needs_human = cell

    decision = combine(said, thought, decider, kill_switch=kill_switch)

    assert (decision.level, decision.method) == (level, method)
    assert decision.fallback_reason is reason
    assert decision.fallback is (reason is not None)
    assert decision.needs_human is needs_human


@pytest.mark.parametrize("reason", Abstention)
def test_each_reason_to_abstain_is_passed_on(reason):
    decision = combine(verdict(SOON), Opinion.abstain(reason), ML)

    assert decision.fallback_reason == reason.value
    assert decision.confidence == 0.0


def test_the_confidence_is_the_models_only_where_its_answer_stood():
    assert combine(verdict(SOON), SURE, ML).confidence == 0.9
    assert combine(verdict(SOON), SURE, RULES).confidence == 0.0


levels = st.sampled_from(Level)
opinions = st.builds(opinion, levels, top=st.floats(0.25, 1)) | st.builds(
    Opinion.abstain, st.sampled_from(Abstention)
)


@settings(max_examples=100, deadline=None)
@given(levels, levels, st.booleans(), opinions, st.sampled_from(Decider), st.booleans())
def test_the_decision_is_never_below_the_floor(level, floor, hard, thought, decider, kill_switch):
    said = verdict(max(level, floor), floor, hard=hard)

    assert combine(said, thought, decider, kill_switch=kill_switch).level >= floor


def test_a_level_below_its_floor_is_refused():
    with pytest.raises(ValueError, match="below the floor"):
        verdict(SOON, URGENT)
