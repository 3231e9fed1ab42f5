"""The rules valid on a day, and a version that changes with their content."""

from __future__ import annotations

import hashlib
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from importlib import import_module
from pathlib import Path

import triage_rules.rules
from triage_rules.rule import RULES, SIGNS, Rule, Sign

_FOLDER = Path(__file__).parent
_VERSION_LENGTH = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruleset:
    """The trigger lines and signs in force on a day.

    ``version`` is a digest of the package's sources and data files: the same content, the same
    version, on every machine.
    """

    version: str
    rules: tuple[Rule, ...]
    signs: tuple[Sign, ...]


def ruleset_current() -> Ruleset:
    """Return the rules in force today."""
    return ruleset_as_of(datetime.now(UTC).date())


@cache
def ruleset_as_of(day: date) -> Ruleset:
    """Return the rules in force on a day."""
    _discover()
    return Ruleset(
        version=_version(),
        rules=tuple(rule for rule in RULES if rule.holds_on(day)),
        signs=tuple(sign for sign in SIGNS if sign.since <= day),
    )


@cache
def _discover() -> None:
    for module in pkgutil.iter_modules(triage_rules.rules.__path__, "triage_rules.rules."):
        import_module(module.name)


@cache
def _version() -> str:
    digest = hashlib.sha256()
    for path in _content():
        digest.update(path.relative_to(_FOLDER).as_posix().encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:_VERSION_LENGTH]


def _content() -> Iterator[Path]:
    paths = (path for kind in ("*.py", "*.toml") for path in _FOLDER.rglob(kind))
    yield from sorted(paths, key=lambda path: path.relative_to(_FOLDER).as_posix())
