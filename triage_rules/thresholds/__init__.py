"""The numbers of the rules, one TOML file per area, each with its source and its date.

``limits/*.toml`` hold single numbers, by age where it matters; a number that changes gets a new
entry beside the old one, so that a past day can be judged by the numbers of that day. The files
beside this one hold printed charts.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from triage_rules.case import DAYS_PER_YEAR

_FOLDER = Path(__file__).parent
_DAYS = {"day": 1.0, "month": DAYS_PER_YEAR / 12, "year": DAYS_PER_YEAR}


@cache
def load(area: str) -> dict[str, Any]:
    """Return the charts of one area, read once per process."""
    return tomllib.loads((_FOLDER / f"{area}.toml").read_text(encoding="utf-8"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """A number for everybody younger than ``under_days``; None where there is no upper end.

    ``under`` is the same age as it is written. ``per_year`` is added for each whole year of age.
    """

    value: float
    under: str = ""
    under_days: float | None = None
    per_year: float = 0.0

    def holds_for(self, days: float) -> bool:
        """Whether an age in days lies below the upper end."""
        return self.under_days is None or days < self.under_days

    def value_at(self, age: float) -> float:
        """Return the number at an age in years."""
        return self.value + self.per_year * int(age)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One number of the rules from a day on, youngest band first.

    ``used_by`` names the red flags that ask for it; none where only signs and levels do.
    """

    name: str
    unit: str
    source: str
    since: date
    bands: tuple[Band, ...]
    used_by: tuple[str, ...] = ()

    @property
    def is_fixed(self) -> bool:
        """Whether it is the same at every age."""
        first = self.bands[0]
        return first.under_days is None and not first.per_year

    def at(self, age: float) -> float | None:
        """Return the number at an age in years; None where there is none at this age."""
        if self.is_fixed:
            return self.bands[0].value
        days = days_of(age)
        return next((band.value_at(age) for band in self.bands if band.holds_for(days)), None)


@dataclass(frozen=True, slots=True)
class Limits:
    """The numbers in force on a day, by name."""

    by_name: Mapping[str, Limit]

    def number(self, name: str) -> float:
        """Return a number that is the same at every age."""
        return self.by_name[name].bands[0].value

    def at_age(self, name: str, age: float) -> float | None:
        """Return a number at an age in years; None where there is none at this age."""
        return self.by_name[name].at(age)


def days_of(age: float) -> float:
    """Return the days of an age in years; a whole number of days comes back as it went in."""
    return round(age * DAYS_PER_YEAR, 6)


@cache
def limits_as_of(day: date) -> Limits:
    """Return the numbers in force on a day: of each name the newest that had begun."""
    by_name: dict[str, Limit] = {}
    for limit in sorted(all_limits(), key=lambda limit: limit.since):
        if limit.since <= day or limit.name not in by_name:
            by_name[limit.name] = limit
    return Limits(by_name)


@cache
def all_limits() -> tuple[Limit, ...]:
    """Return every number of every file, former ones included, in the order of the files."""
    return tuple(limit for path in sorted(_FOLDER.glob("limits/*.toml")) for limit in _read(path))


def _read(path: Path) -> Iterator[Limit]:
    for name, entries in tomllib.loads(path.read_text(encoding="utf-8")).items():
        # One entry is a table; former ones stand beside it in an array of tables.
        for entry in entries if isinstance(entries, list) else [entries]:
            yield _limit(name, entry)


def _limit(name: str, entry: dict[str, Any]) -> Limit:
    bands = entry.get("by_age") or [{"value": entry["value"]}]
    return Limit(
        name=name,
        unit=entry["unit"],
        source=entry["source"],
        since=entry["since"],
        used_by=tuple(entry.get("used_by", ())),
        bands=tuple(_band(band) for band in bands),
    )


def _band(band: dict[str, Any]) -> Band:
    under = band.get("under", "")
    return Band(
        value=float(band["value"]),
        under=under,
        under_days=_days(under) if under else None,
        per_year=float(band.get("per_year", 0)),
    )


def _days(age: str) -> float:
    """Return the days of an age as it is written: "28 days", "3 months", "1 year"."""
    count, unit = age.split()
    return int(count) * _DAYS[unit.removesuffix("s")]
