"""docs/access.md shows the table of roles, cell by cell."""

from __future__ import annotations

from pathlib import Path

from monitoring.models import AccessEvent
from monitoring.roles import TABLE, Role, Rule

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "access.md").read_text(encoding="utf-8")


def line(rule: Rule) -> str:
    """Return how the page shows one action."""
    cells = [rule.allowed.get(role, "–") for role in Role]
    return f"| {' | '.join([rule.says, *cells])} |"


def test_the_table_is_the_table() -> None:
    section = DOCUMENT.split("## The table")[1].split("\n## ")[0]
    shown = [one for one in section.splitlines() if one.startswith("|")]

    assert shown[0] == f"| {' | '.join(['action', *Role])} |"
    assert shown[2:] == [line(rule) for rule in TABLE.values()]


def test_every_role_is_described_and_everything_on_record() -> None:
    for word in (*Role, *AccessEvent.Action):
        assert f"| `{word}` |" in DOCUMENT
