"""Whether a complaint is written in English, as far as its words can tell."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from triage_rules.text.phrases import phrase_book, read_toml

_ENOUGH_WORDS = 3


def reads_as_foreign(words: Iterable[str]) -> bool:
    """Whether no word speaks for English, although there are enough words to tell.

    Three words are enough; of two, one must be known from another language. A word speaks for
    English when the phrases or the list of common words know it, unless other languages write it
    too ("in", "no", "me"). Single letters are not counted as words.
    """
    written = [word for word in words if len(word) > 1 and word.isalpha()]
    if len(written) < _ENOUGH_WORDS and (len(written) == 1 or _foreign().isdisjoint(written)):
        return False
    return _english().isdisjoint(written)


@cache
def _foreign() -> frozenset[str]:
    return frozenset(read_toml("words.toml")["language"]["foreign"])


@cache
def _english() -> frozenset[str]:
    words = read_toml("words.toml")
    relatives = (word for kind in words["relatives"].values() for word in kind)
    known = phrase_book().vocabulary.union(words["fillers"], relatives, words["language"]["common"])
    return frozenset(known.difference(words["language"]["shared"]))
