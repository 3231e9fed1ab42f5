"""Phrases as clinicians write them, and one walk over a text that finds them all.

A phrase is words in order. ``a|b`` is a choice, ``word?`` may be absent, ``<group>`` is a choice
named in ``words.toml``, and ``..`` leaves room for up to three other words of the same clause.
Little words ("my", "is", "really") may stand between any two words without being written.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

_FOLDER = Path(__file__).parent
_GAP = ".."
_LONGEST_GAP = 3
_MOST_FILLERS = 5
_MOST_STEPS = 100_000
_UNKNOWN = ""
_STOPS = frozenset(
    {".", ";", "!", "?", ",", "-", ":", "but", "no", "not", "nor", "denies", "without"}
)


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """What a phrase stands for: a kind ("concept", "pre_negator", ...) and a name in it.

    Each kind and name has one entry only (see ``entry_of``), so entries compare by identity.
    """

    kind: str
    name: str


class Match(NamedTuple):
    """A phrase found in the words from ``start`` up to, not including, ``end``."""

    entry: Entry
    start: int
    end: int


@dataclass(slots=True, eq=False)
class _Node:
    """A place between two words of phrases: where each word leads, and what ends here."""

    children: dict[str, tuple[_Node, ...]] = field(default_factory=dict)
    gaps: tuple[_Node, ...] = ()
    entries: list[Entry] = field(default_factory=list)

    def lead(self, word: str, to: _Node) -> None:
        """Let a word lead to another place, besides those it leads to already."""
        self.children[word] = (*self.children.get(word, ()), to)


class _Thread(NamedTuple):
    """One way to read on: at a node after ``skipped`` little words, or ``left`` words of a gap."""

    node: _Node
    skipped: int = 0
    left: int = 0

    @property
    def ends_here(self) -> bool:
        return not self.skipped and not self.left

    @property
    def goes_on(self) -> bool:
        return bool(self.node.children or self.node.gaps)


@dataclass(slots=True, eq=False)
class _State:
    """All ways to read on at once, the entries that end here, and the states that may follow."""

    threads: tuple[_Thread, ...]
    entries: tuple[Entry, ...]
    after: dict[str, _State] = field(default_factory=dict)


class PhraseBook:
    """All phrases of all files, found in one walk.

    Phrases that begin alike share their places; all words of a choice lead to one place, so that a
    phrase costs its parts and not every way to read it. The walk goes over states, each a set of
    places: they are made when first needed and kept, so that a step costs one look-up however many
    phrases are under way. What is kept is bounded: past ``most_steps`` it is made anew.
    """

    def __init__(
        self,
        *,
        groups: dict[str, list[str]],
        fillers: Iterable[str],
        most_steps: int = _MOST_STEPS,
    ) -> None:
        self._root = _Node()
        self._places: dict[tuple[tuple[_Node, ...], tuple[str, ...]], _Node] = {}
        self._groups = groups
        self._fillers = frozenset(fillers)
        self._known = set(_STOPS | self._fillers)
        self._most_steps = most_steps
        self._forget()
        self.vocabulary: set[str] = set()

    def add(self, phrase: str, entry: Entry) -> None:
        """Learn one written phrase; one with an empty choice is a ``ValueError``."""
        if not all(choice for part in phrase.split() for choice in part.rstrip("?").split("|")):
            raise ValueError(f"the phrase {phrase!r} holds an empty choice")
        ends: tuple[_Node, ...] = (self._root,)
        for part in phrase.split():
            place = self._place(ends, tuple(self._choices(part.removesuffix("?"))))
            ends = (place, *ends) if part.endswith("?") else (place,)
        for end in ends:
            if entry not in end.entries:
                end.entries.append(entry)
        self._forget()

    def words_of(self, phrase: str) -> Iterator[str]:
        """Yield each word that a written phrase may be read with."""
        for part in phrase.split():
            for words in self._choices(part.removesuffix("?")):
                yield from words.split()

    def find(self, words: Sequence[str]) -> list[Match]:
        """Return each phrase at each place, the longest reading of an entry only."""
        found: list[Match] = []
        openings, length = self._root.children, len(words)
        for start, word in enumerate(words):
            if word not in openings:
                continue
            state, at = self._openings.get(word) or self._opening(word), start + 1
            ends = dict.fromkeys(state.entries, at)
            while state.threads and at < length:
                state = state.after.get(words[at]) or self._step(state, words[at])
                at += 1
                if state.entries:
                    ends.update(dict.fromkeys(state.entries, at))
            if ends:
                found.extend([Match(entry, start, end) for entry, end in ends.items()])
        return found

    def _opening(self, word: str) -> _State:
        ways = [_Thread(place) for place in self._root.children[word]]
        return self._openings.setdefault(word, self._state(ways))

    def _step(self, state: _State, word: str) -> _State:
        """Return the state after one more word; all words that no phrase knows are one."""
        word = word if word in self._known else _UNKNOWN
        following = state.after.get(word)
        if following is None:
            following = self._state([to for way in state.threads for to in self._next(way, word)])
            self._keep(state, word, following)
        return following

    def _keep(self, state: _State, word: str, following: _State) -> None:
        if self._steps >= self._most_steps:
            self._forget()
        self._steps += 1
        state.after[word] = following

    def _forget(self) -> None:
        self._steps = 0
        self._openings: dict[str, _State] = {}
        self._states: dict[tuple[tuple[_Thread, ...], tuple[Entry, ...]], _State] = {}

    def _state(self, threads: list[_Thread]) -> _State:
        entries = (entry for way in threads if way.ends_here for entry in way.node.entries)
        key = (_furthest(threads), tuple(dict.fromkeys(entries)))
        return self._states.setdefault(key, _State(*key))

    def _next(self, way: _Thread, word: str) -> Iterator[_Thread]:
        node, skipped, left = way
        for child in node.children.get(word, ()):
            yield _Thread(child)
        if left:
            if left > 1 and word not in _STOPS:
                yield _Thread(node, left=left - 1)
            return
        if word in self._fillers and skipped < _MOST_FILLERS:
            yield _Thread(node, skipped=skipped + 1)
        for gap in node.gaps:
            yield from self._next(_Thread(gap, left=_LONGEST_GAP + 1), word)

    def _place(self, before: tuple[_Node, ...], choices: tuple[str, ...]) -> _Node:
        """Return the place after a choice of words that may be read from any of these places."""
        known = self._places.get((before, choices))
        if known is not None:
            return known
        place = self._places[before, choices] = _Node()
        for node in before:
            for words in choices:
                self._lead(node, words.split(), place)
        return place

    def _lead(self, node: _Node, words: list[str], place: _Node) -> None:
        if words == [_GAP]:
            node.gaps = (*node.gaps, place)
            return
        for word in words[:-1]:
            between = _Node()
            node.lead(word, between)
            node = between
        node.lead(words[-1], place)
        self.vocabulary.update(words)
        self._known.update(words)

    def _choices(self, part: str) -> Iterator[str]:
        for name in part.split("|"):
            yield from self._group(name)

    def _group(self, name: str) -> list[str]:
        if name.startswith("<"):
            return [word for inner in self._groups[name[1:-1]] for word in self._group(inner)]
        return [name]


def _furthest(threads: list[_Thread]) -> tuple[_Thread, ...]:
    """Return the ways that lead on; of two at one node, the one that has more before it."""
    best: dict[tuple[_Node, bool], _Thread] = {}
    for way in sorted(threads, key=lambda way: (way.skipped, -way.left)):
        if way.goes_on:
            best.setdefault((way.node, way.left > 0), way)
    return tuple(best.values())


@cache
def entry_of(kind: str, name: str) -> Entry:
    """Return the one entry of a kind and a name."""
    return Entry(kind, name)


@cache
def phrase_book() -> PhraseBook:
    """Return the book of every concept, cue and harmless sense, built once per process."""
    words = read_toml("words.toml")
    book = PhraseBook(groups=words["groups"], fillers=words["fillers"])
    for kind, name, phrase in _entries():
        book.add(phrase, entry_of(kind, name))
    return book


@cache
def concept_words() -> frozenset[str]:
    """Return the words of all phrases of the concepts."""
    book, concepts = phrase_book(), _concepts()
    phrases = (phrase for _, concept in concepts for phrase in concept["phrases"])
    return frozenset(word for phrase in phrases for word in book.words_of(phrase))


@cache
def lasting_concepts() -> frozenset[str]:
    """Return the concepts that count although they have resolved (stroke signs, syncope...)."""
    return frozenset(name for name, concept in _concepts() if concept.get("lasting"))


@cache
def replaced_concepts() -> dict[str, frozenset[str]]:
    """Return, by concept, those it stands in for where its longer phrase holds theirs."""
    return {
        name: frozenset((name, *concept.get("instead_of", ()))) for name, concept in _concepts()
    }


@cache
def read_toml(name: str) -> dict[str, Any]:
    """Return one data file of this folder."""
    return tomllib.loads((_FOLDER / name).read_text(encoding="utf-8"))


def _entries() -> Iterator[tuple[str, str, str]]:
    for name, concept in _concepts():
        yield from (("concept", name, phrase) for phrase in concept["phrases"])
    for kind, cue in read_toml("cues.toml").items():
        yield from ((kind, kind, phrase) for phrase in cue["phrases"])
    for name, sense in _tables("senses"):
        yield from (("sense", name, phrase) for phrase in sense["phrases"])


def _concepts() -> Iterator[tuple[str, dict[str, Any]]]:
    return _tables("concepts")


def _tables(folder: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the tables of every file of a folder: one file per clinical area."""
    for path in sorted((_FOLDER / folder).glob("*.toml")):
        yield from read_toml(f"{folder}/{path.name}").items()
