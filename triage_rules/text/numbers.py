"""Measurements that a text gives, in our units: "HR 150", "sats 85%", "BP 80 over 50".

How each is written stands in ``measurements.toml``. One walk goes over the words: a word for a
measurement opens it, the next number that can be one is its value, other words close it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise, takewhile

from triage_rules.text.measurements import (
    Measurement,
    Number,
    alone,
    followed,
    listed,
    measurements,
    number_of,
    openings,
    units,
    words_of,
)
from triage_rules.text.normalise import plain

_TELLING = re.compile(
    r"\d|\b(?:ten|hi|lo|high|low|floor|stor(?:ey|y|ie)s?|feet|foot|met[re]{2}s?|weeks?|months?)\b"
)
_YEAR = re.compile(r"(?:19|20)\d\d")
_MARKS = frozenset(".;!?,")
_ENDS = frozenset(".;!?")
_LETTERS = frozenset("cfm'")
_USUALLY = frozenset({"usually", "normally", "target"})
_METER_READS = {
    "hi": "glucose_reads_hi",
    "high": "glucose_reads_hi",
    "lo": "glucose_reads_lo",
    "low": "glucose_reads_lo",
}
_SMALL = 10
_OTHER_WORDS = 2
_NEAR = 7


@dataclass(slots=True)
class _Open:
    """The measurement whose number comes next."""

    measurement: Measurement
    word: str
    room: int
    exact: bool
    skips: bool
    reads: bool = False
    is_read: bool = False


def numbers_in(text: str) -> Iterator[tuple[str, float]]:
    """Yield each measurement that a text gives: its name and its value in our unit."""
    written = plain(text)
    if _TELLING.search(written):
        yield from _Walk(words_of(written)).readings()


class _Walk:
    """One walk over the words of a text."""

    def __init__(self, words: list[str]) -> None:
        self._words = words
        self._open: _Open | None = None

    def readings(self) -> Iterator[tuple[str, float]]:
        """Yield what each number and each meter's word says."""
        for at, word in enumerate(self._words):
            if word[0].isdigit():
                yield from self._at_number(at)
            elif self._is_opened_by(at):
                self._open = self._opened(at)
            elif self._open is not None:
                yield from self._at_word(at, self._open)

    def _at(self, position: int) -> str:
        return self._words[position] if 0 <= position < len(self._words) else "."

    def _is_opened_by(self, at: int) -> bool:
        """Whether a word opens its measurement: not the "dropped" of "pulse dropped to 38"."""
        word = self._words[at]
        is_little = self._open is not None and word in self._open.measurement.little
        return word in openings() and not is_little and not self._is_unit(at)

    def _opened(self, at: int) -> _Open:
        word = self._words[at]
        measurement, kind = openings()[word]
        room = 0 if kind == "close" else _OTHER_WORDS
        return _Open(measurement, word, room, kind == "exact", self._is_not_now(at))

    def _is_not_now(self, at: int) -> bool:
        """Whether what follows is denied, usual or conditional: "no temp of", "if sats"."""
        before = self._before(at, 3)
        nearest = [word for word in before if word not in listed("between")][:1]
        if not listed("denied").isdisjoint(nearest) or not listed("usual").isdisjoint(nearest):
            return True
        return not listed("conditional").isdisjoint(before)

    def _at_word(self, at: int, known: _Open) -> Iterator[tuple[str, float]]:
        word = self._words[at]
        if known.is_read:
            self._open = known if self._joins(at, known) else None
        elif word in _ENDS:
            self._open = None
        elif word == ",":
            known.exact = True
        elif self._is_meter_reading(at, known):
            yield _METER_READS[word], 1.0
        elif word in listed("never") or self._is_comparison(at):
            known.skips = True
        elif word.isalpha() and word not in known.measurement.little:
            known.room -= 1
            self._open = known if known.room >= 0 else None
        known.reads |= word in listed("reads")

    def _joins(self, at: int, known: _Open) -> bool:
        """Whether a second value may follow: "94 then 85", "15, now 12"."""
        word = self._words[at]
        if word == ",":
            return self._at(at + 1) in listed("joins")
        joining = listed("joins") | listed("never")
        return word in joining or word in known.measurement.units

    def _is_comparison(self, at: int) -> bool:
        return self._words[at] == "not" and self._at(at + 1) in listed("comparing")

    def _is_meter_reading(self, at: int, known: _Open) -> bool:
        word = self._words[at]
        if word not in _METER_READS or known.skips or known.measurement.name != "glucose_mmol_l":
            return False
        on_meter = not listed("meters").isdisjoint(self._after(at, 3))
        return word in {"hi", "lo"} or known.reads or on_meter

    def _at_number(self, at: int) -> Iterator[tuple[str, float]]:
        number, unit = number_of(self._words[at]), self._unit(at)
        measurement = None if number is None else self._meant(at, number, unit)
        if number is None or measurement is None:
            return
        known, value = self._open, measurement.value(number, unit)
        is_skipped = False
        if known is not None and known.measurement is measurement:
            is_skipped, known.skips, known.is_read = known.skips, False, True
        if value is None or is_skipped or self._is_past(at):
            return
        yield measurement.name, value
        if measurement.name == "systolic_bp" and number.of is not None:
            yield "diastolic_bp", number.of

    def _meant(self, at: int, number: Number, unit: str) -> Measurement | None:
        """Return the measurement that a number is one of; the one that is open first."""
        if self._open is not None and self._fits(self._open, at, number, unit):
            return self._open.measurement
        says_nothing = not unit and number.of is None and self._at(at + 1) not in followed()
        if says_nothing or self._is_not_now(at):
            return None
        told = self._by_unit(at, number, unit) or self._by_pregnancy(at, unit)
        if told is not None or self._counts_something(at, number):
            return told
        return self._by_form(at, number, unit) or self._by_word_after(at, number, unit)

    def _fits(self, known: _Open, at: int, number: Number, unit: str) -> bool:
        measurement = known.measurement
        is_own = unit in measurement.units
        is_foreign = bool(unit) and not is_own and unit not in _LETTERS
        if is_foreign or (not is_own and self._counts_something(at, number)):
            return False
        if known.word in measurement.needs and not is_own and number.of is None:
            return False
        if not measurement.not_before.isdisjoint(self._after(at, 2)):
            return False
        if unit in _LETTERS and self._at(at - 1) == ",":
            return False
        if known.exact and not measurement.is_exact(number, unit):
            return False
        return measurement.value(number, unit) is not None

    def _by_unit(self, at: int, number: Number, unit: str) -> Measurement | None:
        """The measurement of a unit that no other has; "10 days old" may be a wound."""
        measurement = alone().get(unit)
        if measurement is None or not listed("not_a_person").isdisjoint(self._after(at + 1, 2)):
            return None
        value, (low, high) = measurement.value(number, unit), measurement.alone_between
        return measurement if value is not None and low <= value <= high else None

    def _by_pregnancy(self, at: int, unit: str) -> Measurement | None:
        """Weeks that are no duration, in a text that speaks of a pregnancy."""
        weeks = measurements()["weeks_pregnant"]
        is_length = self._at(at + 2) in listed("gone") or self._at(at - 1) not in listed("starts")
        if is_length or not unit.startswith("w") or unit not in weeks.units:
            return None
        return weeks if self._is_of_pregnancy else None

    @cached_property
    def _is_of_pregnancy(self) -> bool:
        return not measurements()["weeks_pregnant"].needs.isdisjoint(self._words)

    def _by_form(self, at: int, number: Number, unit: str) -> Measurement | None:
        """A number of ten is a pain score, one of forty the weeks of a pregnancy."""
        name = {10.0: "pain_score", 40.0: "weeks_pregnant"}.get(number.of or 0.0)
        is_date = self._at(at - 1) == "on" or _YEAR.fullmatch(self._at(at + 1))
        return None if name is None or is_date or unit else measurements()[name]

    def _by_word_after(self, at: int, number: Number, unit: str) -> Measurement | None:
        """The measurement whose word follows: "a 103 fever", "25% burns", "80/50 bp"."""
        words = enumerate(self._after(at, 4 if unit else 1), at + 1)
        position = next((place for place, word in words if word in followed()), None)
        if position is None or self._leads_on(position):
            return None
        measurement = followed()[self._at(position)]
        is_own = not unit or unit in measurement.units
        is_exact = measurement.is_exact(number, unit) or self._at(at - 1) == "a"
        fits = is_own and is_exact and measurement.value(number, unit) is not None
        return measurement if fits else None

    def _leads_on(self, at: int) -> bool:
        """Whether the number of a word follows it."""
        is_beside = self._at(at + 1) in listed("beside")
        return self._at(at + 1 + is_beside)[0].isdigit()

    def _unit(self, at: int) -> str:
        unit = self._at(at + 1)
        is_opening = unit in openings() and self._leads_on(at + 1)
        return unit if unit in units() and not is_opening else ""

    def _is_unit(self, at: int) -> bool:
        return self._at(at - 1)[0].isdigit() and self._unit(at - 1) == self._words[at]

    def _counts_something(self, at: int, number: Number) -> bool:
        """Whether this is a duration, a dose, a count, or the 2 of "type 2"."""
        before, after = self._at(at - 1), self._at(at + 1)
        is_opening = after in openings() and self._leads_on(at + 1)
        if (after in listed("counted") and not is_opening) or before in listed("before_other"):
            return True
        if number.of is not None or not number.is_whole:
            return False
        if after in {"-", "to", "or"} and self._at(at + 2)[0].isdigit():
            return self._at(at + 3) in listed("counted")
        if number.value < _SMALL and after in listed("counted_small"):
            return True
        is_beside = before in openings() or before in listed("beside")
        return number.value < 2 * _SMALL and not is_beside and _looks_plural(after)

    def _is_past(self, at: int) -> bool:
        """Whether the clause says that it was weeks ago or more, or is the usual."""
        clause = [*reversed(self._before(at, _NEAR)), "", *self._after(at, _NEAR)]
        return any(
            (one == "last" and other in listed("old_time"))
            or (one in listed("old_time") and other == "ago")
            or (one == "in" and _YEAR.fullmatch(other))
            or (other in _USUALLY and one not in listed("below"))
            for one, other in pairwise(clause)
        )

    def _before(self, at: int, most: int) -> list[str]:
        """Return the words before in the clause, nearest first."""
        return list(takewhile(_is_of_clause, self._words[max(at - most, 0) : at][::-1]))

    def _after(self, at: int, most: int) -> list[str]:
        return list(takewhile(_is_of_clause, self._words[at + 1 : at + 1 + most]))


def _is_of_clause(word: str) -> bool:
    return word not in _MARKS and word not in listed("now")


def _looks_plural(word: str) -> bool:
    return len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is"))
