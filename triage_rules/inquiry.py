"""Every rule and every sign asked of one patient, and what each of them said."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from triage_rules.case import TriageCase
from triage_rules.level import Level
from triage_rules.patient import Evidence, Patient
from triage_rules.rule import Rule, Sign
from triage_rules.ruleset import Ruleset
from triage_rules.text.reading import Reading, read_case

log = logging.getLogger(__name__)


class RuleAnswer(NamedTuple):
    """What one line said: its evidence, nothing, or None where the line itself failed."""

    rule: Rule
    evidence: Evidence | None


class SignAnswer(NamedTuple):
    """What one sign said, as a line does."""

    sign: Sign
    evidence: Evidence | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry:
    """One patient, asked everything.

    ``fired`` are the lines that found something; ``failed`` the ids of flags one of whose lines
    broke; ``unjudged`` the ids of flags that none settled and one could not be asked of.
    """

    patient: Patient
    fired: tuple[RuleAnswer, ...]
    signs: tuple[SignAnswer, ...]
    failed: frozenset[str]
    unjudged: frozenset[str]

    @property
    def has_failure(self) -> bool:
        """Whether a rule or a sign broke."""
        return bool(self.failed) or any(answer.evidence is None for answer in self.signs)


def inquire(case: TriageCase, *, ruleset: Ruleset) -> Inquiry:
    """Read the case and ask everything. What breaks is reported, and never stops the rest."""
    patient = Patient(case=case, reading=_reading(case), limits=ruleset.limits)
    answers = [*_asked(patient, ruleset), *_feared(patient, ruleset)]
    fired = tuple(answer for answer in answers if answer.evidence)
    failed = frozenset(answer.rule.id for answer in answers if answer.evidence is None)
    settled = {answer.rule.id for answer in fired} | failed
    return Inquiry(
        patient=patient,
        fired=fired,
        signs=tuple(_shown(patient, ruleset)),
        failed=failed,
        unjudged=frozenset(
            rule.id
            for rule in ruleset.rules
            if rule.needs and rule.id not in settled and not rule.is_assessable(patient)
        ),
    )


def _reading(case: TriageCase) -> Reading:
    try:
        return read_case(case)
    except Exception as error:  # noqa: BLE001 - whatever is wrong, the patient gets an answer.
        # Never the exception's own text: it may hold the patient's words.
        log.error("text_unparsed", extra={"error": type(error).__name__})
        return Reading(unparsed=True)


def _asked(patient: Patient, ruleset: Ruleset) -> Iterator[RuleAnswer]:
    """Yield the lines that found something or broke."""
    for rule in ruleset.concerning(patient.concepts):
        try:
            evidence = rule.answer(patient)
            if evidence:
                yield RuleAnswer(rule, tuple(evidence))
        except Exception:  # noqa: BLE001 - the others must still be asked.
            log.error("rule_failed", extra={"rule_id": rule.id})
            yield RuleAnswer(rule, None)


def _feared(patient: Patient, ruleset: Ruleset) -> Iterator[RuleAnswer]:
    """A worry that is the complaint keeps its flag, at urgent and not at once."""
    if patient.has_fears:
        for rule, evidence in _asked(patient.with_fears_taken_as_present(), ruleset):
            yield RuleAnswer(replace(rule, floor=Level.URGENT, immediate=False), evidence)


def _shown(patient: Patient, ruleset: Ruleset) -> Iterator[SignAnswer]:
    for sign in ruleset.signs:
        try:
            yield SignAnswer(sign, tuple(sign.ask(patient)))
        except Exception:  # noqa: BLE001 - the others must still be asked.
            log.error("sign_failed", extra={"sign": sign.name})
            yield SignAnswer(sign, None)
