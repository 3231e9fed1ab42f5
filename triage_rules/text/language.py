"""Whether a complaint is written in English, as far as its words can tell."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from triage_rules.text.phrases import phrase_book, read_toml

_FEWEST_WORDS = 3


def reads_as_foreign(words: Iterable[str]) -> bool:
    """Whether no word speaks for English, although there are enough words to tell.

    A word speaks for English when the phrases or the list of common words know it, unless other
    languages write it too ("in", "no", "me"). Single letters are not counted as words.
    """
    written = [word for word in words if len(word) > 1 and word.isalpha()]
    return len(written) >= _FEWEST_WORDS and _english().isdisjoint(written)


@cache
def _english() -> frozenset[str]:
    words = read_toml("words.toml")
    relatives = (word for kind in words["relatives"].values() for word in kind)
    known = phrase_book().vocabulary.union(words["fillers"], relatives, words["language"]["common"])
    return frozenset(known.difference(words["language"]["shared"]))
