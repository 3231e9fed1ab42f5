"""The fitted classifier, reduced to the arrays that one answer needs.

One score per level, a weighted mean of members that each add up over the features; one
temperature; a softmax; and last the values that were not measured, which only move probability up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

Array: TypeAlias = NDArray[np.float64]
Indices: TypeAlias = NDArray[np.int64]

# A chunk is compared with every node of every tree at once.
_CHUNK_ROWS = 200


class Scores(Protocol):
    """What gives each row one score per level, and can say which feature added what."""

    def scores(self, rows: Array) -> Array:
        """Return one row of four per row of features."""

    def effects(self, row: Array) -> Array:
        """Return what each feature of one row adds to each level's score: features by levels."""

    @property
    def base(self) -> Array:
        """What the scores are before any feature: scores = base + the sum of the effects."""


@dataclass(frozen=True, eq=False, kw_only=True)
class LinearScores:
    """Weights times features.

    Attributes
    ----------
    coefficients
        One row per feature, one column per level.
    intercepts
        One per level.
    """

    coefficients: Array
    intercepts: Array

    def scores(self, rows: Array) -> Array:
        """Return one row of four per row of features."""
        return np.stack([self._score(row) for row in rows])

    def effects(self, row: Array) -> Array:
        """Return what each feature of one row adds to each level's score."""
        effects: Array = row[:, None] * self.coefficients
        return effects

    @property
    def base(self) -> Array:
        """The intercepts."""
        return self.intercepts

    def _score(self, row: Array) -> Array:
        # Term by term in the order of the columns: a matrix product adds in an order of its own on
        # every kind of processor, and a decision must be the same on all of them.
        columns = np.flatnonzero(row)
        score: Array = (row[columns, None] * self.coefficients[columns]).sum(axis=0)
        return self.intercepts + score


@dataclass(frozen=True, eq=False, kw_only=True)
class TreeScores:
    """Boosted trees as flat arrays, walked down together, one level of depth at a time.

    Attributes
    ----------
    roots, levels
        Of each tree its first node, and the level whose score it adds to.
    features, thresholds, lefts, rights
        Of each node: left where the feature is at most the threshold. A leaf leads to itself.
    values
        Of each node what the tree is worth there: of a leaf its score, of any other the mean of
        what lies below it, by training rows.
    start
        The score of each level before any tree.
    depth
        Of the deepest tree.
    """

    roots: Indices
    levels: Indices
    features: Indices
    thresholds: Array
    lefts: Indices
    rights: Indices
    values: Array
    start: Array
    depth: int

    def scores(self, rows: Array) -> Array:
        """Return one row of four per row of features."""
        *_, leaves = self._paths(rows)
        return self.start + self._summed(self.values[leaves])

    def effects(self, row: Array) -> Array:
        """Return what each feature adds: on every step of a path, the change of the tree's worth.

        The steps of one path add up to the leaf less the root (Saabas, 2014).
        """
        effects = np.zeros((len(row), len(self.start)))
        for (nodes,), (below,) in pairwise(self._paths(row[None, :])):
            change = self.values[below] - self.values[nodes]
            np.add.at(effects, (self.features[nodes], self.levels), change)
        return effects

    @property
    def base(self) -> Array:
        """The start and what every tree is worth at its root."""
        base: Array = self.start + self._summed(self.values[None, self.roots])[0]
        return base

    def _paths(self, rows: Array) -> Iterator[Indices]:
        """Yield the node of every row in every tree, from the roots down to the leaves."""
        # All nodes are compared at once: cheaper than looking for those on the way.
        goes_left = rows[:, self.features] <= self.thresholds
        below = np.where(goes_left, self.lefts, self.rights)
        nodes = np.broadcast_to(self.roots, (len(rows), len(self.roots)))
        yield nodes
        for _ in range(self.depth):
            nodes = np.take_along_axis(below, nodes, axis=1)
            yield nodes

    def _summed(self, values: Array) -> Array:
        """Return the sum of the trees of each level."""
        # Each row in one piece: numpy adds in another order across rows, and a case would get
        # another last digit among many than by itself.
        parts = (values[:, self.levels == level] for level in range(len(self.start)))
        return np.stack([np.ascontiguousarray(part).sum(axis=1) for part in parts], axis=1)


