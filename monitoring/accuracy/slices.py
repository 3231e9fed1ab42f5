"""Which groups of patients are answered worse than all others together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ml.evaluation import Interval
from monitoring.accuracy.tallies import NOTHING, Cell, Tally, pooled, tallies, total
from monitoring.statistics.differences import newcombe_difference_interval
from monitoring.statistics.multiplicity import holm
from monitoring.statistics.proportions import two_proportion_z

DIMENSIONS: Mapping[str, Callable[[Cell], str]] = {
    "sex": lambda cell: cell.sex or "unknown",
    "age_band": lambda cell: cell.age_band or "unknown",
    "site": lambda cell: cell.site or "unknown",
}
# Only of sites there are more; the rest of them is pooled.
NAMED = 20
# Below this a share is shown and marked, and nothing follows from it.
SMALL = 30
# Every day asks again about nearly the same weeks, so one in a hundred and not one in twenty.
ALPHA = 0.01
# With many labels a difference may be sure and yet too small to act on.
WORSE_BY = {"accuracy": 0.05, "under_triage": 0.03}

Groups = Mapping[str, Mapping[str, Tally]]
Slices = dict[str, dict[str, "Slice"]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """One group of patients beside the rest."""

    dimension: str
    value: str
    tally: Tally
    rest: Tally

    @property
    def name(self) -> str:
        """How an alert names it."""
        return f"{self.dimension}={self.value}"

    @property
    def is_small(self) -> bool:
        """Whether it, or the rest, has too few labels to be compared."""
        return min(self.tally.labelled, self.rest.labelled) < SMALL

    def as_dict(self) -> dict[str, Any]:
        """Return its tally and how it differs from the rest."""
        has_rest = self.tally.labelled and self.rest.labelled
        return self.tally.as_dict() | {
            "small": self.is_small,
            "difference": _difference(self, "accuracy") if has_rest else None,
            "difference_interval": _interval(self, "accuracy") if has_rest else None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Worse:
    """A slice that is surely and clearly worse; ``difference`` is its share less the rest's."""

    slice: str
    measure: str
    labelled: int
    share: float
    rest_share: float
    difference: float
    interval: Interval
    p_adjusted: float

    def as_dict(self) -> dict[str, Any]:
        """Return the figures for the result row."""
        return asdict(self)

    @property
    def sentence(self) -> str:
        """Say it in words."""
        what = {"accuracy": "right", "under_triage": "not urgent enough"}[self.measure]
        low, high = self.interval
        return (
            f"{self.slice}: {self.share:.1%} of {self.labelled} answers were {what}, "
            f"of all others {self.rest_share:.1%}: {100 * self.difference:+.1f} points "
            f"(95 % interval {100 * low:+.1f} to {100 * high:+.1f})."
        )


def groups_of(cells: list[Cell]) -> Groups:
    """Return every group of every dimension of a day."""
    return {dimension: tallies(cells, key) for dimension, key in DIMENSIONS.items()}


def groups_stored(stored: Mapping[str, Mapping[str, Any]]) -> Groups:
    """Return the groups of a day on record."""
    return {
        dimension: {value: Tally.from_dict(facts) for value, facts in values.items()}
        for dimension, values in stored.items()
    }


def groups_added(days: Iterable[Groups]) -> Groups:
    """Return the groups of several days together."""
    added: dict[str, dict[str, Tally]] = {dimension: {} for dimension in DIMENSIONS}
    for day in days:
        for dimension, values in day.items():
            for value, tally in values.items():
                added[dimension][value] = added[dimension].get(value, NOTHING) + tally
    return added


def slices_of(groups: Groups) -> Slices:
    """Return each group beside the rest, of each dimension the ``NAMED`` with most labels."""
    return {
        dimension: {
            value: Slice(dimension=dimension, value=value, tally=tally, rest=total(values) - tally)
            for value, tally in pooled(values, named=NAMED).items()
        }
        for dimension, values in groups.items()
    }


def worse_slices(slices: Slices) -> list[Worse]:
    """Return the slices that are worse than the rest.

    Each slice of enough labels is compared twice, by accuracy and by under-triage, and the p values
    of all comparisons are corrected together (Holm). Worse is one whose corrected p is below
    ``ALPHA``, in the bad direction, by at least ``WORSE_BY``.
    """
    pairs = [(one, measure) for one in comparable(slices) for measure in WORSE_BY]
    adjusted = holm([_p(one, measure) for one, measure in pairs])
    return [
        _worse(one, measure, p_adjusted=float(p))
        for (one, measure), p in zip(pairs, adjusted, strict=True)
        if p < ALPHA and _is_bad(measure, _difference(one, measure))
    ]


def comparable(slices: Slices) -> Iterator[Slice]:
    """Return the slices with labels enough, on both sides, to be compared."""
    for values in slices.values():
        yield from (one for one in values.values() if not one.is_small)


def _is_bad(measure: str, difference: float) -> bool:
    harm = -difference if measure == "accuracy" else difference
    return harm >= WORSE_BY[measure]


def _worse(one: Slice, measure: str, *, p_adjusted: float) -> Worse:
    return Worse(
        slice=one.name,
        measure=measure,
        labelled=one.tally.labelled,
        share=_part(one.tally, measure) / one.tally.labelled,
        rest_share=_part(one.rest, measure) / one.rest.labelled,
        difference=_difference(one, measure),
        interval=_interval(one, measure),
        p_adjusted=p_adjusted,
    )


def _part(tally: Tally, measure: str) -> int:
    return tally.correct if measure == "accuracy" else tally.under


def _difference(one: Slice, measure: str) -> float:
    own = _part(one.tally, measure) / one.tally.labelled
    return own - _part(one.rest, measure) / one.rest.labelled


def _counts(one: Slice, measure: str) -> tuple[tuple[int, int], tuple[int, int]]:
    parts = (_part(one.tally, measure), _part(one.rest, measure))
    return parts, (one.tally.labelled, one.rest.labelled)


def _interval(one: Slice, measure: str) -> Interval:
    (own, rest), (n, rest_n) = _counts(one, measure)
    return newcombe_difference_interval(own, n, rest, rest_n)


def _p(one: Slice, measure: str) -> float:
    parts, sizes = _counts(one, measure)
    return two_proportion_z(parts, sizes).p
