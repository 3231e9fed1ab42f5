"""Which cases to leave out of training, so that a model is judged on patients it never met."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import StratifiedGroupKFold

from ml.artefacts import CostMatrix, TrainedModel
from ml.comparison import DECIDERS, Judged, compare, judge, unsaved
from ml.labelled import LabelledCase

Rows: TypeAlias = NDArray[np.intp]
Train: TypeAlias = Callable[[Sequence[LabelledCase]], TrainedModel]

# A share of the rows is held out in steps of one in so many.
HOLDOUT_PARTS = 10
_DESCRIPTION = ("patient_age", "patient_age_days", "sex", "symptoms_data", "vitals")
_ROUND_FIGURES = ("n", "accuracy", "qwk", "under_triage", "over_triage", "emergency_recall")


class SplitError(ValueError):
    """The cases cannot be split as asked; the message says why, without a full stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """The patients left out of one training, judged by what came of it."""

    judged: tuple[Judged, ...]
    cost_matrix: CostMatrix


def folds(cases: Sequence[LabelledCase], *, k: int, seed: int) -> list[Rows]:
    """Return the rows to leave out in each of ``k`` rounds; every row is left out once.

    Levels are spread evenly. Visits of one patient, and near-duplicates, stay together.

    Raises
    ------
    SplitError
        When there is nothing to split, or fewer than two folds are asked for.
    """
    if not 2 <= k <= len(cases):
        raise SplitError(f"{k} folds of {len(cases)} cases; expected from 2 to one per case")
    splitter = StratifiedGroupKFold(k, shuffle=True, random_state=seed)
    labels = [int(case.level) for case in cases]
    return [left_out for _, left_out in splitter.split(labels, labels, near_duplicates(cases))]


def holdout(cases: Sequence[LabelledCase], *, share: float, seed: int) -> Rows:
    """Return the rows to leave out of one training, split as by ``folds``.

    ``share`` counts in tenths of the rows; ``SplitError`` when that is none or all of them.
    """
    tenths = round(share * HOLDOUT_PARTS)
    if not 0 < tenths < HOLDOUT_PARTS:
        raise SplitError(f"a share of {share:g} held out; expected from 0.1 to 0.9")
    return np.concatenate(folds(cases, k=HOLDOUT_PARTS, seed=seed)[:tenths])


def validate(
    cases: Sequence[LabelledCase], *, splits: Iterable[Rows], train: Train
) -> Iterator[Round]:
    """Yield, for the rows of each split, what a model trained on all others makes of them."""
    for left_out in splits:
        others = np.setdiff1d(np.arange(len(cases)), left_out)
        model = train([cases[row] for row in others])
        judged = judge([cases[row] for row in left_out], model=unsaved(model))
        yield Round(judged=tuple(judged), cost_matrix=model.cost_matrix)


def pooled(rounds: Sequence[Round]) -> dict[str, Any]:
    """Return the comparison over all rounds together, and under ``rounds`` that of each."""
    cost_matrix = rounds[0].cost_matrix
    everybody = [one for each in rounds for one in each.judged]
    return {
        **compare(everybody, cost_matrix=cost_matrix),
        "rounds": [_figures(each) for each in rounds],
    }


def _figures(one: Round) -> dict[str, Any]:
    found = compare(one.judged, cost_matrix=one.cost_matrix, resamples=0)
    return {
        name: {figure: found[name][figure] for figure in _ROUND_FIGURES}
        for name in DECIDERS
        if name in found
    }


def near_duplicates(cases: Sequence[LabelledCase]) -> Rows:
    """Return the number of each case's group.

    Two cases are in one group when they are of the same patient, or agree in age, sex, words and
    vital signs (upper and lower case and spaces do not matter), or both belong with a third.
    """
    names = [key for row, case in enumerate(cases) for key in _keys(case, row=row)]
    _, keys = np.unique(np.array(names, dtype=object), return_inverse=True)
    rows = np.repeat(np.arange(len(cases)), 2)
    # Cases and keys are the nodes of one graph, and each case is tied to its two keys.
    size = len(cases) + int(keys.max()) + 1
    ties = coo_array((np.ones(len(rows)), (rows, keys + len(cases))), shape=(size, size))
    groups: Rows = connected_components(ties, directed=False)[1][: len(cases)]
    return groups


def _keys(case: LabelledCase, *, row: int) -> tuple[str, str]:
    """Return what ties a case to the same patient's, and to those alike."""
    patient = case.request.get("patient_id") or row
    described = [case.request.get(name) for name in _DESCRIPTION]
    alike = " ".join(json.dumps(described, sort_keys=True).lower().split())
    return f"patient {patient!r}", f"alike {alike}"
