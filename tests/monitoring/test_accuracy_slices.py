"""A group of patients that is answered worse than the rest is found and named."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from monitoring.accuracy import AccuracyResult, Tally, accuracy_check
from monitoring.accuracy.slices import slices_of, worse_slices
from monitoring.models import Alert, MonitoringRun
from tests.monitoring.conftest import NOON
from triage_rules.level import Level

DAY = date(2026, 11, 18)
Labelled = Callable[..., None]


def check(day: date = DAY) -> AccuracyResult:
    """Check a day two mornings later."""
    now = datetime(day.year, day.month, day.day, 5, 15, tzinfo=UTC) + timedelta(days=2)
    return accuracy_check(day, now=now)


def group(right: int, n: int, *, under: int = 0) -> Tally:
    """Return a tally; what is neither right nor too low is too high."""
    return Tally(labelled=n, correct=right, under=under, over=n - right - under)


def found(**values: Tally) -> list[str]:
    """Return which of the sexes are worse, and by what."""
    groups = {"sex": values, "age_band": {}, "site": {}}
    return [f"{one.slice} {one.measure}" for one in worse_slices(slices_of(groups))]


def test_a_model_that_is_worse_for_women_is_found_and_named(labelled: Labelled) -> None:
    labelled(190, sex="male", ab_group="ml")
    labelled(10, sex="male", ab_group="ml", truth=Level.ROUTINE)
    labelled(140, sex="female", ab_group="ml")
    labelled(60, sex="female", ab_group="ml", truth=Level.ROUTINE)

    result = check()

    assert [one.slice for one in result.trailing.worse] == ["sex=female"]
    alert = Alert.objects.get(policy="slice")
    assert (alert.cause, alert.severity) == ("slice.sex=female", "warning")
    assert "sex=female: 70.0% of 200 answers were right, of all others 95.0%" in alert.message


def test_several_days_that_are_each_too_few_find_it_together(labelled: Labelled) -> None:
    for back in (2, 1, 0):
        at = NOON - timedelta(days=back)
        labelled(40, sex="male", at=at)
        labelled(34, sex="female", at=at)
        labelled(6, sex="female", at=at, truth=Level.ROUTINE)
    results = [check(DAY - timedelta(days=back)) for back in (2, 1, 0)]

    assert [len(result.trailing.worse) for result in results] == [0, 1, 1]
    assert results[-1].trailing.tally.labelled == 240
    assert Alert.objects.get(policy="slice").last_day == DAY


def test_days_before_the_four_weeks_do_not_count(labelled: Labelled) -> None:
    for back, n in ((28, 100), (27, 10), (1, 5)):
        labelled(n, at=NOON - timedelta(days=back))
        check(DAY - timedelta(days=back))
    labelled(2)

    assert check().trailing.tally.labelled == 17


def test_when_the_group_has_caught_up_its_alert_is_closed(labelled: Labelled) -> None:
    labelled(60, sex="male")
    labelled(30, sex="female")
    labelled(30, sex="female", truth=Level.ROUTINE)
    check()
    labelled(700, sex="female", at=NOON + timedelta(days=1))
    check(DAY + timedelta(days=1))

    assert Alert.objects.get(policy="slice").state == "closed"


@pytest.mark.parametrize("women", [0, 20])
def test_a_group_with_too_few_labels_or_none_has_not_caught_up(
    labelled: Labelled, women: int
) -> None:
    labelled(60, sex="male")
    labelled(30, sex="female", truth=Level.ROUTINE)
    check()
    labelled(60, sex="male", at=NOON + timedelta(days=40))
    labelled(women, sex="female", at=NOON + timedelta(days=40))
    check(DAY + timedelta(days=40))

    assert Alert.objects.get(cause="slice.sex=female").state == "open"


def test_a_day_whose_groups_are_all_too_small_is_checked(labelled: Labelled) -> None:
    labelled(29, sex="male")
    labelled(29, sex="female", truth=Level.ROUTINE)

    result = check()

    assert (result.trailing.worse, result.trailing.compared) == ([], set())
    assert not Alert.objects.filter(policy="slice").exists()


@pytest.mark.parametrize(
    ("women", "men", "worse"),
    [
        (group(70, 100), group(95, 100), ["female accuracy"]),
        (group(95, 100), group(70, 100), ["male accuracy"]),
        (group(80, 100, under=20), group(80, 100), ["female under_triage"]),
        (group(16, 29), group(100, 100), []),  # too few to say
        (group(100, 100), group(16, 29), []),  # too few to compare with
        (group(85, 100), group(92, 100), []),  # may be chance
        (group(95_000, 100_000), group(97_000, 100_000), []),  # sure, and too small to act on
        (group(0, 40), group(0, 40), []),
        (group(40, 40), group(40, 40), []),
    ],
)
def test_worse_is_what_is_sure_and_clear(women: Tally, men: Tally, worse: list[str]) -> None:
    assert found(female=women, male=men) == [f"sex={one}" for one in worse]


def test_without_a_difference_nothing_is_found_among_many_sites() -> None:
    random = np.random.default_rng(5)
    right = random.binomial(200, 0.8, size=(2, 20))

    for of_sites in right.tolist():
        sites = {f"site {n:02}": group(one, 200) for n, one in enumerate(of_sites)}
        assert worse_slices(slices_of({"site": sites})) == []


def test_the_day_shows_every_group_beside_the_rest(labelled: Labelled) -> None:
    labelled(30, sex="male", age_years=15.9, site="north")
    labelled(20, sex="female", age_years=16, site="north", truth=Level.ROUTINE)
    labelled(10, sex="", age_years=65, site="")
    labelled(5, sex="other", age_years=None, site="south")
    check()

    slices = MonitoringRun.objects.get().result["slices"]

    counts = {name: {v: one["labelled"] for v, one in of.items()} for name, of in slices.items()}
    assert counts == {
        "sex": {"female": 20, "male": 30, "other": 5, "unknown": 10},
        "age_band": {"16 to 64": 20, "65 and over": 10, "under 16": 30, "unknown": 5},
        "site": {"north": 50, "south": 5, "unknown": 10},
    }
    assert slices["sex"]["male"]["difference"] == pytest.approx(1 - 15 / 35)
    assert [slices["sex"]["male"]["small"], slices["sex"]["female"]["small"]] == [False, True]


def test_of_many_sites_the_largest_are_named_and_the_rest_pooled(labelled: Labelled) -> None:
    for n in range(25):
        labelled(n + 1, site=f"site-{n:02}")

    sites = check().slices["site"]

    assert len(sites) == 21
    assert "site-04" not in sites
    assert sites["other"].tally.labelled == 1 + 2 + 3 + 4 + 5


def test_one_group_alone_has_no_rest(labelled: Labelled) -> None:
    labelled(40, sex="male")

    shown: dict[str, Any] = check().as_dict()["slices"]["sex"]["male"]

    assert (shown["difference"], shown["difference_interval"]) == (None, None)
