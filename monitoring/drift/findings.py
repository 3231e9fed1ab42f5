"""What a window is compared in, in which order, and what is said of each difference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np

from ml.reference import (
    CategorySummary,
    NumericSummary,
    Reference,
    plausible_range,
)
from monitoring.drift import columns
from monitoring.drift.columns import Chance, Outcome
from monitoring.drift.rows import CategoryCounts, NumericCounts, WindowCounts
from monitoring.drift.units import likely_unit
from monitoring.statistics import benjamini_hochberg

FALSE_DISCOVERY_RATE = 0.05
# Fewer known values, of either side, say nothing of how a column is distributed.
MIN_KNOWN = 30
# A mean of fewer values would come near to telling one of them, a word of fewer rows a patient.
MIN_TOLD = 10
VANISHED = 0.99
SEED = 20250101
RARE = "(rare ones)"
WORDS = "words"
# What the service says of a patient, not what a patient has.
ANSWERS = ("prediction", "model_level", "model_abstained", "model_confidence")
# Computed from the columns of measurements: missing where these are.
_DERIVED = ("rules_severity_score", "news2", *ANSWERS)
_MOST_NAMED = 3


class Kind(StrEnum):
    """What was compared."""

    RANGE = "range"
    MISSING = "missing"
    UNSEEN = "unseen"
    DISTRIBUTION = "distribution"
    WORDS = "words"
    PREDICTION = "prediction"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One comparison of one column with the reference.

    Attributes
    ----------
    n, reference_n
        How many rows or values were compared.
    p_adjusted
        The p-value after Benjamini and Hochberg, over all comparisons of the check.
    effect, limit
        How large the difference is, and what it must pass.
    drifted
        Whether p-value, effect and number of rows all say so.
    sentence
        What was found, in words.
    """

    column: str
    kind: Kind
    n: int
    reference_n: int
    statistic: float
    p: float
    effect: float
    limit: float
    sentence: str
    p_adjusted: float = 1.0
    drifted: bool = False

    @classmethod
    def of(
        cls, column: str, kind: Kind, tested: Outcome, *, n: int, reference_n: int, sentence: str
    ) -> Finding:
        """Return what a test found."""
        return cls(
            column=column,
            kind=kind,
            n=n,
            reference_n=reference_n,
            statistic=tested.statistic,
            p=tested.p,
            effect=tested.effect,
            limit=tested.limit,
            sentence=sentence,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Everything a window was compared in; ``not_tested`` names columns with too few values."""

    findings: tuple[Finding, ...]
    not_tested: tuple[str, ...]

    @property
    def drifted(self) -> tuple[str, ...]:
        """The columns that differ, each once, in the order of the checks."""
        return tuple(dict.fromkeys(one.column for one in self.findings if one.drifted))


def compare(
    reference: Reference, now: WindowCounts, *, min_rows: int, draws: int = columns.DRAWS
) -> Comparison:
    """Compare a window with a reference.

    In this order: values outside the plausible range; missing values; words never seen; how the
    known values are distributed; unknown words of complaints; what the service answered. A column
    drifted when the adjusted p-value is at most 0.05, the effect passes its limit, and at least
    ``min_rows`` rows were compared. ``draws`` is how often rows are dealt out anew for a p-value.
    """
    known = [name for name in reference.numeric if _is_known(reference, now, name)]
    named = [name for name in reference.categories if _is_known(reference, now, name)]
    chance = Chance(np.random.default_rng(SEED), draws)
    measured = [name for name in known if name not in _DERIVED]
    found = [
        *(_range(name, reference.numeric[name], now.numeric[name]) for name in measured),
        *_missing(reference, now),
        *(_unseen(name, reference.categories[name], now.categories[name]) for name in named),
        *(_numeric(n, reference.numeric[n], now.numeric[n], chance) for n in known),
        *(_categories(n, reference.categories[n], now.categories[n], chance) for n in named),
        *_words(reference, now),
    ]
    found.sort(key=lambda one: list(Kind).index(one.kind))
    every = [*reference.numeric, *reference.categories]
    return Comparison(
        findings=tuple(_judged(found, min_rows=min_rows)),
        not_tested=tuple(name for name in every if name not in {*known, *named}),
    )


def _judged(found: Sequence[Finding], *, min_rows: int) -> Iterator[Finding]:
    adjusted = benjamini_hochberg([one.p for one in found])
    for one, p in zip(found, adjusted, strict=True):
        is_sure = p <= FALSE_DISCOVERY_RATE and one.n >= min_rows
        yield replace(one, p_adjusted=p, drifted=is_sure and one.effect > one.limit)


def _is_known(reference: Reference, now: WindowCounts, name: str) -> bool:
    before: Any = reference.numeric.get(name) or reference.categories.get(name)
    after: Any = now.numeric.get(name) or now.categories.get(name)
    return after is not None and min(before.n, after.n) >= MIN_KNOWN


# --- the checks ------------------------------------------------------------------------------


def _range(name: str, before: NumericSummary, now: NumericCounts) -> Finding:
    tested = columns.shares(
        (before.outside, before.n),
        (now.outside, now.n),
        limit=columns.OUTSIDE_LIMIT,
        only_more=True,
    )
    limits = plausible_range(name)
    between = f"{limits.low:g} to {limits.high:g} {limits.unit}" if limits else "any range"
    sentence = (
        f"{name}: {now.outside} of {now.n} values lie outside {between} "
        f"(reference {_percent(before.outside, before.n)})."
    )
    if now.outside_mean is not None and now.outside >= MIN_TOLD:
        sentence += _as_unit(name, now.outside_mean, before)
    return Finding.of(name, Kind.RANGE, tested, n=now.n, reference_n=before.n, sentence=sentence)


def _missing(reference: Reference, now: WindowCounts) -> Iterator[Finding]:
    """Compare how often a column is empty, where the reference has values of it at all."""
    for name in (*reference.numeric, *reference.categories):
        before: Any = reference.numeric.get(name) or reference.categories.get(name)
        after: Any = now.numeric.get(name) or now.categories.get(name)
        rows, reference_rows = after.n + after.missing, before.n + before.missing
        if name in _DERIVED or before.n < MIN_KNOWN or not rows:
            continue
        tested = columns.shares(
            (before.missing, reference_rows), (after.missing, rows), limit=columns.MISSING_LIMIT
        )
        has_vanished = after.missing >= VANISHED * rows and tested.effect > tested.limit
        sentence = (
            f"{name} {'has vanished' if has_vanished else 'is missing'}: "
            f"{_percent(after.missing, rows)} of {rows} rows have none "
            f"(reference {_percent(before.missing, reference_rows)})."
        )
        yield Finding.of(
            name, Kind.MISSING, tested, n=rows, reference_n=reference_rows, sentence=sentence
        )


def _unseen(name: str, before: CategorySummary, now: CategoryCounts) -> Finding:
    new = {
        word: n
        for word, n in now.counts.items()
        if word not in before.counts and word not in before.rare
    }
    times = sum(new.values())
    tested = columns.shares(
        (0, before.n), (times, now.n), limit=columns.UNSEEN_LIMIT, only_more=True
    )
    sentence = f"{name}: {times} of {now.n} rows have a value the reference never had{_named(new)}."
    return Finding.of(name, Kind.UNSEEN, tested, n=now.n, reference_n=before.n, sentence=sentence)


def _numeric(name: str, before: NumericSummary, now: NumericCounts, chance: Chance) -> Finding:
    tested = columns.numeric(before, now.values, now.counts, name=name, chance=chance)
    sentence = (
        f"{name}: mean {now.mean:.3g} of {now.n} values, {before.mean:.3g} in the reference; "
        f"{tested.effect:.2f} standard deviations apart (limit {tested.limit:.2f})."
    )
    return Finding.of(
        name,
        Kind.PREDICTION if name in ANSWERS else Kind.DISTRIBUTION,
        tested,
        n=now.n,
        reference_n=before.n,
        sentence=sentence + _as_unit(name, now.median, before),
    )


def _categories(name: str, before: CategorySummary, now: CategoryCounts, chance: Chance) -> Finding:
    # What the reference never had is a check of its own and left out here.
    seen = {word: now.counts.get(word, 0) for word in before.counts}
    rare = sum(now.counts.get(word, 0) for word in before.rare)
    counts = columns.aligned({**before.counts, RARE: before.rare_rows}, {**seen, RARE: rare})
    n = sum(counts[1])
    tested = columns.categories(*counts, chance=chance) if n else columns.NOTHING
    return Finding.of(
        name,
        Kind.PREDICTION if name in ANSWERS else Kind.DISTRIBUTION,
        tested,
        n=n,
        reference_n=before.n,
        sentence=_mixture(name, before, seen, n),
    )


def _words(reference: Reference, now: WindowCounts) -> Iterator[Finding]:
    before, after = reference.words, now.words
    if before.share is None or after.share is None:
        return
    yield Finding.of(
        WORDS,
        Kind.WORDS,
        columns.words(before, after),
        n=after.rows,
        reference_n=before.rows,
        sentence=f"{after.share:.1%} of the words of complaints are unknown to the model "
        f"(reference {before.share:.1%}).",
    )


# --- words -----------------------------------------------------------------------------------


def _as_unit(name: str, centre: float, before: NumericSummary) -> str:
    unit = likely_unit(name, centre, reference=before)
    return "" if unit is None else f" They would be usual in {unit.name}: check the unit."


def _named(new: Mapping[str, int]) -> str:
    """Name the most frequent of new words, and of the others only how many there are.

    A caller chose these words: one of few rows may be the number or the name of a patient.
    """
    often = [word for word in sorted(new, key=lambda word: (-new[word], word))
             if new[word] >= MIN_TOLD][:_MOST_NAMED]  # fmt: skip
    said = [f"{word} ({new[word]} rows)" for word in often]
    others = len(new) - len(often)
    if others:
        said.append(f"{others} {'other' if others == 1 else 'others'}" if often
                    else f"{others} different, each of fewer than {MIN_TOLD} rows")  # fmt: skip
    return f": {', '.join(said)}" if said else ""


def _mixture(name: str, before: CategorySummary, now: dict[str, int], n: int) -> str:
    """Say of the words whose shares differ most how often they are there."""
    if not n:
        return f"{name}: none of its values is one of the reference."
    apart = sorted(now, key=lambda word: -abs(now[word] / n - before.counts[word] / before.n))
    parts = [
        f"{word} {now[word] / n:.1%} (reference {before.counts[word] / before.n:.1%})"
        for word in apart[:_MOST_NAMED]
    ]
    return f"{name}: {', '.join(parts)} of {n} rows."


def _percent(part: int, whole: int) -> str:
    return f"{part / whole:.1%}"
