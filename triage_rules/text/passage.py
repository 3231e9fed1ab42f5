"""A text laid out for judging: its words, the phrases in it, and how far a cue reaches."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from triage_rules.text.normalise import Word
from triage_rules.text.phrases import Match, replaced_concepts

SENTENCE_ENDS = frozenset(".;!?")
LIST_LINKS = frozenset({"or", "nor", "and"})
_CLAUSE_ENDS = SENTENCE_ENDS | {",", "-", "but", "however", "although"}
_ITEM_ENDS = SENTENCE_ENDS | {"-", ":"}
_NEGATORS = ("pre_negator", "listing_negator")
_REACH = 6


@dataclass(frozen=True)
class Passage:
    """One text, read once: ``words`` and the matches that stand after longer ones hid shorter."""

    words: tuple[Word, ...]
    texts: tuple[str, ...]
    findings: tuple[Match, ...]
    cues: dict[str, list[Match]]

    def at(self, position: int) -> str:
        """The word at a position, or a full stop outside of the text."""
        return self.texts[position] if 0 <= position < len(self.texts) else "."

    def reach(self, cue: Match, *, over_commas: bool) -> range:
        """Return the positions a forward cue covers: six words an item, to the clause's end."""
        steps, position = 0, cue.end
        while position < len(self.texts) and steps < _REACH and not self._ends_at(position):
            if position in self._negators and cue.entry.kind in _NEGATORS:
                break
            if self.texts[position] == "," and not (over_commas and self._bare_after(position)):
                break
            if self.texts[position] == "and" and not self._bare_after(position):
                break
            links = self.texts[position] in LIST_LINKS or self.texts[position] == ","
            steps = 0 if links else steps + 1
            position += 1
        return range(cue.end, position)

    def closes_with_or(self, cue: Match) -> bool:
        """Whether the clause after the cue has an "or" or "nor" before it ends."""
        return self._next_or[cue.end] < self._next_end[cue.end]

    def clause(self, match: Match) -> range:
        """Return the positions between the commas or ends around a match."""
        return range(self._clause_start[match.start], self._clause_end[match.end])

    def sentence_rest(self, position: int) -> range:
        """Return the positions from here to the end of the sentence."""
        return range(position, self._sentence_end[position])

    def has_cue(self, kind: str, within: range) -> bool:
        """Whether a cue of this kind begins within these positions."""
        starts = self._starts.get(kind, [])
        at = bisect_left(starts, within.start)
        return at < len(starts) and starts[at] < within.stop

    def last_cue_before(self, kind: str, position: int) -> Match | None:
        """Return the last cue of this kind that begins before a position."""
        at = bisect_left(self._starts.get(kind, []), position)
        return self.cues[kind][at - 1] if at else None

    def cue_at(self, kind: str, position: int) -> Match | None:
        """Return the longest cue of this kind that begins here."""
        return self._cue_at.get((kind, position))

    def original(self, match: Match, text: str) -> str:
        """Return the stretch of the original text that a match came from."""
        return text[self.words[match.start].start : self.words[match.end - 1].end].strip(
            " .,;:!?()"
        )

    @cached_property
    def _boundaries(self) -> frozenset[int]:
        return frozenset(cue.start for cue in self.cues.get("boundary", ()))

    @cached_property
    def _negators(self) -> frozenset[int]:
        return frozenset(cue.start for kind in _NEGATORS for cue in self.cues.get(kind, ()))

    @cached_property
    def _starts(self) -> dict[str, list[int]]:
        return {kind: [cue.start for cue in cues] for kind, cues in self.cues.items()}

    @cached_property
    def _cue_at(self) -> dict[tuple[str, int], Match]:
        every = sorted(
            (cue for cues in self.cues.values() for cue in cues), key=lambda cue: cue.end
        )
        return {(cue.entry.kind, cue.start): cue for cue in every}

    @cached_property
    def _next_end(self) -> list[int]:
        return self._next(self._ends_at)

    @cached_property
    def _next_or(self) -> list[int]:
        return self._next(lambda at: self.texts[at] in {"or", "nor"})

    @cached_property
    def _clause_end(self) -> list[int]:
        return self._next(lambda at: self.texts[at] in _CLAUSE_ENDS)

    @cached_property
    def _sentence_end(self) -> list[int]:
        return self._next(lambda at: self.texts[at] in SENTENCE_ENDS)

    @cached_property
    def _clause_start(self) -> list[int]:
        starts, start = [], 0
        for at, word in enumerate(self.texts):
            starts.append(start)
            start = at + 1 if word in _CLAUSE_ENDS else start
        return starts

    def _next(self, is_wanted: Callable[[int], bool]) -> list[int]:
        """For each position, and the one after the last, the next position that is wanted."""
        wanted = len(self.texts)
        positions = [wanted]
        for at in range(len(self.texts) - 1, -1, -1):
            wanted = at if is_wanted(at) else wanted
            positions.append(wanted)
        return positions[::-1]

    def _ends_at(self, position: int) -> bool:
        return self.at(position) in _ITEM_ENDS or position in self._boundaries

    def _bare_after(self, position: int) -> bool:
        """Whether the item after a comma or "and" is a bare finding, without its own verb."""
        end = position + 1
        if self.at(end) in LIST_LINKS:
            end += 1
        first = end
        while not self._ends_at(end) and self.texts[end] not in {",", *LIST_LINKS}:
            end += 1
        return not self.has_cue("own_verb", range(first, end))


def lay_out(words: tuple[Word, ...], texts: Sequence[str], matches: Iterator[Match]) -> Passage:
    """Return the passage of these words after longer phrases have hidden the shorter inside."""
    everything = list(matches)
    hiding = _hiding_at(everything)
    cues: defaultdict[str, list[Match]] = defaultdict(list)
    findings = []
    for match in everything:
        if any(_hides(other, match) for other in hiding.get(match.start, ())):
            continue
        if match.entry.kind == "concept":
            findings.append(match)
        else:
            cues[match.entry.kind].append(match)
    return Passage(words=words, texts=tuple(texts), findings=tuple(findings), cues=dict(cues))


def _hiding_at(matches: list[Match]) -> dict[int, list[Match]]:
    """By position, the matches of several words that lie over it."""
    over: defaultdict[int, list[Match]] = defaultdict(list)
    for match in matches:
        if match.end - match.start > 1 and match.entry.kind in _HIDING:
            for position in range(match.start, match.end):
                over[position].append(match)
    return over


def _hides(longer: Match, shorter: Match) -> bool:
    if not longer.holds(shorter):
        return False
    if longer.entry.kind == "sense":
        return True
    if shorter.entry.kind == "concept":
        return shorter.entry.name in replaced_concepts().get(longer.entry.name, ())
    return longer.entry.kind == "concept" or _silences(longer.entry.kind, shorter.entry.kind)


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


def _silences(longer: str, shorter: str) -> bool:
    return shorter in _SILENCES.get(longer, ())
