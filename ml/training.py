"""From labelled cases to a model that can be saved, with its figures beside the alternatives'.

Everything random takes the caller's seed, and everything runs in one thread: the same cases and
seed give the same probabilities, bit for bit.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import StratifiedGroupKFold
from threadpoolctl import threadpool_limits

from ml.artefacts import CostMatrix, TrainedModel
from ml.classifier import Scores, TriageClassifier, moved_up, softmax
from ml.comparison import Judged, compare
from ml.estimators import CANDIDATES, MEMBERS
from ml.evaluation import evaluate
from ml.features import (
    MISSING_NAMES,
    STRUCTURED_NAMES,
    Observation,
    TriageFeatureExtractor,
    observe,
)
from ml.labelled import LabelledCase
from ml.predictor import Terms, decide, is_unlike, opinion_of
from ml.reference import reference_of
from ml.simulator import simulate
from ml.validation import near_duplicates
from triage_rules import combine
from triage_rules import evaluate as evaluate_rules
from triage_rules.case import TriageCase, case_from_request
from triage_rules.level import Abstention, Decider, Level, Opinion, WordCount
from triage_rules.outcome import Verdict

Progress = Callable[[str, int, int], None]
Labels = NDArray[np.int64]
Matrix = NDArray[np.float64]

DEFAULT_SEED = 20250101
DEFAULT_THRESHOLD = 0.60
# Below a half, a missing value could turn an unsure answer into a sure one (ml.classifier).
THRESHOLDS = (0.50, 0.55, 0.60, 0.65, 0.70, 0.75, 0.80)
COVERAGE = 0.90
GOLDEN_ROWS = 100
GOLDEN_SEED = 7
MIN_ROWS = 200
_MIN_LEVEL_ROWS = 10
# Five folds leave each model four fifths of the rows; of very many, half teach as much.
_FOLDS = ((5_000, 5), (25_000, 3), (math.inf, 2))
_LEAST_MOVED, _MOST_MOVED = 1e-3, 0.5
_DOUBTING_ROWS = 20
_HARDLY_MORE = 0.005
_MISSING = slice(STRUCTURED_NAMES.index(MISSING_NAMES[0]), len(STRUCTURED_NAMES))

# Truth by row, answer by column, routine first. One level too many costs 1, one too few 1; an
# emergency answered routine costs 8 (a public engine weighs the two errors 8:1), answered soon 6
# and urgent, where it is still seen within the hour, 5. Each step of urgency is worth more the
# sicker the patient, so that a worse distribution never gets a lesser answer.
COST_MATRIX: CostMatrix = (
    (0.0, 1.0, 2.0, 4.0),
    (1.0, 0.0, 1.0, 2.0),
    (2.0, 1.0, 0.0, 1.0),
    (8.0, 6.0, 5.0, 0.0),
)


class TrainingError(Exception):
    """The cases cannot be learnt from; the message says why, without a full stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    """The labelled cases, each looked at once."""

    cases: Sequence[LabelledCase]
    patients: Sequence[TriageCase]
    observations: Sequence[Observation]
    labels: Labels

    @classmethod
    def of(cls, cases: Sequence[LabelledCase]) -> _Rows:
        patients = [case_from_request(case.request) for case in cases]
        return cls(
            cases=cases,
            patients=patients,
            observations=[observe(patient) for patient in patients],
            labels=_labels(cases),
        )

    @property
    def missing(self) -> Matrix:
        """Which values were not measured: rows by ``MISSING_NAMES``."""
        return np.array([one.structured[_MISSING] for one in self.observations])


@dataclass(frozen=True, slots=True, kw_only=True)
class _CrossFitted:
    """What models said of rows they had not learnt from.

    ``scores`` has one entry per member, rows by levels. ``unlike`` says which rows were unlike
    anything their model was trained on, ``words`` how many of their words it had met.
    """

    scores: Mapping[str, Matrix]
    unlike: NDArray[np.bool_]
    prior: Matrix
    words: Sequence[WordCount]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Calibrated:
    """One candidate's probabilities on rows it had not learnt from, and what makes them."""

    name: str
    probabilities: Matrix
    inverse_temperature: float