@dataclass(frozen=True, eq=False, kw_only=True)
class TriageClassifier:
    """The weighted mean of its members' scores, scaled by one temperature, through a softmax.

    A value that was not measured then moves a share of each level's probability one level up. So
    what is missing can raise an answer and never lower it, and it can make the likeliest level
    no likelier unless that is ``emergency``: an unsure answer stays unsure.

    Attributes
    ----------
    members, weights
        What gives the scores, and how much each counts; the weights add up to 1.
    inverse_temperature
        What the scores are multiplied by (Guo and others, 2017); below 1 it makes them humbler.
    missing_columns
        The features that say a value was not measured; no member looks at them.
    missing_shares
        The share of probability that each of them moves, 0 to 1.
    classes_
        The labels in the order of the columns of ``predict_proba``.
    """

    members: tuple[Scores, ...]
    weights: tuple[float, ...]
    inverse_temperature: float
    missing_columns: Indices
    missing_shares: Array
    classes_: Indices

    def predict_proba(self, rows: Any) -> Array:
        """Return one row of probabilities per row of features, dense or sparse."""
        starts = range(0, rows.shape[0], _CHUNK_ROWS)
        chunks = (_dense(rows[start : start + _CHUNK_ROWS]) for start in starts)
        return np.concatenate([self._probabilities(chunk) for chunk in chunks])

    def explain(self, row: Array, *, level: int) -> tuple[float, Array]:
        """Return where the score of ``level`` starts, and what each feature of ``row`` adds.

        The score is the level's scaled score over the mean of the levels, plus what the missing
        values change of the logarithm of its probability. Start and effects add up to it.
        """
        effects = self._weighed([member.effects(row) for member in self.members])
        base = self._weighed([member.base for member in self.members])
        added = self.inverse_temperature * _centred(effects)[:, level]
        for column, change in self._changes_by_missing(row, level=level):
            added[column] += change
        return float(self.inverse_temperature * _centred(base)[level]), added

    def score(self, row: Array, *, level: int) -> float:
        """Return the score that ``explain`` takes apart."""
        scaled = self._scaled(row[None, :])
        before, after = softmax(scaled)[0, level], self._probabilities(row[None, :])[0, level]
        return float(_centred(scaled)[0, level] + np.log(after / before))

    def _probabilities(self, rows: Array) -> Array:
        missing = rows[:, self.missing_columns] * self.missing_shares
        return moved_up(softmax(self._scaled(rows)), shares=missing)

    def _scaled(self, rows: Array) -> Array:
        scores = self._weighed([member.scores(rows) for member in self.members])
        return self.inverse_temperature * scores

    def _weighed(self, parts: Sequence[Array]) -> Array:
        return sum(
            (weight * part for weight, part in zip(self.weights, parts, strict=True)),
            start=np.zeros_like(parts[0]),
        )

    def _changes_by_missing(self, row: Array, *, level: int) -> Iterator[tuple[int, float]]:
        probabilities = softmax(self._scaled(row[None, :]))
        for column, share in zip(self.missing_columns, self.missing_shares, strict=True):
            if row[column] and share:
                raised = moved_up(probabilities, shares=np.array([[share]]))
                yield int(column), float(np.log(raised[0, level] / probabilities[0, level]))
                probabilities = raised


def softmax(scores: Array) -> Array:
    """Return probabilities that add up to 1 in each row."""
    # It is the same for any shift; this one keeps the exponents from overflowing.
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    probabilities: Array = raised / raised.sum(axis=1, keepdims=True)
    return probabilities


def moved_up(probabilities: Array, *, shares: Array) -> Array:
    """Return the probabilities after each share has moved one level up, one share after another.

    Parameters
    ----------
    probabilities
        One row per case, least urgent level first.
    shares
        One row per case, one column per move, 0 to 1.
    """
    moved = probabilities
    for share in shares.T:
        leaving = moved * share[:, None]
        leaving[:, -1] = 0
        moved = moved - leaving
        moved[:, 1:] += leaving[:, :-1]
    return moved


def _centred(scores: Array) -> Array:
    centred: Array = scores - scores.mean(axis=-1, keepdims=True)
    return centred


def _dense(rows: Any) -> Array:
    dense: Array = rows.toarray() if issparse(rows) else rows
    return dense
