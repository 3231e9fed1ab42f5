"""The only writer of predictions: a row and its encrypted intake for every answered call."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction

from ml.routing import Assignment, audit_drawn
from monitoring.intake import seal
from monitoring.models import MLPredictionLog, TriageIntake
from monitoring.pseudonyms import key_id, pseudonym
from triage_rules.case import TriageCase, Vitals
from triage_rules.level import Level, Opinion
from triage_rules.outcome import Decision, Verdict

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asked, and about whom, in the caller's own terms.

    ``client`` is the account the token belongs to; ``actor`` the person, where the client names
    one, else the account again.
    """

    client: str
    actor: str
    request_id: uuid.UUID
    patient_id: str | None = None
    encounter_id: str | None = None
    triage_log_id: str = ""
    site: str = ""

    @classmethod
    def of(
        cls, body: Mapping[str, Any], *, client: str, actor: str, request_id: uuid.UUID
    ) -> Caller:
        """Return who asks about the patient that a checked request names."""
        return cls(
            client=client,
            actor=actor,
            request_id=request_id,
            patient_id=body.get("patient_id"),
            encounter_id=body.get("encounter_id"),
            triage_log_id=body.get("triage_log_id") or "",
            site=body.get("site") or "",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """One answered call, as it goes on record.

    ``body`` is the parsed request that ``case`` was built from; it is kept encrypted, less what
    names the patient.
    """

    caller: Caller
    case: TriageCase
    body: Mapping[str, Any]
    assignment: Assignment
    decision: Decision
    latency_ms: float


def prediction_logs_create(
    calls: Sequence[Decided], *, then: Callable[[Sequence[uuid.UUID]], None] = lambda _: None
) -> list[uuid.UUID]:
    """Write the rows of answers with their intakes; return the ids once all are committed.

    ``then`` is called with the ids in the same transaction: what it writes is there exactly if
    the rows are, and what it raises takes them back.

    Raises
    ------
    django.db.DatabaseError
        When rows and intakes could not be made durable; then there are no answers either.
    """
    rows = [_row(call) for call in calls]
    intakes = [_intake(row, call) for row, call in zip(rows, calls, strict=True)]
    ids = [row.pk for row in rows]
    with transaction.atomic(durable=True):
        MLPredictionLog.objects.bulk_create(rows)
        TriageIntake.objects.bulk_create(intakes)
        then(ids)
    for row in rows:
        log.info(
            "prediction_logged",
            prediction_id=str(row.pk),
            level=Level(row.prediction).label,
            method=row.method,
            fallback_reason=row.fallback_reason or None,
            model_version=row.model_version,
            latency_ms=round(row.latency_ms, 2),
        )
    return ids


def _row(call: Decided) -> MLPredictionLog:
    row = MLPredictionLog(
        **_who(call.caller),
        **_trial(call.assignment),
        **decision_columns(call.decision),
        **case_columns(call.case),
        **_context(call.case),
        **_words(call.decision.opinion),
        latency_ms=call.latency_ms,
    )
    row.audited = _audited(row, call.caller)
    return row


def _intake(row: MLPredictionLog, call: Decided) -> TriageIntake:
    sealed = seal(call.body)
    return TriageIntake(prediction_log=row, key_id=sealed.key_id, token=sealed.token)


def decision_columns(decision: Decision) -> dict[str, object]:
    """Return what was decided, and what both deciders said, as columns of the row."""
    return _answer(decision) | _model_column(decision.opinion) | _rules_column(decision.verdict)


def case_columns(case: TriageCase) -> dict[str, object]:
    """Return the age and the measurements of a patient as columns of the row."""
    return {"age_years": case.age} | _measurements(case.vitals)


def _who(caller: Caller) -> dict[str, object]:
    key = settings.PATIENT_ID_KEY
    known = caller.patient_id is not None or caller.encounter_id is not None
    return {
        "request_id": caller.request_id,
        "client": caller.client,
        "actor": caller.actor,
        "site": caller.site,
        "triage_log_id": caller.triage_log_id,
        "subject": pseudonym(caller.patient_id, kind="subject", key=key),
        "encounter": pseudonym(caller.encounter_id, kind="encounter", key=key),
        "subject_key_id": key_id(key) if known else "",
    }


def _trial(assignment: Assignment) -> dict[str, object]:
    return {
        "experiment": assignment.phase.experiment,
        "phase": assignment.phase.number,
        "bucket": assignment.bucket,
        "ab_group": assignment.ab_group or "",
        "decider": assignment.decider,
    }


def _audited(row: MLPredictionLog, caller: Caller) -> bool:
    """Draw the patient, or where the call names none the call itself, for a blind label."""
    return audit_drawn(
        unit=(caller.patient_id or "").strip() or str(row.id),
        key=settings.ASSIGNMENT_KEY,
        experiment=row.experiment,
        share=settings.AUDIT_SHARE,
    )


def _context(case: TriageCase) -> dict[str, object]:
    """Return what drift and slices are counted by, and no decision was made from alone."""
    return {
        "sex": case.sex or "",
        "arrival_mode": case.arrival_mode or "",
        "injury": case.injury,
    }


def _answer(decision: Decision) -> dict[str, object]:
    return {
        "method": decision.method,
        "prediction": decision.level,
        "confidence": decision.confidence,
        "fallback_reason": decision.fallback_reason or "",
        "needs_human": decision.needs_human,
        "immediate": decision.verdict.immediate,
    }


def _model_column(opinion: Opinion) -> dict[str, object]:
    return {
        "probabilities": list(opinion.probabilities) or None,
        "plausible_levels": [int(level) for level in opinion.plausible_levels],
        "threshold": opinion.threshold,
        "model_level": opinion.level,
        "model_confidence": opinion.confidence,
        "model_abstained": opinion.abstained or "",
        "model_version": opinion.version or "",
        "model_digest": opinion.digest or "",
    }


def _words(opinion: Opinion) -> dict[str, object]:
    """Return how much of the complaint the model knew, in numbers; no word is kept."""
    if opinion.words is None:
        return {}
    return {"words": opinion.words.said, "unknown_words": opinion.words.unknown}


def _rules_column(verdict: Verdict) -> dict[str, object]:
    return {
        "rules_level": verdict.level,
        "rules_floor": verdict.floor,
        "rules_version": verdict.version,
        "rules_severity_score": verdict.severity_score,
        "red_flags": [flag.id for flag in verdict.red_flags],
        "hard_flag": any(flag.is_hard for flag in verdict.red_flags),
        "rules_needs_human": verdict.needs_human,
        "news2": verdict.news2.total,
    }


def _measurements(vitals: Vitals) -> dict[str, object]:
    return {
        "heart_rate": vitals.heart_rate,
        "respiratory_rate": vitals.respiratory_rate,
        "spo2": vitals.spo2,
        "spo2_scale": vitals.spo2_scale,
        "on_oxygen": vitals.on_oxygen,
        "systolic_bp": vitals.systolic_bp,
        "diastolic_bp": vitals.diastolic_bp,
        "temperature_c": vitals.temperature_c,
        "consciousness": vitals.consciousness or "",
        "gcs": vitals.gcs,
        "pain_score": vitals.pain_score,
        "glucose_mmol_l": vitals.glucose_mmol_l,
        "missing": list(vitals.missing),
    }
