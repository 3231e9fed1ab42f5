"""How a decision is written in an answer, when it is made and when it is read again."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypedDict, cast

from ml.routing import Assignment
from monitoring.labels import LEVEL_WORDS, LabelState
from triage_rules import recommend_care_level
from triage_rules.case import ArrivalMode, Consciousness, Sex
from triage_rules.level import Abstention, Decider, Level, Opinion
from triage_rules.outcome import Decision, FallbackReason, Method, RedFlag, Verdict
from triage_rules.severity import CareLevel

# How plain values are meant; the schema of the API says so too.
Id = Annotated[str, ("format", "uuid")]
Moment = Annotated[str, ("format", "date-time")]
LevelWord = Annotated[str, ("enum", tuple(level.label for level in Level))]
Share = Annotated[float, ("minimum", 0), ("maximum", 1)]


class ProbabilitiesBody(TypedDict):
    """The model's probability of each level; they sum to 1."""

    routine: Share
    soon: Share
    urgent: Share
    emergency: Share


class RedFlagBody(TypedDict):
    """One red flag with the words or values that fired it."""

    id: str
    name: str
    floor: LevelWord
    evidence: list[str]
    source: str


class News2Body(TypedDict):
    """The NEWS2 score; `missing` are the measurements it was taken without."""

    total: int | None
    missing: list[str]
    validated: bool


class RulesBody(TypedDict):
    """What the rules say."""

    prediction: LevelWord
    floor: LevelWord
    severity_score: int
    version: str
    news2: News2Body
    unassessed: list[str]
    conflicts: list[str]
    text_unparsed: bool


class ContributionBody(TypedDict):
    """What one feature added to (or took from) the model's score of its own level."""

    feature: str
    effect: float


class ModelBody(TypedDict):
    """What the model says, or why it abstains."""

    prediction: LevelWord | None
    confidence: Share | None
    version: str | None
    abstained: Abstention | None
    contributions: list[ContributionBody]


class DecisionBody(TypedDict):
    """A decision that is on record. It supports a clinician's judgement and never replaces it."""

    prediction_id: Id | None
    prediction: LevelWord
    confidence: Share
    probabilities: ProbabilitiesBody | None
    plausible_levels: list[LevelWord]
    method: Method
    ab_group: Decider | None
    fallback: bool
    fallback_reason: FallbackReason | None
    immediate: bool
    needs_human: bool
    care_level: CareLevel
    target_minutes: int
    red_flags: list[RedFlagBody]
    rules: RulesBody
    model: ModelBody
    reasons: list[str]
    degraded: bool
    log_durability: Literal["db", "none"]
    requires_clinician_review: bool


class LabelBody(TypedDict):
    """How a label was taken; `ground_truth` is the level that now counts, if one does."""

    prediction_id: Id
    level: Annotated[str, ("enum", LEVEL_WORDS)]
    state: LabelState
    ground_truth: LevelWord | None


class RulesOnRecordBody(TypedDict):
    """What the rules said; red flags by their ids, since the words that fired them are not kept."""

    prediction: LevelWord
    floor: LevelWord
    severity_score: int
    version: str
    news2: int | None
    red_flags: list[str]


class ModelOnRecordBody(TypedDict):
    """What the model said, or why it abstained."""

    prediction: LevelWord | None
    confidence: Share | None
    version: str | None
    abstained: Abstention | None
    threshold: Share | None


class PatientOnRecordBody(TypedDict):
    """What is kept of the patient beside the measurements; null where not known or not kept."""

    age_years: float | None
    sex: Sex | None
    arrival_mode: ArrivalMode | None
    injury: bool | None


class VitalsOnRecordBody(TypedDict):
    """What was measured; null where not known or not kept."""

    heart_rate: float | None
    respiratory_rate: float | None
    spo2: float | None
    spo2_scale: int | None
    on_oxygen: bool | None
    systolic_bp: float | None
    diastolic_bp: float | None
    temperature_c: float | None
    consciousness: Consciousness | None
    gcs: int | None
    pain_score: int | None
    glucose_mmol_l: float | None


class PredictionBody(TypedDict):
    """A decision as it is on record: who asked and what was answered, nobody's name or words.

    Who reads without references finds `client`, `actor` and `triage_log_id` null.
    """

    prediction_id: Id
    created_at: Moment
    client: str | None
    actor: str | None
    triage_log_id: str | None
    site: str | None
    experiment: str
    phase: int
    ab_group: Decider | None
    prediction: LevelWord
    confidence: Share
    probabilities: ProbabilitiesBody | None
    plausible_levels: list[LevelWord]
    method: Method
    fallback: bool
    fallback_reason: FallbackReason | None
    immediate: bool
    needs_human: bool
    rules: RulesOnRecordBody
    model: ModelOnRecordBody
    patient: PatientOnRecordBody
    vitals: VitalsOnRecordBody
    missing: list[str]
    latency_ms: float
    log_durability: Literal["db"]
    ground_truth: LevelWord | None
    ground_truth_at: Moment | None


