"""Repairing a misspelt clinical word, and never a word that is right as it stands.

One wrong letter is repaired in words of six letters or more, two in words of nine or more.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, lru_cache
from itertools import takewhile
from operator import eq

from triage_rules.text.phrases import phrase_book, read_toml

_ONE_ERROR_FROM = 6
_TWO_ERRORS_FROM = 9
_LONGEST = 20


@lru_cache(maxsize=16384)
def corrected(word: str) -> str:
    """Return the clinical word that was meant, or the word itself."""
    if word in phrase_book().vocabulary or not _may_be_misspelt(word):
        return word
    near = ((_distance(word, meant), meant) for meant in _candidates(word))
    return min((n for n in near if n[0] <= _errors(word, n[1])), default=(0, word))[1]


def _may_be_misspelt(word: str) -> bool:
    right_length = _ONE_ERROR_FROM - 1 <= len(word) <= _LONGEST
    return right_length and word.isalpha() and word not in _look_alikes()


def _errors(word: str, meant: str) -> int:
    return 2 if min(len(word), len(meant)) >= _TWO_ERRORS_FROM else 1


def _candidates(word: str) -> Iterator[str]:
    """Yield the words of about this length and these letters, with the first or last in place."""
    letters = _letters(word)
    for meant, its_letters, most in _repaired_near(len(word), word[0], word[-1]):
        if (letters ^ its_letters).bit_count() <= most:
            yield meant


@lru_cache(maxsize=16384)
def _repaired_near(length: int, first: str, last: str) -> list[tuple[str, int, int]]:
    """Each word a typed word like this may mean: its letters, and how many may differ."""
    words = (w for w in read_toml("spelling.toml")["repaired"] if abs(len(w) - length) <= 2)
    ends = (w for w in words if w[0] == first or w[-1] == last)
    return [(w, _letters(w), 2 * _errors(w, "x" * length)) for w in ends]


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
    return _distance_between(*_without_shared_ends(one, other))


def _without_shared_ends(one: str, other: str) -> tuple[str, str]:
    """Return where two words differ: the letters both begin and end with change no distance."""
    start = _shared_start(one, other)
    one, other = one[start:], other[start:]
    end = _shared_start(one[::-1], other[::-1])
    return one[: len(one) - end], other[: len(other) - end]


def _shared_start(one: str, other: str) -> int:
    return sum(1 for _ in takewhile(bool, map(eq, one, other)))


def _distance_between(one: str, other: str) -> int:
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
