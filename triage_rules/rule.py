"""What a rule is: a red flag of the catalogue, and its trigger lines.

A flag has an id, a name and a source. Each of its lines asks one question about a patient; where
several fire, the flag takes the highest floor among them, and says "now" if one of them does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import cast

from triage_rules.level import Level
from triage_rules.patient import NOTHING, Evidence, Patient
from triage_rules.thresholds import Limits

Question = Callable[[Patient], Evidence]
Condition = Callable[[Patient], bool]


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
        only_if: Condition | None = None,
        immediate: bool = False,
        since: date | None = None,
        until: date | None = None,
    ) -> Callable[[Question], Question]:
        """Register a question whose yes makes the patient an emergency; see ``Rule``."""
        return self._line(
            Level.EMERGENCY,
            needs=needs,
            only_if=only_if,
            immediate=immediate,
            since=since,
            until=until,
        )

    def urgent(
        self,
        *,
        needs: tuple[str, ...] = (),
        only_if: Condition | None = None,
        asks_for: tuple[str, ...] = (),
        since: date | None = None,
        until: date | None = None,
    ) -> Callable[[Question], Question]:
        """Register a question whose yes sets the floor at urgent; see ``Rule``."""
        return self._line(
            Level.URGENT,
            needs=needs,
            only_if=only_if,
            asks_for=asks_for,
            since=since,
            until=until,
        )

    def _line(
        self,
        floor: Level,
        *,
        needs: tuple[str, ...],
        only_if: Condition | None,
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
                    only_if=only_if,
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
    only_if
        Of whom the line is asked at all; of the others it is never "unassessed".
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
    only_if: Condition | None = None
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

    def answer(self, patient: Patient) -> Evidence:
        """Return what fired the line; nothing where it did not, or could not be judged."""
        if self.only_if is not None and not self.only_if(patient):
            return NOTHING
        if self.needs and not patient.knows_measurements(self.needs):
            return NOTHING
        return self.ask(patient)

    def is_assessable(self, patient: Patient) -> bool:
        """Whether everything the line needs is known, or it does not concern the patient."""
        if patient.knows_measurements(self.needs):
            return True
        return self.only_if is not None and not self.only_if(patient)


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


class _Unseen:
    """Evidence that nobody may look at: to ask whether there is any is an error."""

    def __bool__(self) -> bool:
        raise LookupError

    __iter__ = __len__ = __add__ = __eq__ = __bool__  # type: ignore[assignment]
    __hash__ = None  # type: ignore[assignment]


class _Silence:
    """Somebody who says nothing, and of whom nothing else may be looked at.

    It notes which words are listened for.
    """

    def __init__(self, limits: Limits) -> None:
        self.listened_for: set[str] = set()
        self.limit = limits.number

    def says(self, *concepts: str) -> Evidence:
        self.listened_for.update(concepts)
        return NOTHING

    def measured(self, *_: object) -> Evidence:
        return cast("Evidence", _Unseen())

    said = says_newly = knows = says
    at_least = above = at_most = below = outside = measured
    fever = altered_mind = abnormal_vitals = property(measured)


def listens_for(rule: Rule, limits: Limits) -> frozenset[str] | None:
    """Return the concepts without which a line finds nothing; None where that is not certain.

    The line is tried on somebody who says nothing. If words are all it looked at before it answered
    "nothing", it answers the same of anybody who says none of them: there it can be passed over.
    """
    silence = _Silence(limits)
    patient = cast("Patient", silence)
    try:
        found = bool((rule.only_if is None or rule.only_if(patient)) and rule.ask(patient))
    except Exception:  # noqa: BLE001 - it looks at more than words, so it is asked of everybody.
        return None
    return None if found else frozenset(silence.listened_for)


def both(*parts: Evidence) -> Evidence:
    """Return all parts as one evidence when every one of them is there, else nothing."""
    return tuple(dict.fromkeys(_flat(parts))) if all(parts) else NOTHING


def _flat(parts: tuple[Evidence, ...]) -> Iterator[str]:
    for part in parts:
        yield from part


def _first_sentence(ask: Question) -> str:
    return (ask.__doc__ or "").strip().partition("\n\n")[0].replace("\n    ", " ")
