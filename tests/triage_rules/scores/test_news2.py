import math

import pytest

from tests.triage_rules.patients import NORMAL, table
from triage_rules.case import Consciousness, Vitals
from triage_rules.scores.news2 import news2

CHART = [(row, value, points) for row, line in table("news2").items() for value, points in line]


def score(vitals, *, age=50, pregnant=False):
    return news2(vitals, age=age, pregnant=pregnant)


def vitals_for(row, value):
    if not row.startswith("spo2"):
        return row, Vitals(**{row: value})
    scale = 1 if row.endswith("1") else 2
    return "spo2", Vitals(spo2=value, spo2_scale=scale, on_oxygen=row.endswith("oxygen"))


def test_a_well_adult_scores_nothing():
    assert score(NORMAL).total == 0
    assert score(NORMAL).missing == ()
    assert score(NORMAL).validated


@pytest.mark.parametrize(("row", "value", "points"), CHART)
def test_each_box_of_the_chart_scores_its_points(row, value, points):
    name, vitals = vitals_for(row, value)

    assert dict(score(vitals).subscores)[name] == points


@pytest.mark.parametrize("letter", ["C", "V", "P", "U"])
def test_any_altered_consciousness_scores_three(letter):
    assert score(Vitals(consciousness=Consciousness(letter))).total == 3


@pytest.mark.parametrize(
    ("gcs", "points"), [(15, 0), (14, 3), (13, 3), (11, 3), (10, 3), (7, 3), (6, 3), (3, 3)]
)
def test_the_coma_score_stands_in_for_consciousness(gcs, points):
    assert dict(score(Vitals(gcs=gcs)).subscores)["consciousness"] == points


def test_recorded_consciousness_wins_over_the_coma_score():
    vitals = Vitals(consciousness=Consciousness.ALERT, gcs=14)

    assert score(vitals).total == 0


def test_oxygen_adds_two_on_either_scale():
    assert score(Vitals(spo2=96, on_oxygen=True)).total == 2
    assert score(Vitals(spo2=90, spo2_scale=2, on_oxygen=True)).total == 2


def test_unknown_oxygen_scores_as_air_and_is_listed():
    result = score(Vitals(spo2=97, spo2_scale=2))

    assert dict(result.subscores)["spo2"] == 0
    assert "on_oxygen" in result.missing


def test_missing_parameters_are_named_and_the_rest_is_summed():
    result = score(Vitals(heart_rate=120))

    assert result.total == 2
    assert set(result.missing) == {
        "respiratory_rate", "spo2", "on_oxygen", "systolic_bp", "consciousness", "temperature_c",
    }  # fmt: skip


def test_nothing_measured_has_no_total():
    assert score(Vitals()).total is None


def test_a_value_that_is_no_number_counts_as_missing():
    assert "heart_rate" in score(Vitals(heart_rate=math.nan)).missing


@pytest.mark.parametrize(("age", "computed"), [(15.9, False), (16, True), (0, False)])
def test_it_is_not_computed_under_sixteen(age, computed):
    assert (score(NORMAL, age=age).total is not None) is computed


def test_in_pregnancy_it_is_computed_and_not_validated():
    result = score(NORMAL, pregnant=True)

    assert result.total == 0
    assert not result.validated


def test_a_single_three_is_seen():
    assert score(Vitals(heart_rate=140)).has_single_three
    assert not score(Vitals(heart_rate=120)).has_single_three
