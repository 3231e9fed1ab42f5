"""Numbers that a text gives: a pain score, a blood sugar."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from triage_rules.thresholds import limit

_OF_TEN = re.compile(r"(\d{1,2})(?:\.\d)?/10")
_NUMBER = re.compile(r"\d{1,3}(?:[.,]\d+)?")
_GLUCOSE_WORDS = frozenset(
    {"sugar", "sugars", "glucose", "bm", "bms", "bgl", "cbg", "bsl", "dextrostix", "bst"}
)
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


def pain_scores(texts: Sequence[str]) -> Iterator[int]:
    """Yield each "n/10" that stands in the words."""
    for text in texts:
        found = _OF_TEN.fullmatch(text)
        if found and int(found.group(1)) <= 10:
            yield int(found.group(1))


def glucose_mmol_l(texts: Sequence[str]) -> Iterator[float]:
    """Yield each sugar that stands just after a glucose word, in mmol/L."""
    for position, text in enumerate(texts):
        if text in _GLUCOSE_WORDS:
            yield from _number_after(texts, position)


def _number_after(texts: Sequence[str], position: int) -> Iterator[float]:
    for at in range(position + 1, min(position + 1 + _NEAR, len(texts))):
        if texts[at] in {".", ";", ","}:
            return
        if _NUMBER.fullmatch(texts[at]):
            after = texts[at + 1] if at + 1 < len(texts) else ""
            if after not in _OTHER_UNITS:
                yield _in_mmol_l(float(texts[at].replace(",", ".")), after)
            return


def _in_mmol_l(number: float, unit: str) -> float:
    is_mg = unit.startswith("mg") or number >= limit("rules", "glucose_must_be_mg_dl")
    if is_mg and not unit.startswith("mmol"):
        return number / limit("rules", "mg_dl_per_mmol_l")
    return number
