import pytest

from tests.triage_rules.patients import table
from triage_rules.case import DAYS_PER_YEAR, Vitals
from triage_rules.ruleset import ruleset_current
from triage_rules.scores import bands
from triage_rules.scores.bands import HIGH_RISK, NICE_HIGH, NICE_MODERATE, PALS, read_band

LIMITS = ruleset_current().limits
ROWS = [(band, row) for band, rows in table("bands").items() for row in rows]
OUTSIDE = [(band, row, value) for band, row in ROWS for value in row["outside"]]
INSIDE = [(band, row, value) for band, row in ROWS for value in row["inside"]]
ALL_BANDS = [HIGH_RISK, PALS, NICE_HIGH, NICE_MODERATE]


def as_sentence(value):
    if isinstance(value, dict):
        return f"{value['age']}, {value['vital']}"
    return str(value)


def years(age):
    """Return "30 days" or "2.9 years" in years."""
    count, unit = age.split()
    return float(count) / DAYS_PER_YEAR if unit.startswith("day") else float(count)


def read(band, age, **vitals):
    named = getattr(bands, band.upper())
    return read_band(named, vitals=Vitals(**vitals), age=years(age), limits=LIMITS)


@pytest.mark.parametrize(("band", "row", "value"), OUTSIDE, ids=as_sentence)
def test_a_value_beyond_the_printed_number_lies_outside(band, row, value):
    for age in row["ages"]:
        assert read(band, age, **{row["vital"]: value}).outside == (row["vital"],)


@pytest.mark.parametrize(("band", "row", "value"), INSIDE, ids=as_sentence)
def test_a_value_up_to_the_printed_number_lies_inside(band, row, value):
    for age in row["ages"]:
        assert read(band, age, **{row["vital"]: value}).outside == ()


@pytest.mark.parametrize(("band", "row"), ROWS, ids=as_sentence)
def test_what_was_not_measured_is_missing_and_never_normal(band, row):
    for age in row["ages"]:
        reading = read(band, age)

        assert row["vital"] in reading.missing
        assert reading.outside == ()


@pytest.mark.parametrize(
    ("band", "age", "vitals"),
    [
        (PALS, 16, {"heart_rate": 200, "respiratory_rate": 60, "systolic_bp": 60}),
        (NICE_HIGH, 12, {"heart_rate": 200, "respiratory_rate": 60, "spo2": 80}),
        (NICE_MODERATE, 12, {"heart_rate": 200, "respiratory_rate": 60, "spo2": 80}),
        (NICE_MODERATE, 0.5, {"temperature_c": 40.0}),
    ],
)
def test_a_band_says_nothing_past_its_oldest_age(band, age, vitals):
    reading = read_band(band, vitals=Vitals(**vitals), age=age, limits=LIMITS)

    assert reading.outside == ()
    assert set(vitals).isdisjoint(reading.missing)


@pytest.mark.parametrize(("spo2", "outside"), [(87, ("spo2",)), (88, ()), (89, ()), (91, ())])
def test_high_risk_oxygen_is_read_on_the_scale_that_is_recorded(spo2, outside):
    vitals = Vitals(spo2=spo2, spo2_scale=2)

    assert read_band(HIGH_RISK, vitals=vitals, age=70, limits=LIMITS).outside == outside


@pytest.mark.parametrize("band", ALL_BANDS)
def test_an_age_of_no_years_counts_as_the_youngest(band):
    vitals = Vitals(heart_rate=185, respiratory_rate=57, spo2=95, temperature_c=38.0)

    by_years = read_band(band, vitals=vitals, age=0, limits=LIMITS)
    by_days = read_band(band, vitals=vitals, age=1 / DAYS_PER_YEAR, limits=LIMITS)

    assert by_years == by_days
