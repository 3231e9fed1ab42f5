import pytest

from triage_rules import Level, calculate_severity, recommend_care_level


@pytest.mark.parametrize(
    ("level", "news2_total", "pain", "score"),
    [
        (Level.ROUTINE, None, None, 0),
        (Level.ROUTINE, 2, 3, 3),
        (Level.SOON, 4, 0, 29),
        (Level.URGENT, 6, 9, 59),
        (Level.EMERGENCY, 1, None, 76),
        (Level.EMERGENCY, 20, 10, 95),
    ],
)
def test_the_larger_of_score_and_pain_orders_within_the_band(level, news2_total, pain, score):
    assert calculate_severity(level=level, news2_total=news2_total, pain_score=pain) == score


def test_a_patient_never_leaves_the_band_of_the_level():
    assert calculate_severity(level=Level.ROUTINE, news2_total=99, pain_score=0) == 24


@pytest.mark.parametrize(
    ("level", "immediate", "care", "minutes"),
    [
        (Level.ROUTINE, False, "self_care", 240),
        (Level.SOON, False, "primary_care", 120),
        (Level.URGENT, False, "urgent_care", 60),
        (Level.EMERGENCY, False, "emergency_department", 10),
        (Level.EMERGENCY, True, "emergency_department", 0),
    ],
)
def test_the_level_gives_place_and_time(level, immediate, care, minutes):
    advice = recommend_care_level(level, immediate=immediate)

    assert (advice.care_level, advice.target_minutes) == (care, minutes)


def test_a_site_may_change_the_minutes():
    advice = recommend_care_level(Level.URGENT, immediate=False, target_minutes={"urgent": 30})

    assert advice.target_minutes == 30
