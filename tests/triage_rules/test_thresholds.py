"""Every number has a source and a date, and a past day has the numbers of that day."""

from datetime import date

import pytest

from triage_rules import thresholds
from triage_rules.thresholds import Band, Limit, all_limits, limits_as_of

OLD = Limit(name="low", unit="%", source="First", since=date(2025, 1, 1), bands=(Band(value=90),))
NEW = Limit(name="low", unit="%", source="Second", since=date(2026, 1, 1), bands=(Band(value=92),))


@pytest.fixture
def two_editions(monkeypatch):
    monkeypatch.setattr(thresholds, "all_limits", lambda: (NEW, OLD))
    limits_as_of.cache_clear()
    yield
    limits_as_of.cache_clear()


@pytest.mark.parametrize(
    ("day", "number"),
    [
        (date(2024, 12, 31), 90),
        (date(2025, 1, 1), 90),
        (date(2025, 12, 31), 90),
        (date(2026, 1, 1), 92),
    ],
)
@pytest.mark.usefixtures("two_editions")
def test_a_number_that_changed_is_read_as_of_its_day(day, number):
    assert limits_as_of(day).number("low") == number


def test_former_entries_stand_beside_the_new_one_in_a_file(tmp_path):
    path = tmp_path / "area.toml"
    path.write_text(
        '[[low]]\nvalue = 90\nunit = "%"\nsource = "First"\nsince = 2025-01-01\n'
        '[[low]]\nvalue = 92\nunit = "%"\nsource = "Second"\nsince = 2026-01-01\n'
    )

    assert list(thresholds._read(path)) == [OLD, NEW]


@pytest.mark.parametrize("limit", all_limits(), ids=lambda limit: limit.name)
def test_every_number_has_a_unit_a_source_and_a_date(limit):
    assert limit.unit
    assert limit.source
    assert limit.since >= date(2025, 1, 1)
    assert limit.bands


def test_a_name_is_used_once_a_date():
    named = [(limit.name, limit.since) for limit in all_limits()]

    assert len(set(named)) == len(named)


BY_AGE = Limit(
    name="pressure",
    unit="mmHg, below",
    source="Test",
    since=date(2025, 1, 1),
    bands=(
        Band(value=60, under="28 days", under_days=28),
        Band(value=70, under="1 year", under_days=365.25),
        Band(value=70, under="10 years", under_days=3652.5, per_year=2),
    ),
)


@pytest.mark.parametrize(
    ("age", "number"),
    [
        (0, 60),
        (27 / 365.25, 60),
        (28 / 365.25, 70),
        (0.99, 70),
        (1, 72),
        (9.99, 88),
        (10, None),
    ],
)
def test_a_number_by_age_begins_at_the_age_itself(age, number):
    assert BY_AGE.at(age) == number
