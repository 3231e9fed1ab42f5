"""What the rules say of one patient: ``evaluate`` reads the case and asks every rule."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import fields, replace
from itertools import groupby

from triage_rules.case import TriageCase, Vitals
from triage_rules.level import Level
from triage_rules.outcome import RedFlag, Verdict
from triage_rules.patient import NOTHING, Evidence, Patient
from triage_rules.rule import Rule, Sign
from triage_rules.ruleset import Ruleset, ruleset_current
from triage_rules.scores.news2 import News2, news2
from triage_rules.severity import calculate_severity
from triage_rules.text.finding import Assertion, Field
from triage_rules.text.reading import Reading, read_case
from triage_rules.thresholds import load

log = logging.getLogger(__name__)

Answer = tuple[Rule, Evidence]
Response = tuple[Rule, Evidence | None]
Reason = tuple[Level, str]
_RECOGNISED = frozenset(
    {Assertion.PRESENT, Assertion.POSSIBLE, Assertion.RESOLVED, Assertion.FEARED}
)
_NOT_SCORED = News2(total=None)
MEASURED = tuple(field.name for field in fields(Vitals) if field.name != "spo2_scale")


def evaluate(case: TriageCase, *, ruleset: Ruleset | None = None) -> Verdict:
    """Judge one patient by the rules alone. Rules only raise; a missing value never lowers.

    Parameters
    ----------
    case
        The patient.
    ruleset
        The rules to judge by; today's when None.

    Returns
    -------
    Verdict
        Never raises: a text that cannot be read makes the verdict ``text_unparsed``, and a rule
        that fails is ``unassessed``, with a floor at urgent and a person to look.
    """
    ruleset = ruleset or ruleset_current()
    patient = _patient(case, ruleset)
    responses = _responses(patient, ruleset)
    answers = [(rule, evidence) for rule, evidence in responses if evidence]
    failed = frozenset(rule.id for rule, evidence in responses if evidence is None)
    signs = [(sign, _ask_sign(sign, patient)) for sign in ruleset.signs]
    flags = _red_flags(answers)
    suspicions = frozenset(rule.id for rule, _ in answers if not rule.flag.certain)
    floors = [
        *_flag_reasons(flags, suspicions),
        *_news2_reasons(patient.news2),
        *_unread_reasons(patient),
        *_failure_reasons(failed),
    ]
    floor = max((level for level, _ in floors), default=Level.ROUTINE)
    raises = [*_sign_reasons(signs), *_unknown_reasons(patient)]
    level = max(floor, *(level for level, _ in raises), Level.ROUTINE)
    raised = _as_self_reported(case, level, ruleset)
    reasons = [*floors, *raises, *_self_report_reasons(level, raised)]
    return Verdict(
        level=raised,
        floor=max(floor, _self_reported_floor(case)),
        severity_score=calculate_severity(
            level=raised, news2_total=patient.news2.total, pain_score=case.vitals.pain_score
        ),
        news2=patient.news2,
        version=ruleset.version,
        red_flags=flags,
        reasons=_in_order(reasons),
        unassessed=_unassessed(patient, answers, ruleset, failed),
        conflicts=patient.reading.conflicts,
        text_unparsed=patient.reading.unparsed,
        needs_human=_needs_human(patient, answers) or _has_failure([*responses, *signs]),
    )


def _patient(case: TriageCase, ruleset: Ruleset) -> Patient:
    patient = Patient(case=case, reading=_reading(case), news2=_NOT_SCORED, limits=ruleset.limits)
    score = news2(case.vitals, age=case.age, pregnant=patient.is_pregnant)
    return replace(patient, news2=score)


def _reading(case: TriageCase) -> Reading:
    try:
        return read_case(case)
    except Exception as error:  # noqa: BLE001 - whatever is wrong, the patient gets an answer.
        # Never the exception's own text: it may hold the patient's words.
        log.error("text_unparsed", extra={"error": type(error).__name__})
        return Reading(unparsed=True)


def _responses(patient: Patient, ruleset: Ruleset) -> list[Response]:
    responses = [(rule, _ask(rule, patient)) for rule in ruleset.rules]
    return [*responses, *_feared_responses(patient, ruleset)] if patient.has_fears else responses


def _feared_responses(patient: Patient, ruleset: Ruleset) -> Iterator[Response]:
    """A worry that is the complaint keeps its flag, at urgent and not at once."""
    feared = patient.with_fears_taken_as_present()
    for rule in ruleset.rules:
        yield replace(rule, floor=Level.URGENT, immediate=False), _ask(rule, feared)


def _ask(rule: Rule, patient: Patient) -> Evidence | None:
    """Return what fired a rule, or nothing; None where the rule itself failed."""
    try:
        return tuple(rule.ask(patient)) if rule.is_assessable(patient) else NOTHING
    except Exception:  # noqa: BLE001 - the other rules must still be asked.
        log.error("rule_failed", extra={"rule_id": rule.id})
        return None


def _ask_sign(sign: Sign, patient: Patient) -> Evidence | None:
    """Return what shows a sign, or nothing; None where the sign itself failed."""
    try:
        return tuple(sign.ask(patient))
    except Exception:  # noqa: BLE001 - the other signs must still be asked.
        log.error("sign_failed", extra={"sign": sign.name})
        return None


def _red_flags(answers: list[Answer]) -> tuple[RedFlag, ...]:
    by_id = sorted(answers, key=lambda answer: answer[0].id)
    flags = [_merged(list(lines)) for _, lines in groupby(by_id, key=lambda answer: answer[0].id)]
    return tuple(sorted(flags, key=lambda flag: (-flag.floor, flag.id)))


def _merged(lines: list[Answer]) -> RedFlag:
    first = lines[0][0]
    floor = max(rule.floor for rule, _ in lines)
    return RedFlag(
        id=first.id,
        name=first.flag.name,
        floor=floor,
        immediate=any(rule.immediate for rule, _ in lines),
        evidence=tuple(dict.fromkeys(words for _, evidence in lines for words in evidence)),
        source=first.flag.source,
    )


def _flag_reasons(flags: tuple[RedFlag, ...], suspicions: frozenset[str]) -> Iterator[Reason]:
    for flag in flags:
        name = flag.name[0].lower() + flag.name[1:]
        doubt = "possible " if flag.id in suspicions else ""
        yield flag.floor, f"{_sentence_start(flag.evidence)}: {doubt}{name} ({flag.id})."


def _sentence_start(evidence: Evidence) -> str:
    words = ", ".join(" ".join(piece.split()) for piece in evidence)
    return words[:1].upper() + words[1:]


def _news2_reasons(score: News2) -> Iterator[Reason]:
    """The floor of the early warning score; a single 3 raises, never lowers."""
    bands = load("news2")["bands"]
    total = score.total or 0
    if total >= bands["emergency_from"]:
        yield Level.EMERGENCY, f"NEWS2 is {total}: emergency threshold."
    elif total >= bands["urgent_from"]:
        yield Level.URGENT, f"NEWS2 is {total}: urgent threshold."
    elif score.has_single_three:
        names = ", ".join(_in_words(name) for name, points in score.subscores if points == 3)
        yield Level.URGENT, f"NEWS2 scores 3 for {names} alone."


def _in_words(name: str) -> str:
    return (
        name.removesuffix("_c").replace("_", " ").replace("spo2", "SpO2").replace("bp", "pressure")
    )


def _unread_reasons(patient: Patient) -> Iterator[Reason]:
    if patient.reading.unparsed:
        yield Level.URGENT, "The text could not be read: a person must look."


def _failure_reasons(failed: frozenset[str]) -> Iterator[Reason]:
    for rule_id in sorted(failed):
        yield Level.URGENT, f"Rule {rule_id} could not be judged: a person must look."


def _sign_reasons(signs: list[tuple[Sign, Evidence | None]]) -> Iterator[Reason]:
    for sign, evidence in signs:
        if evidence is None:
            yield Level.SOON, f'"{sign.name}" could not be judged: a person must look.'
        elif evidence:
            yield Level.SOON, f"{sign.name}: {', '.join(evidence)}."


def _unknown_reasons(patient: Patient) -> Iterator[Reason]:
    if _is_unknown(patient):
        yield Level.SOON, "The complaint is not recognised and nothing was measured."


def _is_unknown(patient: Patient) -> bool:
    """Whether nothing was measured and the complaint tells nothing of the patient's own present."""
    recognised = any(
        found.field is Field.COMPLAINT and found.assertion in _RECOGNISED
        for found in patient.reading.findings
    )
    measured = any(getattr(patient.vitals, name) is not None for name in MEASURED)
    return not recognised and not measured


