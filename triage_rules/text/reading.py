"""Reading a whole case: every field that carries words, each finding with its field."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

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
from triage_rules.text.normalise import reads_as_latin, words_of
from triage_rules.text.numbers import glucose_mmol_l, pain_scores
from triage_rules.text.passage import lay_out
from triage_rules.text.phrases import phrase_book
from triage_rules.text.spelling import corrected


@dataclass(frozen=True)
class Reading:
    """All that was read of one case.

    ``unparsed`` says that a field could not be read: another script, or over the length limits.
    """

    findings: tuple[Finding, ...] = ()
    unparsed: bool = False
    pain_scores: tuple[int, ...] = ()
    glucose_mmol_l: tuple[float, ...] = ()

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


_DIGIT = re.compile(r"\d")
_SAID = frozenset({Field.COMPLAINT, Field.DESCRIPTION})
_AFFIRMED = frozenset({Assertion.PRESENT, Assertion.POSSIBLE})


def read_text(
    text: str, *, field: Field, reported_by: ReportedBy | None = None
) -> tuple[Finding, ...]:
    """Return the findings of one text, in the order in which they stand."""
    words = words_of(text)
    texts = tuple(corrected(word.text) for word in words)
    passage = lay_out(words, texts, phrase_book().find(texts))
    judge = Judge(passage, reported_by=reported_by)
    return tuple(
        Finding(
            concept=match.entry.name,
            assertion=judge.assertion(match),
            evidence=passage.original(match, text),
            field=field,
            hours_ago=judge.hours_ago(match),
        )
        for match in passage.findings
    )


def read_case(case: TriageCase) -> Reading:
    """Read every field of a case that carries words."""
    texts = [text for _, text in _fields(case)]
    names = [symptom.name for symptom in case.symptoms]
    spoken = [
        [word.text for word in words_of(text)] for text in _spoken(case) if _DIGIT.search(text)
    ]
    return Reading(
        findings=tuple(_findings(case)),
        unparsed=_is_too_long(case) or not all(map(reads_as_latin, [*texts, *names])),
        pain_scores=tuple(score for words in spoken for score in pain_scores(words)),
        glucose_mmol_l=tuple(value for words in spoken for value in glucose_mmol_l(words)),
    )


def _spoken(case: TriageCase) -> Iterator[str]:
    yield case.chief_complaint[:MAX_COMPLAINT_CHARACTERS]
    yield case.description[:MAX_DESCRIPTION_CHARACTERS]
    yield from (s.name[:MAX_ENTRY_CHARACTERS] for s in case.symptoms[:MAX_SYMPTOMS] if s.present)


def _findings(case: TriageCase) -> Iterator[Finding]:
    for field, text in _fields(case):
        yield from read_text(text, field=field, reported_by=case.reported_by)
    for symptom in case.symptoms[:MAX_SYMPTOMS]:
        yield from _symptom_findings(symptom, case.reported_by)


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


def _symptom_findings(symptom: Symptom, reported_by: ReportedBy | None) -> Iterator[Finding]:
    name = symptom.name[:MAX_ENTRY_CHARACTERS].replace("_", " ")
    for finding in read_text(name, field=Field.SYMPTOM, reported_by=reported_by):
        yield finding if symptom.present else replace(finding, assertion=Assertion.NEGATED)


def _is_too_long(case: TriageCase) -> bool:
    return (
        len(case.chief_complaint) > MAX_COMPLAINT_CHARACTERS
        or len(case.description) > MAX_DESCRIPTION_CHARACTERS
        or len(case.symptoms) > MAX_SYMPTOMS
    )