def train(
    cases: Sequence[LabelledCase],
    *,
    seed: int,
    dataset: str,
    synthetic: bool = False,
    cost_matrix: CostMatrix = COST_MATRIX,
    progress: Progress | None = None,
) -> TrainedModel:
    """Compare the candidates, calibrate the best, choose its thresholds, and fit it on all rows.

    Everything but the weights is chosen on what models said of rows they had not learnt from
    (cross-fitting; visits of one patient and near-duplicates stay on one side): which candidate,
    its temperature, what missing values move, the confidence threshold, the conformal quantiles.
    The figures are measured on the same rows, so those few chosen numbers flatter them a little.

    Parameters
    ----------
    cases
        At least 200, every level among them.
    seed
        Of the folds and the trees.
    dataset
        The name written into the version.
    synthetic
        Whether ``cases`` were simulated.
    cost_matrix
        Cost of an answer, truth by row and answer by column.
    progress
        Told the name of each step as it begins, its number, and how many there are.

    Returns
    -------
    TrainedModel

    Raises
    ------
    TrainingError
        When there are too few rows, a level has too few, or the costs would let a sicker patient
        get a lesser answer.
    """
    _check(_labels(cases), cost_matrix=cost_matrix)
    tell = _teller(progress, folds=_folds(len(cases)))
    with threadpool_limits(limits=1):
        tell("read the cases")
        rows = _Rows.of(cases)
        fitted = _cross_fit(rows, seed=seed, tell=tell)
        candidates = [_calibrate(name, fitted, rows.labels) for name in CANDIDATES]
        compared = _compared(candidates, fitted.prior, rows.labels, cost_matrix)
        chosen = min(candidates, key=lambda one: compared[one.name]["expected_cost"])
        shares = _missing_shares(chosen.probabilities, rows)
        probabilities = moved_up(chosen.probabilities, shares=rows.missing * shares)
        tell("ask the rules")
        verdicts = [evaluate_rules(patient) for patient in rows.patients]
        quantiles = conformal_quantiles(rows.labels, probabilities)
        terms = Terms(
            threshold=DEFAULT_THRESHOLD, cost_matrix=cost_matrix, conformal_quantiles=quantiles
        )
        opinions = _opinions(probabilities, unlike=fitted.unlike, terms=terms)
        terms = replace(terms, threshold=_best_threshold(opinions, verdicts, rows, cost_matrix))
        opinions = _opinions(probabilities, unlike=fitted.unlike, terms=terms)
        tell("evaluate")
        metrics = {
            **compare(
                list(map(Judged.of, rows.cases, verdicts, opinions)),
                cost_matrix=cost_matrix,
                seed=seed,
            ),
            "baseline": _baseline(rows.labels, fitted.prior),
            "estimators": list(compared.values()),
            "chosen": chosen.name,
        }
        reference = reference_of(
            rows.patients,
            verdicts=verdicts,
            opinions=opinions,
            words=fitted.words,
            truth=[case.level for case in rows.cases],
        )
        tell("fit on all rows")
        extractor = _extractor(rows, np.arange(len(cases)))
        matrix = _unmissing(extractor.transform(rows.observations))
        members = [MEMBERS[name](matrix, rows.labels, seed) for name in CANDIDATES[chosen.name]]
    return TrainedModel(
        extractor=extractor,
        classifier=_classifier(members, chosen, shares),
        threshold=terms.threshold,
        cost_matrix=cost_matrix,
        conformal_quantiles=quantiles,
        dataset=dataset,
        synthetic=synthetic,
        seed=seed,
        training_rows=len(cases),
        training_digest=training_digest(cases),
        metrics=metrics,
        golden_requests=golden_requests(),
        held_out=tuple(cases),
        held_out_opinions=tuple(opinions),
        reference=reference.as_dict(),
    )


def steps(rows: int) -> int:
    """Return how many steps training on that many rows tells of."""
    return len(MEMBERS) * _folds(rows) + 4


def conformal_quantiles(
    truth: Labels, probabilities: Matrix, *, coverage: float = COVERAGE
) -> tuple[float, ...]:
    """Return the quantile of each level in split conformal prediction (least ambiguous sets).

    The set of levels whose probability is at least one minus their quantile holds the truth in
    ``coverage`` of exchangeable cases, of each true level apart: without that, the rare levels pay
    for the common ones (Sadinle, Lei and Wasserman, 2019).
    """
    return tuple(
        _conformal_quantile(1 - probabilities[truth == level, level], coverage=coverage)
        for level in Level
    )


def _conformal_quantile(scores: Matrix, *, coverage: float) -> float:
    rank = math.ceil((len(scores) + 1) * coverage)
    return float(np.sort(scores)[rank - 1]) if rank <= len(scores) else 1.0


