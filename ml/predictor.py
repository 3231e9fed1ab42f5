"""One model's opinion on one case. It abstains with a reason; it never raises."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import structlog

from ml.artefacts import CostMatrix, LoadedModel
from triage_rules.case import Range, TriageCase
from triage_rules.level import Abstention, Level, Opinion

log = structlog.get_logger(__name__)

ADULT_FROM_YEARS = 16
SUM_TOLERANCE = 1e-6
# clinical.md 1.8 ("warn outside", adults): beyond it no training set has rows to learn from.
TRAINED_VITALS: Mapping[str, Range] = {
    "heart_rate": Range(30, 220, "/min"),
    "respiratory_rate": Range(6, 60, "/min"),
    "spo2": Range(70, 100, "%"),
    "systolic_bp": Range(60, 260, "mmHg"),
    "diastolic_bp": Range(25, 160, "mmHg"),
    "temperature_c": Range(32, 42, "°C"),
    "glucose_mmol_l": Range(3.0, 30, "mmol/L"),
}


class ImplausibleProbabilitiesError(ArithmeticError):
    """The classifier gave something that is not a distribution over the four levels."""


def predict(
    case: TriageCase,
    *,
    model: LoadedModel | None,
    threshold: float | None = None,
    explain: bool = False,
) -> Opinion:
    """Return the model's opinion on ``case``.

    In this order: no model abstains as ``model_unavailable``; a case outside the training range
    as ``out_of_range``; an error, or probabilities that are no distribution, as
    ``prediction_failed``; otherwise the level of least expected cost.

    Parameters
    ----------
    case
        The patient.
    model
        The version that serves, or None when there is none.
    threshold
        The least top probability at which the opinion may stand alone; None takes the version's.
    explain
        Whether to name the features that moved the answer most.

    Returns
    -------
    Opinion
    """
    if model is None:
        return Opinion.abstain(Abstention.MODEL_UNAVAILABLE)
    try:
        if is_out_of_range(case, model=model):
            return _abstain(Abstention.OUT_OF_RANGE, model=model)
        return _opinion(case, model=model, threshold=threshold, explain=explain)
    except Exception as error:  # noqa: BLE001 - whatever breaks, the rules must still answer
        # The class alone: a message might quote what the patient said.
        log.error("prediction_failed", error=type(error).__name__)
        return _abstain(Abstention.PREDICTION_FAILED, model=model)


def is_out_of_range(case: TriageCase, *, model: LoadedModel) -> bool:
    """Whether ``case`` was accepted, but is unlike anything the model was trained on.

    In this order: an age outside the training rows; from 16 years on a vital sign outside the
    usual range; no word of the complaint known. What is missing is never out of range, because
    leaving out a normal value must not change the answer.
    """
    youngest, oldest = model.age_range_years
    if not youngest <= case.age <= oldest:
        return True
    if case.age >= ADULT_FROM_YEARS and _has_extreme_vital(case):
        return True
    return not model.extractor.knows_a_word_of(case.chief_complaint)


def decide(probabilities: Sequence[float], *, cost_matrix: CostMatrix) -> Level:
    """Return the level of least expected cost; of equal costs the more urgent.

    Parameters
    ----------
    probabilities
        One per level.
    cost_matrix
        Truth by row, answer by column.

    Examples
    --------
    >>> cheap_to_overdo = ((0, 1, 2, 3), (2, 0, 1, 2), (4, 2, 0, 1), (8, 8, 8, 0))
    >>> decide((0.0, 0.1, 0.7, 0.2), cost_matrix=cheap_to_overdo).label
    'emergency'
    """
    return min(
        reversed(Level), key=lambda answer: expected_cost(probabilities, answer, cost_matrix)
    )


def expected_cost(probabilities: Sequence[float], answer: Level, cost_matrix: CostMatrix) -> float:
    """Return what answering ``answer`` costs on average under ``probabilities``."""
    return sum(p * row[answer] for p, row in zip(probabilities, cost_matrix, strict=True))


def plausible_levels(
    probabilities: Sequence[float], *, level: Level, conformal_quantile: float
) -> tuple[Level, ...]:
    """Return the levels that cannot be excluded, the answer among them, least urgent first."""
    least = 1 - conformal_quantile
    return tuple(one for one in Level if one is level or probabilities[one] >= least)


def _opinion(
    case: TriageCase, *, model: LoadedModel, threshold: float | None, explain: bool
) -> Opinion:
    probabilities = model.probabilities(case)
    _check_distribution(probabilities)
    level = decide(probabilities, cost_matrix=model.cost_matrix)
    return Opinion(
        level=level,
        probabilities=probabilities,
        plausible_levels=plausible_levels(
            probabilities, level=level, conformal_quantile=model.conformal_quantile
        ),
        threshold=model.threshold if threshold is None else threshold,
        version=model.version,
        digest=model.digest,
        contributions=model.contributions(case, level=level) if explain else (),
    )


def _check_distribution(probabilities: Sequence[float]) -> None:
    usable = (
        len(probabilities) == len(Level)
        and all(math.isfinite(p) and p >= 0 for p in probabilities)
        and abs(sum(probabilities) - 1) <= SUM_TOLERANCE
    )
    if not usable:
        raise ImplausibleProbabilitiesError


def _has_extreme_vital(case: TriageCase) -> bool:
    for name, usual in TRAINED_VITALS.items():
        value = getattr(case.vitals, name)
        if value is not None and not usual.low <= value <= usual.high:
            return True
    return False


def _abstain(reason: Abstention, *, model: LoadedModel) -> Opinion:
    return Opinion.abstain(reason, version=model.version, digest=model.digest)
