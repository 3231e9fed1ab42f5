"""From complaints to the phrases that 10 visits or more share."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TypeAlias

from ml.aggregates import LEAST_VISITS
from triage_rules.text.normalise import normalise

# The words of a phrase in alphabetical order.
Key: TypeAlias = tuple[str, ...]

NORMALISER_VERSION = 1
LONGEST_PHRASE = 3
_LABEL_SEPARATOR = "; "
_WORD = re.compile(r"[^\W_]+")


def shared_phrases(complaints: Sequence[str], *, is_coded: bool) -> list[list[str]]:
    """Return the phrases of each complaint that 10 visits or more share; the rest is dropped."""
    if not is_coded:
        return _free_phrases(complaints)
    labels = [list(dict.fromkeys(text.split(_LABEL_SEPARATOR))) for text in complaints]
    counts = Counter(label for row in labels for label in row)
    return [[label for label in row if counts[label] >= LEAST_VISITS] for row in labels]


def _free_phrases(complaints: Sequence[str]) -> list[list[str]]:
    """Cut each text into the longest known phrases, which therefore never overlap.

    The longest phrases that fewer than 10 visits have left are forgotten, and all is cut again,
    until none is left: the counts of a phrase and of one inside it can then not be subtracted.
    "Pain, chest" and "chest pain" are one phrase, in the usual order.
    """
    texts = [_WORD.findall(normalise(text, version=NORMALISER_VERSION)) for text in complaints]
    counts = Counter(phrase for text in texts for phrase in {_key(run) for run in _runs(text)})
    known = {phrase for phrase, count in counts.items() if count >= LEAST_VISITS}
    while True:
        cut = [list(dict.fromkeys(_cut(text, known))) for text in texts]
        counts = Counter(phrase for row in cut for phrase in row)
        rare = [phrase for phrase in known if counts[phrase] < LEAST_VISITS]
        if not rare:
            break
        longest = max(map(len, rare))
        known -= {phrase for phrase in rare if len(phrase) == longest}
    usual = _usual_order(texts)
    return [[usual[phrase] for phrase in row] for row in cut]


def _key(words: Sequence[str]) -> Key:
    return tuple(sorted(words))


def _runs(words: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(len(words)):
        for end in range(start + 1, min(start + LONGEST_PHRASE, len(words)) + 1):
            yield words[start:end]


def _cut(words: Sequence[str], known: set[Key]) -> Iterator[Key]:
    start = 0
    while start < len(words):
        ends = range(min(start + LONGEST_PHRASE, len(words)), start, -1)
        end = next((end for end in ends if _key(words[start:end]) in known), None)
        if end is not None:
            yield _key(words[start:end])
        start = end or start + 1


def _usual_order(texts: Sequence[Sequence[str]]) -> dict[Key, str]:
    counts = Counter(" ".join(run) for text in texts for run in _runs(text))
    return {_key(phrase.split()): phrase for phrase in sorted(counts, key=lambda p: (counts[p], p))}
