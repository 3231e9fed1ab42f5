"""A text laid out for judging: its words, the phrases in it, and how far a cue reaches.

Every question is answered from positions collected once, so that a text costs in proportion to its
length however often a phrase stands in it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from operator import attrgetter

from triage_rules.text.phrases import Entry, Match, replaced_concepts

SENTENCE_ENDS = frozenset(".;!?")
LIST_LINKS = frozenset({"or", "nor", "and"})
_CLAUSE_ENDS = SENTENCE_ENDS | {",", "-", "but", "however", "although"}
_ITEM_ENDS = SENTENCE_ENDS | {"-", ":"}
_ITEM_LINKS = LIST_LINKS | {","}
_NEGATORS = ("pre_negator", "listing_negator")
_REACH = 6


@dataclass(frozen=True)
class Passage:
    """One text, read once: its words and the matches that stand after longer ones hid shorter."""

    texts: Sequence[str]
    findings: tuple[Match, ...]
    cues: dict[str, list[Match]]

    def at(self, position: int) -> str:
        """The word at a position, or a full stop outside of the text."""
        return self.texts[position] if 0 <= position < len(self.texts) else "."

    def positions_of(self, words: frozenset[str]) -> list[int]:
        """Return where any of these words stands."""
        return [at for at, word in enumerate(self.texts) if word in words]

    def starts_of(self, kind: str) -> list[int]:
        """Return where the cues of a kind begin."""
        return [cue.start for cue in self.cues.get(kind, ())]

    def reach(self, cue: Match, *, over_commas: bool) -> range:
        """Return the positions a forward cue covers: six words an item, to the clause's end."""
        negates = cue.entry.kind in _NEGATORS
        return range(cue.end, self._reach_end(cue.end, over_commas=over_commas, negates=negates))

    def closes_with_or(self, cue: Match) -> bool:
        """Whether the clause after the cue has an "or" or "nor" before it ends."""
        return next_in(self._ors, cue.end, self._end) < next_in(self._ends, cue.end, self._end)

    def clause(self, match: Match) -> range:
        """Return the positions between the commas or ends around a match."""
        ends = self._clause_ends
        before = bisect_left(ends, match.start)
        start = ends[before - 1] + 1 if before else 0
        return range(start, next_in(ends, match.end, self._end))

    def sentence_rest(self, position: int) -> range:
        """Return the positions from here to the end of the sentence."""
        return range(position, next_in(self._sentence_ends, position, self._end))

    def cue_at(self, kind: str, position: int) -> Match | None:
        """Return the cue of this kind that begins here."""
        return self._cue_at[kind].get(position) if kind in self.cues else None

    @property
    def _end(self) -> int:
        return len(self.texts)

    @cached_property
    def _cue_at(self) -> dict[str, dict[int, Match]]:
        return {kind: {cue.start: cue for cue in cues} for kind, cues in self.cues.items()}

    @cached_property
    def _ends(self) -> list[int]:
        """Where an item ends: at a mark, or at a word that opens a new clause."""
        marks = self.positions_of(_ITEM_ENDS)
        return sorted({*marks, *self.starts_of("boundary")})

    @cached_property
    def _ending(self) -> frozenset[int]:
        return frozenset((*self._ends, self._end))

    @cached_property
    def _negators(self) -> frozenset[int]:
        return frozenset(start for kind in _NEGATORS for start in self.starts_of(kind))

    @cached_property
    def _ors(self) -> list[int]:
        return self.positions_of(frozenset({"or", "nor"}))

    @cached_property
    def _clause_ends(self) -> list[int]:
        return self.positions_of(_CLAUSE_ENDS)

    @cached_property
    def _sentence_ends(self) -> list[int]:
        return self.positions_of(SENTENCE_ENDS)

    @cached_property
    def _own_verbs(self) -> list[int]:
        return self.starts_of("own_verb")

    @cached_property
    def _known_reaches(self) -> dict[tuple[int, bool, bool], int]:
        return {}

    @cached_property
    def _known_items(self) -> dict[int, bool]:
        return {}

    def _reach_end(self, start: int, *, over_commas: bool, negates: bool) -> int:
        """Follow the list item by item; what another cue has followed before is known."""
        passed = []
        item = start
        while (end := self._known_reaches.get((item, over_commas, negates))) is None:
            passed.append((item, over_commas, negates))
            item_end = self._item_end(item, negates=negates)
            if item_end - item == _REACH or not self._links(item_end, over_commas=over_commas):
                end = item_end
                break
            item = item_end + 1
        self._known_reaches.update(dict.fromkeys(passed, end))
        return end

    def _item_end(self, start: int, *, negates: bool) -> int:
        for position in range(start, min(start + _REACH, self._end)):
            if position in self._ending or self.texts[position] in _ITEM_LINKS:
                return position
            if negates and position in self._negators:
                return position
        return min(start + _REACH, self._end)

    def _links(self, position: int, *, over_commas: bool) -> bool:
        """Whether the list goes on here: an "or", or a comma or "and" before a bare finding."""
        word = self.at(position)
        if position in self._ending or word not in _ITEM_LINKS:
            return False
        if word == "and" or (word == "," and over_commas):
            return self._bare_after(position)
        return word != ","

    def _bare_after(self, position: int) -> bool:
        bare = self._known_items.get(position)
        if bare is None:
            bare = self._known_items[position] = self._is_bare_after(position)
        return bare

    def _is_bare_after(self, position: int) -> bool:
        """Whether the item after a comma or "and" is a bare finding, without its own verb."""
        end = position + 1
        if self.at(end) in LIST_LINKS:
            end += 1
        first = end
        while end not in self._ending and self.at(end) not in _ITEM_LINKS:
            end += 1
        return not any_in(self._own_verbs, range(first, end))


