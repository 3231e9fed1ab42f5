import pytest

from triage_rules.case import Consciousness, Vitals
from triage_rules.ruleset import ruleset_current
from triage_rules.scores.qsofa import Qsofa, qsofa

LIMITS = ruleset_current().limits
WELL = {"respiratory_rate": 16, "systolic_bp": 124, "consciousness": Consciousness.ALERT}


def score(*, age=50, **vitals):
    return qsofa(Vitals(**vitals), age=age, limits=LIMITS)


def test_a_well_adult_scores_nothing():
    assert score(**WELL) == Qsofa(total=0)


def test_all_three_score_and_are_named():
    result = score(respiratory_rate=22, systolic_bp=100, gcs=14)

    assert result == Qsofa(total=3, met=("respiratory_rate", "systolic_bp", "consciousness"))


@pytest.mark.parametrize(
    ("vital", "value", "points"),
    [
        ("respiratory_rate", 21, 0),
        ("respiratory_rate", 21.4, 0),
        ("respiratory_rate", 21.5, 1),
        ("respiratory_rate", 22, 1),
        ("respiratory_rate", 23, 1),
        ("systolic_bp", 99, 1),
        ("systolic_bp", 100, 1),
        ("systolic_bp", 100.4, 1),
        ("systolic_bp", 100.5, 0),
        ("systolic_bp", 101, 0),
    ],
)
def test_each_number_at_the_limit_one_below_and_one_above(vital, value, points):
    assert score(**{**WELL, vital: value}).total == points


@pytest.mark.parametrize("rate", [0, 4, 8, 11])
def test_slow_breathing_does_not_score(rate):
    assert score(**{**WELL, "respiratory_rate": rate}).total == 0


@pytest.mark.parametrize("letter", ["C", "V", "P", "U"])
def test_any_letter_but_alert_scores(letter):
    assert score(**{**WELL, "consciousness": Consciousness(letter)}).met == ("consciousness",)


@pytest.mark.parametrize(("gcs", "points"), [(15, 0), (14, 1), (13, 1), (3, 1)])
def test_a_coma_score_below_the_full_one_scores(gcs, points):
    assert score(respiratory_rate=16, systolic_bp=124, gcs=gcs).total == points


def test_the_worse_of_letter_and_coma_score_counts():
    assert score(**WELL, gcs=14).total == 1
    assert score(consciousness=Consciousness.VOICE, gcs=15).total == 1


@pytest.mark.parametrize("vital", ["respiratory_rate", "systolic_bp", "consciousness"])
def test_a_partial_score_is_a_lower_bound_and_names_what_is_missing(vital):
    worst = {
        "respiratory_rate": 30,
        "systolic_bp": 80,
        "consciousness": Consciousness.VOICE,
        vital: None,
    }

    assert score(**worst).total == 2
    assert score(**worst).missing == (vital,)


def test_nothing_measured_is_no_score():
    assert score() == Qsofa(
        total=None, missing=("respiratory_rate", "systolic_bp", "consciousness")
    )


def test_what_is_no_number_is_not_known():
    assert score(**{**WELL, "systolic_bp": float("nan")}).missing == ("systolic_bp",)


@pytest.mark.parametrize(("age", "total"), [(15, None), (15.99, None), (16, 3), (17, 3)])
def test_qsofa_is_adult_only(age, total):
    assert score(age=age, respiratory_rate=30, systolic_bp=80, gcs=3).total == total
