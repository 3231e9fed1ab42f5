"""What the rules say of one patient: ``evaluate`` asks every rule and draws the verdict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from triage_rules.case import MEASURED, TriageCase
from triage_rules.inquiry import Inquiry, RuleAnswer, SignAnswer, inquire
from triage_rules.level import Level
from triage_rules.outcome import RedFlag, Verdict
from triage_rules.patient import Evidence, Patient
from triage_rules.ruleset import Ruleset, ruleset_current
from triage_rules.scores.news2 import News2
from triage_rules.severity import calculate_severity
from triage_rules.text.finding import Assertion, Field
from triage_rules.thresholds import load

Reason = tuple[Level, str]
_RECOGNISED = frozenset(
    {Assertion.PRESENT, Assertion.POSSIBLE, Assertion.RESOLVED, Assertion.FEARED}
)


def evaluate(case: TriageCase, *, ruleset: Ruleset | None = None) -> Verdict:
    """Judge one patient by the rules alone. Rules only raise; a missing value never lowers.

    Parameters
    ----------
    case
        The patient.
    ruleset
        The rules to judge by; today's when None, a past day's from ``ruleset_as_of``.

    Returns
    -------
    Verdict
        Never raises: a text that cannot be read makes the verdict ``text_unparsed``, and a rule
        that fails is ``unassessed``, with a floor at urgent and a person to look.
    """
    ruleset = ruleset or ruleset_current()
    return conclude(inquire(case, ruleset=ruleset), ruleset=ruleset)


def conclude(inquiry: Inquiry, *, ruleset: Ruleset) -> Verdict:
    """Draw the verdict from what every rule said."""
    patient, case = inquiry.patient, inquiry.patient.case
    flags = _red_flags(inquiry.fired)
    floors = [
        *_flag_reasons(flags, inquiry.fired),
        *_news2_reasons(patient.news2),
        *_unread_reasons(patient),
        *_failure_reasons(inquiry.failed),
    ]
    floor = max((level for level, _ in floors), default=Level.ROUTINE)
    raises = [*_sign_reasons(inquiry.signs), *_unknown_reasons(patient)]
    level = max(floor, *(level for level, _ in raises), Level.ROUTINE)
    raised = _as_self_reported(patient, level)
    return Verdict(
        level=raised,
        floor=max(floor, _self_reported_floor(case)),
        severity_score=calculate_severity(
            level=raised, news2_total=patient.news2.total, pain_score=case.vitals.pain_score
        ),
        news2=patient.news2,
        version=ruleset.version,
        red_flags=flags,
        reasons=_in_order([*floors, *raises, *_self_report_reasons(level, raised)]),
        unassessed=_unassessed(inquiry),
        conflicts=patient.reading.conflicts,
        text_unparsed=patient.reading.unparsed,
        needs_human=_needs_human(inquiry),
    )


def _red_flags(fired: Sequence[RuleAnswer]) -> tuple[RedFlag, ...]:
    by_id = sorted(fired, key=lambda answer: answer.rule.id)
    flags = [_merged(list(lines)) for _, lines in groupby(by_id, key=lambda one: one.rule.id)]
    return tuple(sorted(flags, key=lambda flag: (-flag.floor, flag.id)))


def _merged(lines: list[RuleAnswer]) -> RedFlag:
    flag = lines[0].rule.flag
    return RedFlag(
        id=flag.id,
        name=flag.name,
        floor=max(rule.floor for rule, _ in lines),
        immediate=any(rule.immediate for rule, _ in lines),
        evidence=tuple(dict.fromkeys(words for _, said in lines for words in said or ())),
        source=flag.source,
    )


def _flag_reasons(flags: tuple[RedFlag, ...], fired: Sequence[RuleAnswer]) -> Iterator[Reason]:
    certain = {rule.id for rule, _ in fired if rule.flag.certain}
    for flag in flags:
        name = flag.name[0].lower() + flag.name[1:]
        doubt = "" if flag.id in certain else "possible "
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


def _sign_reasons(signs: Sequence[SignAnswer]) -> Iterator[Reason]:
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


def _as_self_reported(patient: Patient, level: Level) -> Level:
    """One step up at most for the caller's own view; "emergency" gives at least urgent."""
    case = patient.case
    step = Level(min(level + 1, Level.EMERGENCY))
    own = case.urgency if case.urgency is not None else Level.ROUTINE
    raised = max(level, min(own, step), _self_reported_floor(case))
    is_high = (case.severity_score or 0) >= patient.limit("self_reported_score")
    return max(raised, step) if is_high else raised


def _self_reported_floor(case: TriageCase) -> Level:
    return Level.URGENT if case.urgency is Level.EMERGENCY else Level.ROUTINE


def _self_report_reasons(level: Level, raised: Level) -> Iterator[Reason]:
    if raised > level:
        yield raised, f"Raised to {raised.label} by what was reported with the patient."


def _in_order(reasons: list[Reason]) -> tuple[str, ...]:
    """Most urgent first; within a level in the order in which they came."""
    ordered = sorted(reasons, key=lambda reason: -reason[0])
    return tuple(dict.fromkeys(text for _, text in ordered))


def _unassessed(inquiry: Inquiry) -> tuple[str, ...]:
    """What could not be judged, or not for certain.

    The rules with a missing value, unless another line fired; those that failed; what a line that
    fired asks for; and an infant's days, without which the youngest age is taken.
    """
    asked_for = {name for rule, _ in inquiry.fired for name in rule.asks_for}
    days = {"patient_age_days"} if inquiry.patient.lacks_days else set()
    return tuple(sorted(inquiry.unjudged | inquiry.failed | asked_for | days))


def _needs_human(inquiry: Inquiry) -> bool:
    asked_for = any(rule.flag.human_contact for rule, _ in inquiry.fired)
    patient = inquiry.patient
    return asked_for or patient.reading.unparsed or _is_unknown(patient) or inquiry.has_failure