def decision_body(
    decision: Decision, assignment: Assignment, prediction_id: uuid.UUID | None
) -> DecisionBody:
    """Return the answer to one triage request; without an id it is not on record."""
    verdict, opinion = decision.verdict, decision.opinion
    advice = recommend_care_level(decision.level, immediate=verdict.immediate)
    return {
        "prediction_id": None if prediction_id is None else str(prediction_id),
        "prediction": decision.level.label,
        "confidence": decision.confidence,
        "probabilities": _probabilities(opinion),
        "plausible_levels": [level.label for level in opinion.plausible_levels],
        "method": decision.method,
        "ab_group": assignment.ab_group,
        "fallback": decision.fallback,
        "fallback_reason": decision.fallback_reason,
        "immediate": verdict.immediate,
        "needs_human": decision.needs_human,
        "care_level": advice.care_level,
        "target_minutes": advice.target_minutes,
        "red_flags": [red_flag_body(flag) for flag in verdict.red_flags],
        "rules": _rules(verdict),
        "model": _model(opinion),
        "reasons": list(verdict.reasons),
        "degraded": False,
        "log_durability": "none" if prediction_id is None else "db",
        "requires_clinician_review": True,
    }


def red_flag_body(flag: RedFlag) -> RedFlagBody:
    """Return one red flag with the words or values that fired it."""
    return {
        "id": flag.id,
        "name": flag.name,
        "floor": flag.floor.label,
        "evidence": list(flag.evidence),
        "source": flag.source,
    }


def prediction_body(row: Any, *, names_callers: bool) -> PredictionBody:
    """Return one row of the record, with or without what only its caller could know it by."""
    return {
        "prediction_id": str(row.pk),
        "created_at": _moment(row.created_at),
        "client": row.client if names_callers else None,
        "actor": row.actor if names_callers else None,
        "triage_log_id": (row.triage_log_id or None) if names_callers else None,
        "site": row.site or None,
        "experiment": row.experiment,
        "phase": row.phase,
        "ab_group": row.ab_group or None,
        "prediction": Level(row.prediction).label,
        "confidence": row.confidence,
        "probabilities": row.probabilities and _by_level(row.probabilities),
        "plausible_levels": [Level(level).label for level in row.plausible_levels],
        "method": row.method,
        "fallback": bool(row.fallback_reason),
        "fallback_reason": row.fallback_reason or None,
        "immediate": row.immediate,
        "needs_human": row.needs_human,
        "rules": _rules_on_record(row),
        "model": _model_on_record(row),
        "patient": _patient_on_record(row),
        "vitals": _vitals_on_record(row),
        "missing": row.missing,
        "latency_ms": round(row.latency_ms, 3),
        "log_durability": row.durability,
        "ground_truth": _word(row.ground_truth),
        "ground_truth_at": row.ground_truth_at and _moment(row.ground_truth_at),
    }


def _rules_on_record(row: Any) -> RulesOnRecordBody:
    return {
        "prediction": Level(row.rules_level).label,
        "floor": Level(row.rules_floor).label,
        "severity_score": row.rules_severity_score,
        "version": row.rules_version,
        "news2": row.news2,
        "red_flags": row.red_flags,
    }


def _model_on_record(row: Any) -> ModelOnRecordBody:
    return {
        "prediction": _word(row.model_level),
        "confidence": row.model_confidence,
        "version": row.model_version or None,
        "abstained": row.model_abstained or None,
        "threshold": row.threshold,
    }


def _patient_on_record(row: Any) -> PatientOnRecordBody:
    return {
        "age_years": row.age_years,
        "sex": row.sex or None,
        "arrival_mode": row.arrival_mode or None,
        "injury": row.injury,
    }


def _vitals_on_record(row: Any) -> VitalsOnRecordBody:
    return {
        "heart_rate": row.heart_rate,
        "respiratory_rate": row.respiratory_rate,
        "spo2": row.spo2,
        "spo2_scale": row.spo2_scale,
        "on_oxygen": row.on_oxygen,
        "systolic_bp": row.systolic_bp,
        "diastolic_bp": row.diastolic_bp,
        "temperature_c": row.temperature_c,
        "consciousness": row.consciousness or None,
        "gcs": row.gcs,
        "pain_score": row.pain_score,
        "glucose_mmol_l": row.glucose_mmol_l,
    }


def _word(level: int | None) -> str | None:
    return None if level is None else Level(level).label


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _probabilities(opinion: Opinion) -> ProbabilitiesBody | None:
    if opinion.level is None:
        return None
    return _by_level(opinion.probabilities)


def _by_level(probabilities: Sequence[float]) -> ProbabilitiesBody:
    by_level = {level.label: p for level, p in zip(Level, probabilities, strict=True)}
    return cast("ProbabilitiesBody", by_level)


def _rules(verdict: Verdict) -> RulesBody:
    return {
        "prediction": verdict.level.label,
        "floor": verdict.floor.label,
        "severity_score": verdict.severity_score,
        "version": verdict.version,
        "news2": {
            "total": verdict.news2.total,
            "missing": list(verdict.news2.missing),
            "validated": verdict.news2.validated,
        },
        "unassessed": list(verdict.unassessed),
        "conflicts": list(verdict.conflicts),
        "text_unparsed": verdict.text_unparsed,
    }


def _model(opinion: Opinion) -> ModelBody:
    return {
        "prediction": None if opinion.level is None else opinion.level.label,
        "confidence": opinion.confidence,
        "version": opinion.version,
        "abstained": opinion.abstained,
        "contributions": [
            {"feature": one.feature, "effect": one.effect} for one in opinion.contributions
        ],
    }
