"""The rules valid on a day, and a version that changes with their content."""

from __future__ import annotations

import hashlib
import pkgutil
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache, cached_property
from importlib import import_module
from pathlib import Path

import triage_rules.rules
from triage_rules.rule import RULES, SIGNS, Rule, Sign, listens_for
from triage_rules.thresholds import Limits, limits_as_of

_FOLDER = Path(__file__).parent
_VERSION_LENGTH = 12


@dataclass(frozen=True, kw_only=True)
class Ruleset:
    """The trigger lines, signs and numbers in force on a day.

    ``version`` is a digest of the package's sources and data files and of what of them is in force:
    the same judgement, the same version, on every machine.
    """

    version: str
    rules: tuple[Rule, ...]
    signs: tuple[Sign, ...]
    limits: Limits

    def concerning(self, concepts: frozenset[str]) -> Iterator[Rule]:
        """Yield the lines that may find something in somebody of whom these concepts are known."""
        heard = self._heard.keys() & concepts
        places = set(self._of_everybody).union(*(self._heard[concept] for concept in heard))
        return (self.rules[place] for place in sorted(places))

    @cached_property
    def _listening(self) -> tuple[frozenset[str] | None, ...]:
        return tuple(listens_for(rule, self.limits) for rule in self.rules)

    @cached_property
    def _of_everybody(self) -> frozenset[int]:
        """The places of the lines that are asked whatever is said."""
        return frozenset(at for at, words in enumerate(self._listening) if words is None)

    @cached_property
    def _heard(self) -> dict[str, list[int]]:
        """By concept, the places of the lines that listen for it."""
        heard: defaultdict[str, list[int]] = defaultdict(list)
        for at, words in enumerate(self._listening):
            for concept in words or ():
                heard[concept].append(at)
        return dict(heard)


def ruleset_current() -> Ruleset:
    """Return the rules in force today."""
    return ruleset_as_of(datetime.now(UTC).date())


@cache
def ruleset_as_of(day: date) -> Ruleset:
    """Return the rules in force on a day."""
    rules = tuple(rule for rule in every_rule() if rule.holds_on(day))
    signs = tuple(sign for sign in every_sign() if sign.since <= day)
    limits = limits_as_of(day)
    lines = [f"{rule.id} {rule.sentence} {rule.since}" for rule in rules]
    lines += [f"{sign.name} {sign.since}" for sign in signs]
    numbers = [f"{name} {limit.since}" for name, limit in sorted(limits.by_name.items())]
    version = _version("\n".join((*lines, *numbers)))
    return Ruleset(version=version, rules=rules, signs=signs, limits=limits)


def every_rule() -> tuple[Rule, ...]:
    """Return every line ever written, former ones included."""
    _discover()
    return tuple(RULES)


def every_sign() -> tuple[Sign, ...]:
    """Return every sign ever written."""
    _discover()
    return tuple(SIGNS)


@cache
def _discover() -> None:
    for module in pkgutil.iter_modules(triage_rules.rules.__path__, "triage_rules.rules."):
        import_module(module.name)


def _version(in_force: str) -> str:
    digest = hashlib.sha256(in_force.encode())
    digest.update(_content_digest())
    return digest.hexdigest()[:_VERSION_LENGTH]


@cache
def _content_digest() -> bytes:
    digest = hashlib.sha256()
    for path in _content():
        digest.update(path.relative_to(_FOLDER).as_posix().encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.digest()


def _content() -> Iterator[Path]:
    paths = (path for kind in ("*.py", "*.toml") for path in _FOLDER.rglob(kind))
    yield from sorted(paths, key=lambda path: path.relative_to(_FOLDER).as_posix())
