"""Model, rules, their combination and the nurse on the same labelled cases, side by side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ml.artefacts import LoadedModel
from ml.evaluation import Evaluation, evaluate
from ml.labelled import LabelledCase
from ml.predictor import predict
from triage_rules import combine
from triage_rules import evaluate as evaluate_rules
from triage_rules.case import case_from_request
from triage_rules.level import Decider, Level, Opinion

DECIDERS = ("model", "rules", "hybrid", "nurse")
RESAMPLES = 1_000
MIN_SUBGROUP_ROWS = 30
FIGURES = (
    "n", "accuracy", "macro_f1", "qwk", "kappa", "under_triage", "two_level_under_triage",
    "over_triage", "emergency_recall", "non_emergencies_raised", "brier", "ece",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What each decider says of one case; None where it says nothing."""

    case: LabelledCase
    opinion: Opinion
    rules: Level
    hybrid: Level

    def level_by(self, decider: str) -> Level | None:
        """Return the answer of one of ``DECIDERS``."""
        answers = {
            "model": self.opinion.level,
            "rules": self.rules,
            "hybrid": self.hybrid,
            "nurse": self.case.nurse_level,
        }
        return answers[decider]


def judge(cases: Iterable[LabelledCase], *, model: LoadedModel | None) -> Iterator[Judged]:
    """Yield each case with every decider's answer; hybrid is the decision in the model's arm."""
    for case in cases:
        patient = case_from_request(case.request)
        verdict = evaluate_rules(patient)
        opinion = predict(patient, model=model)
        decision = combine(verdict, opinion, Decider.ML)
        yield Judged(case=case, opinion=opinion, rules=verdict.level, hybrid=decision.level)


def compare(
    judged: Sequence[Judged], *, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Any]:
    """Return the figures of each decider, all together and by subgroup, ready for JSON.

    A decider is measured on the cases it answered: ``n`` says how many. The model abstains on
    what it was not trained for, and not every data set knows the nurse's level.
    """
    measured = {
        name: found
        for name in DECIDERS
        if (found := _measure(judged, name, resamples=resamples, seed=seed)) is not None
    }
    return {
        "n": len(judged),
        **{name: evaluation.as_dict() for name, evaluation in measured.items()},
        "per_level": {name: _per_level(evaluation) for name, evaluation in measured.items()},
        "subgroups": _subgroups(judged, measured),
    }


def _measure(
    judged: Sequence[Judged], decider: str, *, resamples: int = 0, seed: int = 0
) -> Evaluation | None:
    answered = [(one, level) for one in judged if (level := one.level_by(decider)) is not None]
    if not answered:
        return None
    probabilities = [one.opinion.probabilities for one, _ in answered]
    return evaluate(
        [one.case.level for one, _ in answered],
        [level for _, level in answered],
        probabilities=probabilities if decider == "model" else None,
        resamples=resamples,
        seed=seed,
    )


def _per_level(evaluation: Evaluation) -> dict[str, dict[str, float | None]]:
    """Return recall and precision of each level."""
    columns = list(zip(*evaluation.confusion, strict=True))
    return {
        level.label: {
            "n": sum(evaluation.confusion[level]),
            "recall": _share(evaluation.confusion[level][level], sum(evaluation.confusion[level])),
            "precision": _share(evaluation.confusion[level][level], sum(columns[level])),
        }
        for level in Level
    }


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _subgroups(
    judged: Sequence[Judged], deciders: Mapping[str, Evaluation]
) -> dict[str, dict[str, Any]]:
    """Return a few figures by age band, sex and site, where the group has at least 30 rows."""
    members: dict[str, list[Judged]] = {}
    for one in judged:
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


def as_text(comparison: Mapping[str, Any]) -> str:
    """Return the figures of each decider as one table for a terminal, with their intervals."""
    names = [name for name in DECIDERS if name in comparison]
    lines = [f"{'':24}" + "".join(name.rjust(24) for name in names)]
    lines += [
        f"{figure:24}" + "".join(_cell(comparison[name], figure).rjust(24) for name in names)
        for figure in FIGURES
    ]
    return "\n".join(lines)


def _cell(figures: Mapping[str, Any], name: str) -> str:
    if name == "n":
        return str(figures["n"])
    interval = figures["intervals"].get(name)
    reach = f" [{interval[0]:.3f}-{interval[1]:.3f}]" if interval else ""
    return f"{_written(figures[name])}{reach}"


def _written(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
