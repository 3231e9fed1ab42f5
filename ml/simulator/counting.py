"""From labelled visits to counts, moments and correlations with no cell under 10 visits.

Three rules keep a single visit out of the tables; ``tests/ml/test_aggregates.py`` recounts each
from the committed file.

1. Groups of visits are joined with their neighbours until they are large enough, and so are the
   groups a phrase is counted in. Phrases do not overlap, so that one cannot be subtracted from
   another, and a phrase's total is not given.
2. Where a word of a category is rarer than 10 it is left out, and the next rarest with it until
   what is left out holds 10 visits together, or none.
3. A mean, a quantile or a correlation is of 10 visits or more, and 10 or more lie between two
   quantiles and beyond the outermost. Where fewer have another word of a category than the
   commonest, the category has no correlation, and a phrase's mean leaves those visits out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import rankdata

from ml.aggregates import CHOICES, LEAST_VISITS, NUMBERS, UNKNOWN, VARIABLES, Source, Tables
from ml.labelled import LabelledCase
from ml.simulator.phrases import shared_phrases
from triage_rules.case import DAYS_PER_YEAR
from triage_rules.level import Level

Vector: TypeAlias = NDArray[np.float64]
Phrases: TypeAlias = Sequence[Sequence[str]]
Shifts: TypeAlias = dict[str, float]

AGE_BANDS_YEARS = (0, 1, 5, 16, 40, 65, 80, 126)
# A group of visits smaller than this has no shape worth drawing from.
LEAST_IN_GROUP = 40
QUANTILES = (0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99)
# A shift smaller than this changes no answer, and leaving it out halves the file.
_LEAST_SHIFT = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """The visits of one level and of one or more neighbouring age bands."""

    level: Level
    age_from: int
    age_below: int
    rows: NDArray[np.intp]


def aggregate(
    cases: Sequence[LabelledCase],
    *,
    source: Source,
    sha256: str,
    progress: Callable[[int], None] = lambda _: None,
) -> Tables:
    """Return the tables of one source.

    Parameters
    ----------
    cases
        Its visits.
    source
        What they are and how they may be used.
    sha256
        Of the file they were read from.
    progress
        Is told, a group at a time, how many more visits have been counted.

    Returns
    -------
    dict
        Plain data, ready for JSON: provenance, one table a group of visits in ``groups``, and in
        ``phrases`` how many visits of which groups named each phrase.

    Raises
    ------
    ValueError
        When no level has 10 visits.
    """
    cases = _of_common_levels(cases)
    if not cases:
        raise ValueError(f"no level has the {LEAST_VISITS} visits that can be told of")
    columns = _columns(cases)
    groups = _groups(cases, ages=columns["age"])
    phrases = shared_phrases([_complaint(case) for case in cases], is_coded=source.is_coded)
    scores = np.full((len(cases), len(VARIABLES)), np.nan)
    tables = []
    for group in groups:
        scores[group.rows] = _normal_scores(columns, group.rows)
        tables.append(_group_table(group, columns=columns, phrases=phrases, scores=scores))
        progress(len(group.rows))
    return {
        "citation": source.citation,
        "licence": source.licence,
        "sha256": sha256,
        "visits": len(cases),
        "groups": tables,
        "phrases": _phrase_tables(phrases, groups=groups, columns=columns, scores=scores),
    }


def _of_common_levels(cases: Sequence[LabelledCase]) -> list[LabelledCase]:
    visits = Counter(case.level for case in cases)
    return [case for case in cases if visits[case.level] >= LEAST_VISITS]


# --- visits as columns -----------------------------------------------------------------------


def _columns(cases: Sequence[LabelledCase]) -> dict[str, Vector]:
    """Return the variables as numbers, a choice as its place in ``CHOICES``; missing is nan."""
    records = [_record(case) for case in cases]
    return {name: np.array([record[name] for record in records], float) for name in VARIABLES}


def _record(case: LabelledCase) -> dict[str, float | None]:
    request = case.request
    injury = {True: "yes", False: "no", None: None}[request.get("injury")]
    values = {**request, **request["vitals"], "age": _age(request), "injury": injury}
    numbers = {name: values.get(name) for name in NUMBERS}
    return {**numbers, **{name: _place(values.get(name), CHOICES[name]) for name in CHOICES}}


def _age(request: Mapping[str, Any]) -> float:
    days = request.get("patient_age_days")
    return float(request["patient_age"]) if days is None else days / DAYS_PER_YEAR


def _place(value: object, choices: Sequence[str]) -> float | None:
    return choices.index(str(value)) if str(value) in choices else None


def _complaint(case: LabelledCase) -> str:
    return str(case.request["symptoms_data"]["chief_complaint"])


def _groups(cases: Sequence[LabelledCase], *, ages: Vector) -> list[_Group]:
    levels = np.array([case.level for case in cases])
    bands = np.digitize(ages, AGE_BANDS_YEARS) - 1
    return [
        group
        for level in sorted({case.level for case in cases})
        for group in _groups_of(level, bands=np.where(levels == level, bands, -1))
    ]


def _groups_of(level: Level, *, bands: NDArray[np.intp]) -> Iterator[_Group]:
    counts = np.bincount(bands[bands >= 0], minlength=len(AGE_BANDS_YEARS) - 1)
    youngest = int(np.flatnonzero(counts)[0])
    for start, end in merged(counts[youngest:].tolist(), least=LEAST_IN_GROUP):
        first, last = youngest + start, youngest + end
        yield _Group(
            level=level,
            age_from=AGE_BANDS_YEARS[first],
            age_below=AGE_BANDS_YEARS[last],
            rows=np.flatnonzero((bands >= first) & (bands < last)),
        )


def merged(counts: Sequence[int], *, least: int = LEAST_VISITS) -> list[tuple[int, int]]:
    """Cut ``counts`` into runs (start, end) that each sum to ``least``, if all together do.

    >>> merged([12, 3, 8, 4])
    [(0, 1), (1, 4)]
    """
    runs: list[tuple[int, int]] = []
    start = total = 0
    for place, count in enumerate(counts, start=1):
        total += count
        if total >= least:
            runs.append((start, place))
            start, total = place, 0
    if not runs:
        return [(0, len(counts))]
    # What is left over at the end joins the last run.
    return [*runs[:-1], (runs[-1][0], len(counts))]


# --- one group of visits ---------------------------------------------------------------------


def _group_table(
    group: _Group, *, columns: Mapping[str, Vector], phrases: Phrases, scores: Vector
) -> Tables:
    visits = len(group.rows)
    values = {name: column[group.rows] for name, column in columns.items()}
    numbers = {name: table for name in NUMBERS if (table := _number_table(values[name]))}
    return {
        "level": group.level.label,
        "age": [group.age_from, group.age_below],
        "visits": visits,
        "numbers": numbers,
        "choices": {name: _choice_table(values[name], CHOICES[name]) for name in CHOICES},
        "phrases_named": _phrases_named([len(phrases[row]) for row in group.rows]),
        "correlations": _correlations(scores[group.rows]),
    }


def _number_table(values: Vector) -> Tables | None:
    """Return the shape of one measurement; None when fewer than 10 visits have it."""
    measured = values[~np.isnan(values)]
    missing = len(values) - len(measured)
    if len(measured) < LEAST_VISITS:
        return None
    shares = _quantile_shares(len(measured))
    table: Tables = {
        "mean": _rounded(measured.mean(), digits=2),
        "sd": _rounded(measured.std(), digits=2),
        "quantiles": [[p, _rounded(np.quantile(measured, p), digits=2)] for p in shares],
    }
    return {**table, "missing": missing} if missing >= LEAST_VISITS else table


def _quantile_shares(measured: int) -> list[float]:
    """Return those of ``QUANTILES`` with 10 visits to either side and between neighbours."""
    kept: list[float] = []
    for share in QUANTILES:
        from_last = share - (kept[-1] if kept else 0)
        if min(from_last, 1 - share) * measured >= LEAST_VISITS:
            kept.append(share)
    return kept


def _choice_table(values: Vector, choices: Sequence[str]) -> dict[str, int]:
    counts = {word: int((values == place).sum()) for place, word in enumerate(choices)}
    return without_rare({**counts, UNKNOWN: int(np.isnan(values).sum())})


def without_rare(counts: Mapping[str, int]) -> dict[str, int]:
    """Leave out what is rarer than 10, and more, until what is left out is no small count.

    >>> without_rare({"A": 120, "V": 25, "P": 20, "U": 9})
    {'A': 120, 'V': 25}
    """
    met = sorted((word for word in counts if counts[word]), key=lambda word: counts[word])
    left_out = 0
    while met and (counts[met[0]] < LEAST_VISITS or 0 < left_out < LEAST_VISITS):
        left_out += counts[met.pop(0)]
    return {word: count for word, count in counts.items() if word in met}


def _phrases_named(lengths: Sequence[int]) -> dict[str, int]:
    counts = Counter(lengths)
    return without_rare({str(length): counts[length] for length in sorted(counts)})


def _normal_scores(columns: Mapping[str, Vector], rows: NDArray[np.intp]) -> Vector:
    return np.column_stack([_normal_score(columns[name][rows]) for name in VARIABLES])


def _normal_score(values: Vector) -> Vector:
    """Return where each value stands among the others, as a standard normal deviate."""
    ranks = rankdata(values, nan_policy="omit")
    measured = ~np.isnan(values)
    scores: Vector = ndtri((ranks - 0.5) / max(1, measured.sum()))
    # Ties, and categories are little else, leave less than one standard deviation.
    sd = scores[measured].std() if measured.any() else 0
    return scores / sd if sd else scores


def _correlations(scores: Vector) -> list[float]:
    """Return the correlations of the normal scores, row by row below the diagonal."""
    return [
        _correlation(scores[:, one], scores[:, other])
        for one in range(len(VARIABLES))
        for other in range(one)
    ]


def _correlation(one: Vector, other: Vector) -> float:
    both = ~np.isnan(one) & ~np.isnan(other)
    one, other = one[both], other[both]
    if len(one) < LEAST_IN_GROUP or not (_varies(one) and _varies(other)):
        return 0.0
    return _rounded(np.corrcoef(one, other)[0, 1], digits=2)


def _varies(values: Vector) -> bool:
    """Whether 10 visits or more have another value than the commonest."""
    return _beside_commonest(values) >= LEAST_VISITS


def _beside_commonest(values: Vector) -> int:
    return len(values) - int(np.unique(values, return_counts=True)[1].max(initial=0))


# --- phrases -----------------------------------------------------------------------------------


def _phrase_tables(
    phrases: Phrases,
    *,
    groups: Sequence[_Group],
    columns: Mapping[str, Vector],
    scores: Vector,
) -> dict[str, Tables]:
    """Return of each phrase the visits by block of groups, and how its visits differ."""
    rows_of: dict[str, list[int]] = {}
    for row, named in enumerate(phrases):
        for phrase in named:
            rows_of.setdefault(phrase, []).append(row)
    group_of = np.empty(len(phrases), int)
    for place, group in enumerate(groups):
        group_of[group.rows] = place
    return {
        phrase: {
            "visits": _blocks(np.bincount(group_of[rows], minlength=len(groups)).tolist(), groups),
            "shifts": _shifts(rows, columns=columns, scores=scores),
        }
        for phrase, rows in sorted(rows_of.items())
    }


def _blocks(counts: Sequence[int], groups: Sequence[_Group]) -> list[tuple[int, list[int]]]:
    """Return how many visits of which groups named a phrase, in blocks of 10 visits or more.

    A level with fewer is joined with the others like it; if they have too few together, all are
    left out. How many that were cannot be told, as the phrase's total is not given.
    """
    of_level = [[n for n, group in enumerate(groups) if group.level is level] for level in Level]
    is_common = [sum(counts[n] for n in places) >= LEAST_VISITS for places in of_level]
    parts = [part for part, common in zip(of_level, is_common, strict=True) if common]
    blocks = [places[a:b] for places in parts for a, b in merged([counts[n] for n in places])]
    rest = zip(of_level, is_common, strict=True)
    blocks.append([place for places, common in rest if not common for place in places])
    visits = ((sum(counts[n] for n in block), block) for block in blocks)
    return [(count, block) for count, block in visits if count >= LEAST_VISITS]


def _shifts(rows: Sequence[int], *, columns: Mapping[str, Vector], scores: Vector) -> Shifts:
    """Return by how many standard deviations visits differ from others of their groups.

    Where fewer than 10 have another word than the commonest, they are left out of the mean.
    """
    shifts = {}
    for name, column in zip(VARIABLES, scores[rows].T, strict=True):
        values = columns[name][rows]
        told = column[~np.isnan(values) if name in NUMBERS else _told(values)]
        if len(told) >= LEAST_VISITS and abs(told.mean()) >= _LEAST_SHIFT:
            shifts[name] = _rounded(told.mean(), digits=2)
    return shifts


def _told(values: Vector) -> NDArray[np.bool_]:
    measured = ~np.isnan(values)
    words, counts = np.unique(values[measured], return_counts=True)
    if _varies(values[measured]) or not counts.size:
        return measured
    return np.asarray(values == words[counts.argmax()])


def _rounded(value: float, *, digits: int) -> float:
    # Adding zero turns -0.0, which would be printed, into 0.0.
    return round(float(value), digits) + 0.0
