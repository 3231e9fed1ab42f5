"""The committed tables as distributions that can be drawn from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ml.aggregates import CHOICES, LEAST_VISITS, SOURCES, UNKNOWN, VARIABLES
from triage_rules.level import Level

Tables: TypeAlias = Mapping[str, Any]
Matrix: TypeAlias = NDArray[np.float64]

# Without a source: the files differ too much in size to be drawn from as they are.
SOURCE_SHARES = {"ktas": 0.5, "nhamcs": 0.5}
# A count of 1 to 9 was left out of the tables; this stands for it.
LEFT_OUT_VISITS = 4
# The place of no phrase; in ``Group.shifts`` the last row, which is zero.
NOTHING = -1
_MOST_EXPLAINED = 0.9
_LEAST_SHARE = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """One measurement: its value at each normal deviate, and how often it is missing."""

    deviates: Matrix
    values: Matrix
    sd: float
    missing: float

    def at(self, z: Matrix) -> Matrix:
        """Return the values at ``z``: between quantiles a line, outside them the normal tail."""
        inside = np.interp(z, self.deviates, self.values)
        beyond = z - np.clip(z, self.deviates[0], self.deviates[-1])
        return np.asarray(inside + self.sd * beyond)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One category: the normal deviate at which each word ends, and the share of unknown."""

    words: tuple[str, ...]
    ends: Matrix
    missing: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The visits of one source, level and age band, ready to draw from."""

    level: Level
    ages: tuple[float, float]
    numbers: Mapping[str, Number]
    choices: Mapping[str, Choice]
    lengths: Matrix
    phrases: tuple[str, ...]
    weights: Matrix
    shifts: Matrix
    spread: Matrix
    joiner: str


def groups_of(tables: Tables) -> tuple[list[Group], Matrix]:
    """Return every group of every source, and how often each is drawn."""
    groups: list[Group] = []
    shares: list[float] = []
    for name, source in tables["sources"].items():
        visits = np.array([table["visits"] for table in source["groups"]], float)
        shares += (SOURCE_SHARES[name] * visits / visits.sum()).tolist()
        groups += _source_groups(source, joiner="; " if SOURCES[name].is_coded else " ")
    total = np.array(shares)
    return groups, total / total.sum()


def _source_groups(source: Tables, *, joiner: str) -> Iterator[Group]:
    phrases = tuple(source["phrases"])
    weights = _phrase_weights(source)
    shifts = _phrase_shifts(source)
    longest = max(int(n) for table in source["groups"] for n in table["phrases_named"])
    lengths = [str(n) for n in range(longest + 1)]
    for place, table in enumerate(source["groups"]):
        usual = weights[place] / weights[place].sum()
        yield Group(
            level=Level.from_label(table["level"]),
            ages=(table["age"][0], table["age"][1]),
            numbers={name: _number(t, table["visits"]) for name, t in table["numbers"].items()},
            choices={
                name: _choice(name, t, table["visits"]) for name, t in table["choices"].items()
            },
            lengths=_shares(table["phrases_named"], words=lengths, visits=table["visits"]),
            phrases=phrases,
            weights=weights[place],
            shifts=np.vstack([shifts - usual @ shifts, np.zeros(len(VARIABLES))]),
            spread=_spread(table["correlations"], explained=usual @ shifts**2),
            joiner=joiner,
        )


def _phrase_weights(source: Tables) -> Matrix:
    """Return by group how often each phrase is named; a block's visits are spread over it."""
    visits = np.array([table["visits"] for table in source["groups"]], float)
    weights = np.zeros((len(visits), len(source["phrases"])))
    for column, phrase in enumerate(source["phrases"].values()):
        rest = set(range(len(visits)))
        for count, block in phrase["visits"]:
            weights[block, column] = count / visits[block].sum()
            rest -= set(block)
        left_out = sorted(rest)
        if left_out:
            weights[left_out, column] = LEFT_OUT_VISITS / visits[left_out].sum()
    return weights


def _phrase_shifts(source: Tables) -> Matrix:
    phrases = source["phrases"].values()
    shifts = [[phrase["shifts"].get(name, 0.0) for name in VARIABLES] for phrase in phrases]
    visits = np.array([sum(count for count, _ in phrase["visits"]) for phrase in phrases], float)
    # A mean of few visits is drawn towards zero, by as much as ten visits without it would.
    trust = visits / (visits + LEAST_VISITS)
    return np.asarray(np.array(shifts) * trust[:, np.newaxis])


def _number(table: Tables, visits: int) -> Number:
    quantiles = table["quantiles"] or [[0.5, table["mean"]]]
    return Number(
        deviates=np.array([NormalDist().inv_cdf(share) for share, _ in quantiles]),
        values=np.array([value for _, value in quantiles]),
        sd=table["sd"],
        missing=table.get("missing", 0) / visits,
    )


def _choice(name: str, table: Tables, visits: int) -> Choice:
    words = CHOICES[name]
    *known, unknown = _shares(table, words=[*words, UNKNOWN], visits=visits)
    ends = np.cumsum(known) / sum(known) if sum(known) else np.ones(len(words))
    inner = np.clip(ends[:-1], _LEAST_SHARE, 1 - _LEAST_SHARE)
    return Choice(
        words=words,
        ends=np.array([NormalDist().inv_cdf(end) for end in inner]),
        missing=float(unknown),
    )


def _shares(table: Tables, *, words: Sequence[str], visits: int) -> Matrix:
    """Return the share of each word; what the table leaves out is spread over those it lacks."""
    if not table:
        return np.array([1.0] + [0.0] * (len(words) - 1))
    lacking = [word for word in words if word not in table]
    rest = (visits - sum(table.values())) / len(lacking) if lacking else 0
    counts = np.array([table.get(word, rest) for word in words], float)
    return np.asarray(counts / counts.sum())


def _spread(below_diagonal: Sequence[float], *, explained: Matrix) -> Matrix:
    """Return what turns independent deviates into correlated ones, less what words explain."""
    matrix = np.eye(len(VARIABLES))
    matrix[np.tril_indices(len(VARIABLES), -1)] = below_diagonal
    matrix = np.tril(matrix) + np.tril(matrix, -1).T
    values, vectors = np.linalg.eigh(matrix)
    root = vectors * np.sqrt(np.clip(values, 0, None))
    root /= np.linalg.norm(root, axis=1, keepdims=True)
    left = np.sqrt(1 - np.minimum(explained, _MOST_EXPLAINED))
    return np.asarray(root * left[:, np.newaxis])
