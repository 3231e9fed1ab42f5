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
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

_FOLDER = Path(__file__).parent
_GAP = ".."
_LONGEST_GAP = 3
_MOST_FILLERS = 5
_STOPS = frozenset(
    {".", ";", "!", "?", ",", "-", ":", "but", "no", "not", "nor", "denies", "without"}
)


class Entry(NamedTuple):
    """What a phrase stands for: a kind ("concept", "pre_negator", ...) and a name in it."""

    kind: str
    name: str


class Match(NamedTuple):
    """A phrase found in the words from ``start`` up to, not including, ``end``."""

    entry: Entry
    start: int
    end: int

    def holds(self, other: Match) -> bool:
        """Whether ``other`` lies within this match and is shorter."""
        inside = self.start <= other.start and other.end <= self.end
        return inside and self.end - self.start > other.end - other.start


@dataclass(slots=True)
class _Node:
    children: dict[str, _Node] = field(default_factory=dict)
    gap: _Node | None = None
    entries: list[Entry] = field(default_factory=list)

    def grow(self, word: str) -> _Node:
        if word == _GAP:
            self.gap = self.gap or _Node()
            return self.gap
        return self.children.setdefault(word, _Node())


class PhraseBook:
    """All phrases of all files, found in one walk."""

    def __init__(self, *, groups: dict[str, list[str]], fillers: Iterable[str]) -> None:
        self._root = _Node()
        self._groups = groups
        self._fillers = frozenset(fillers)
        self.vocabulary: set[str] = set()

    def add(self, phrase: str, entry: Entry) -> None:
        """Learn one written phrase."""
        for words in product(*(self._choices(part) for part in phrase.split())):
            self._plant(" ".join(words).split(), entry)

    def find(self, words: Sequence[str]) -> Iterator[Match]:
        """Yield each phrase at each place, the longest reading of an entry only."""
        for start, word in enumerate(words):
            node = self._root.children.get(word)
            if node is not None:
                ends = self._ends(words, node, start + 1)
                yield from (Match(entry, start, end) for entry, end in ends.items())

    def _ends(self, words: Sequence[str], first: _Node, position: int) -> dict[Entry, int]:
        ends: dict[Entry, int] = {}
        waiting = [(first, position, 0)]
        while waiting:
            node, at, skipped = waiting.pop()
            if not skipped:
                for entry in node.entries:
                    ends[entry] = max(ends.get(entry, 0), at)
            if at < len(words):
                waiting.extend(self._next(node, words, at, skipped))
        return ends

    def _next(
        self, node: _Node, words: Sequence[str], at: int, skipped: int
    ) -> Iterator[tuple[_Node, int, int]]:
        word = words[at]
        child = node.children.get(word)
        if child is not None:
            yield child, at + 1, 0
        if word in self._fillers and skipped < _MOST_FILLERS and (node.children or node.gap):
            yield node, at + 1, skipped + 1
        if node.gap is not None:
            yield from self._over_gap(node.gap, words, at)

    def _over_gap(
        self, beyond: _Node, words: Sequence[str], at: int
    ) -> Iterator[tuple[_Node, int, int]]:
        for position in range(at, min(at + _LONGEST_GAP + 1, len(words))):
            child = beyond.children.get(words[position])
            if child is not None:
                yield child, position + 1, 0
            if words[position] in _STOPS:
                return

    def _choices(self, part: str) -> list[str]:
        optional = part.endswith("?")
        names = part.removesuffix("?").split("|")
        words = [word for name in names for word in self._group(name)]
        return ["", *words] if optional else words

    def _group(self, name: str) -> list[str]:
        if name.startswith("<"):
            return [word for inner in self._groups[name[1:-1]] for word in self._group(inner)]
        return [name]

    def _plant(self, words: list[str], entry: Entry) -> None:
        node = self._root
        for word in words:
            node = node.grow(word)
        self.vocabulary.update(word for word in words if word != _GAP)
        if entry not in node.entries:
            node.entries.append(entry)


@cache
def phrase_book() -> PhraseBook:
    """Return the book of every concept, cue and harmless sense, built once per process."""
    words = read_toml("words.toml")
    book = PhraseBook(groups=words["groups"], fillers=words["fillers"])
    for kind, name, phrase in _entries():
        book.add(phrase, Entry(kind, name))
    return book


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
    for name, sense in read_toml("senses.toml").items():
        yield from (("sense", name, phrase) for phrase in sense["phrases"])


def _concepts() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted((_FOLDER / "concepts").glob("*.toml")):
        yield from read_toml(f"concepts/{path.name}").items()
