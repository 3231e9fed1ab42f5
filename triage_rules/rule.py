"""What a rule is: one trigger line of a red flag, with its source and its date.

A flag of the catalogue is all lines that carry its id. Where several fire, the flag takes the
highest floor among them, and says "now" if one of them does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from functools import cache, cached_property

from triage_rules.case import Consciousness, TriageCase, Vitals
from triage_rules.level import Level
from triage_rules.scores.abnormal import abnormal_vitals
from triage_rules.scores.consciousness import consciousness_of
from triage_rules.scores.news2 import News2
from triage_rules.text.finding import Assertion, Field, Finding
from triage_rules.text.phrases import lasting_concepts
from triage_rules.text.reading import Reading

Evidence = tuple[str, ...]
NOTHING: Evidence = ()

_CURRENT = frozenset({Assertion.PRESENT, Assertion.POSSIBLE})
_SPOKEN = frozenset({Field.COMPLAINT, Field.DESCRIPTION, Field.SYMPTOM})
_KNOWN = _CURRENT | {Assertion.HISTORICAL, Assertion.RESOLVED}


@dataclass(frozen=True)
class Patient:
    """A case as rules ask about it: what is said, what is known, what was measured."""

    case: TriageCase
    reading: Reading
    news2: News2

    @property
    def vitals(self) -> Vitals:
        """What was measured."""
        return self.case.vitals

    @property
    def age(self) -> float:
        """Age in years."""
        return self.case.age

    @property
    def is_adult(self) -> bool:
        """Whether the adult limits apply: 16 years and over."""
        return self.age >= 16

    @property
    def consciousness(self) -> Consciousness | None:
        """ACVPU as recorded, else from the coma score."""
        return consciousness_of(self.vitals)

    @cached_property
    def abnormal_vitals(self) -> Evidence:
        """The measurements that are abnormal for the age, as words."""
        return abnormal_vitals(self.vitals, news2=self.news2, age=self.age)

    def says(self, *concepts: str) -> Evidence:
        """Return the words that say, of now, any of these concepts; nothing if none does."""
        return _words(self._present, concepts)

    def said(self, *concepts: str) -> tuple[Finding, ...]:
        """Return the findings of now among these concepts."""
        return tuple(found for name in concepts for found in self._present.get(name, ()))

    def knows(self, *concepts: str) -> Evidence:
        """Return the words that say any of these of now, of the past, or in the lists."""
        return _words(self._known, concepts)

    @cached_property
    def has_fears(self) -> bool:
        """Whether the complaint is a worry about a finding."""
        return any(self._is_feared(found) for found in self.reading.findings)

    def with_fears_taken_as_present(self) -> Patient:
        """Return the patient as if what the complaint fears were so."""
        findings = tuple(
            replace(found, assertion=Assertion.POSSIBLE) if self._is_feared(found) else found
            for found in self.reading.findings
        )
        return replace(self, reading=replace(self.reading, findings=findings))

    @cached_property
    def _present(self) -> dict[str, list[Finding]]:
        return _by_concept(filter(_is_of_now, self.reading.findings))

    @cached_property
    def _known(self) -> dict[str, list[Finding]]:
        return _by_concept(found for found in self.reading.findings if found.assertion in _KNOWN)

    @staticmethod
    def _is_feared(found: Finding) -> bool:
        return found.assertion is Assertion.FEARED and found.field is Field.COMPLAINT


def _words(findings: dict[str, list[Finding]], concepts: tuple[str, ...]) -> Evidence:
    if findings.keys().isdisjoint(concepts):
        return NOTHING
    found = (found for name in concepts for found in findings.get(name, ()))
    return tuple(dict.fromkeys(finding.evidence for finding in found))


def _by_concept(findings: Iterable[Finding]) -> dict[str, list[Finding]]:
    by_concept: defaultdict[str, list[Finding]] = defaultdict(list)
    for found in findings:
        by_concept[found.concept].append(found)
    return by_concept


def _is_of_now(found: Finding) -> bool:
    lasts = found.assertion is Assertion.RESOLVED and found.concept in lasting_concepts()
    return found.field in _SPOKEN and (found.assertion in _CURRENT or lasts)


Question = Callable[[Patient], Evidence]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One trigger line: a question about a patient, and what follows from a yes.

    Attributes
    ----------
    needs
        Measurements without which the line cannot be judged; "a|b" is content with either.
    until
        The first day on which the line no longer holds; None while it does.
    human_contact
        Whether a person must speak with the patient whatever the level.
    possible
        Whether the name is a diagnosis that is only suspected.
    """

    id: str
    name: str
    floor: Level
    ask: Question
    source: str
    since: date
    needs: tuple[str, ...] = ()
    until: date | None = None
    immediate: bool = False
    human_contact: bool = False
    possible: bool = True

    def holds_on(self, day: date) -> bool:
        """Whether the line was in force on a day."""
        return self.since <= day and (self.until is None or day < self.until)

    def is_assessable(self, patient: Patient) -> bool:
        """Whether everything the line needs is known."""
        return not self.needs or all(_is_known(patient.vitals, need) for need in self.needs)


@cache
def _alternatives(need: str) -> tuple[str, ...]:
    return tuple(need.split("|"))


def _is_known(vitals: Vitals, need: str) -> bool:
    return any(getattr(vitals, name) is not None for name in _alternatives(need))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """Something that makes a patient ``soon`` and no more; it sets no floor."""

    name: str
    ask: Question
    source: str
    since: date


RULES: list[Rule] = []
SIGNS: list[Sign] = []


def rule(
    *,
    id: str,  # noqa: A002 - the catalogue's word.
    name: str,
    floor: Level,
    source: str,
    since: date,
    needs: tuple[str, ...] = (),
    until: date | None = None,
    immediate: bool = False,
    human_contact: bool = False,
    possible: bool = True,
) -> Callable[[Question], Question]:
    """Register a question as one trigger line of a red flag.

    The question returns the words or values that fired it, or ``NOTHING``. It is not asked while
    a measurement in ``needs`` is missing; the flag is then reported as unassessed, unless another
    line of it fired.
    """

    def register(ask: Question) -> Question:
        RULES.append(
            Rule(
                id=id,
                name=name,
                floor=floor,
                ask=ask,
                source=source,
                since=since,
                needs=needs,
                until=until,
                immediate=immediate,
                human_contact=human_contact,
                possible=possible,
            )
        )
        return ask

    return register


def sign(*, source: str, since: date) -> Callable[[Question], Question]:
    """Register a question whose yes makes the patient ``soon``; its docstring is the reason."""

    def register(ask: Question) -> Question:
        name = (ask.__doc__ or "").strip().splitlines()[0].rstrip(".")
        SIGNS.append(Sign(name=name, ask=ask, source=source, since=since))
        return ask

    return register


def both(*parts: Evidence) -> Evidence:
    """Return all parts as one evidence when every one of them is there, else nothing."""
    return tuple(dict.fromkeys(_flat(parts))) if all(parts) else NOTHING


def measured(name: str, value: float | str, unit: str = "") -> Evidence:
    """Return a measured value as evidence, in words."""
    written = f"{value:g}" if isinstance(value, float | int) else value
    return (f"{name} {written} {unit}".strip(),)


def _flat(parts: tuple[Evidence, ...]) -> Iterator[str]:
    for part in parts:
        yield from part
