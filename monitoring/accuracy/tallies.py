"""Counts of right and wrong answers, and the shares and intervals that follow from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from ml.evaluation import Interval, wilson_interval
from triage_rules.level import Level

OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """How many labelled predictions share an answer, a truth and whatever else was asked for.

    ``saw`` says whether the person whose label counts had seen the answer; None where it is not
    known.
    """

    prediction: Level
    ground_truth: Level
    n: int
    ab_group: str = ""
    model_version: str = ""
    sex: str = ""
    age_band: str = ""
    site: str = ""
    audited: bool = False
    saw: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Counts of one group of labelled predictions."""

    labelled: int
    correct: int
    under: int
    over: int

    @classmethod
    def of(cls, cells: Iterable[Cell]) -> Tally:
        """Add up the cells of a group."""
        cells = tuple(cells)
        return cls(
            labelled=sum(cell.n for cell in cells),
            correct=sum(cell.n for cell in cells if cell.prediction == cell.ground_truth),
            under=sum(cell.n for cell in cells if cell.prediction < cell.ground_truth),
            over=sum(cell.n for cell in cells if cell.prediction > cell.ground_truth),
        )

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Tally:
        """Return the counts of what ``as_dict`` gave."""
        return cls(**{one.name: stored[one.name] for one in fields(cls)})

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            labelled=self.labelled + other.labelled,
            correct=self.correct + other.correct,
            under=self.under + other.under,
            over=self.over + other.over,
        )

    def __sub__(self, part: Tally) -> Tally:
        return Tally(
            labelled=self.labelled - part.labelled,
            correct=self.correct - part.correct,
            under=self.under - part.under,
            over=self.over - part.over,
        )

    @property
    def accuracy(self) -> float | None:
        """The share of right answers; None where nothing is labelled."""
        return self._share(self.correct)

    @property
    def interval(self) -> Interval | None:
        """Wilson's 95 % interval of the accuracy; None where nothing is labelled."""
        return self._interval(self.correct)

    @property
    def under_triage(self) -> dict[str, Any]:
        """The share of answers that were not urgent enough, with its interval."""
        return {"share": self._share(self.under), "interval": self._interval(self.under)}

    @property
    def over_triage(self) -> dict[str, Any]:
        """The share of answers that were too urgent, with its interval."""
        return {"share": self._share(self.over), "interval": self._interval(self.over)}

    def as_dict(self) -> dict[str, Any]:
        """Return counts, accuracy and intervals for the result row."""
        return asdict(self) | {
            "accuracy": self.accuracy,
            "interval": self.interval,
            "under_interval": self._interval(self.under),
            "over_interval": self._interval(self.over),
        }

    def _share(self, part: int) -> float | None:
        return part / self.labelled if self.labelled else None

    def _interval(self, part: int) -> Interval | None:
        return wilson_interval(part, self.labelled) if self.labelled else None


NOTHING = Tally(labelled=0, correct=0, under=0, over=0)


def tallies(cells: Iterable[Cell], key: Callable[[Cell], str]) -> dict[str, Tally]:
    """Return the tally of each group that ``key`` names, in the order of their names."""
    groups: dict[str, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(key(cell), []).append(cell)
    return {name: Tally.of(group) for name, group in sorted(groups.items())}


def confusion(cells: Iterable[Cell]) -> list[list[int]]:
    """Return counts, truth by row and answer by column, in the order of ``Level``."""
    counts: Counter[tuple[Level, Level]] = Counter()
    for cell in cells:
        counts[cell.ground_truth, cell.prediction] += cell.n
    return [[counts[truth, answer] for answer in Level] for truth in Level]


def total(groups: Mapping[str, Tally]) -> Tally:
    """Return the groups added up."""
    return sum(groups.values(), start=NOTHING)


def pooled(groups: Mapping[str, Tally], *, named: int) -> dict[str, Tally]:
    """Return the groups of most labels under their names, and the rest together as "other"."""
    by_size = sorted(groups, key=lambda name: (name == OTHER, -groups[name].labelled, name))
    kept = {name: groups[name] for name in sorted(by_size[:named])}
    rest = {name: groups[name] for name in by_size[named:]}
    return kept | {OTHER: total(rest)} if rest else kept
