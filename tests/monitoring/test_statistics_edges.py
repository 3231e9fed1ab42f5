"""Where there is nothing to compare, and what is refused in one sentence."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ml.evaluation import expected_calibration_error
from monitoring import statistics as s

NOTHING_DIFFERS: dict[str, Callable[[], Any]] = {
    "no pair differs": lambda: s.mcnemar([[3, 0], [0, 4]]).p_midp,
    "both looks agree": lambda: s.stuart_maxwell([[5, 0], [0, 5]]).p,
    "nobody moves": lambda: s.bowker([[5, 0, 0], [0, 5, 0], [0, 0, 5]]).p,
    "all outcomes agree": lambda: s.cochran_q([[1, 1], [0, 0]]).p,
    "nobody succeeds": lambda: s.two_proportion_z([0, 0], [5, 6]).p,
    "everybody succeeds": lambda: s.k_sample_proportions([5, 6], [5, 6]).p,
    "one level only": lambda: s.chi_square_two_sample([[5, 0], [9, 0]]).p,
    "an empty arm of weight 0": lambda: s.sample_ratio_mismatch([5, 5, 0], [1, 1, 0]).p,
    "no trial in one of them": lambda: s.anytime_valid_srm([5, 5, 0], [1, 1, 0]).p,
    "an odds ratio of 1": lambda: s.breslow_day_tarone([[[1, 1], [1, 1]], [[2, 2], [2, 2]]]).p,
    "the same numbers": lambda: s.ks_two_sample([1, 2], [1, 2]).p,
}


@pytest.mark.parametrize("compute", NOTHING_DIFFERS.values(), ids=NOTHING_DIFFERS.keys())
def test_p_is_1_where_nothing_differs(compute: Callable[[], float]) -> None:
    assert compute() == pytest.approx(1)


@pytest.mark.parametrize("adjust", [s.holm, s.bonferroni, s.benjamini_hochberg])
def test_no_p_value_at_all_gives_none(adjust: Callable[..., tuple[float, ...]]) -> None:
    assert adjust([]) == ()


REFUSED: dict[str, Callable[[], Any]] = {
    "n must be a whole number of at least 1": lambda: s.wilson_interval(0, 0),
    "x must be a whole number of at least 0": lambda: s.jeffreys_interval(1.5, 3),  # type: ignore[arg-type]
    "x must not be more than n": lambda: s.clopper_pearson_interval(4, 3),
    "x2 must not be more than n2": lambda: s.miettinen_nurminen_interval(1, 2, 3, 2),
    "n1 must be a whole number of at least 1": lambda: s.koopman_interval(0, 0, 1, 2),
    "alpha must lie between 0 and 1": lambda: s.wilson_interval(1, 2, alpha=1),
    "table must be 2 by 2": lambda: s.mcnemar([[1, 2, 3]] * 3),
    "table must not be all zeros": lambda: s.tango_interval([[0, 0], [0, 0]]),
    "table must hold numbers, in rows of equal length": lambda: s.bowker([[1, 2], [3]]),
    "table must be square": lambda: s.bhapkar([[1, 2, 3], [4, 5, 6]]),
    "groups of levels that nobody crosses": lambda: s.stuart_maxwell(
        [[1, 2, 0, 0], [1, 1, 0, 0], [0, 0, 1, 3], [0, 0, 1, 1]]
    ),
    "matrix must hold 0 and 1": lambda: s.cochran_q([[1, 2], [0, 1]]),
    "count and nobs must be equally long": lambda: s.k_sample_proportions([1, 2], [3]),
    "none of them empty": lambda: s.chi_square_two_sample([[0, 0], [1, 2]]),
    "p must lie between 0 and 1": lambda: s.holm([0.1, 1.2]),
    "both raters use one level only": lambda: s.cohen_kappa([1, 1], [1, 1]),
    "y1 and y2 must be equally long": lambda: s.cohen_kappa([1], [1, 2]),
    "levels of categories, each listed once": lambda: s.cohen_kappa([1, 2], [1, 3], [1, 2]),
    "y and p must be equally long": lambda: s.brier_score([0, 1], [0.1]),
    "the rows of p must add up to 1": lambda: s.log_loss([0], [[0.5, 0.4]]),
    "y must hold 0 and 1": lambda: s.calibration_error([0.1, 0.2], [0, 2]),
    "current must not be all zeros": lambda: s.jensen_shannon_distance([1, 0], [0, 0]),
    "reference and current must be equally long": lambda: s.population_stability_index([1], [1, 2]),
    "reference must hold finite numbers only": lambda: s.wasserstein_distance([math.nan], [1]),
    "counts must not be all zeros": lambda: s.anytime_valid_srm([0, 0], [1, 1]),
    "two arms or more": lambda: s.sample_ratio_mismatch([1, 2], [1, 0]),
    "a must hold sum, sum_sq and n": lambda: s.welch({"sum": 1}, {"sum": 1}),
    "t must rise, above 0 and at most 1": lambda: s.lan_demets_obrien_fleming_bounds([0.5, 0.5]),
    "K must be a whole number of at least 1": lambda: s.obrien_fleming_bounds(0),
    "se must be a number above 0": lambda: s.asymptotic_confidence_sequence(1, 0, 10),
    "p0 and p1 must differ": lambda: s.bernoulli_cusum_weights(0.1, 0.1),
    "y must be 0 or 1": lambda: s.risk_adjusted_cusum_weight(0.1, 2, 2),
    "add up to less than 1": lambda: s.sprt_limits(0.5, 0.5),
    "predicted must hold numbers of the columns": lambda: s.cbpe([[0.5, 0.5]], [2]),
    "one stratum or more": lambda: s.mantel_haenszel([]),
    "a pooled odds ratio above 0": lambda: s.breslow_day_tarone([[[1, 0], [0, 1]]]),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_bad_input_is_refused_in_one_sentence(sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as refusal:
        REFUSED[sentence]()

    assert len(str(refusal.value).splitlines()) == 1


def test_an_arm_of_weight_0_with_units_is_certain_mismatch_and_costs_no_degree_of_freedom() -> None:
    counts, weights = [5_100, 2_400, 2_500], [0.5, 0.25, 0.25]

    with_empty_arm = s.sample_ratio_mismatch([*counts, 0], [*weights, 0])

    assert with_empty_arm == s.sample_ratio_mismatch(counts, weights)
    assert s.sample_ratio_mismatch([*counts, 1], [*weights, 0]).p == 0
    assert s.anytime_valid_srm([*counts, 1], [*weights, 0]).p == 0


def test_a_level_on_which_all_agree_changes_nothing_of_stuarts_test() -> None:
    table = [[20, 10, 5], [3, 30, 15], [0, 5, 40]]
    longer = [[*row, 0] for row in table] + [[0, 0, 0, 9]]

    assert s.stuart_maxwell(longer) == s.stuart_maxwell(table)


def test_the_mid_p_value_of_equal_counts_takes_off_half_a_point() -> None:
    test = s.mcnemar([[9, 2], [2, 9]])

    assert test.p_exact == 1
    assert test.p_midp == pytest.approx(1 - 0.375 / 2)


def test_kappa_counts_levels_that_nobody_used() -> None:
    ratings = [1, 1, 2, 3], [1, 2, 3, 3]

    with_all, with_used = (
        s.cohen_kappa(*ratings, levels, "quadratic") for levels in ([1, 4, 2, 3], None)
    )

    assert with_all != pytest.approx(with_used)


def test_the_calibration_error_is_that_of_the_model_card() -> None:
    random = np.random.default_rng(1)
    p, y = random.dirichlet(np.ones(4), 300), random.integers(0, 4, 300)

    assert s.calibration_error(p, y, n_bins=10).l1 == pytest.approx(
        expected_calibration_error(y, p)
    )


def test_the_promise_of_other_answers_than_the_likeliest_is_smaller() -> None:
    rows = [[0.7, 0.3], [0.4, 0.6]]

    likeliest, others = s.cbpe(rows), s.cbpe(rows, predicted=[1, 0])

    assert (likeliest.accuracy, others.accuracy) == (pytest.approx(0.65), pytest.approx(0.35))
    assert likeliest.se == pytest.approx(math.sqrt(0.21 + 0.24) / 2)


def test_random_tables_give_nearly_the_p_value_of_large_counts() -> None:
    table = [[40, 40, 80], [80, 80, 80]]

    drawn = s.chi_square_two_sample(table, resamples=4_000, seed=1)

    assert drawn.p == pytest.approx(s.chi_square_two_sample(table).p, abs=0.005)


def test_chance_alone_exceeds_the_stability_limit_as_often_as_said() -> None:
    random = np.random.default_rng(2)
    limit = s.population_stability_limit(2_000, 500, bins=5)

    before, now = (random.multinomial(n, [0.2] * 5, 1_000) for n in (2_000, 500))
    indices = [s.population_stability_index(*pair) for pair in zip(before, now, strict=True)]
    exceeded = np.mean(np.array(indices) > limit)

    assert exceeded == pytest.approx(0.05, abs=0.025)


def test_shuffling_finds_a_shift_and_never_gives_p_0() -> None:
    shifted = s.two_sample_permutation(range(30), range(20, 50), resamples=199)

    assert shifted.p == pytest.approx(1 / 200)
