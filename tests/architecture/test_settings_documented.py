"""docs/settings.md names every environment variable that is read, and no other."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("api", "config", "ml", "monitoring", "triage_rules")
# What Django and its reloader tell each other is nobody's setting.
INTERNAL = {"DJANGO_SETTINGS_MODULE", "RUN_MAIN"}


def variables_read() -> set[str]:
    """Return every variable that the code reads by its name."""
    files = [file for package in PACKAGES for file in (ROOT / package).rglob("*.py")]
    return {name for file in files for name in _names(file)} - INTERNAL


def _names(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args]
    names = {_text(call.args[0]) for call in calls if _reads_environment(call.func)}
    constants = {
        _text(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id.endswith("_VARIABLE")
    }
    return (names | constants) - {""}


def _reads_environment(function: ast.expr) -> bool:
    if isinstance(function, ast.Name):
        return function.id.startswith("env_")
    return (
        isinstance(function, ast.Attribute)
        and function.attr in {"get", "setdefault"}
        and ast.unparse(function.value) in {"os.environ", "environ"}
    )


def _text(node: ast.expr) -> str:
    value = node.value if isinstance(node, ast.Constant) else None
    return value if isinstance(value, str) else ""


def variables_documented() -> set[str]:
    """Return the variables in the first column of the tables."""
    text = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    return set(re.findall(r"^\| `([A-Z][A-Z0-9_]+)`", text, flags=re.MULTILINE))


def test_every_variable_is_documented() -> None:
    missing = variables_read() - variables_documented()

    assert missing == set()


def test_every_documented_variable_is_read() -> None:
    stale = variables_documented() - variables_read()

    assert stale == set()


def test_reading_is_recognised() -> None:
    assert {"DJANGO_SECRET_KEY", "WEB_WORKERS", "OMP_NUM_THREADS"} <= variables_read()
