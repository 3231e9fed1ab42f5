"""One case as a clinician reads it: what was said and measured, beside both answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cryptography.fernet import InvalidToken

from ml.service import TriagePredictionService
from monitoring.encryption import decrypt
from monitoring.models import MLPredictionLog
from monitoring.replay import NotReplayed, case_on_record, verdict_again
from triage_rules.case import VITAL_RANGES, Consciousness, Symptom, TriageCase, Vitals
from triage_rules.level import Level
from triage_rules.outcome import Method, Verdict
from triage_rules.thresholds import limits_as_of, load

ADULT_FROM_YEARS = 16
UNDER_TWO_YEARS = 2
_NAMES = {
    "heart_rate": "Heart rate",
    "respiratory_rate": "Breathing rate",
    "spo2": "SpO₂",
    "systolic_bp": "Systolic pressure",
    "diastolic_bp": "Diastolic pressure",
    "temperature_c": "Temperature",
    "gcs": "GCS",
    "pain_score": "Pain",
    "glucose_mmol_l": "Glucose",
}
_CONSCIOUSNESS = {
    Consciousness.ALERT: "alert",
    Consciousness.CONFUSED: "newly confused",
    Consciousness.VOICE: "responds to voice",
    Consciousness.PAIN: "responds to pain",
    Consciousness.UNRESPONSIVE: "unresponsive",
}
_METHODS = {
    Method.ML: "the model",
    Method.RULES: "the rules",
    Method.RED_FLAG: "a red flag of the rules",
    Method.RULE_FLOOR: "the floor that the rules set",
}
_CHILD_BANDS = {
    "heart_rate": "pals_heart",
    "respiratory_rate": "pals_breathing",
    "systolic_bp": "pals_pressure",
}
_UNREADABLE = {
    NotReplayed.INTAKE_GONE: "What was sent is no longer kept; the measurements are of the record.",
    NotReplayed.INTAKE_KEY_NOT_INSTALLED: "What was sent is kept under a key that is not installed "
    "here; the measurements are of the record.",
    NotReplayed.INTAKE_DAMAGED: "What was sent is kept and cannot be read any more; the "
    "measurements are of the record.",
    NotReplayed.INTAKE_NOT_UNDERSTOOD: "What was sent was written for another version of this "
    "service; the measurements are of the record.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One measured value beside what is normal at the patient's age.

    ``normal`` is blank where no chart of the rules says what is normal, ``distance`` where there
    is no such chart or no value; ``is_abnormal`` is never guessed.
    """

    name: str
    value: str
    normal: str = ""
    distance: str = ""
    is_abnormal: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """A red flag: with name and evidence where the rules could be asked again, else its id."""

    id: str
    name: str = ""
    evidence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelShare:
    """The model's probability of one level."""

    level: Level
    share: float
    is_plausible: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """How far one feature moved the model towards its level, or away from it."""

    name: str
    effect: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PastLabel:
    """One label as it was given."""

    said: str
    author: str
    source: str
    state: str
    saw_prediction: bool | None
    at: Any
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CasePage:
    """What the page shows of the patient; the answers stand in ``Answers``."""

    unreadable: str
    case: TriageCase | None
    facts: tuple[tuple[str, str], ...]
    symptoms: tuple[str, ...]
    measurements: tuple[Measurement, ...]
    lists: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What rules and model said, and how it came to the answer.

    ``flags_note`` says why the flags have no evidence, ``silence`` why the model has no opinion.
    """

    how: str
    silence: str
    flags: tuple[Flag, ...]
    flags_note: str
    reasons: tuple[str, ...]
    shares: tuple[LevelShare, ...]
    contributions: tuple[Push, ...]


def case_page(row: MLPredictionLog) -> CasePage:
    """Lay out what was sent; where that cannot be read, what the row itself keeps."""
    found = case_on_record(row)
    case = None if isinstance(found, NotReplayed) else found
    vitals = _vitals_on_record(row) if case is None else case.vitals
    age = row.age_years if case is None else case.age
    return CasePage(
        unreadable=_UNREADABLE[found] if isinstance(found, NotReplayed) else "",
        case=case,
        facts=tuple(_facts(row, case)),
        symptoms=() if case is None else tuple(map(_symptom, case.symptoms)),
        measurements=tuple(_measurements(vitals, row=row, age=age)),
        lists=() if case is None else _lists(case),
    )


def answers(row: MLPredictionLog, *, case: TriageCase | None) -> Answers:
    """Return both answers, asked again where the same rules and the same model are at hand."""
    verdict = NotReplayed.INTAKE_GONE if case is None else verdict_again(case, row=row)
    return Answers(
        how=_how(row),
        silence=_words(row.model_abstained),
        flags=_flags(row, verdict),
        flags_note=_flags_note(row, verdict),
        reasons=verdict.reasons if isinstance(verdict, Verdict) else (),
        shares=_shares(row),
        contributions=() if case is None else _contributions(row, case),
    )


def past_labels(row: MLPredictionLog) -> tuple[PastLabel, ...]:
    """Return every label of a case, newest first."""
    return tuple(
        PastLabel(
            said="cannot be assessed" if one.level is None else Level(one.level).label,
            author=one.author.get_username(),
            source=one.get_source_display(),
            state=one.get_state_display(),
            saw_prediction=one.saw_prediction,
            at=one.created_at,
            note=_note(bytes(one.note_encrypted)),
        )
        for one in row.labels.select_related("author").order_by("-pk")
    )


def _note(token: bytes) -> str:
    try:
        return decrypt(token)
    except InvalidToken:
        return "(a note that cannot be read any more)"


def _vitals_on_record(row: MLPredictionLog) -> Vitals:
    known: dict[str, Any] = {name: getattr(row, name) for name in (*VITAL_RANGES, "on_oxygen")}
    return Vitals(
        **known,
        spo2_scale=row.spo2_scale or 1,
        consciousness=Consciousness(row.consciousness) if row.consciousness else None,
    )


# --- what was said --------------------------------------------------------------------------------


def _facts(row: MLPredictionLog, case: TriageCase | None) -> Iterator[tuple[str, str]]:
    yield "Age", _age(row, case)
    yield "Sex", str(case.sex if case else row.sex or "unknown")
    if case is not None and case.pregnancy not in {"unknown", "not_pregnant"}:
        yield "Pregnancy", case.pregnancy.replace("_", " ")
    yield (
        "Arrival",
        str(case.arrival_mode if case else row.arrival_mode or "unknown").replace("_", " "),
    )
    yield "Injury", _yes_no(case.injury if case else row.injury)
    if case is not None and case.reported_by:
        yield "Reported by", case.reported_by.value


def _age(row: MLPredictionLog, case: TriageCase | None) -> str:
    if case is not None and case.age_days is not None and case.age < UNDER_TWO_YEARS:
        return f"{case.age_days} days"
    age = row.age_years if case is None else case.age
    return "not kept" if age is None else f"{age:.3g} years"


def _yes_no(value: bool | None) -> str:
    return "not known" if value is None else "yes" if value else "no"


def _symptom(symptom: Symptom) -> str:
    words = [symptom.name if symptom.present else f"no {symptom.name}"]
    if symptom.severity is not None:
        words.append(symptom.severity.value)
    if symptom.duration_hours is not None:
        words.append(f"for {symptom.duration_hours:g} h")
    return ", ".join(words)


def _lists(case: TriageCase) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return (
        ("History", case.medical_history),
        ("Medication", case.medications),
        ("Allergies", case.allergies),
    )


# --- what was measured ----------------------------------------------------------------------------


def _measurements(
    vitals: Vitals, *, row: MLPredictionLog, age: float | None
) -> Iterator[Measurement]:
    for name, title in _NAMES.items():
        value = getattr(vitals, name)
        low, high = _normal(name, vitals=vitals, row=row, age=age)
        yield _measurement(title, value, unit=_unit(name), low=low, high=high)
    yield Measurement(name="Oxygen given", value=_yes_no(vitals.on_oxygen))
    yield _mind(vitals.consciousness)


def _mind(found: Consciousness | None) -> Measurement:
    return Measurement(
        name="Consciousness",
        value="not measured" if found is None else _CONSCIOUSNESS[found],
        normal="alert",
        distance="normal" if found is Consciousness.ALERT else "",
        is_abnormal=found not in {None, Consciousness.ALERT},
    )


def _measurement(
    title: str, value: float | None, *, unit: str, low: float | None, high: float | None
) -> Measurement:
    normal = _span(low, high)
    if value is None:
        return Measurement(name=title, value="not measured", normal=normal)
    below = low is not None and value < low
    above = high is not None and value > high
    distance = f"{low - value:.3g} below" if low is not None and below else ""
    distance = f"{value - high:.3g} above" if high is not None and above else distance
    return Measurement(
        name=title,
        value=f"{value:g} {unit}".strip(),
        normal=normal,
        distance=distance or ("normal" if normal else ""),
        is_abnormal=below or above,
    )


def _unit(name: str) -> str:
    of = VITAL_RANGES[name]
    return f"of {of.high:g}" if of.unit == "points" else of.unit


def _span(low: float | None, high: float | None) -> str:
    if low is None:
        return "" if high is None else f"up to {high:g}"
    return f"from {low:g}" if high is None else f"{low:g} to {high:g}"


def _normal(
    name: str, *, vitals: Vitals, row: MLPredictionLog, age: float | None
) -> tuple[float | None, float | None]:
    """Return the ends of what scores nothing: of NEWS2 in adults, of PALS in children."""
    if age is None:
        return None, None
    if age >= ADULT_FROM_YEARS:
        return _adult_normal(name, vitals)
    band = _CHILD_BANDS.get(name)
    limits = limits_as_of(row.created_at.date())
    return (
        (limits.at_age(f"{band}_from", age), limits.at_age(f"{band}_to", age))
        if band
        else (None, None)
    )


def _adult_normal(name: str, vitals: Vitals) -> tuple[float | None, float | None]:
    row = name
    if name == "spo2":
        on = "oxygen" if vitals.on_oxygen else "air"
        row = f"spo2_scale_2_on_{on}" if vitals.spo2_scale == 2 else "spo2_scale_1"
    chart = load("news2").get(row)
    if chart is None:
        return None, None
    box = next(box for box in chart["boxes"] if box["points"] == 0)
    return box.get("from"), box.get("to")


# --- what was answered ----------------------------------------------------------------------------


def _how(row: MLPredictionLog) -> str:
    """Return what settled the answer, and why the model did not where it was its turn."""
    settled = _METHODS[Method(row.method)]
    reason = _words(row.fallback_reason)
    return f"{settled}; the model did not stand alone: {reason}" if reason else settled


def _words(code: str) -> str:
    return code.replace("_", " ")


def _flags(row: MLPredictionLog, verdict: Verdict | NotReplayed) -> tuple[Flag, ...]:
    if isinstance(verdict, NotReplayed):
        return tuple(Flag(id=name) for name in row.red_flags)
    return tuple(
        Flag(id=flag.id, name=flag.name, evidence=", ".join(flag.evidence))
        for flag in verdict.red_flags
    )


def _flags_note(row: MLPredictionLog, verdict: Verdict | NotReplayed) -> str:
    if not isinstance(verdict, NotReplayed) or not row.red_flags:
        return ""
    if verdict is NotReplayed.RULES_VERSION_NOT_INSTALLED:
        return "These rules are no longer installed: the record keeps only which flags fired."
    return "Without what was sent, the record keeps only which flags fired."


def _shares(row: MLPredictionLog) -> tuple[LevelShare, ...]:
    pairs = reversed(list(zip(Level, row.probabilities or (), strict=False)))
    return tuple(
        LevelShare(level=level, share=share, is_plausible=level in row.plausible_levels)
        for level, share in pairs
    )


def _contributions(row: MLPredictionLog, case: TriageCase) -> tuple[Push, ...]:
    """Return what moved the model, where the version that spoke serves here."""
    service = TriagePredictionService.instance()
    if not row.model_digest or service.status.model_digest != row.model_digest:
        return ()
    opinion = service.predict(case, explain=True)
    is_same = opinion.digest == row.model_digest and opinion.level == row.model_level
    found = opinion.contributions if is_same else ()
    return tuple(Push(name=_words(one.feature), effect=one.effect) for one in found)
