"""A text laid out for judging: its words, the phrases in it, and what stands beside what.

Every question is answered from positions collected once, so that a text costs in proportion to its
length however often a phrase stands in it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from operator import attrgetter

from triage_rules.text.phrases import Match, read_toml

SENTENCE_ENDS = frozenset(".;!?")
LIST_LINKS = frozenset({"or", "nor", "and"})
ITEM_LINKS = LIST_LINKS | {","}
_CLAUSE_ENDS = SENTENCE_ENDS | {",", "-", "but", "however", "although"}
_NOWHERE: frozenset[int] = frozenset()
_CLAUSE_OPENERS = _CLAUSE_ENDS | {":", "and"}


@dataclass(frozen=True)
class Passage:
    """One text, read once: its words and the matches that stand after longer ones hid shorter.

    ``joined`` is where a word was written without a space before it ("CP/SOB").
    """

    texts: Sequence[str]
    findings: tuple[Match, ...]
    cues: dict[str, list[Match]]
    joined: frozenset[int] = frozenset()

    @property
    def end(self) -> int:
        """Where the text ends: the position behind its last word."""
        return len(self.texts)

    def at(self, position: int) -> str:
        """The word at a position, or a full stop outside of the text."""
        return self.texts[position] if 0 <= position < len(self.texts) else "."

    def positions_of(self, words: frozenset[str]) -> list[int]:
        """Return where any of these words stands."""
        return [at for at, word in enumerate(self.texts) if word in words]

    def starts_of(self, kind: str) -> list[int]:
        """Return where the cues of a kind begin."""
        return [cue.start for cue in self.cues.get(kind, ())]

    def covered_by(self, kind: str) -> frozenset[int]:
        """Return the positions that the cues of a kind take up."""
        return covered(range(cue.start, cue.end) for cue in self.cues.get(kind, ()))

    def skip(self, position: int, *, through: frozenset[int]) -> int:
        """Return the first position from here on that is not one of these."""
        while position in through:
            position += 1
        return position

    def finding_before(self, position: int) -> int | None:
        """Return where the finding begins that ends here, or with only little words between."""
        return self._start_by_end.get(last_in(self._backstops, position + 1))

    def item_after(self, position: int) -> int | None:
        """Return where the finding or diagnosis ends that begins here, or after little words."""
        return self._end_by_start.get(next_in(self._stops, position, self.end))

    def item_end(self, position: int) -> int | None:
        """Return where the finding or diagnosis ends that begins exactly here."""
        return self._end_by_start.get(position)

    def opens_clause(self, position: int) -> bool:
        """Whether only little words stand between the beginning of the clause and here."""
        return self.at(last_in(self._backstops, position + 1) - 1) in _CLAUSE_OPENERS

    def illnesses_after(self, start: int, *, listing: bool, named: bool = False) -> range:
        """Return where the illness stands that is introduced here, and the diagnoses linked to it.

        ``listing`` goes on over commas, ``named`` is content with a diagnosis only.
        """
        start += self.at(start) == ":"
        end, last = self.item_after(start), start
        if named:
            end = self._next_diagnosis(start, listing=True)
        while end is not None:
            last, end = end, self._next_diagnosis(end, listing=listing)
        return range(start, last)

    def _next_diagnosis(self, end: int, *, listing: bool) -> int | None:
        links = ITEM_LINKS if listing else LIST_LINKS
        at, linked = end, listing
        while self.at(at) in links or at in self._between:
            linked = linked or self.at(at) in links
            at += 1
        cue = self.cue_at("diagnosis", at)
        return cue.end if cue is not None and linked else None

    def clause(self, match: Match) -> range:
        """Return the positions between the commas or ends around a match."""
        ends = self._clause_ends
        before = bisect_left(ends, match.start)
        start = ends[before - 1] + 1 if before else 0
        return range(start, next_in(ends, match.end, self.end))

    def sentence_rest(self, position: int) -> range:
        """Return the positions from here to the end of the sentence."""
        return range(position, next_in(self._sentence_ends, position, self.end))

    def sentence_until(self, position: int) -> range:
        """Return the positions from the beginning of the sentence to here."""
        return range(last_in(self._sentence_ends, position) + 1, position)

    def cue_at(self, kind: str, position: int) -> Match | None:
        """Return the cue of this kind that begins here."""
        return self._cue_at[kind].get(position) if kind in self.cues else None

    @cached_property
    def _between(self) -> frozenset[int]:
        """The words that may stand between a finding and a time that speaks of it."""
        numbers = (at for at, word in enumerate(self.texts) if word[0].isdigit())
        return self.covered_by("past_filler").union(numbers)

    @cached_property
    def _introducing(self) -> frozenset[int]:
        """The words that may stand between a cue of the past and the finding it introduces."""
        qualified = covered(range(m.start, m.end) for m in self.qualifiers)
        return self._between | self.covered_by("history_filler") | qualified

    @cached_property
    def _stops(self) -> list[int]:
        """Where the way forward from a cue of the past ends: at a finding, or another word."""
        places = range(self.end)
        return [at for at in places if at in self._end_by_start or at not in self._introducing]

    @cached_property
    def _backstops(self) -> list[int]:
        """Where the way back from a time ends: behind a finding, or another word."""
        places = range(self.end + 1)
        return [at for at in places if at in self._start_by_end or at - 1 not in self._between]

    @cached_property
    def _cue_at(self) -> dict[str, dict[int, Match]]:
        return {kind: {cue.start: cue for cue in cues} for kind, cues in self.cues.items()}

    @cached_property
    def alone(self) -> tuple[Match, ...]:
        """The findings that say something by themselves."""
        return tuple(
            match for match in self.findings if match.entry.name not in qualifying_concepts()
        )

    @cached_property
    def qualifiers(self) -> tuple[Match, ...]:
        """What says when or how, and is no finding by itself."""
        return tuple(match for match in self.findings if match.entry.name in qualifying_concepts())

    @cached_property
    def _start_by_end(self) -> dict[int, int]:
        starts: dict[int, int] = {}
        for match in self.alone:
            starts.setdefault(match.end, match.start)
        return starts

    @cached_property
    def _end_by_start(self) -> dict[int, int]:
        ends: dict[int, int] = {}
        for match in (*self.alone, *self.cues.get("diagnosis", ())):
            ends[match.start] = max(match.end, ends.get(match.start, 0))
        return ends

    @cached_property
    def _clause_ends(self) -> list[int]:
        return self.positions_of(_CLAUSE_ENDS)

    @cached_property
    def _sentence_ends(self) -> list[int]:
        return self.positions_of(SENTENCE_ENDS)


@cache
def qualifying_concepts() -> frozenset[str]:
    """The concepts that say when or how, and are no finding by themselves."""
    return frozenset(read_toml("cues.toml")["qualifier"]["concepts"])


def any_in(positions: Sequence[int], within: range) -> bool:
    """Whether one of these positions, which are in order, lies within the range."""
    return next_in(positions, within.start, within.stop) < within.stop


def next_in(positions: Sequence[int], start: int, otherwise: int) -> int:
    """Return the first of these positions, which are in order, from ``start`` on."""
    at = bisect_left(positions, start)
    return positions[at] if at < len(positions) else otherwise


def last_in(positions: Sequence[int], before: int) -> int:
    """Return the last of these positions, which are in order, before this one, or -1."""
    at = bisect_left(positions, before)
    return positions[at - 1] if at else -1


def covered(ranges: Iterable[range]) -> frozenset[int]:
    """Return the positions in any of the ranges; where they overlap, each is visited once."""
    parts = sorted(ranges, key=attrgetter("start"))
    if not parts:
        return _NOWHERE
    positions: set[int] = set()
    reached = 0
    for part in parts:
        positions.update(range(max(part.start, reached), part.stop))
        reached = max(reached, part.stop)
    return frozenset(positions)
