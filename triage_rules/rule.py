"""What a rule is: a red flag of the catalogue, and its trigger lines.

A flag has an id, a name and a source. Each of its lines asks one question about a patient; where
several fire, the flag takes the highest floor among them, and says "now" if one of them does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date

from triage_rules.level import Level
from triage_rules.patient import NOTHING, Evidence, Patient

__all__ = ["NOTHING", "RULES", "SIGNS", "Evidence", "Flag", "Patient", "Rule", "Sign", "both"]

Question = Callable[[Patient], Evidence]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """One red flag of the catalogue, by which its trigger lines are registered.

    Attributes
    ----------
    certain
        Whether the name says what is there ("low oxygen") and not what is suspected ("stroke").
    human_contact
        Whether a person must speak with the patient whatever the level.
    """

    id: str
    name: str
    source: str
    since: date
    certain: bool = False
    human_contact: bool = False

    def emergency(
        self,
        *,
        needs: tuple[str, ...] = (),
        immediate: bool = False,
        since: date | None = None,
        until: date | None = None,
    ) -> Callable[[Question], Question]:
        """Register a question whose yes makes the patient an emergency; see ``Rule``."""
        return self._line(
            Level.EMERGENCY, needs=needs, immediate=immediate, since=since, until=until
        )

    def urgent(
        self,
        *,
        needs: tuple[str, ...] = (),
        asks_for: tuple[str, ...] = (),
        since: date | None = None,
        until: date | None = None,
    ) -> Callable[[Question], Question]:
        """Register a question whose yes sets the floor at urgent; see ``Rule``."""
        return self._line(Level.URGENT, needs=needs, asks_for=asks_for, since=since, until=until)

    def _line(
        self,
        floor: Level,
        *,
        needs: tuple[str, ...],
        immediate: bool = False,
        asks_for: tuple[str, ...] = (),
        since: date | None,
        until: date | None,
    ) -> Callable[[Question], Question]:
        def register(ask: Question) -> Question:
            RULES.append(
                Rule(
                    flag=self,
                    floor=floor,
                    ask=ask,
                    since=since or self.since,
                    until=until,
                    needs=needs,
                    immediate=immediate,
                    asks_for=asks_for,
                    sentence=_first_sentence(ask),
                )
            )
            return ask

        return register


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One trigger line: a question about a patient, and what follows from a yes.

    The question returns the words or values that fired it, or ``NOTHING``. It is not asked while a
    measurement in ``needs`` is missing; the flag is then reported as unassessed, unless another
    line of it fired.

    Attributes
    ----------
    since, until
        The line holds from the first of these days on, and no longer on the second.
    needs
        Measurements without which the line cannot be judged; "a|b" is content with either.
    asks_for
        What is not known and would settle the flag; listed as unassessed when the line fires.
    sentence
        What it asks, in plain words.
    """

    flag: Flag
    floor: Level
    ask: Question
    since: date
    until: date | None = None
    needs: tuple[str, ...] = ()
    immediate: bool = False
    asks_for: tuple[str, ...] = ()
    sentence: str

    @property
    def id(self) -> str:
        """The id of its flag."""
        return self.flag.id

    def holds_on(self, day: date) -> bool:
        """Whether the line was in force on a day."""
        return self.since <= day and (self.until is None or day < self.until)

    def is_assessable(self, patient: Patient) -> bool:
        """Whether everything the line needs is known."""
        return not self.needs or all(map(patient.is_known, self.needs))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """Something that makes a patient ``soon`` and no more; it sets no floor."""

    name: str
    ask: Question
    source: str
    since: date


RULES: list[Rule] = []
SIGNS: list[Sign] = []


def sign(*, source: str, since: date) -> Callable[[Question], Question]:
    """Register a question whose yes makes the patient ``soon``; its docstring is the reason."""

    def register(ask: Question) -> Question:
        name = _first_sentence(ask).rstrip(".")
        SIGNS.append(Sign(name=name, ask=ask, source=source, since=since))
        return ask

    return register


def both(*parts: Evidence) -> Evidence:
    """Return all parts as one evidence when every one of them is there, else nothing."""
    return tuple(dict.fromkeys(_flat(parts))) if all(parts) else NOTHING


def _flat(parts: tuple[Evidence, ...]) -> Iterator[str]:
    for part in parts:
        yield from part


def _first_sentence(ask: Question) -> str:
    return (ask.__doc__ or "").strip().partition("\n\n")[0].replace("\n    ", " ")
