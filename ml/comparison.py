"""Model, rules, their combination and the nurse on the same labelled cases, side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ml.artefacts import CostMatrix, LoadedModel, TrainedModel
from ml.evaluation import Evaluation, evaluate, reliability, wilson_interval
from ml.labelled import LabelledCase
from ml.predictor import predict
from triage_rules import combine
from triage_rules import evaluate as evaluate_rules
from triage_rules.case import case_from_request
from triage_rules.level import Decider, Level, Opinion
from triage_rules.outcome import Verdict

DECIDERS = ("model", "rules", "hybrid", "nurse")
ARGMAX = "argmax"
RESAMPLES = 1_000
MIN_SUBGROUP_ROWS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What each decider says of one case; None where it says nothing."""

    case: LabelledCase
    opinion: Opinion
    rules: Level
    hybrid: Level

    @classmethod
    def of(cls, case: LabelledCase, verdict: Verdict, opinion: Opinion) -> Judged:
        """Return what each says, given the rules' verdict; hybrid is the model's arm."""
        decision = combine(verdict, opinion, Decider.ML)
        return cls(case=case, opinion=opinion, rules=verdict.level, hybrid=decision.level)

    def level_by(self, decider: str) -> Level | None:
        """Return the answer of one of ``DECIDERS``, or the likeliest level of the model."""
        answers = {
            "model": self.opinion.level,
            "rules": self.rules,
            "hybrid": self.hybrid,
            "nurse": self.case.nurse_level,
            ARGMAX: _likeliest(self.opinion),
        }
        return answers[decider]


def judge(cases: Iterable[LabelledCase], *, model: LoadedModel | None) -> Iterator[Judged]:
    """Yield each case with every decider's answer."""
    for case in cases:
        patient = case_from_request(case.request)
        yield Judged.of(case, evaluate_rules(patient), predict(patient, model=model))


def judged(case: LabelledCase, opinion: Opinion) -> Judged:
    """Return what every decider says of a case of which the model's opinion is known.

    The hybrid is the decision in the model's arm.
    """
    return Judged.of(case, evaluate_rules(case_from_request(case.request)), opinion)


def unsaved(model: TrainedModel) -> LoadedModel:
    """Return a model fresh from training as one that can predict; it has no version yet."""
    return LoadedModel(
        version="unsaved",
        digest=model.training_digest,
        extractor=model.extractor,
        classifier=model.classifier,
        threshold=model.threshold,
        cost_matrix=model.cost_matrix,
        conformal_quantiles=model.conformal_quantiles,
        age_range_years=model.extractor.age_range_,
        metadata={},
        golden=(),
    )


def compare(
    rows: Sequence[Judged],
    *,
    cost_matrix: CostMatrix | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Any]:
    """Return the figures of each decider, all together and by subgroup, ready for JSON.

    A decider is measured on the cases it answered: its ``n`` says how many. The model abstains on
    what it was not trained for, and not every data set knows the nurse's level.

    Parameters
    ----------
    rows
        At least one case.
    cost_matrix
        What the expected cost is counted by; None leaves it out.
    resamples, seed
        Of the intervals.

    Returns
    -------
    dict
        ``n``; one entry per decider (``docs/evaluation.md`` defines the figures), and ``argmax``
        for the likeliest level in place of the cheapest; ``per_level``; ``subgroups``; and, where
        the model answered, ``confidence``, ``reliability`` and ``conformal``.
    """
    measured = {
        name: found
        for name in (*DECIDERS, ARGMAX)
        if (found := _measure(rows, name, cost_matrix, resamples=resamples, seed=seed))
    }
    deciders = {name: found for name, found in measured.items() if name != ARGMAX}
    return {
        "n": len(rows),
        **{name: evaluation.as_dict() for name, evaluation in measured.items()},
        "per_level": {name: _per_level(evaluation) for name, evaluation in deciders.items()},
        "subgroups": _subgroups(rows, deciders),
        **_of_probabilities(rows),
    }


def _likeliest(opinion: Opinion) -> Level | None:
    """Return the level of highest probability, of equal ones the more urgent."""
    if opinion.level is None:
        return None
    return max(reversed(Level), key=lambda level: opinion.probabilities[level])


