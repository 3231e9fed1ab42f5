"""Error and run length of what is looked at again and again, held against simulation."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from monitoring import statistics as s


def test_the_run_length_of_a_share_is_that_of_simulated_charts() -> None:
    event, otherwise = s.bernoulli_cusum_weights(0.05, 0.1)
    random = np.random.default_rng(3)
    charts, runs = np.zeros(4_000), np.zeros(4_000)

    running = charts < s.CUSUM_LIMIT
    while running.any():
        steps = np.where(random.random(running.sum()) < 0.1, event, otherwise)
        charts[running] = np.maximum(0, charts[running] + steps)
        runs[running] += 1
        running &= charts < s.CUSUM_LIMIT

    expected = s.bernoulli_cusum_average_run_length(0.1, 0.05, 0.1)
    assert runs.mean() == pytest.approx(expected, rel=0.03)


def test_the_limit_gives_false_alarms_years_apart_at_50_labels_a_day() -> None:
    labels = s.bernoulli_cusum_average_run_length(0.05, 0.05, 0.1)

    assert 4 < labels / (50 * 365) < 6


def test_a_fall_can_be_watched_for_too() -> None:
    quick = s.bernoulli_cusum_average_run_length(0.02, 0.05, 0.02, limit=4)

    assert quick < s.bernoulli_cusum_average_run_length(0.05, 0.05, 0.02, limit=4) / 10


def test_the_sequence_misses_the_truth_seldom_though_it_is_looked_at_every_time() -> None:
    random = np.random.default_rng(4)
    trials = (random.random((150, 400)) < 0.8).cumsum(axis=1)

    missed = 0
    for path in trials[:, 19::20].tolist():
        bounds = (
            s.bernoulli_confidence_sequence(x, n)
            for n, x in zip(range(20, 401, 20), path, strict=True)
        )
        missed += any(not low <= 0.8 <= high for low, high in bounds)

    assert missed / 150 < 0.05


def test_all_bounds_of_a_trial_spend_the_error_that_was_given() -> None:
    looks, walks = 4, np.random.default_rng(5).standard_normal((200_000, 4)).cumsum(axis=1)
    z = np.abs(walks) / np.sqrt(np.arange(1, looks + 1))

    for bounds in (
        s.obrien_fleming_bounds(looks),
        [s.pocock_constant(looks)] * looks,
        s.lan_demets_obrien_fleming_bounds([0.25, 0.5, 0.75, 1.0]),
    ):
        assert (z > bounds).any(axis=1).mean() == pytest.approx(0.05, abs=0.002)


def test_a_risk_adjusted_chart_goes_on_from_where_it_was() -> None:
    first = s.risk_adjusted_cusum(coef=[-3.67, 0.077], parsonnet=19, y=1)

    second = s.risk_adjusted_cusum([-3.67, 0.077], 19, 0, s_up=first.s_up, s_low=first.s_low)

    assert second.s_up == pytest.approx(first.s_up + second.w_up)
    assert first.s_low == 0


def test_an_interval_does_not_load_the_large_libraries() -> None:
    code = (
        "import sys; from monitoring.statistics import bernoulli_confidence_sequence as interval;"
        "interval(3, 9); print({'scipy', 'statsmodels', 'pandas'} & set(sys.modules))"
    )

    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert there.stdout.strip() == "set()"
