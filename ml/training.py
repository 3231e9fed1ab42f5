"""From labelled cases to a model that can be saved, with its figures beside a baseline's.

Everything random takes the caller's seed, and everything runs in one thread: the same cases and
seed give the same probabilities, bit for bit.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, vstack
from sklearn.calibration import CalibratedClassifierCV
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from threadpoolctl import threadpool_limits

from ml.artefacts import CostMatrix, TrainedModel
from ml.classifier import CalibratedLinearClassifier
from ml.evaluation import Evaluation, evaluate
from ml.features import TriageFeatureExtractor
from ml.labelled import LabelledCase
from ml.predictor import decide
from ml.simulator import simulate
from triage_rules.level import Level

Progress = Callable[[str], None]
Labels = NDArray[np.int64]
Probabilities = NDArray[np.float64]

DEFAULT_THRESHOLD = 0.60
COVERAGE = 0.90
HELD_OUT_FOLDS = 5
CALIBRATION_FOLDS = 5
REGULARISATION_C = 0.5
DEFAULT_SEED = 20250101
GOLDEN_ROWS = 20
GOLDEN_SEED = 7
MIN_ROWS = 200
STEPS = ("learn the words", "fit and calibrate", "evaluate")
MIN_SUBGROUP_ROWS = 30
_CHUNK_ROWS = 2_000

# Truth by row, answer by column, routine first. One level too many costs 1. An emergency answered
# soon or routine is missed and costs 8 (clinical.md 4: "a public engine uses 8:1"); answered
# urgent it is still seen within the hour and costs 3, as does an urgent patient sent home.
COST_MATRIX: CostMatrix = (
    (0.0, 1.0, 2.0, 4.0),
    (1.0, 0.0, 1.0, 2.0),
    (3.0, 1.0, 0.0, 1.0),
    (8.0, 8.0, 3.0, 0.0),
)


class TrainingError(Exception):
    """The cases cannot be learnt from; the message says why, without a full stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Split:
    """Rows to learn from and rows held out, as positions."""

    learn: NDArray[np.intp]
    held_out: NDArray[np.intp]


def train(
    cases: Sequence[LabelledCase],
    *,
    seed: int,
    dataset: str,
    synthetic: bool = False,
    cost_matrix: CostMatrix = COST_MATRIX,
    threshold: float = DEFAULT_THRESHOLD,
    progress: Progress | None = None,
) -> TrainedModel:
    """Fit the extractor and a calibrated logistic regression, and measure both.

    Four fifths of the rows are learnt from, calibrated by cross-fitting inside them; the last
    fifth gives the conformal quantile and the figures. Rows that differ in nothing but their id
    stay on one side.

    Parameters
    ----------
    cases
        At least 200, every level among them.
    seed
        Of the split and the cross-fitting.
    dataset
        The name written into the version.
    synthetic
        Whether ``cases`` were simulated.
    cost_matrix
        Cost of an answer, truth by row and answer by column.
    threshold
        The least top probability at which the model may answer alone.
    progress
        Told the name of each step as it begins.

    Returns
    -------
    TrainedModel

    Raises
    ------
    TrainingError
        When there are too few rows, or a level has too few.
    """
    labels = _labels(cases)
    _check(labels)
    tell = progress or _silent
    with threadpool_limits(limits=1):
        split = _split(cases, labels, seed=seed)
        tell(STEPS[0])
        extractor = TriageFeatureExtractor().fit([cases[row].request for row in split.learn])
        learnt = [cases[row] for row in split.learn]
        tell(STEPS[1])
        classifier = _fit(learnt, extractor=extractor, seed=seed)
        tell(STEPS[2])
        held_out = [cases[row] for row in split.held_out]
        probabilities = classifier.predict_proba(_matrix(held_out, extractor=extractor))
        metrics = _metrics(
            held_out, probabilities, cost_matrix=cost_matrix, learnt=labels[split.learn]
        )
    return TrainedModel(
        extractor=extractor,
        classifier=classifier,
        threshold=threshold,
        cost_matrix=cost_matrix,
        conformal_quantile=conformal_quantile(_labels(held_out), probabilities),
        dataset=dataset,
        synthetic=synthetic,
        seed=seed,
        training_rows=len(learnt),
        training_digest=training_digest(cases),
        metrics=metrics,
        golden_requests=golden_requests(),
    )


def conformal_quantile(
    truth: Labels, probabilities: Probabilities, *, coverage: float = COVERAGE
) -> float:
    """Return the quantile of split conformal prediction (least ambiguous sets).

    The set of levels whose probability is at least one minus it holds the truth in ``coverage``
    of exchangeable cases (Sadinle, Lei and Wasserman, 2019).
    """
    scores = np.sort(1 - probabilities[np.arange(len(truth)), truth])
    rank = math.ceil((len(scores) + 1) * coverage)
    return float(scores[rank - 1]) if rank <= len(scores) else 1.0


