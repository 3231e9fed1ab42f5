"""Reading a whole case: every field that carries words, each finding with its field."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from functools import cache, cached_property, lru_cache
from pathlib import Path

from triage_rules.case import (
    MAX_COMPLAINT_CHARACTERS,
    MAX_DESCRIPTION_CHARACTERS,
    MAX_ENTRY_CHARACTERS,
    MAX_SYMPTOMS,
    ReportedBy,
    Symptom,
    TriageCase,
)
from triage_rules.text.assertion import Judge
from triage_rules.text.finding import Assertion, Field, Finding
from triage_rules.text.hiding import lay_out
from triage_rules.text.language import reads_as_foreign
from triage_rules.text.normalise import (
    MATCHER_VERSION,
    pieces_of,
    reads_as_latin,
    spans_of,
    written_out,
)
from triage_rules.text.numbers import numbers_in
from triage_rules.text.phrases import Match, lasting_concepts, phrase_book
from triage_rules.text.spelling import corrected

# Raised when the code reads the same words as other findings.
READING_VERSION = 1


@dataclass(frozen=True)
class Reading:
    """All that was read of one case.

    ``unparsed`` says that a field could not be read: another script, over the length limits, or a
    complaint in another language. ``numbers`` holds what the spoken text gives of measurements, by
    the name of the measurement and in its unit.
    """

    findings: tuple[Finding, ...] = ()
    unparsed: bool = False
    numbers: Mapping[str, tuple[float, ...]] = dataclass_field(default_factory=dict)

    @cached_property
    def conflicts(self) -> tuple[str, ...]:
        """Findings the structure denies and the text affirms, in plain words."""
        said = [f for f in self.findings if f.field in _SAID and f.assertion in _AFFIRMED]
        denied = [
            f
            for f in self.findings
            if f.field is Field.SYMPTOM and f.assertion is Assertion.NEGATED
        ]
        pairs = {(d.evidence, s.evidence) for d in denied for s in said if d.concept == s.concept}
        return tuple(
            f'"{denied}" is marked as absent, but the text says "{said}".'
            for denied, said in sorted(pairs)
        )


_SAID = frozenset({Field.COMPLAINT, Field.DESCRIPTION})
_AFFIRMED = frozenset({Assertion.PRESENT, Assertion.POSSIBLE})


@cache
def reading_version() -> str:
    """Return what a model that learnt from findings depends on: code by number, data by digest."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.toml")):
        digest.update(path.name.encode() + path.read_bytes())
    return f"{READING_VERSION}-{digest.hexdigest()[:12]}"


def read_text(
    text: str, *, field: Field, reported_by: ReportedBy | None = None
) -> tuple[Finding, ...]:
    """Return the findings of one text, in the order in which they stand, each once."""
    pieces = pieces_of(text)
    words = [word for piece in pieces for word in _words_in(piece)]
    passage = lay_out(words, phrase_book().find(words), joined=_joined(pieces))
    if not passage.findings:
        return ()
    original = _Original(text, pieces)
    judge = Judge(passage, reported_by=reported_by)
    said = (
        Finding(
            concept=match.entry.name,
            assertion=judge.assertion(match),
            evidence=original.of(match),
            field=field,
            hours_ago=judge.hours_ago(match),
            longstanding=judge.is_longstanding(match),
        )
        for match in passage.findings
    )
    return tuple(dict.fromkeys(said))


def _joined(pieces: list[str]) -> Iterator[int]:
    """Yield where a word stands that was written right behind another ("CP/SOB")."""
    end = 0
    for piece in pieces:
        start, end = end, end + len(_words_in(piece))
        yield from range(start + 1, end)


@lru_cache(maxsize=16384)
def _words_in(piece: str) -> tuple[str, ...]:
    return tuple(map(corrected, written_out(piece, MATCHER_VERSION)))


