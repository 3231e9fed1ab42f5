"""Repairing a misspelt clinical word, and never a word that is right as it stands.

Of the words that ``spelling.toml`` names, one wrong letter is repaired in six letters or more, two
in nine or more. Of every other word of the concepts one wrong letter in eight or more: shorter ones
have too many English neighbours.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import cache, lru_cache
from itertools import takewhile
from operator import eq
from typing import NamedTuple

from triage_rules.text.phrases import concept_words, phrase_book, read_toml

_ONE_ERROR_FROM = 6
_TWO_ERRORS_FROM = 9
_UNNAMED_FROM = 8
_LONGEST = 20
_UNLIKE = ("hypo", "hyper")  # between them lies a life, and two letters


class _Target(NamedTuple):
    """A word that may have been meant, its letters as bits, and how many errors it may have."""

    word: str
    letters: int
    errors: int


@lru_cache(maxsize=16384)
def corrected(word: str) -> str:
    """Return the clinical word that was meant, or the word itself."""
    if not word.isalpha():
        return word
    written = _variants().get(word, word)
    if written in phrase_book().vocabulary or not _may_be_misspelt(written):
        return written
    near = (
        (distance, meant)
        for meant, most in _candidates(written)
        if (distance := _distance(written, meant)) <= most
    )
    return min(near, default=(0, written))[1]


def _may_be_misspelt(word: str) -> bool:
    right_length = _ONE_ERROR_FROM - 1 <= len(word) <= _LONGEST
    return right_length and word not in _look_alikes()


def _candidates(word: str) -> Iterator[tuple[str, int]]:
    """Yield the words of about these letters, with the first or last in place; and their errors."""
    letters, length = _letters(word), len(word)
    for meant, its_letters, errors in _targets_near(length, word[0], word[-1]):
        most = errors if length >= _TWO_ERRORS_FROM else 1
        if (letters ^ its_letters).bit_count() <= 2 * most and _is_like(word, meant):
            yield meant, most


def _is_like(word: str, meant: str) -> bool:
    """Whether a word is not the meant one with another beginning: "conscious", "hypertension"."""
    opposite = word.endswith(meant) or meant.endswith(word)
    hypo, hyper = ({word.startswith(start), meant.startswith(start)} for start in _UNLIKE)
    return not opposite and not (len(hypo) == 2 and len(hyper) == 2)


@lru_cache(maxsize=16384)
def _targets_near(length: int, first: str, last: str) -> list[_Target]:
    """Return each word that a typed word of this length and these ends may mean."""
    ends = dict.fromkeys((*_targets()[first], *_targets()[f"-{last}"]))
    return [target for target in ends if abs(len(target.word) - length) <= target.errors]


@cache
def _targets() -> defaultdict[str, list[_Target]]:
    """The words that are repaired to, by their first letter and by "-" and their last."""
    targets: defaultdict[str, list[_Target]] = defaultdict(list)
    named = frozenset(read_toml("spelling.toml")["repaired"])
    others = (word for word in concept_words() if len(word) >= _UNNAMED_FROM and word.isalpha())
    for word in sorted(named.union(others)):
        errors = 2 if word in named and len(word) >= _TWO_ERRORS_FROM else 1
        target = _Target(word, _letters(word), errors)
        targets[word[0]].append(target)
        targets[f"-{word[-1]}"].append(target)
    return targets


def _letters(word: str) -> int:
    """The letters of a word as bits."""
    bits = 0
    for letter in word:
        bits |= 1 << (ord(letter) & 31)
    return bits


@cache
def _look_alikes() -> frozenset[str]:
    return frozenset(read_toml("spelling.toml")["look_alikes"])


@cache
def _variants() -> dict[str, str]:
    variants: dict[str, str] = read_toml("spelling.toml")["variants"]
    return variants


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
