"""The tables that the simulator draws from: what they hold, whose they are, and the file.

``ml.simulator.counting`` makes them, and says what keeps a single visit out of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

Tables: TypeAlias = dict[str, Any]

LEAST_VISITS = 10
FILE = Path(__file__).with_name("aggregates.json")
UNKNOWN = "unknown"
VITALS = (
    "heart_rate",
    "respiratory_rate",
    "spo2",
    "systolic_bp",
    "diastolic_bp",
    "temperature_c",
)
NUMBERS = ("age", *VITALS)
# From the usual to the unusual: the order is that of the normal scores.
CHOICES: Mapping[str, tuple[str, ...]] = {
    "sex": ("male", "female"),
    "arrival_mode": ("walk_in", "other", "ambulance"),
    "injury": ("no", "yes"),
    "consciousness": ("A", "V", "P", "U"),
    "pain_score": tuple(str(score) for score in range(11)),
}
VARIABLES = (*NUMBERS, *CHOICES)
_DEEPEST_LINE_BREAK = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where visits come from.

    Attributes
    ----------
    name
        Its short name, which is also the scale of its labels.
    is_coded
        Whether a complaint is a list of coded reasons rather than free text.
    citation, licence
        What has to be said wherever its figures stand.
    """

    name: str
    is_coded: bool
    citation: str
    licence: str


KTAS = Source(
    name="ktas",
    is_coded=False,
    citation=(
        "Moon SH, Shim JL, Park KS, Park CS (2019). Triage accuracy and causes of mistriage using "
        "the Korean Triage and Acuity Scale. PLOS ONE 14(9): e0216972. "
        "doi:10.1371/journal.pone.0216972"
    ),
    licence=(
        "CC BY 4.0. Changed: aggregated from the 897 visits of the training part; levels are "
        "those of three experts, 1 and 2 of five read as emergency, 3 urgent, 4 soon, 5 routine."
    ),
)
NHAMCS = Source(
    name="nhamcs",
    is_coded=True,
    citation=(
        "National Center for Health Statistics. National Hospital Ambulatory Medical Care Survey, "
        "2016-2021 Emergency Department public-use data files. Hyattsville, MD."
    ),
    licence=(
        "Public domain (17 USC 105) under a use restriction (Public Health Service Act, section "
        "308(d)): statistical reporting and analysis only, no attempt to identify a person or an "
        "establishment, no linking. These are unweighted statistics of 10 visits or more of the "
        "training part, by the level one triage nurse gave; they are no national estimates."
    ),
)
SOURCES: Mapping[str, Source] = {source.name: source for source in (KTAS, NHAMCS)}


@cache
def committed() -> Tables:
    """Return the tables that ship with the project."""
    tables: Tables = json.loads(FILE.read_text(encoding="utf-8"))
    return tables


def as_json(sources: Mapping[str, Tables]) -> str:
    """Return the file's text: one group of visits or one phrase a line."""
    about = {"least_visits": LEAST_VISITS, "variables": VARIABLES}
    return _dumped({**about, "sources": sources}) + "\n"


def _dumped(value: Any, *, depth: int = 0) -> str:
    line = json.dumps(value, ensure_ascii=False)
    # Sources, their fields, and the entries of those; deeper, a line holds everything.
    if depth > _DEEPEST_LINE_BREAK or not isinstance(value, dict | list) or not value:
        return line
    inner, outer = " " * (depth + 1), " " * depth
    if isinstance(value, list):
        lines = [_dumped(item, depth=depth + 1) for item in value]
        return "[\n" + ",\n".join(inner + item for item in lines) + f"\n{outer}]"
    lines = [f"{json.dumps(k)}: {_dumped(v, depth=depth + 1)}" for k, v in value.items()]
    return "{\n" + ",\n".join(inner + item for item in lines) + f"\n{outer}}}"
