"""Published statistics as pure functions; ``docs/monitoring.md`` lists them all.

scipy and statsmodels are imported inside the functions that need them: they take a second and
90 MB, which a web process that only wants an interval should not pay.
"""

from ml.evaluation import Interval
from monitoring.statistics.agreement import Kappa, cohen_kappa, cohen_kappa_table
from monitoring.statistics.calibration import (
    CalibrationError,
    ExpectedPerformance,
    brier_score,
    calibration_error,
    cbpe,
    log_loss,
)
from monitoring.statistics.confidence_sequences import (
    AnytimeInterval,
    NormalMixture,
    asymptotic_confidence_sequence,
    bernoulli_confidence_sequence,
    normal_mixture_bound,
    normal_mixture_bound_one_sided,
    normal_mixture_log,
    normal_mixture_log_one_sided,
)
from monitoring.statistics.control_charts import (
    CUSUM_LIMIT,
    RiskAdjustedCusum,
    bernoulli_cusum_weights,
    cusum_step,
    risk_adjusted_cusum,
    risk_adjusted_cusum_weight,
    sprt_limits,
)
from monitoring.statistics.differences import (
    agresti_caffo_interval,
    koopman_interval,
    mee_interval,
    miettinen_nurminen_interval,
    newcombe_difference_interval,
    wald_difference_interval,
)
from monitoring.statistics.distributions import (
    jensen_shannon_distance,
    population_stability_index,
    population_stability_limit,
    wasserstein_distance,
)
from monitoring.statistics.group_sequential import (
    lan_demets_obrien_fleming_bounds,
    obrien_fleming_bounds,
    obrien_fleming_constant,
    peeking_error,
    pocock_constant,
    wang_tsiatis_constant,
)
from monitoring.statistics.marginals import bhapkar, bowker, cochran_q, stuart_maxwell
from monitoring.statistics.multiplicity import (
    Rejections,
    benjamini_hochberg,
    bonferroni,
    holm,
    rejections,
)
from monitoring.statistics.paired import (
    McNemar,
    mcnemar,
    newcombe_paired_interval,
    tango_interval,
    wald_paired_interval,
)
from monitoring.statistics.proportions import (
    PairwiseProportions,
    TwoProportions,
    clopper_pearson_interval,
    jeffreys_interval,
    k_sample_proportions,
    pairwise_proportions,
    two_proportion_z,
    wilson_interval,
)
from monitoring.statistics.run_lengths import (
    bernoulli_cusum_average_run_length,
    cusum_average_run_length,
)
from monitoring.statistics.stratified import MantelHaenszel, breslow_day_tarone, mantel_haenszel
from monitoring.statistics.tails import ChiSquare
from monitoring.statistics.trial import (
    MeanDifference,
    SequentialMismatch,
    anytime_valid_srm,
    sample_ratio_mismatch,
    welch,
    welch_relative,
)
from monitoring.statistics.two_samples import (
    TwoSample,
    chi_square_one_sample,
    chi_square_two_sample,
    ks_two_sample,
    two_sample_permutation,
)

__all__ = [
    "CUSUM_LIMIT",
    "AnytimeInterval",
    "CalibrationError",
    "ChiSquare",
    "ExpectedPerformance",
    "Interval",
    "Kappa",
    "MantelHaenszel",
    "McNemar",
    "MeanDifference",
    "NormalMixture",
    "PairwiseProportions",
    "Rejections",
    "RiskAdjustedCusum",
    "SequentialMismatch",
    "TwoProportions",
    "TwoSample",
    "agresti_caffo_interval",
    "anytime_valid_srm",
    "asymptotic_confidence_sequence",
    "benjamini_hochberg",
    "bernoulli_confidence_sequence",
    "bernoulli_cusum_average_run_length",
    "bernoulli_cusum_weights",
    "bhapkar",
    "bonferroni",
    "bowker",
    "breslow_day_tarone",
    "brier_score",
    "calibration_error",
    "cbpe",
    "chi_square_one_sample",
    "chi_square_two_sample",
    "clopper_pearson_interval",
    "cochran_q",
    "cohen_kappa",
    "cohen_kappa_table",
    "cusum_average_run_length",
    "cusum_step",
    "holm",
    "jeffreys_interval",
    "jensen_shannon_distance",
    "k_sample_proportions",
    "koopman_interval",
    "ks_two_sample",
    "lan_demets_obrien_fleming_bounds",
    "log_loss",
    "mantel_haenszel",
    "mcnemar",
    "mee_interval",
    "miettinen_nurminen_interval",
    "newcombe_difference_interval",
    "newcombe_paired_interval",
    "normal_mixture_bound",
    "normal_mixture_bound_one_sided",
    "normal_mixture_log",
    "normal_mixture_log_one_sided",
    "obrien_fleming_bounds",
    "obrien_fleming_constant",
    "pairwise_proportions",
    "peeking_error",
    "pocock_constant",
    "population_stability_index",
    "population_stability_limit",
    "rejections",
    "risk_adjusted_cusum",
    "risk_adjusted_cusum_weight",
    "sample_ratio_mismatch",
    "sprt_limits",
    "stuart_maxwell",
    "tango_interval",
    "two_proportion_z",
    "two_sample_permutation",
    "wald_difference_interval",
    "wald_paired_interval",
    "wang_tsiatis_constant",
    "wasserstein_distance",
    "welch",
    "welch_relative",
    "wilson_interval",
]
