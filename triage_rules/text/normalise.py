"""From what was written to the words that are read, piece by piece.

The normal form is an input of models, so it has versions: ``normalise(text, version=1)``. The
rules read the newest, models the one they were trained with.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections import Counter
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

CURRENT_VERSION = 1
MATCHER_VERSION = 2

_APOSTROPHES = str.maketrans(
    dict.fromkeys("\u2018\u2019\u02bc\u00b4\u201b`", "'")
    | dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-")
)
_PIECE = re.compile(r"\S+|\n")
_WORD = re.compile(r"\d+(?:[.,]\d+)?(?:/\d+(?:\.\d+)?)?|[^\W\d_]+(?:'[^\W\d_]+)?|\d+|[^\w\s]")
_ONLY_LETTERS = re.compile(r"[a-z]+")
_DURATION = re.compile(r"(\d{1,2})/(\d{1,2})")
_ALWAYS = "24/7"
_DOUBT_MARK = re.compile(r"^[(\[\"']*\?+(?=\w)")
_REPEATED_MARK = re.compile(r"([^\w\s])\1+")
_REPEATED_LETTER = re.compile(r"([a-z])\1{2,}")
_CLOSED_UP = re.compile(r" (?=[,.;:!?])")
_SILENT = frozenset({"Mn", "Me", "Cf"})
_JOINERS = frozenset("-/_")
_MEANT_TRIPLES = frozenset({"aaa", "iii", "xxx"})


def normalise(text: str, version: int = CURRENT_VERSION) -> str:
    """Return the normal form of ``text``: lower case, no accents, shorthand written out.

    Examples
    --------
    >>> normalise("C/O  CP, no SOB")
    'complains of chest pain, no shortness of breath'
    """
    joined = " ".join(word for piece in pieces_of(text) for word in written_out(piece, version))
    return _CLOSED_UP.sub("", joined)


def pieces_of(text: str) -> list[str]:
    """Return what stands between the spaces of ``text``; a line break is a piece of its own."""
    return _PIECE.findall(text)


def spans_of(text: str) -> list[tuple[int, int]]:
    """Return where in ``text`` each of its pieces stands."""
    return [piece.span() for piece in _PIECE.finditer(text)]


def reads_as_latin(text: str) -> bool:
    """Whether at least half of the letters are of the Latin script (true without letters)."""
    if text.isascii():
        return True
    letters = {letter: times for letter, times in Counter(text).items() if letter.isalpha()}
    latin = sum(times for letter, times in letters.items() if _is_latin(letter))
    return latin * 2 >= sum(letters.values())


@lru_cache(maxsize=4096)
def _is_latin(character: str) -> bool:
    plain = unicodedata.normalize("NFKC", character)
    return unicodedata.name(plain[0], "").startswith("LATIN")


@lru_cache(maxsize=16384)
def written_out(piece: str, version: int = CURRENT_VERSION) -> tuple[str, ...]:
    """Return the words and marks of one piece of text; a line break reads as a full stop."""
    if piece == "\n":
        return (".",)
    shorthand = _shorthand(version)
    bare = _REPEATED_MARK.sub(r"\1", plain(piece.translate(shorthand["spaces"])))
    return tuple(_expanded(_DOUBT_MARK.sub("possible ", bare), shorthand))


def plain(piece: str) -> str:
    """Return a piece in lower case, without accents, silent signs and odd apostrophes."""
    if piece.isalnum() and piece.isascii():
        return piece.lower()
    folded = unicodedata.normalize("NFKC", piece).casefold().translate(_APOSTROPHES)
    if folded.isascii():
        return folded
    apart = unicodedata.normalize("NFKD", folded)
    return "".join(mark for mark in apart if unicodedata.category(mark) not in _SILENT)


def _expanded(plain: str, shorthand: dict[str, Any]) -> Iterator[str]:
    if plain == "-":
        yield plain
        return
    if plain in shorthand["dotted"]:
        yield shorthand["dotted"][plain]
        return
    if plain in shorthand["whole"]:
        yield from shorthand["whole"][plain].split()
        return
    bare = plain.rstrip(",.;:!?)")
    if bare != plain and bare in shorthand["whole"]:
        yield from shorthand["whole"][bare].split()
        plain = plain[len(bare) :]
    for found in _WORD.findall(plain):
        yield from _one_word(found, shorthand)


def _one_word(found: str, shorthand: dict[str, Any]) -> Iterator[str]:
    if found in _JOINERS:
        return
    if found in shorthand["contraction"]:
        yield from shorthand["contraction"][found].split()
    elif "'" in found[1:]:
        yield from _without_apostrophe(found, shorthand).split()
    elif "/" in found:
        yield from _with_unit(found, shorthand).split()
    else:
        word = _without_repeats(found)
        word = shorthand["spelling"].get(word, word)
        yield from shorthand["word"].get(word, word).split()


def _without_apostrophe(found: str, shorthand: dict[str, Any]) -> str:
    for ending, written in shorthand["apostrophe"].items():
        if found.endswith(ending):
            return found.removesuffix(ending) + str(written)
    return found.replace("'", "")


def _with_unit(found: str, shorthand: dict[str, Any]) -> str:
    """Return "3 days" for "3/7"; what is no duration stays as it is."""
    duration = _DURATION.fullmatch(found)
    if duration is None or found == _ALWAYS or duration[2] not in shorthand["duration"]:
        return found
    return f"{duration[1]} {shorthand['duration'][duration[2]]}"


def _without_repeats(found: str) -> str:
    if found in _MEANT_TRIPLES or not _ONLY_LETTERS.fullmatch(found):
        return found
    return _REPEATED_LETTER.sub(r"\1", found)


@cache
def _shorthand(version: int) -> dict[str, Any]:
    """Return the tables of a version, upon those of the version it is based on."""
    path = Path(__file__).parent / f"shorthand-{version}.toml"
    if not path.is_file():
        raise ValueError(f"no normaliser version {version!r}; expected {MATCHER_VERSION} or older")
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    spaces = str.maketrans(tables.pop("spaces", {}))
    based_on = tables.pop("based_on", None)
    under = {"duration": {}, "spaces": {}} if based_on is None else _shorthand(based_on)
    own = {name: under.get(name, {}) | table for name, table in tables.items()}
    return under | own | {"spaces": under["spaces"] | spaces}
