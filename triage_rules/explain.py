"""Why a patient got the level: which line fired on what, each score, and what is unknown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from triage_rules.case import TriageCase
from triage_rules.engine import conclude
from triage_rules.inquiry import Inquiry, RuleAnswer, inquire
from triage_rules.outcome import Verdict
from triage_rules.patient import Patient
from triage_rules.ruleset import Ruleset
from triage_rules.scores.bands import HIGH_RISK, NICE_HIGH, NICE_MODERATE, PALS, Band, read_band
from triage_rules.scores.news2 import News2
from triage_rules.scores.qsofa import qsofa
from triage_rules.scores.shock_index import shock_index

_BANDS: dict[str, Band] = {
    "ESI-informed high risk": HIGH_RISK,
    "NICE high risk": NICE_HIGH,
    "NICE moderate risk": NICE_MODERATE,
    "PALS": PALS,
}


def explain(case: TriageCase, *, ruleset: Ruleset) -> str:
    """Return the verdict and everything it rests on, as plain text.

    Parameters
    ----------
    case
        The patient. The text holds the patient's own words: show it to who may read the case.
    ruleset
        The rules of the day that is asked about.
    """
    inquiry = inquire(case, ruleset=ruleset)
    verdict = conclude(inquiry, ruleset=ruleset)
    sections = {
        "Which rules fired, and on what": _fired(inquiry.fired),
        "What else makes the patient soon": _signs(inquiry),
        "Scores": _scores(inquiry.patient),
        "What was read in the text": _findings(inquiry.patient),
        "What contradicts": verdict.conflicts,
        "What could not be judged": _unknown(verdict, inquiry.patient, ruleset),
    }
    return "\n".join([_headline(verdict), *_written(sections), ""])


def _headline(verdict: Verdict) -> str:
    now = ", at once" if verdict.immediate else ""
    person = " A person must look." if verdict.needs_human else ""
    return (
        f"{verdict.level.label.upper()}{now} (floor {verdict.floor.label}, "
        f"severity {verdict.severity_score} of 100, rules {verdict.version}).{person}"
    )


def _written(sections: dict[str, Iterable[str]]) -> Iterator[str]:
    for title, lines in sections.items():
        yield f"\n{title}\n{'-' * len(title)}"
        yield from list(lines) or ["nothing"]


def _fired(fired: tuple[RuleAnswer, ...]) -> Iterator[str]:
    by_flag = sorted(fired, key=lambda answer: (-answer.rule.floor, answer.rule.id))
    for flag, lines in groupby(by_flag, key=lambda answer: answer.rule.flag):
        yield f"{flag.id} {flag.name} ({flag.source})"
        for rule, evidence in lines:
            now = ", at once" if rule.immediate else ""
            yield f"  {rule.floor.label}{now}: {rule.sentence}"
            yield f"    on: {', '.join(evidence or ())}"


def _signs(inquiry: Inquiry) -> Iterator[str]:
    for sign, evidence in inquiry.signs:
        if evidence:
            yield f"{sign.name}: {', '.join(evidence)}"


def _scores(patient: Patient) -> Iterator[str]:
    yield _news2(patient.news2)
    sepsis = qsofa(patient.vitals, age=patient.age, limits=patient.limits)
    if patient.is_adult:
        yield f"qSOFA: {_or_unknown(sepsis.total)} of 3{_lacking(sepsis.missing)}"
    index = shock_index(patient.vitals)
    value = None if index.value is None else round(index.value, 2)
    yield f"Shock index: {_or_unknown(value)}{_lacking(index.missing)}"
    for name, band in _BANDS.items():
        yield from _band(name, band, patient)


def _news2(score: News2) -> str:
    if score.total is None and not score.missing:
        return "NEWS2: not for this age"
    points = ", ".join(f"{name} {points}" for name, points in score.subscores if points)
    caution = "" if score.validated else "; not validated in pregnancy"
    of = f" ({points})" if points else ""
    return f"NEWS2: {_or_unknown(score.total)}{of}{_lacking(score.missing)}{caution}"


def _band(name: str, band: Band, patient: Patient) -> Iterator[str]:
    reading = read_band(band, vitals=patient.vitals, age=patient.age, limits=patient.limits)
    if reading.outside or reading.missing:
        outside = ", ".join(reading.outside) or "nothing that was measured"
        yield f"Beyond {name}: {outside}{_lacking(reading.missing)}"


def _or_unknown(value: float | None) -> str:
    return "unknown" if value is None else str(value)


def _lacking(missing: tuple[str, ...]) -> str:
    return f"; at least, not measured: {', '.join(missing)}" if missing else ""


def _findings(patient: Patient) -> Iterator[str]:
    for found in patient.reading.findings:
        concept = found.concept.replace("_", " ")
        yield f'"{found.evidence}" in {found.field}: {concept}, {found.assertion}'
    for name, values in patient.reading.numbers.items():
        yield f"{name} in the text: {', '.join(f'{value:g}' for value in values)}"


def _unknown(verdict: Verdict, patient: Patient, ruleset: Ruleset) -> Iterator[str]:
    for name in verdict.unassessed:
        lines = [rule for rule in ruleset.rules if rule.id == name and rule.needs]
        needs = dict.fromkeys(need for rule in lines for need in rule.needs)
        lacking = [need for need in needs if not patient.knows_measurements((need,))]
        written = ", ".join(need.replace("|", " or ") for need in lacking)
        yield f"{name} {lines[0].flag.name}: needs {written}" if lacking else name
    if verdict.text_unparsed:
        yield "the text, or part of it"