class _Original:
    """A text as it was written, by the positions of the words that were read."""

    def __init__(self, text: str, pieces: list[str]) -> None:
        self._text = text
        self._spans = [
            span
            for piece, span in zip(pieces, spans_of(text), strict=True)
            for _ in _words_in(piece)
        ]

    def of(self, match: Match) -> str:
        """Return the stretch of the original text that a match came from."""
        start, end = self._spans[match.start][0], self._spans[match.end - 1][1]
        return self._text[start:end].strip(" .,;:!?()")


# Rules and model read the same case, one after the other; every thread has its own patient.
@lru_cache(maxsize=16)
def read_case(case: TriageCase) -> Reading:
    """Read every field of a case that carries words."""
    texts = [text for _, text in _fields(case)]
    names = [symptom.name for symptom in case.symptoms]
    findings = tuple(_findings(case))
    is_latin = all(map(reads_as_latin, [*texts, *names]))
    return Reading(
        findings=findings,
        unparsed=_is_too_long(case) or not is_latin or _is_foreign(case, findings),
        numbers=_numbers(dict.fromkeys(_spoken(case))),
    )


def _numbers(spoken: Iterable[str]) -> dict[str, tuple[float, ...]]:
    numbers: defaultdict[str, list[float]] = defaultdict(list)
    for text in spoken:
        for name, value in numbers_in(text):
            numbers[name].append(value)
    return {name: tuple(dict.fromkeys(values)) for name, values in numbers.items()}


def _is_foreign(case: TriageCase, findings: tuple[Finding, ...]) -> bool:
    """Whether the complaint says nothing known, and not a word of it is English."""
    if any(found.field is Field.COMPLAINT for found in findings):
        return False
    pieces = pieces_of(case.chief_complaint[:MAX_COMPLAINT_CHARACTERS])
    return reads_as_foreign(word for piece in pieces for word in _words_in(piece))


def _spoken(case: TriageCase) -> Iterator[str]:
    yield case.chief_complaint[:MAX_COMPLAINT_CHARACTERS]
    yield case.description[:MAX_DESCRIPTION_CHARACTERS]
    yield from (s.name[:MAX_ENTRY_CHARACTERS] for s in case.symptoms[:MAX_SYMPTOMS] if s.present)


def _findings(case: TriageCase) -> Iterator[Finding]:
    """Yield the findings of every field; an entry that is written twice is read once."""
    for field, text in dict.fromkeys(_fields(case)):
        yield from read_text(text, field=field, reported_by=case.reported_by)
    symptoms = case.symptoms[:MAX_SYMPTOMS]
    asked = dict.fromkeys((_name(s), s.present, s.duration_hours) for s in symptoms)
    for name, present, hours in asked:
        for finding in read_text(name, field=Field.SYMPTOM, reported_by=case.reported_by):
            yield _as_asked(finding, present=present, hours=hours)


def _fields(case: TriageCase) -> Iterator[tuple[Field, str]]:
    yield Field.COMPLAINT, case.chief_complaint[:MAX_COMPLAINT_CHARACTERS]
    yield Field.DESCRIPTION, case.description[:MAX_DESCRIPTION_CHARACTERS]
    lists = (
        (Field.HISTORY, case.medical_history),
        (Field.MEDICATION, case.medications),
        (Field.ALLERGY, case.allergies),
    )
    for field, entries in lists:
        yield from ((field, entry[:MAX_ENTRY_CHARACTERS]) for entry in entries)


def _name(symptom: Symptom) -> str:
    return symptom.name[:MAX_ENTRY_CHARACTERS].replace("_", " ")


def _as_asked(finding: Finding, *, present: bool, hours: float | None) -> Finding:
    """Return what the structure says of a finding; one that lasts began when the symptom did."""
    if not present:
        return replace(finding, assertion=Assertion.NEGATED)
    if hours is None or finding.hours_ago is not None or finding.concept not in lasting_concepts():
        return finding
    return replace(finding, hours_ago=hours)


def _is_too_long(case: TriageCase) -> bool:
    return (
        len(case.chief_complaint) > MAX_COMPLAINT_CHARACTERS
        or len(case.description) > MAX_DESCRIPTION_CHARACTERS
        or len(case.symptoms) > MAX_SYMPTOMS
    )
