"""What is read of measurements in a text: the cases stand in ``tables/numbers.toml``."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.triage_rules.patients import adult, table
from triage_rules.case import VITAL_RANGES, Symptom
from triage_rules.text.measurements import measurements
from triage_rules.text.numbers import numbers_in
from triage_rules.text.reading import read_case

TABLE = table("numbers")
READ = [(name, says, value) for name, rows in TABLE.items() for says, value in rows["read"]]
SILENT = [(name, says) for name, rows in TABLE.items() for says in rows["silent"]]


def values(name, says):
    return [value for found, value in numbers_in(says) if found == name]


@pytest.mark.parametrize(("name", "says", "value"), READ)
def test_a_measurement_is_read(name, says, value):
    assert values(name, says)[:1] == pytest.approx([value], abs=0.01)


@pytest.mark.parametrize(("name", "says"), SILENT)
def test_another_number_is_not_that_measurement(name, says):
    assert not values(name, says)


@pytest.mark.parametrize(
    ("name", "says", "all_values"),
    [
        ("gcs", "GCS dropped from 15 to 11", [15, 11]),
        ("spo2", "sats 94 then 85", [94, 85]),
        ("pain_score", "pain 8/10, after morphine 3/10", [8, 3]),
        ("temperature_c", "temp 38-39 for 2 days", [38, 39]),
        ("systolic_bp", "BP 80/50 mmHg, now 95/60", [80, 95]),
    ],
)
def test_every_value_of_a_measurement_is_read(name, says, all_values):
    assert values(name, says) == all_values


WORDS = ("hr", "bp", "sats", "temp", "gcs", "sugar", "fell", "1/", "9" * 400, "-", ",", "e1 v1 m1")


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(st.text(max_size=4), st.sampled_from(WORDS)), max_size=12))
def test_any_text_is_read_without_an_error(words):
    for name, value in numbers_in(" ".join(words)):
        assert isinstance(name, str)
        assert value < float("inf")


def test_a_line_of_observations_is_read_whole():
    says = "obs HR 118 BP 88/54 RR 26 SpO2 91% RA temp 38.6 GCS 14 BM 6.2"

    assert dict(numbers_in(says)) == {
        "heart_rate": 118,
        "systolic_bp": 88,
        "diastolic_bp": 54,
        "respiratory_rate": 26,
        "spo2": 91,
        "temperature_c": 38.6,
        "gcs": 14,
        "glucose_mmol_l": 6.2,
    }


def test_no_measurement_is_believed_beyond_what_may_be_sent():
    for name, accepted in VITAL_RANGES.items():
        if name in measurements():
            low, high = measurements()[name].believed
            assert accepted.low <= low < high <= accepted.high


def test_a_case_gives_the_numbers_of_all_its_spoken_fields_once():
    case = adult(
        "HR 150",
        description="HR 150, sats 85%",
        symptoms=(Symptom(name="temp 39"), Symptom(name="GCS 3", present=False)),
        medical_history=("BP 80/50",),
    )

    assert read_case(case).numbers == {
        "heart_rate": (150,),
        "spo2": (85,),
        "temperature_c": (39,),
    }
