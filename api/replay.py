"""Real visits against the running service: post each, report the truth back, keep the score."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from api.client import TRIAGE_PATH, TriageClient
from ml.evaluation import Evaluation, confusion_table, evaluate
from ml.labelled import LabelledCase
from triage_rules.level import Level


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayedCase:
    """What the service said of one visit, beside what the data set says was right."""

    truth: Level
    decision: Level
    rules: Level
    model: Level | None
    nurse: Level | None
    ab_group: str | None


def replay(cases: Iterable[LabelledCase], *, client: TriageClient) -> Iterator[ReplayedCase]:
    """Post each visit and report its truth back; yields as the answers come."""
    for case in cases:
        answer = client.post(TRIAGE_PATH, case.request)
        client.post(
            f"/api/v1/predictions/{answer['prediction_id']}/ground-truth/", _ground_truth(case)
        )
        model = answer["model"]["prediction"]
        yield ReplayedCase(
            truth=case.level,
            decision=Level.from_label(answer["prediction"]),
            rules=Level.from_label(answer["rules"]["prediction"]),
            model=None if model is None else Level.from_label(model),
            nurse=case.nurse_level,
            ab_group=answer["ab_group"],
        )


def _ground_truth(case: LabelledCase) -> dict[str, Any]:
    label: dict[str, Any] = {
        "level": case.level.label,
        "source": "import",
        "saw_prediction": False,
    }
    if case.original_level is not None:
        label |= {"scale": case.scale, "original_level": case.original_level}
    return label


def report(replayed: Sequence[ReplayedCase]) -> str:
    """Return the score of each decider as text: one table of figures, then the confusions."""
    scores = dict(_scores(replayed))
    lines = [f"{'':10}{'n':>5}{'accuracy':>10}{'qwk':>8}{'under':>8}{'over':>8}{'em. recall':>12}"]
    lines += [_figures(name, score) for name, score in scores.items()]
    for name, score in scores.items():
        lines += ["", f"{name} (truth by row, answer by column)", confusion_table(score)]
    return "\n".join(lines)


def _scores(replayed: Sequence[ReplayedCase]) -> Iterator[tuple[str, Evaluation]]:
    """Score each decider on the visits it gave a level for."""
    for name in ("model", "rules", "decision", "nurse"):
        pairs = [
            (visit.truth, level)
            for visit in replayed
            if (level := getattr(visit, name)) is not None
        ]
        if pairs:
            yield name, evaluate([truth for truth, _ in pairs], [level for _, level in pairs])


def _figures(name: str, score: Evaluation) -> str:
    def share(value: float | None) -> str:
        return "–" if value is None else f"{value:.3f}"

    return (
        f"{name:10}{score.n:>5}{share(score.accuracy):>10}{share(score.qwk):>8}"
        f"{share(score.under_triage):>8}{share(score.over_triage):>8}"
        f"{share(score.emergency_recall):>12}"
    )
