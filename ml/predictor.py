"""One model's opinion on a case, or on many. It abstains with a reason; it never raises."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from ml import schema
from ml.artefacts import CostMatrix, LoadedModel
from triage_rules.case import TriageCase
from triage_rules.level import Abstention, Contribution, Level, Opinion, WordCount

if TYPE_CHECKING:
    from ml.features import Observation, TriageFeatureExtractor

log = structlog.get_logger(__name__)

ADULT_FROM_YEARS = 16
SUM_TOLERANCE = 1e-6
_USUAL = {each.name: each.usual for each in schema.FIELDS if each.usual}


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How probabilities become an opinion.

    Attributes
    ----------
    threshold
        The least top probability at which the opinion may stand alone.
    cost_matrix
        Truth by row, answer by column.
    conformal_quantiles
        A level is plausible when its probability is at least one minus its quantile.
    """

    threshold: float
    cost_matrix: CostMatrix
    conformal_quantiles: tuple[float, ...]


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
        if is_unlike(case, extractor=model.extractor):
            words = model.extractor.words(case)
            return _abstain(Abstention.OUT_OF_RANGE, model=model, words=words)
        return _opinion(case, model=model, threshold=threshold, explain=explain)
    except Exception as error:  # noqa: BLE001 - whatever breaks, the rules must still answer
        # The class alone: a message might quote what the patient said.
        log.error("prediction_failed", error=type(error).__name__)
        return _abstain(Abstention.PREDICTION_FAILED, model=model)


def predict_many(
    cases: Sequence[TriageCase], *, model: LoadedModel | None, threshold: float | None = None
) -> list[Opinion]:
    """Return on each case the opinion that ``predict`` would give, from one call of the classifier.

    When anything breaks, the cases are predicted one by one, and those that can be are answered.

    Parameters
    ----------
    cases
        The patients.
    model
        The version that serves, or None when there is none.
    threshold
        As for ``predict``.

    Returns
    -------
    list of Opinion
        In the order of the cases.
    """
    if model is None:
        return [Opinion.abstain(Abstention.MODEL_UNAVAILABLE) for _ in cases]
    try:
        return _opinions(cases, model=model, threshold=threshold)
    except Exception as error:  # noqa: BLE001 - one case must not take the others with it
        log.warning("predicted_one_by_one", error=type(error).__name__, cases=len(cases))
        return [predict(case, model=model, threshold=threshold) for case in cases]


def is_unlike(case: TriageCase, *, extractor: TriageFeatureExtractor) -> bool:
    """Whether ``case`` was accepted, but is unlike anything the extractor was fitted on.

    In this order: an age outside the training rows; from 16 years on a vital sign outside the
    usual range; nothing known in what is said, where training had too few such cases. What is
    missing is never out of range, because leaving out a normal value must not change the answer.
    """
    youngest, oldest = extractor.age_range_
    if not youngest <= case.age <= oldest:
        return True
    if case.age >= ADULT_FROM_YEARS and _has_extreme_vital(case):
        return True
    return not extractor.understands(case)


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
    probabilities: Sequence[float], *, level: Level, conformal_quantiles: Sequence[float]
) -> tuple[Level, ...]:
    """Return the levels that cannot be excluded, the answer among them, least urgent first."""
    return tuple(
        one
        for one, quantile in zip(Level, conformal_quantiles, strict=True)
        if one is level or probabilities[one] >= 1 - quantile
    )


def opinion_of(probabilities: tuple[float, ...], *, terms: Terms) -> Opinion:
    """Return what a model with these probabilities says; it has no version yet."""
    level = decide(probabilities, cost_matrix=terms.cost_matrix)
    return Opinion(
        level=level,
        probabilities=probabilities,
        plausible_levels=plausible_levels(
            probabilities, level=level, conformal_quantiles=terms.conformal_quantiles
        ),
        threshold=terms.threshold,
    )


def _opinion(
    case: TriageCase, *, model: LoadedModel, threshold: float | None, explain: bool
) -> Opinion:
    probabilities, words = model.probabilities(case), model.extractor.words(case)
    opinion = _said(probabilities, words=words, model=model, threshold=threshold)
    if not explain:
        return opinion
    return replace(opinion, contributions=_contributions(case, opinion, model=model))


def _opinions(
    cases: Sequence[TriageCase], *, model: LoadedModel, threshold: float | None
) -> list[Opinion]:
    looks = [_look(case, extractor=model.extractor) for case in cases]
    known = [number for number, look in enumerate(looks) if not look.is_unlike]
    rows = model.probabilities_of([looks[number].observation for number in known])
    answered = dict(zip(known, rows, strict=True))
    return [
        _abstain(Abstention.OUT_OF_RANGE, model=model, words=look.words)
        if look.is_unlike
        else _said(answered[number], words=look.words, model=model, threshold=threshold)
        for number, look in enumerate(looks)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """All that one reading of a case gives, so that many cases are each read once."""

    observation: Observation
    words: WordCount
    is_unlike: bool


def _look(case: TriageCase, *, extractor: TriageFeatureExtractor) -> _Look:
    # Imported here: without numpy a process has no model and still answers from the rules.
    from ml.features import observe

    observation = observe(case)
    return _Look(
        observation=observation,
        words=extractor.count(observation),
        is_unlike=is_unlike(case, extractor=extractor),
    )


def _said(
    probabilities: tuple[float, ...],
    *,
    words: WordCount,
    model: LoadedModel,
    threshold: float | None,
) -> Opinion:
    _check_distribution(probabilities)
    terms = Terms(
        threshold=model.threshold if threshold is None else threshold,
        cost_matrix=model.cost_matrix,
        conformal_quantiles=model.conformal_quantiles,
    )
    opinion = opinion_of(probabilities, terms=terms)
    return replace(opinion, version=model.version, digest=model.digest, words=words)


def _contributions(
    case: TriageCase, opinion: Opinion, *, model: LoadedModel
) -> tuple[Contribution, ...]:
    return () if opinion.level is None else model.contributions(case, level=opinion.level)


def _check_distribution(probabilities: Sequence[float]) -> None:
    usable = (
        len(probabilities) == len(Level)
        and all(math.isfinite(p) and p >= 0 for p in probabilities)
        and abs(sum(probabilities) - 1) <= SUM_TOLERANCE
    )
    if not usable:
        raise ImplausibleProbabilitiesError


def _has_extreme_vital(case: TriageCase) -> bool:
    for name, usual in _USUAL.items():
        value = getattr(case.vitals, name)
        if value is not None and not usual.low <= value <= usual.high:
            return True
    return False


def _abstain(reason: Abstention, *, model: LoadedModel, words: WordCount | None = None) -> Opinion:
    return Opinion.abstain(reason, version=model.version, digest=model.digest, words=words)