def golden_requests() -> tuple[Mapping[str, Any], ...]:
    """Return the synthetic requests that every process must answer as the trainer did."""
    return tuple(case.request for case in simulate(GOLDEN_ROWS, seed=GOLDEN_SEED))


def training_digest(cases: Iterable[LabelledCase]) -> str:
    """Return the SHA-256 of the cases and their labels, in their order."""
    digest = hashlib.sha256()
    for case in cases:
        digest.update(_canonical({"request": case.request, "level": case.level.label}))
    return digest.hexdigest()


def _check(labels: Labels, *, cost_matrix: CostMatrix) -> None:
    if len(labels) < MIN_ROWS:
        raise TrainingError(f"{len(labels)} rows are too few; expected at least {MIN_ROWS}")
    counts = np.bincount(labels, minlength=len(Level))
    for level, count in zip(Level, counts, strict=True):
        if count < _MIN_LEVEL_ROWS:
            raise TrainingError(
                f"the level {level.label} has {count} rows; expected at least {_MIN_LEVEL_ROWS}"
            )
    # Topkis: then a distribution shifted upwards never has a lesser answer of least cost.
    if (np.diff(np.diff(np.array(cost_matrix), axis=1), axis=0) > 0).any():
        raise TrainingError("the cost matrix would let a sicker patient get a lesser answer")


def _cross_fit(rows: _Rows, *, seed: int, tell: Callable[[str], None]) -> _CrossFitted:
    labels = rows.labels
    scores = {name: np.empty((len(labels), len(Level))) for name in MEMBERS}
    unlike, prior = np.zeros(len(labels), dtype=bool), np.empty((len(labels), len(Level)))
    words: dict[int, WordCount] = {}
    folds = StratifiedGroupKFold(_folds(len(labels)), shuffle=True, random_state=seed)
    for learn, left_out in folds.split(labels, labels, groups=near_duplicates(rows.cases)):
        extractor = _extractor(rows, learn)
        matrix = _unmissing(extractor.transform(rows.observations))
        for name, fit in MEMBERS.items():
            tell(f"fit the {name} model")
            member = fit(matrix[learn], labels[learn], seed)
            scores[name][left_out] = _in_chunks(member, matrix[left_out])
        unlike[left_out] = [is_unlike(rows.patients[row], extractor=extractor) for row in left_out]
        words |= {int(row): extractor.count(rows.observations[row]) for row in left_out}
        dummy = DummyClassifier(strategy="prior").fit(matrix[learn], labels[learn])
        prior[left_out] = dummy.predict_proba(matrix[left_out])
    return _CrossFitted(
        scores=scores, unlike=unlike, prior=prior, words=[words[row] for row in range(len(labels))]
    )


def _extractor(rows: _Rows, chosen: NDArray[np.intp]) -> TriageFeatureExtractor:
    cases = [rows.cases[row] for row in chosen]
    return TriageFeatureExtractor().fit(
        [rows.observations[row] for row in chosen],
        patients=[str(case.request.get("patient_id") or case.row_id) for case in cases],
    )


def _unmissing(matrix: Any) -> Any:
    """Return the rows as the members see them: without what was not measured."""
    kept = np.ones(matrix.shape[1])
    kept[_MISSING] = 0
    without = matrix.multiply(kept).tocsr()
    without.eliminate_zeros()
    return without


def _in_chunks(member: Scores, matrix: Any, *, size: int = 200) -> Matrix:
    starts = range(0, matrix.shape[0], size)
    return np.concatenate([member.scores(matrix[at : at + size].toarray()) for at in starts])


def _calibrate(name: str, fitted: _CrossFitted, labels: Labels) -> _Calibrated:
    """Scale a candidate's scores by the temperature of least log loss.

    One temperature for all levels was better calibrated than a sigmoid for each (an expected
    calibration error of 0.02 on simulated rows against 0.06), and it cannot reorder the levels.
    """
    weights = CANDIDATES[name]
    scores: Matrix = np.tensordot(
        list(weights.values()), [fitted.scores[member] for member in weights], axes=1
    )

    def loss(log_scale: float) -> float:
        return _log_loss(labels, softmax(math.exp(log_scale) * scores))

    scale = math.exp(minimize_scalar(loss, bounds=(-2.0, 2.0), method="bounded").x)
    return _Calibrated(name=name, probabilities=softmax(scale * scores), inverse_temperature=scale)


