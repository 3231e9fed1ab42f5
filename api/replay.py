"""Real visits against the running service: post each, report the truth back, keep the score."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ml.evaluation import Evaluation, confusion_table, evaluate
from ml.labelled import LabelledCase
from triage_rules.level import Level

TIMEOUT_S = 30


class ServiceError(RuntimeError):
    """The running service could not be used; the sentence says why."""


class TriageClient:
    """One kept-alive connection to a running service."""

    def __init__(self, *, url: str, token: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ServiceError("--url must look like http://127.0.0.1:8000")
        kind = (
            http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        )
        self._connection = kind(parts.hostname, parts.port, timeout=TIMEOUT_S)
        self._headers = {"Authorization": f"Token {token}", "Content-Type": "application/json"}

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Post a body and return the answer; anything but success is a ``ServiceError``."""
        try:
            self._connection.request("POST", path, json.dumps(body), self._headers)
            response = self._connection.getresponse()
            answer = json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ServiceError(f"the service did not answer ({type(error).__name__})") from error
        if response.status >= http.client.BAD_REQUEST:
            raise ServiceError(_refusal(response.status, answer))
        return dict(answer)


def _refusal(status: int, answer: dict[str, Any]) -> str:
    fields = ", ".join(f"{e['pointer']} {e['code']}" for e in answer.get("errors", []))
    return f"the service answered {status}: {answer.get('detail')} {fields}".strip()


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
        answer = client.post("/api/v1/triage/", dict(case.request))
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