def any_in(positions: Sequence[int], within: range) -> bool:
    """Whether one of these positions, which are in order, lies within the range."""
    return next_in(positions, within.start, within.stop) < within.stop


def next_in(positions: Sequence[int], start: int, otherwise: int) -> int:
    """Return the first of these positions, which are in order, from ``start`` on."""
    at = bisect_left(positions, start)
    return positions[at] if at < len(positions) else otherwise


def covered(ranges: Iterable[range]) -> frozenset[int]:
    """Return the positions in any of the ranges; where they overlap, each is visited once."""
    positions: set[int] = set()
    reached = 0
    for part in sorted(ranges, key=attrgetter("start")):
        positions.update(range(max(part.start, reached), part.stop))
        reached = max(reached, part.stop)
    return frozenset(positions)


def lay_out(texts: Sequence[str], matches: Sequence[Match]) -> Passage:
    """Return the passage of these words after longer phrases have hidden the shorter inside."""
    cues: defaultdict[str, list[Match]] = defaultdict(list)
    findings = []
    for match in _unhidden(matches):
        if match.entry.kind == "concept":
            findings.append(match)
        else:
            cues[match.entry.kind].append(match)
    return Passage(texts=texts, findings=tuple(findings), cues=dict(cues))


def _unhidden(matches: Sequence[Match]) -> Iterator[Match]:
    """Yield the matches, in order, that no longer one around them hides."""
    hiding = deque(m for m in matches if m.end - m.start > 1 and m.entry.kind in _HIDING)
    around: list[Match] = []
    for match in matches:
        while hiding and hiding[0].start <= match.start:
            around.append(hiding.popleft())
        if around:
            around = [longer for longer in around if longer.end > match.start]
        if not _is_hidden(match, around):
            yield match


def _is_hidden(match: Match, around: list[Match]) -> bool:
    """Whether one of the matches that begin no later holds this one, is longer, and hides it."""
    entry, start, end = match
    length = end - start
    for longer, its_start, its_end in around:
        if its_end >= end and its_end - its_start > length and _hides(longer, entry):
            return True
    return False


@cache
def _hides(longer: Entry, shorter: Entry) -> bool:
    if longer.kind == "sense":
        return True
    if shorter.kind == "concept":
        return shorter.name in replaced_concepts().get(longer.name, ())
    if longer.kind == "concept":
        return shorter.kind != "own_verb"
    return shorter.kind in _SILENCES.get(longer.kind, ())


_SILENCES = {
    "not_a_negator": {
        "pre_negator",
        "listing_negator",
        "post_negator_alone",
        "possible",
        "own_verb",
    },
    "not_history": {"history", "history_here", "boundary"},
    "not_if": {"if_word"},
    "hypothetical": {"if_word", "current"},
    "post_negator": {"pre_negator", "listing_negator", "post_negator_alone", "possible"},
    "possible": {"pre_negator"},
    "pre_negator": {"pre_negator", "history"},
    "listing_negator": {"pre_negator"},
    "resolved": {"boundary", "current"},
    "feared": {"own_verb"},
}


_HIDING = frozenset({"sense", "concept", *_SILENCES})
