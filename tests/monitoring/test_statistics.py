"""Every published value is reproduced by the public function that the documentation names."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from django.conf import settings

from monitoring import statistics as s

PATH = settings.TRIAGE_DATA_DIR.parent / "vectors" / "statistics.json"
Inputs = dict[str, Any]


def _kappas(rater2: list[int], rater3: list[int], categories: list[int]) -> dict[str, float]:
    weights = {"unweighted": None, "linear": "linear", "quadratic": "quadratic"}
    return {
        name: s.cohen_kappa(rater2, rater3, categories=categories, weights=kind)  # type: ignore[arg-type]
        for name, kind in weights.items()
    }


def _two_squares(table: Any) -> dict[str, float]:
    bowker = s.bowker(table)
    return {"bowker": bowker.T, "bowker_p": bowker.p, "stuart": s.stuart_maxwell(table).T}


def _adjusted(p_sorted: list[float]) -> dict[str, Any]:
    adjusted = {"bonf": s.bonferroni, "holm": s.holm, "bh": s.benjamini_hochberg}
    return {name: adjust(p_sorted)[:4] for name, adjust in adjusted.items()}


def _mixture(bound: Callable[..., s.NormalMixture], log: Callable[..., float]) -> Any:
    def at(**inputs: float) -> dict[str, float]:
        chosen = {name: inputs[name] for name in ("v", "v_opt", "alpha_opt")}
        return {**_plain(bound(**inputs)), "log_mixture_s10": log(10.0, **chosen)}

    return at


def _cusum_of_risk(**inputs: Any) -> dict[str, float]:
    found = s.risk_adjusted_cusum(**inputs)
    return {"w_RA2": found.w_up, "s_up": found.s_up, "s_low": found.s_low}


def _kappa_table(table: Any) -> dict[str, float]:
    return {
        **_plain(s.cohen_kappa_table(table)),
        "weighted_se": s.cohen_kappa_table(table).weighted_se,
    }


def _newcombe(x1: int, n1: int, x2: int, n2: int) -> tuple[float, ...]:
    return (x1 / n1 - x2 / n2, *s.newcombe_difference_interval(x1, n1, x2, n2))


def _run_lengths(k: float, cases: list[list[float]]) -> list[float]:
    return [s.cusum_average_run_length(k, h, delta) for h, delta in cases]


# Every method of the published set by its public function, where the inputs bear the names of the
# parameters, or by a few words around it.
METHODS: dict[str, Callable[..., Any]] = {
    "mcnemar_2x2_all_variants": s.mcnemar,
    "mcnemar_2x2": s.mcnemar,
    "mcnemar_2x2_yates": lambda table: {
        "chi2_cc": s.mcnemar(table).chi2_cc,
        "p": s.mcnemar(table).p_cc,
    },
    "mcnemar_small_sample": s.mcnemar,
    "newcombe_square_and_add_paired_difference": s.newcombe_paired_interval,
    "tango_asymptotic_score_paired_difference": s.tango_interval,
    "wald_paired_difference": s.wald_paired_interval,
    "stuart_marginal_homogeneity_kxk": s.stuart_maxwell,
    "bhapkar_marginal_homogeneity_kxk": s.bhapkar,
    "mcnemar_bowker_symmetry_kxk": s.bowker,
    "bowker_and_stuart_maxwell_3x3": _two_squares,
    "cochran_q_k_paired_arms": s.cochran_q,
    "wilson_score_interval": s.wilson_interval,
    "clopper_pearson": s.clopper_pearson_interval,
    "jeffreys": s.jeffreys_interval,
    "two_proportion_z_pooled": s.two_proportion_z,
    "k_sample_proportions_chi2_no_cc": s.k_sample_proportions,
    "two_sample_proportions_p_and_holm": s.pairwise_proportions,
    "newcombe_hybrid_score_difference": _newcombe,
    "agresti_caffo_difference": s.agresti_caffo_interval,
    "wald_difference": s.wald_difference_interval,
    "miettinen_nurminen_score_difference": s.miettinen_nurminen_interval,
    "mee_score_difference_no_N_over_N_minus_1": s.mee_interval,
    "koopman_score_risk_ratio": s.koopman_interval,
    "cochran_mantel_haenszel_stratified": s.mantel_haenszel,
    "mantel_haenszel_or_robins_breslow_greenland_ci": s.mantel_haenszel,
    "breslow_day_homogeneity_tarone": s.breslow_day_tarone,
    "bonferroni_holm_bh": _adjusted,
    "benjamini_hochberg_count": s.rejections,
    "cohen_kappa_unweighted_linear_quadratic": _kappas,
    "cohen_kappa_linear_weights": _kappa_table,
    "cohen_kappa_unweighted": s.cohen_kappa,
    "brier_binary": s.brier_score,
    "brier_multiclass_sum_over_classes": s.brier_score,
    "log_loss": s.log_loss,
    "ece_binary_equal_width": s.calibration_error,
    "ece_top_label_equal_width": s.calibration_error,
    "psi_from_counts": lambda reference_counts, current_counts: s.population_stability_index(
        reference_counts, current_counts
    ),
    "psi_from_shares": s.population_stability_index,
    "chi2_two_sample_homogeneity": s.chi_square_two_sample,
    "jensen_shannon_distance": lambda pairs: [s.jensen_shannon_distance(*pair) for pair in pairs],
    "wasserstein_1d": lambda pairs: s.wasserstein_distance(*pairs[0]),
    "one_sample_chi2_reference_as_exact": lambda **inputs: s.chi_square_one_sample(**inputs).p,
    "srm_chi2": s.sample_ratio_mismatch,
    "welch_t_absolute": s.welch,
    "welch_t_relative_delta_method": s.welch_relative,
    "asymptotic_confidence_sequence_two_sided": s.asymptotic_confidence_sequence,
    "obrien_fleming_z_bounds_two_sided": s.obrien_fleming_bounds,
    "obrien_fleming_final_constant_two_sided": s.obrien_fleming_constant,
    "pocock_constant_two_sided": s.pocock_constant,
    "wang_tsiatis_final_bound": s.wang_tsiatis_constant,
    "lan_demets_obf_z_bounds": s.lan_demets_obrien_fleming_bounds,
    "probability_of_ever_crossing_1.96_one_side_under_null": s.peeking_error,
    "normal_mixture_boundary": _mixture(s.normal_mixture_bound, s.normal_mixture_log),
    "normal_mixture_boundary_one_sided": _mixture(
        s.normal_mixture_bound_one_sided, s.normal_mixture_log_one_sided
    ),
    "bernoulli_confidence_sequence_beta_binomial": s.bernoulli_confidence_sequence,
    "risk_adjusted_cusum_weight": _cusum_of_risk,
    "cusum_average_run_length_normal": _run_lengths,
    "sprt_log_boundaries": s.sprt_limits,
    "cbpe_expected_accuracy_and_confusion": s.cbpe,
    "anytime_valid_srm_p_single_look": s.anytime_valid_srm,
}


def _vectors() -> list[dict[str, Any]]:
    if not PATH.exists():
        return []
    vectors: list[dict[str, Any]] = json.loads(PATH.read_text(encoding="utf-8"))["vectors"]
    return vectors


VECTORS = _vectors()
# Published values that need no file; sources in the docstrings and in docs/monitoring.md.
PUBLISHED: list[tuple[Callable[[], Any], Any, float]] = [
    (lambda: s.wilson_interval(0, 20), [0, 0.1611], 6e-5),
    (lambda: s.clopper_pearson_interval(13, 16), [0.5435, 0.9595], 6e-5),
    (lambda: s.newcombe_difference_interval(56, 70, 48, 80), [0.0524, 0.3339], 6e-5),
    (lambda: s.miettinen_nurminen_interval(0, 16, 15, 72), [-0.3164, -0.0056], 6e-5),
    (lambda: s.newcombe_paired_interval([[59, 6], [16, 80]]), [-0.0621, -0.1186, -0.0046], 6e-5),
    (lambda: s.tango_interval([[59, 6], [16, 80]]), [-0.0621, -0.124, -0.0054], 6e-5),
    (lambda: s.mcnemar([[59, 6], [16, 80]]).p_midp, 0.03469, 6e-6),
    (lambda: s.cohen_kappa_table([[0, 4, 1], [0, 8, 0], [0, 1, 5]]).simple, 0.4842, 6e-5),
    (lambda: s.sample_ratio_mismatch([600, 400], [1, 1]).p, 2.54e-10, 1e-12),
    (lambda: s.obrien_fleming_constant(5), 2.040, 6e-4),
    (lambda: s.pocock_constant(5), 2.413, 6e-4),
    (lambda: 2 * s.peeking_error(10), 0.193, 6e-4),
    (lambda: s.cusum_average_run_length(0.5, 4, 1), 8.38, 6e-3),
    (lambda: s.bernoulli_confidence_sequence(700, 1000), [0.651629, 0.745949], 1.1e-6),
]


@pytest.mark.parametrize(("compute", "expected", "tolerance"), PUBLISHED)
def test_a_published_value_is_reproduced_without_the_file(
    compute: Callable[[], Any], expected: Any, tolerance: float
) -> None:
    _assert_close(compute(), expected, abs=tolerance)


@pytest.mark.skipif(not VECTORS, reason="the published values are not beside TRIAGE_DATA_DIR")
@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])
def test_the_published_value_is_reproduced(vector: dict[str, Any]) -> None:
    tolerance = {vector["tolerance_kind"][:3]: vector["tolerance"]}

    found = METHODS[vector["method"]](**vector["inputs"])

    _assert_close(_as_long_as(vector["expected"], found), vector["expected"], **tolerance)


@pytest.mark.skipif(not VECTORS, reason="the published values are not beside TRIAGE_DATA_DIR")
def test_every_published_method_is_covered_and_no_other() -> None:
    assert {vector["method"] for vector in VECTORS} == METHODS.keys()


def _as_long_as(expected: Any, found: Any) -> Any:
    """Leave out the estimate where only its interval is published."""
    if isinstance(found, tuple) and isinstance(expected, list):
        return found[-len(expected) :]
    return found


def _assert_close(found: Any, expected: Any, **tolerance: float) -> None:
    found = _plain(found)
    if isinstance(expected, Mapping):
        for name, value in expected.items():
            _assert_close(found[name], value, **tolerance)
    elif isinstance(found, Mapping):
        _assert_close(found["p"], expected, **tolerance)
    else:
        # The file gives ten digits, also where its tolerance is smaller.
        rel, absolute = tolerance.get("rel", 1e-9), tolerance.get("abs", 0)
        assert found == pytest.approx(expected, rel=rel, abs=absolute)


def _plain(found: Any) -> Any:
    if isinstance(found, s.ChiSquare):
        return {name: getattr(found, name) for name in ("chi2", "stat", "T", "Q", "df", "p")}
    if dataclasses.is_dataclass(found) and not isinstance(found, type):
        return dataclasses.asdict(found)
    return list(found) if isinstance(found, tuple) else found
