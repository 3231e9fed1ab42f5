"""Numbers that a text gives: a pain score, a blood sugar, a coma score."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date

from triage_rules.thresholds import limits_as_of

_OF_TEN = re.compile(r"(\d{1,2})(?:\.\d)?/10")
_NUMBER = re.compile(r"\d{1,3}(?:[.,]\d+)?")
_PAIN_WORDS = frozenset({"pain", "pains", "ache", "aches", "hurts", "score"})
_GLUCOSE_WORDS = frozenset(
    {
        "sugar",
        "sugars",
        "glucose",
        "bm",
        "bms",
        "bg",
        "bgl",
        "cbg",
        "bsl",
        "fsbs",
        "dextrostix",
        "bst",
    }
)
# After these a small whole number may be a model or a count ("libre 2", "hypo, 2 this week").
_METERS = frozenset({"fingerstick", "accucheck", "cgm", "libre", "dexcom"})
_LOW_WORDS = frozenset({"hypo", "hypoglycaemia", "hypoglycaemic"})
# After these a whole number is a count or a date; one with decimals is a reading.
_COUNTED = frozenset({"x", "episodes", "hypos", "th", "st", "nd"})
_BEFORE_OTHER_NUMBERS = frozenset({"type", "x"})
_OTHER_UNITS = frozenset(
    {
        "hour",
        "hours",
        "day",
        "days",
        "minutes",
        "minute",
        "weeks",
        "week",
        "years",
        "am",
        "pm",
        "times",
        "tablets",
        "units",
        "months",
        "ago",
        "spoons",
    }
)
_NEAR = 5
_MG_DL_PER_MMOL_L = 18.016
_MUST_BE_MG_DL = limits_as_of(date.max).number("glucose_must_be_mg_dl")
_ENDS = frozenset({".", ";"})
_ENDS_AND_COMMA = _ENDS | {","}


def numbers_in(texts: Sequence[str]) -> Iterator[tuple[str, float]]:
    """Yield each measurement that the words give: its name and its value in our unit."""
    yield from (("pain_score", score) for score in pain_scores(texts))
    yield from (("glucose_mmol_l", value) for value in glucose_mmol_l(texts))


def pain_scores(texts: Sequence[str]) -> Iterator[int]:
    """Yield each "n/10" that stands in the words."""
    for position, text in enumerate(texts):
        found = _OF_TEN.fullmatch(text)
        if found and int(found.group(1)) <= 10:
            yield int(found.group(1))
        elif _is_apart_from_its_ten(texts, position):
            yield int(text)


def _is_apart_from_its_ten(texts: Sequence[str], position: int) -> bool:
    """Whether this is the 5 of "pain 5 / 10", of which the words keep "pain 5 10"."""
    number, *after = texts[position : position + 3]
    if not number.isdecimal() or int(number) > 10 or after[:1] != ["10"]:
        return False
    counts_something = bool(_OTHER_UNITS.intersection(after))
    return not counts_something and not _PAIN_WORDS.isdisjoint(
        texts[max(position - 3, 0) : position]
    )


def glucose_mmol_l(texts: Sequence[str]) -> Iterator[float]:
    """Yield each sugar that stands just after a glucose word, in mmol/L."""
    for position, text in enumerate(texts):
        if text in _GLUCOSE_WORDS:
            yield from _number_after(texts, position, ends=_ENDS_AND_COMMA)
        elif text in _METERS or text in _LOW_WORDS:
            yield from _number_after(texts, position, ends=_ENDS, exact=True)


def _number_after(
    texts: Sequence[str], position: int, *, ends: frozenset[str], exact: bool = False
) -> Iterator[float]:
    """Yield the number that comes next; an ``exact`` one has decimals or is plainly a sugar."""
    for at in range(position + 1, min(position + 1 + _NEAR, len(texts))):
        if texts[at] in ends:
            return
        if _NUMBER.fullmatch(texts[at]) and not _names_something(texts, at):
            after = texts[at + 1] if at + 1 < len(texts) else ""
            if not _counts_something(texts[at], after) and (
                not exact or _is_exact(texts[at], after)
            ):
                yield _in_mmol_l(_value(texts[at]), after)
            return


def _names_something(texts: Sequence[str], at: int) -> bool:
    """Whether this is the 2 of "type 2" or of "x2"."""
    return texts[at].isdecimal() and texts[at - 1] in _BEFORE_OTHER_NUMBERS


def _counts_something(number: str, unit: str) -> bool:
    return unit in _OTHER_UNITS or (number.isdecimal() and unit in _COUNTED)


def _is_exact(number: str, unit: str) -> bool:
    is_large = _value(number) >= _MUST_BE_MG_DL
    return is_large or not number.isdecimal() or unit.startswith(("mg", "mmol"))


def _value(number: str) -> float:
    return float(number.replace(",", "."))


def _in_mmol_l(number: float, unit: str) -> float:
    is_mg = unit.startswith("mg") or number >= _MUST_BE_MG_DL
    if is_mg and not unit.startswith("mmol"):
        return number / _MG_DL_PER_MMOL_L
    return number