def _as_self_reported(case: TriageCase, level: Level, ruleset: Ruleset) -> Level:
    """One step up at most for the caller's own view; "emergency" gives at least urgent."""
    step = Level(min(level + 1, Level.EMERGENCY))
    own = case.urgency if case.urgency is not None else Level.ROUTINE
    raised = max(level, min(own, step), _self_reported_floor(case))
    score = case.severity_score or 0
    return max(raised, step) if score >= ruleset.limits.number("self_reported_score") else raised


def _self_reported_floor(case: TriageCase) -> Level:
    return Level.URGENT if case.urgency is Level.EMERGENCY else Level.ROUTINE


def _self_report_reasons(level: Level, raised: Level) -> Iterator[Reason]:
    if raised > level:
        yield raised, f"Raised to {raised.label} by what was reported with the patient."


def _in_order(reasons: list[Reason]) -> tuple[str, ...]:
    """Most urgent first; within a level in the order in which they came."""
    ordered = sorted(reasons, key=lambda reason: -reason[0])
    return tuple(dict.fromkeys(text for _, text in ordered))


def _unassessed(
    patient: Patient, answers: list[Answer], ruleset: Ruleset, failed: frozenset[str]
) -> tuple[str, ...]:
    """What could not be judged, or not for certain.

    The rules with a missing value, unless another line fired; those that failed; what a line that
    fired asks for; and an infant's days, without which the youngest age is taken.
    """
    settled = {rule.id for rule, _ in answers} | failed
    rules = (rule for rule in ruleset.rules if rule.id not in settled)
    unjudged = {rule.id for rule in rules if not rule.is_assessable(patient)} | failed
    asked_for = {name for rule, _ in answers for name in rule.asks_for}
    days = {"patient_age_days"} if patient.lacks_days else set()
    return tuple(sorted(unjudged | asked_for | days))


def _needs_human(patient: Patient, answers: list[Answer]) -> bool:
    asked_for = any(rule.flag.human_contact for rule, _ in answers)
    return asked_for or patient.reading.unparsed or _is_unknown(patient)


def _has_failure(asked: Iterable[tuple[Rule | Sign, Evidence | None]]) -> bool:
    return any(evidence is None for _, evidence in asked)