def _missing_shares(probabilities: Matrix, rows: _Rows) -> NDArray[np.float64]:
    """Return the share that each missing value moves up; it is never below nought.

    By least log loss, with as many rows again in which it moved nothing as ``_DOUBTING_ROWS``: a
    value that is hardly ever missing tells little.
    """
    missing = rows.missing

    def loss(shares: NDArray[np.float64]) -> float:
        raised = moved_up(probabilities, shares=missing * shares)
        doubt = -np.log1p(-shares).sum() * _DOUBTING_ROWS / len(missing)
        return float(_log_loss(rows.labels, raised) + doubt)

    found = minimize(
        loss,
        x0=np.full(missing.shape[1], 0.01),
        bounds=[(0.0, _MOST_MOVED)] * missing.shape[1],
        method="L-BFGS-B",
    )
    shares: NDArray[np.float64] = np.where(found.x < _LEAST_MOVED, 0.0, found.x)
    return shares


def _opinions(probabilities: Matrix, *, unlike: NDArray[np.bool_], terms: Terms) -> list[Opinion]:
    return [
        Opinion.abstain(Abstention.OUT_OF_RANGE) if is_strange else opinion_of(row, terms=terms)
        for row, is_strange in zip(map(tuple, probabilities.tolist()), unlike, strict=True)
    ]


def _best_threshold(
    opinions: Sequence[Opinion],
    verdicts: Sequence[Verdict],
    rows: _Rows,
    cost_matrix: CostMatrix,
) -> float:
    """Return the lowest threshold at which the answers patients would get cost hardly more."""

    def cost(threshold: float) -> float:
        answers = (
            combine(verdict, _with_threshold(opinion, threshold), Decider.ML).level
            for verdict, opinion in zip(verdicts, opinions, strict=True)
        )
        truth = (case.level for case in rows.cases)
        return sum(cost_matrix[t][a] for t, a in zip(truth, answers, strict=True))

    costs = {threshold: cost(threshold) for threshold in THRESHOLDS}
    bearable = (1 + _HARDLY_MORE) * min(costs.values())
    return min(threshold for threshold, found in costs.items() if found <= bearable)


def _with_threshold(opinion: Opinion, threshold: float) -> Opinion:
    return opinion if opinion.abstained else replace(opinion, threshold=threshold)


def _baseline(labels: Labels, prior: Matrix) -> dict[str, Any]:
    """Return what answering the commonest level, with the training shares, would have scored."""
    return evaluate(labels, prior.argmax(axis=1), probabilities=prior).as_dict()


def _compared(
    candidates: Sequence[_Calibrated], prior: Matrix, labels: Labels, cost_matrix: CostMatrix
) -> dict[str, dict[str, Any]]:
    """Return the figures of each candidate by its name, after those of knowing nothing."""
    named = {"prior shares": prior, **{one.name: one.probabilities for one in candidates}}
    return {name: _figures(name, found, labels, cost_matrix) for name, found in named.items()}


def _figures(
    name: str, probabilities: Matrix, labels: Labels, cost_matrix: CostMatrix
) -> dict[str, Any]:
    answers = np.array([decide(row, cost_matrix=cost_matrix) for row in probabilities.tolist()])
    found = evaluate(labels, answers, probabilities=probabilities)
    return {
        "name": name,
        "log_loss": _log_loss(labels, probabilities),
        "expected_cost": float(np.array(cost_matrix)[labels, answers].mean()),
        **found.short(),
        "ece": found.ece,
    }


def _classifier(
    members: Sequence[Scores], chosen: _Calibrated, shares: NDArray[np.float64]
) -> TriageClassifier:
    return TriageClassifier(
        members=tuple(members),
        weights=tuple(CANDIDATES[chosen.name].values()),
        inverse_temperature=chosen.inverse_temperature,
        missing_columns=np.arange(_MISSING.start, _MISSING.stop),
        missing_shares=shares,
        classes_=np.arange(len(Level)),
    )


def _log_loss(labels: Labels, probabilities: Matrix) -> float:
    return float(-np.log(np.clip(probabilities[np.arange(len(labels)), labels], 1e-12, 1)).mean())


def _teller(progress: Progress | None, *, folds: int) -> Callable[[str], None]:
    numbers = iter(range(1, len(MEMBERS) * folds + 5))

    def tell(step: str) -> None:
        if progress is not None:
            progress(step, next(numbers), len(MEMBERS) * folds + 4)

    return tell


def _folds(rows: int) -> int:
    return next(folds for fewer_than, folds in _FOLDS if rows < fewer_than)


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _labels(cases: Iterable[LabelledCase]) -> Labels:
    return np.fromiter((int(case.level) for case in cases), dtype=np.int64)
