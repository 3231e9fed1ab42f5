"""docs/monitoring.md names every public statistic, its parameters, and every published method."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from monitoring import statistics
from tests.monitoring.test_statistics import METHODS

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "monitoring.md"
FUNCTIONS = {name for name in statistics.__all__ if inspect.isfunction(getattr(statistics, name))}


def rows() -> list[list[str]]:
    """Return the cells of the table of statistics."""
    section = DOCUMENT.read_text(encoding="utf-8").split("## Statistics")[1].split("\n## ")[0]
    lines = [line.strip("| ") for line in section.splitlines() if line.startswith("|")]
    return [line.split(" | ") for line in lines[2:]]


def _names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", re.sub(r"\([^)]*\)", "", cell))


ROWS = {_names(row[1])[0]: row for row in rows()}


def test_the_table_lists_every_function_and_nothing_else() -> None:
    assert ROWS.keys() == FUNCTIONS


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_the_parameters_are_those_of_the_function(name: str) -> None:
    parameters = inspect.signature(getattr(statistics, name)).parameters

    assert _names(ROWS[name][2]) == list(parameters)
    assert all(one.kind is one.POSITIONAL_OR_KEYWORD for one in parameters.values())


def test_every_published_method_is_in_the_table() -> None:
    documented = {method for row in ROWS.values() for method in _names(row[0])}

    assert documented == METHODS.keys()


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_function_says_what_it_takes_gives_and_where_it_comes_from(name: str) -> None:
    text = inspect.getdoc(getattr(statistics, name)) or ""

    assert "Parameters" in text or "with its parameters" in text
    assert "References" in text or "with its parameters" in text


def test_everything_that_is_public_exists() -> None:
    assert [name for name in statistics.__all__ if not hasattr(statistics, name)] == []
    assert sorted(set(statistics.__all__)) == sorted(statistics.__all__)