def _measure(
    rows: Sequence[Judged],
    decider: str,
    cost_matrix: CostMatrix | None = None,
    *,
    resamples: int = 0,
    seed: int = 0,
) -> Evaluation | None:
    answered = [(one, level) for one in rows if (level := one.level_by(decider)) is not None]
    if not answered:
        return None
    probabilities = [one.opinion.probabilities for one, _ in answered]
    return evaluate(
        [one.case.level for one, _ in answered],
        [level for _, level in answered],
        probabilities=probabilities if decider == "model" else None,
        cost_matrix=cost_matrix,
        resamples=resamples,
        seed=seed,
    )


def _per_level(evaluation: Evaluation) -> dict[str, dict[str, Any]]:
    """Return recall and precision of each level, with Wilson's intervals."""
    columns = list(zip(*evaluation.confusion, strict=True))
    found = {
        level: {
            "recall": (evaluation.confusion[level][level], sum(evaluation.confusion[level])),
            "precision": (evaluation.confusion[level][level], sum(columns[level])),
        }
        for level in Level
    }
    return {
        level.label: {
            "n": sum(evaluation.confusion[level]),
            **{name: _share(*share) for name, share in shares.items()},
            "intervals": {name: wilson_interval(*s) for name, s in shares.items() if s[1]},
        }
        for level, shares in found.items()
    }


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _subgroups(rows: Sequence[Judged], deciders: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return a few figures by age band, sex and site, where the group has at least 30 rows."""
    members: dict[str, list[Judged]] = {}
    for one in rows:
        for name in one.case.subgroups:
            members.setdefault(name, []).append(one)
    return {
        name: {
            decider: found.short()
            for decider in deciders
            if (found := _measure(group, decider)) is not None
        }
        for name, group in sorted(members.items())
        if len(group) >= MIN_SUBGROUP_ROWS
    }


def _of_probabilities(rows: Sequence[Judged]) -> dict[str, Any]:
    """Return what only a model can be asked: was it sure, and was it right to be."""
    answered = [one for one in rows if one.opinion.level is not None]
    if not answered:
        return {}
    return {
        "confidence": _confidence(rows),
        "reliability": _reliability(answered),
        "conformal": _conformal(answered),
    }


def _confidence(rows: Sequence[Judged]) -> dict[str, Any]:
    """Return how often the model may answer alone, why not, and how good it is where it may."""
    sure = [one for one in rows if one.opinion.is_confident]
    reasons = Counter(one.opinion.abstained.value for one in rows if one.opinion.abstained)
    alone = _measure(sure, "model")
    return {
        "confident": len(sure),
        "confident_share": len(sure) / len(rows),
        "abstained": dict(sorted(reasons.items())),
        "when_confident": alone.short() if alone else None,
    }


def _reliability(answered: Sequence[Judged]) -> dict[str, Any]:
    """Return stated against seen, for the likeliest level and for an emergency."""
    stated = np.array([one.opinion.probabilities for one in answered])
    true = np.array([one.case.level for one in answered])
    came_true = {
        "top": (stated.max(axis=1), stated.argmax(axis=1) == true),
        Level.EMERGENCY.label: (stated[:, Level.EMERGENCY], true == Level.EMERGENCY),
    }
    return {
        name: [asdict(one) for one in reliability(*columns)] for name, columns in came_true.items()
    }


def _conformal(answered: Sequence[Judged]) -> dict[str, Any]:
    """Return how often the plausible levels hold the truth, and how many they are."""
    held = [one.case.level in one.opinion.plausible_levels for one in answered]
    sizes = Counter(len(one.opinion.plausible_levels) for one in answered)
    return {
        "n": len(answered),
        "coverage": sum(held) / len(held),
        "interval": wilson_interval(sum(held), len(held)),
        "mean_size": sum(size * n for size, n in sizes.items()) / len(answered),
        "sizes": {str(size): sizes[size] for size in sorted(sizes)},
        "per_level": {level.label: _held(answered, held, level=level) for level in Level},
    }


def _held(answered: Sequence[Judged], held: Sequence[bool], *, level: Level) -> float | None:
    of_level = [hit for one, hit in zip(answered, held, strict=True) if one.case.level is level]
    return _share(sum(of_level), len(of_level))
