"""How far a cue reaches: word by word through an item, and item by item through a list.

"Denies chest pain, breathlessness or fainting" denies all three; "no fever and confused" one.
"""

from __future__ import annotations

from functools import cache, cached_property
from itertools import groupby
from operator import attrgetter

from triage_rules.text.passage import (
    ITEM_LINKS,
    LIST_LINKS,
    SENTENCE_ENDS,
    Passage,
    any_in,
    last_in,
    next_in,
)
from triage_rules.text.phrases import Match, read_toml

_ITEM_ENDS = SENTENCE_ENDS | {"-", ":"}
_OR = frozenset({"or", "nor"})
_NEGATORS = ("pre_negator", "listing_negator")
_ENDING_AT_VERB = frozenset({*_NEGATORS, "feared"})
_REACH = 6


class Reaches:
    """How far the cues of one passage reach forward; every list in it is followed once."""

    def __init__(self, passage: Passage) -> None:
        self._passage = passage
        self._known_ends: dict[tuple[int, bool, bool], int] = {}
        self._known_items: dict[int, bool] = {}

    def of(self, cue: Match, *, listing: bool = False) -> range:
        """Return the positions a forward cue covers, item by item of the list that follows it."""
        start = cue.end + (self._passage.at(cue.end) == ":")
        ends_at_verb = cue.entry.kind in _ENDING_AT_VERB
        return range(start, self._reach_end(start, listing=listing, ends_at_verb=ends_at_verb))

    def _reach_end(self, start: int, *, listing: bool, ends_at_verb: bool) -> int:
        """Follow the list item by item; what another cue has followed before is known."""
        passed = []
        item = start
        while (end := self._known_ends.get((item, listing, ends_at_verb))) is None:
            passed.append((item, listing, ends_at_verb))
            item_end = self._item_end(item, ends_at_verb=ends_at_verb)
            if item_end - item == _REACH or not self._links(item_end, listing=listing):
                end = item_end
                break
            item = item_end + 1
        self._known_ends.update(dict.fromkeys(passed, end))
        return end

    def _item_end(self, start: int, *, ends_at_verb: bool) -> int:
        """Return where an item ends: after six words, at a mark or link, or as another begins."""
        found = spoken = False
        for position in range(start, min(start + _REACH, self._passage.end)):
            if position in self._ending or self._passage.texts[position] in ITEM_LINKS:
                return position
            if ends_at_verb and (
                position in self._negators or (spoken and position in self._verbs)
            ):
                return position
            opens = position in self._openings
            if found and (opens or position in self._qualified) and not self._is_listed(position):
                return position
            found = found or opens
            spoken = spoken or self._is_content(position)
        return min(start + _REACH, self._passage.end)

    def _is_content(self, position: int) -> bool:
        return position not in self._verbs and self._passage.texts[position] not in _little_words()

    def _is_listed(self, position: int) -> bool:
        """Whether an "or" that closes the list is still to come."""
        return next_in(self._ors, position, self._passage.end) < next_in(
            self._ends, position, self._passage.end
        )

    def _is_open(self, position: int) -> bool:
        """Whether no "or" has closed the list before."""
        return last_in(self._ors, position) <= last_in(self._ends, position)

    def _links(self, position: int, *, listing: bool) -> bool:
        """Whether the list goes on here: an "or", or a comma or "and" before a bare finding."""
        word = self._passage.at(position)
        if position in self._ending or word not in ITEM_LINKS:
            return False
        if word == "," and not (self._is_listed(position) or (listing and self._is_open(position))):
            return False
        return word in _OR or self._bare_after(position)

    def _bare_after(self, position: int) -> bool:
        bare = self._known_items.get(position)
        if bare is None:
            bare = self._known_items[position] = self._is_bare_after(position)
        return bare

    def _is_bare_after(self, position: int) -> bool:
        """Whether the item after a comma or "and" is a bare finding, without its own verb."""
        end = position + 1
        if self._passage.at(end) in LIST_LINKS:
            end += 1
        first = end
        while end not in self._ending and self._passage.at(end) not in ITEM_LINKS:
            end += 1
        item = range(first, end)
        return not (any_in(self._own_words, item) or self._tells_anew(position, first))

    def _tells_anew(self, link: int, first: int) -> bool:
        """Whether a state follows what is no state: "no fever and confused"."""
        states = self._states
        return any_in(states, range(first, first + 1)) and not any_in(
            states, range(link - _REACH, link)
        )

    @cached_property
    def _negators(self) -> frozenset[int]:
        return frozenset(start for kind in _NEGATORS for start in self._passage.starts_of(kind))

    @cached_property
    def _ors(self) -> list[int]:
        """Where an "or" links findings, and not the parts of one ("left arm or jaw", "2 or 3")."""
        return [at for at in self._passage.positions_of(_OR) if not self._is_part(at + 1)]

    def _is_part(self, position: int) -> bool:
        is_finding = self._passage.item_end(position) is not None
        return not is_finding and (
            position in self._parts or self._passage.at(position).isdecimal()
        )

    @cached_property
    def _parts(self) -> frozenset[int]:
        return frozenset(self._passage.starts_of("body_part"))

    @cached_property
    def _ends(self) -> list[int]:
        """Where an item ends: at a mark, or at a word that opens a new clause."""
        marks = self._passage.positions_of(_ITEM_ENDS)
        return sorted({*marks, *self._passage.starts_of("boundary")})

    @cached_property
    def _ending(self) -> frozenset[int]:
        return frozenset((*self._ends, self._passage.end))

    @cached_property
    def _openings(self) -> frozenset[int]:
        """Where a finding begins that is neither part of the one before nor the same again."""
        openings, names, end = set(), set[str](), 0
        for start, group in groupby(self._nouns, key=attrgetter("start")):
            matches = list(group)
            new = {match.entry.name for match in matches}
            again = start <= end + 1 and not names.isdisjoint(new)
            if start >= end and not again and start not in self._passage.joined:
                openings.add(start)
                names = set()
            names |= new
            end = max(end, *(match.end for match in matches))
        return frozenset(openings)

    @cached_property
    def _nouns(self) -> tuple[Match, ...]:
        """What a denial can be complete with: such a finding, or a plain word."""
        plain = (
            cue
            for cue in self._passage.cues.get("complete", ())
            if self._passage.at(cue.end) != "of"
        )
        return tuple(sorted((*self._passage.alone, *plain), key=attrgetter("start")))

    @cached_property
    def _qualified(self) -> frozenset[int]:
        return frozenset(match.start for match in self._passage.qualifiers)

    @cached_property
    def _verbs(self) -> frozenset[int]:
        """Where a new statement begins: at a verb, or at a doubt ("no known cause ?stroke")."""
        return frozenset(
            (*self._passage.starts_of("own_verb"), *self._passage.starts_of("possible"))
        )

    @cached_property
    def _own_words(self) -> list[int]:
        return sorted((*self._passage.starts_of("own_verb"), *self._passage.starts_of("own_word")))

    @cached_property
    def _states(self) -> list[int]:
        return self._passage.starts_of("state")


@cache
def _little_words() -> frozenset[str]:
    return frozenset(read_toml("words.toml")["fillers"])