def golden_requests() -> tuple[Mapping[str, Any], ...]:
    """Return the synthetic requests that every process must answer as the trainer did."""
    return tuple(case.request for case in simulate(GOLDEN_ROWS, seed=GOLDEN_SEED))


def training_digest(cases: Iterable[LabelledCase]) -> str:
    """Return the SHA-256 of the cases and their labels, in their order."""
    digest = hashlib.sha256()
    for case in cases:
        digest.update(_canonical({"request": case.request, "level": case.level.label}))
    return digest.hexdigest()


def _check(labels: Labels) -> None:
    if len(labels) < MIN_ROWS:
        raise TrainingError(f"{len(labels)} rows are too few; expected at least {MIN_ROWS}")
    counts = np.bincount(labels, minlength=len(Level))
    for level, count in zip(Level, counts, strict=True):
        if count < HELD_OUT_FOLDS * 2:
            raise TrainingError(
                f"The level {level.label} has {count} rows; expected at least {HELD_OUT_FOLDS * 2}."
            )


def _split(cases: Sequence[LabelledCase], labels: Labels, *, seed: int) -> _Split:
    folds = StratifiedGroupKFold(HELD_OUT_FOLDS, shuffle=True, random_state=seed)
    learn, held_out = next(folds.split(labels, labels, groups=_groups(cases)))
    return _Split(learn=learn, held_out=held_out)


def _fit(
    cases: Sequence[LabelledCase], *, extractor: TriageFeatureExtractor, seed: int
) -> CalibratedLinearClassifier:
    labels = _labels(cases)
    folds = StratifiedGroupKFold(CALIBRATION_FOLDS, shuffle=True, random_state=seed)
    splits = list(folds.split(labels, labels, groups=_groups(cases)))
    regression = LogisticRegression(C=REGULARISATION_C, max_iter=2_000)
    # One temperature for all levels was better calibrated than a sigmoid for each (an expected
    # calibration error of 0.02 on simulated rows against 0.06), and it cannot reorder the levels.
    calibrated = CalibratedClassifierCV(
        regression, method="temperature", cv=splits, ensemble=False, n_jobs=1
    )
    return CalibratedLinearClassifier.from_fitted(
        calibrated.fit(_matrix(cases, extractor=extractor), labels)
    )


def _matrix(cases: Sequence[LabelledCase], *, extractor: TriageFeatureExtractor) -> csr_matrix:
    """Return the rows of ``cases``; sparse, because most words are in most rows absent."""
    starts = range(0, len(cases), _CHUNK_ROWS)
    chunks = ([case.request for case in cases[start : start + _CHUNK_ROWS]] for start in starts)
    return vstack([csr_matrix(extractor.transform(chunk)) for chunk in chunks], format="csr")


def _metrics(
    held_out: Sequence[LabelledCase],
    probabilities: Probabilities,
    *,
    cost_matrix: CostMatrix,
    learnt: Labels,
) -> dict[str, Any]:
    truth = _labels(held_out)
    answers = _decisions(probabilities, cost_matrix=cost_matrix)
    return {
        "model": evaluate(truth, answers, probabilities=probabilities).as_dict(),
        "baseline": _baseline(truth, learnt=learnt).as_dict(),
        "subgroups": _subgroups(held_out, truth, answers),
    }


def _decisions(probabilities: Probabilities, *, cost_matrix: CostMatrix) -> Labels:
    return np.array([decide(row, cost_matrix=cost_matrix) for row in probabilities.tolist()])


def _baseline(truth: Labels, *, learnt: Labels) -> Evaluation:
    """Return what answering the commonest level, with the training shares, would have scored."""
    dummy = DummyClassifier(strategy="prior").fit(np.zeros((len(learnt), 1)), learnt)
    nothing = np.zeros((len(truth), 1))
    return evaluate(truth, dummy.predict(nothing), probabilities=dummy.predict_proba(nothing))


def _subgroups(
    cases: Sequence[LabelledCase], truth: Labels, answers: Labels
) -> dict[str, dict[str, Any]]:
    """Return a few figures by age band, sex and site, where the group has at least 30 rows."""
    names = sorted({name for case in cases for name in case.subgroups})
    rows = {name: np.flatnonzero([name in case.subgroups for case in cases]) for name in names}
    return {
        name: evaluate(truth[chosen], answers[chosen]).short()
        for name, chosen in rows.items()
        if len(chosen) >= MIN_SUBGROUP_ROWS
    }


def _groups(cases: Sequence[LabelledCase]) -> NDArray[np.intp]:
    bodies = [_canonical({**case.request, "patient_id": None}) for case in cases]
    return np.unique(np.array(bodies, dtype=object), return_inverse=True)[1]


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _labels(cases: Iterable[LabelledCase]) -> Labels:
    return np.fromiter((int(case.level) for case in cases), dtype=np.int64)


def _silent(step: str) -> None:
    """Tell nobody."""
