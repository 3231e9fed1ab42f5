"""The tests behind the drift check: their level where nothing differs, and what has no answer."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import binom

from ml.reference import NumericSummary, WordSummary
from monitoring.drift import columns
from monitoring.drift.columns import Chance, Outcome
from triage_rules.level import WordCount

RUNS, LEVEL, DRAWS = 400, 0.05, 199
# More sizes, and more runs: benchmarks/drift_false_alarms.py.
SIZES = [(200, 200), (1_000, 500)]


def numeric(
    before: list[float | None], now: list[float], *, name: str = "temperature_c", seed: int = 0
) -> Outcome:
    values, counts = np.unique(now, return_counts=True)
    return columns.numeric(
        NumericSummary.of(before, name=name),
        values,
        counts,
        name=name,
        chance=Chance(np.random.default_rng(seed), DRAWS),
    )


def measured(random: np.random.Generator, n: int, m: int) -> Outcome:
    before, now = random.normal(36.8, 0.7, n).round(1), random.normal(36.8, 0.7, m).round(1)
    return numeric(before.tolist(), now.tolist(), seed=int(random.integers(2**31)))


def tied(random: np.random.Generator, n: int, m: int) -> Outcome:
    before, now = (random.normal(97, 2, size).round().clip(max=100) for size in (n, m))
    seed = int(random.integers(2**31))
    return numeric(before.tolist(), now.tolist(), name="spo2", seed=seed)


def two_levels(random: np.random.Generator, n: int, m: int) -> Outcome:
    shares = [0.7, 0.3]
    before, now = random.multinomial(n, shares), random.multinomial(m, shares)
    return columns.categories(before, now, chance=Chance(random, DRAWS))


def five_levels(random: np.random.Generator, n: int, m: int) -> Outcome:
    shares = [0.4, 0.25, 0.2, 0.1, 0.05]
    before, now = random.multinomial(n, shares), random.multinomial(m, shares)
    return columns.categories(before, now, chance=Chance(random, DRAWS))


def missing(random: np.random.Generator, n: int, m: int) -> Outcome:
    before, now = (int(random.binomial(size, 0.12)) for size in (n, m))
    return columns.shares((before, n), (now, m), limit=columns.MISSING_LIMIT)


def words(random: np.random.Generator, n: int, m: int) -> Outcome:
    return columns.words(complaints(random, n), complaints(random, m))


def complaints(random: np.random.Generator, n: int) -> WordSummary:
    said = 1 + random.poisson(4, n)
    unknown = random.binomial(said, random.beta(1, 7, n))
    pairs, times = np.unique(np.column_stack([said, unknown]), axis=0, return_counts=True)
    counted = zip(pairs.tolist(), times.tolist(), strict=True)
    return WordSummary.of({WordCount(said=a, unknown=b): n for (a, b), n in counted})


@pytest.mark.parametrize(("n", "m"), SIZES)
@pytest.mark.parametrize("test", [measured, tied, two_levels, five_levels, missing, words])
def test_where_nothing_differs_the_level_is_the_stated_one(
    test: Callable[[np.random.Generator, int, int], Outcome], n: int, m: int
) -> None:
    random = np.random.default_rng(1)

    alarms = sum(test(random, n, m).p <= LEVEL for _ in range(RUNS))

    # One run in a thousand of a test that holds its level is above, or below.
    low, high = binom.interval(0.998, RUNS, LEVEL)
    assert low <= alarms <= high


def test_a_shift_is_found_with_its_size() -> None:
    before = np.random.default_rng(0).normal(36.8, 0.7, 1_000).round(1)

    found = numeric(before.tolist(), (before[:500] + 0.35).tolist())

    assert found.p == 1 / (1 + DRAWS)
    assert found.effect == pytest.approx(0.5, abs=0.08)
    assert found.effect > found.limit


def test_the_limit_is_never_below_what_chance_gives() -> None:
    few = numeric([36.0, 37.0, 38.0, 39.0] * 25, [36.0, 37.0, 38.0, 39.0] * 10)
    many = numeric([36.0, 37.0, 38.0, 39.0] * 2_500, [36.0, 37.0, 38.0, 39.0] * 1_000)

    assert few.limit > 0.2
    assert many.limit == columns.WASSERSTEIN_LIMIT


def test_a_constant_column_that_stays_so_has_not_drifted() -> None:
    found = numeric([15.0] * 300, [15.0] * 300, name="gcs")

    assert (found.statistic, found.p, found.effect) == (0.0, 1.0, 0.0)


@pytest.mark.parametrize("now", [14.0, 3.0])
def test_a_constant_column_that_moves_is_found(now: float) -> None:
    found = numeric([15.0] * 300, [now] * 300, name="gcs")

    assert found.p < 0.01
    assert found.effect == pytest.approx(15 - now)


def test_one_odd_value_in_a_constant_column_is_nothing() -> None:
    found = numeric([15.0] * 300, [15.0] * 299 + [3.0], name="gcs")

    assert found.p > 0.05


@pytest.mark.parametrize(
    ("before", "now"),
    [([300], [300]), ([300, 0], [300, 0]), ([300, 0], [299, 1]), ([1, 0, 0], [0, 1, 0])],
    ids=["one word", "an unused word", "one unseen row", "nothing in common"],
)
def test_few_or_no_words_never_make_it_certain(before: list[int], now: list[int]) -> None:
    found = columns.categories(before, now, chance=Chance(np.random.default_rng(0), DRAWS))

    assert found.p > 0.05
    assert all(map(math.isfinite, (found.statistic, found.effect, found.limit)))


@pytest.mark.parametrize(
    ("before", "now"), [((0, 300), (0, 300)), ((300, 300), (300, 300)), ((0, 300), (1, 300))]
)
def test_shares_of_none_or_all_have_an_answer(
    before: tuple[int, int], now: tuple[int, int]
) -> None:
    found = columns.shares(before, now, limit=0.1)

    assert found.p > 0.05
    assert math.isfinite(found.statistic)


def test_fewer_unknown_words_are_no_drift() -> None:
    many = WordSummary.of({WordCount(said=4, unknown=2): 300})
    few = WordSummary.of({WordCount(said=4, unknown=1): 300})

    assert columns.words(many, few).p == pytest.approx(1)
    assert columns.words(few, many).p < 1e-6


@pytest.mark.parametrize("one", [{}, {WordCount(said=0, unknown=0): 300}])
def test_complaints_without_words_have_an_answer(one: dict[WordCount, int]) -> None:
    usual = WordSummary.of({WordCount(said=4, unknown=1): 300})

    assert columns.words(usual, WordSummary.of(one)).p == 1.0


def test_the_jensen_shannon_distance_is_that_of_scipy() -> None:
    from scipy.spatial.distance import jensenshannon

    before, now = np.array([[30, 50, 0, 20]]), np.array([[10, 40, 5, 0]])

    found = columns.jensen_shannon(before, now)

    assert found == pytest.approx(jensenshannon(before[0], now[0], base=2))
