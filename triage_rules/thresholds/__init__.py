"""The numbers of the rules, one TOML file per area, each with its source and its date."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent


@cache
def load(area: str) -> dict[str, Any]:
    """Return the numbers of one area, read once per process.

    Every table carries ``source`` and ``since`` beside its numbers.
    """
    return tomllib.loads((_FOLDER / f"{area}.toml").read_text(encoding="utf-8"))


@cache
def limit(area: str, name: str) -> float:
    """Return one number, the ``value`` of the table ``name`` of an area."""
    return float(load(area)[name]["value"])
