"""Repairing a misspelt clinical word, and never a word that is right as it stands.

One wrong letter is repaired in words of six letters or more, two in words of nine or more.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, lru_cache

from triage_rules.text.phrases import phrase_book, read_toml

_ONE_ERROR_FROM = 6
_TWO_ERRORS_FROM = 9
_LONGEST = 20


@lru_cache(maxsize=16384)
def corrected(word: str) -> str:
    """Return the clinical word that was meant, or the word itself."""
    if word in phrase_book().vocabulary or not _may_be_misspelt(word):
        return word
    near = [meant for meant in _candidates(word) if _distance(word, meant) <= _errors(word, meant)]
    return min(near, key=lambda meant: (_distance(word, meant), meant), default=word)


def _may_be_misspelt(word: str) -> bool:
    right_length = _ONE_ERROR_FROM - 1 <= len(word) <= _LONGEST
    return right_length and word.isalpha() and word not in _look_alikes()


def _errors(word: str, meant: str) -> int:
    return 2 if min(len(word), len(meant)) >= _TWO_ERRORS_FROM else 1


def _candidates(word: str) -> Iterator[str]:
    """Yield the words of about this length and these letters, with the first or last in place."""
    letters = _letters(word)
    for meant, its_letters, most in _repaired_near(len(word)):
        same_end = word[0] == meant[0] or word[-1] == meant[-1]
        if same_end and (letters ^ its_letters).bit_count() <= most:
            yield meant


@cache
def _repaired_near(length: int) -> list[tuple[str, int, int]]:
    """Each word a typed word of this length may mean: its letters, and how many may differ."""
    words = (w for w in read_toml("spelling.toml")["repaired"] if abs(len(w) - length) <= 2)
    return [(w, _letters(w), 2 * _errors(w, "x" * length)) for w in words]


def _letters(word: str) -> int:
    """The letters of a word as bits."""
    bits = 0
    for letter in word:
        bits |= 1 << (ord(letter) & 31)
    return bits


@cache
def _look_alikes() -> frozenset[str]:
    return frozenset(read_toml("spelling.toml")["look_alikes"])


def _distance(one: str, other: str) -> int:
    """Letters added, lost, changed, or swapped with their neighbour."""
    before: list[int] = []
    previous = list(range(len(other) + 1))
    for row, letter in enumerate(one, 1):
        current = [row]
        for column, wanted in enumerate(other, 1):
            cost = previous[column - 1] + (letter != wanted)
            best = min(previous[column] + 1, current[-1] + 1, cost)
            if row > 1 and column > 1 and letter == other[column - 2] and one[row - 2] == wanted:
                best = min(best, before[column - 2] + 1)
            current.append(best)
        before, previous = previous, current
    return previous[-1]
