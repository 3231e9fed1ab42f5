"""The simulation behind docs/monitoring.md asks the service's own functions."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import alarms
from benchmarks.alarms import ALARMS, CUSUM, DAYS, NOTHING, SHIFT, Scenario, Year, alarms_of


def found_in(scenario: Scenario, *, volume: int = 50) -> dict[str, alarms.Bools]:
    return alarms_of(Year.drawn(scenario, volume=volume, random=np.random.default_rng(6)))


def test_every_alarm_has_a_verdict_for_every_day() -> None:
    found = found_in(NOTHING)

    assert found.keys() == set(ALARMS)
    assert {len(days) for days in found.values()} == {DAYS}


def test_a_collapse_is_found_by_every_alarm_and_not_before() -> None:
    found = found_in(Scenario(name="collapse", accuracy=0.4, under=0.4))

    for alarm in ALARMS:
        assert found[alarm][SHIFT : SHIFT + 28].any(), alarm
    assert not found[CUSUM][:SHIFT].any()


@pytest.mark.parametrize("volume", [20, 50])
def test_what_is_drawn_has_the_shares_it_says(volume: int) -> None:
    year = Year.drawn(alarms.SHIFTS[-1], volume=volume, random=np.random.default_rng(7))

    assert year.right.mean() == pytest.approx(0.8, abs=0.02)
    assert year.low[:SHIFT].mean() == pytest.approx(0.05, abs=0.02)
    assert year.low[SHIFT:].mean() == pytest.approx(0.1, abs=0.02)
    assert not (year.low & year.right).any()
