"""How a text writes each measurement: what ``measurements.toml`` says, made ready for reading."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache, lru_cache
from typing import Any

from triage_rules.text.phrases import read_toml
from triage_rules.thresholds import limits_as_of

_OWN = re.compile(r"(?<=\w)['\u2019]s\b")
_INITIALS = re.compile(r"\b([a-z])\.([a-z])\b\.?|\b(temp|resp|sats?|approx)\.")
_HYPHEN = re.compile(r"(?<=\w)-(?=[a-z])")
_PAIRED = re.compile(r"(?<=\d) out of (?=\d)|(?<=\d) of (?=10\b)|(?<=\d\d) over (?=\d\d)")
_WEEKS_AND_DAYS = re.compile(r"(?<=\b\d\d) ?\+ ?[0-6] ?(?:/ ?40\b|gestweeks|weeks|wks)")
_COMA_LETTERS = re.compile(r"\be(\d) ?v([\dt]) ?m(\d)\b")
_TOKEN = re.compile(
    r"(?:spo|o)2|[a-z]+(?:'[a-z]+)*|\d+:\d\d|\d+(?:[.,]\d+)?(?: ?/ ?\d+(?:[.,]\d+)?)*|[^\w\s]"
)
_THOUSANDS = re.compile(r"\d+,\d{3}")
_MUST_BE_MG_DL = limits_as_of(date.max).number("glucose_must_be_mg_dl")
_MG_DL_PER_MMOL_L = 18.016
_FAHRENHEIT_FROM = 80
_PLAINLY = {"glucose_mmol_l": _MUST_BE_MG_DL, "temperature_c": 100}


@dataclass(frozen=True, slots=True)
class Number:
    """A number as it is written; of "13/15" it is 13, ``of`` 15."""

    value: float
    of: float | None
    is_whole: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """How a text writes one measurement; ``measurements.toml`` explains the fields."""

    name: str
    believed: tuple[float, float]
    units: Mapping[str, float]
    alone_between: tuple[float, float]
    little: frozenset[str]
    of: float | None = None
    whole: bool = False
    needs: frozenset[str] = frozenset()
    not_before: frozenset[str] = frozenset()

    def value(self, number: Number, unit: str) -> float | None:
        """Return a number in our unit; None where it is not one of this measurement."""
        if number.of not in (None, self.of) and not self._is_pressure(number):
            return None
        if self.whole and not number.is_whole:
            return None
        value = self._in_our_unit(number, unit)
        return value if self.believed[0] <= value <= self.believed[1] else None

    def is_exact(self, number: Number, unit: str) -> bool:
        """Whether a number can hardly be anything else."""
        if unit in self.units or number.of is not None or not number.is_whole:
            return True
        return number.value >= _PLAINLY.get(self.name, float("inf"))

    def _is_pressure(self, number: Number) -> bool:
        return self.name == "systolic_bp" and number.of is not None and number.of < number.value

    def _in_our_unit(self, number: Number, unit: str) -> float:
        """Convert, to one decimal as our own meters show it: 54 mg/dL is 3.0 mmol/L."""
        value = number.value
        if self.name == "temperature_c":
            is_fahrenheit = unit in {"f", "degf"} or value >= _FAHRENHEIT_FROM
            return round((value - 32) / 1.8, 1) if is_fahrenheit else value
        if self.name == "glucose_mmol_l":
            # Meters that show mg/dL show no decimals.
            is_high = number.is_whole and value >= _MUST_BE_MG_DL
            is_mg = unit.startswith("mg") or (is_high and unit != "mmol")
            return round(value / _MG_DL_PER_MMOL_L, 1) if is_mg else value
        return value * self.units.get(unit, 1)


def words_of(text: str) -> list[str]:
    """Return words, numbers and marks; "blood pressure 85 over 40" is "bp", "85/40"."""
    one_line = " ".join(_OWN.sub(" is", text.replace("\n", " . ")).split())
    undotted = _INITIALS.sub(lambda found: "".join(filter(None, found.groups())), one_line)
    summed = _COMA_LETTERS.sub(_coma_sum, _HYPHEN.sub(" ", undotted))
    joined = joined_words().sub(lambda found: f" {table('written')[found.group()]} ", summed)
    paired = _PAIRED.sub("/", " ".join(joined.split()))
    return _TOKEN.findall(_WEEKS_AND_DAYS.sub(" gestweeks ", paired))


def _coma_sum(found: re.Match[str]) -> str:
    return f" gcs {sum(int(points) for points in found.group(1, 2, 3) if points != 't')} "


@lru_cache(maxsize=4096)
def number_of(token: str) -> Number | None:
    """Return the number of a token; None of a date or a time of day."""
    value, *rest = token.replace(" ", "").split("/")
    if len(rest) > 1 or ":" in token:
        return None
    value = value.replace(",", "" if _THOUSANDS.fullmatch(value) else ".")
    of = float(rest[0].replace(",", ".")) if rest else None
    return Number(float(value), of, float(value).is_integer() and "." not in value)


@cache
def table(name: str) -> dict[str, Any]:
    table: dict[str, Any] = read_toml("measurements.toml")[name]
    return table


@cache
def listed(name: str) -> frozenset[str]:
    return frozenset(table("words")[name])


@cache
def joined_words() -> re.Pattern[str]:
    longest_first = sorted(table("written"), key=len, reverse=True)
    return re.compile(rf"(?<![a-z])(?:{'|'.join(map(re.escape, longest_first))})(?![a-z])")


@cache
def measurements() -> dict[str, Measurement]:
    return {name: _measurement(name, row) for name, row in table("measurement").items()}


def _measurement(name: str, row: dict[str, Any]) -> Measurement:
    by_unit = row.get("alone", {})
    return Measurement(
        name=name,
        believed=tuple(row["believed"]),
        units=row["units"],
        alone_between=(by_unit.get("from", 0), by_unit.get("to", 0)),
        little=listed(row.get("little", "little")),
        of=row.get("of"),
        whole=row.get("whole", False),
        needs=frozenset(row.get("needs", ())),
        not_before=frozenset(row.get("not_before", ())),
    )


@cache
def openings() -> dict[str, tuple[Measurement, str]]:
    """Return what each word opens, and how: the table's key."""
    return {
        word: (measurements()[name], kind)
        for name, row in table("measurement").items()
        for kind in ("words", "close", "exact")
        for word in row.get(kind, ())
    }


@cache
def followed() -> dict[str, Measurement]:
    return {
        word: measurements()[name]
        for name, row in table("measurement").items()
        for word in row.get("after", ())
    }


@cache
def alone() -> dict[str, Measurement]:
    return {
        unit: measurements()[name]
        for name, row in table("measurement").items()
        for unit in row.get("alone", {}).get("units", ())
    }


@cache
def units() -> frozenset[str]:
    return frozenset(unit for row in table("measurement").values() for unit in row["units"])
