"""The only writers of the record: predictions and labels."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from ml.routing import Assignment
from monitoring.encryption import decrypt, encrypt
from monitoring.intake import seal
from monitoring.labels import Label, LabelState
from monitoring.models import GroundTruth, MLPredictionLog, TriageIntake
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


def prediction_log_create(
    *,
    caller: Caller,
    case: TriageCase,
    body: Mapping[str, Any],
    assignment: Assignment,
    decision: Decision,
    latency_ms: float,
) -> uuid.UUID:
    """Write the row of one answer with its intake and return its id once both are committed.

    ``body`` is the parsed request that ``case`` was built from; it is kept encrypted, less what
    names the patient.

    Raises
    ------
    django.db.DatabaseError
        When row and intake could not be made durable; then there is no answer either.
    """
    row = MLPredictionLog(
        **_who(caller),
        **_trial(assignment),
        **decision_columns(decision),
        **case_columns(case),
        latency_ms=latency_ms,
    )
    sealed = seal(body)
    intake = TriageIntake(prediction_log=row, key_id=sealed.key_id, token=sealed.token)
    with transaction.atomic(durable=True):
        row.save(force_insert=True)
        intake.save(force_insert=True)
    log.info(
        "prediction_logged",
        prediction_id=str(row.id),
        level=decision.level.label,
        method=decision.method.value,
        fallback_reason=decision.fallback_reason,
        model_version=row.model_version,
        latency_ms=round(latency_ms, 2),
    )
    return row.id


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


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelOutcome:
    """How a label was taken: whether it is new, whether it counts, and what now counts as right."""

    level: Level
    state: LabelState
    created: bool
    resolved: Level | None


@transaction.atomic
def ground_truth_record(*, prediction_id: uuid.UUID, author: User, label: Label) -> LabelOutcome:
    """Record one label and resolve what counts as right for the prediction.

    In the order taken:

    1. The same author saying the same again changes nothing.
    2. A reviewer has settled the case: the label is kept, as a conflict where it disagrees.
    3. The first label, or one that agrees with all others, is accepted and counts.
    4. A label that disagrees is kept as a conflict, and nothing counts until a reviewer decides.

    Raises
    ------
    MLPredictionLog.DoesNotExist
        When there is no such prediction.
    """
    prediction = MLPredictionLog.objects.select_for_update().get(pk=prediction_id)
    repeat = _repeated(prediction.labels.all(), author=author, label=label)
    if repeat is not None:
        return _outcome(repeat, created=False, resolved=_resolved(prediction))
    standing = prediction.labels.exclude(state=LabelState.SUPERSEDED)
    settled = standing.filter(state=LabelState.SETTLED).exists()
    agrees = not standing.exclude(level=label.level).exists()
    if not settled:
        if not agrees:
            standing.update(state=LabelState.CONFLICT)
        _resolve(prediction, label.level if agrees else None)
    state = LabelState.ACCEPTED if agrees else LabelState.CONFLICT
    row = _label_create(prediction, author=author, label=label, state=state)
    return _outcome(row, created=True, resolved=_resolved(prediction))


@transaction.atomic
def ground_truth_review(*, prediction_id: uuid.UUID, reviewer: User, label: Label) -> LabelOutcome:
    """Record a reviewer's label: it settles the case, and earlier labels no longer count.

    The same reviewer sending the same again changes nothing.
    """
    prediction = MLPredictionLog.objects.select_for_update().get(pk=prediction_id)
    settled = prediction.labels.filter(state=LabelState.SETTLED)
    repeat = _repeated(settled, author=reviewer, label=label)
    if repeat is not None:
        return _outcome(repeat, created=False, resolved=_resolved(prediction))
    prediction.labels.all().update(state=LabelState.SUPERSEDED)
    row = _label_create(prediction, author=reviewer, label=label, state=LabelState.SETTLED)
    _resolve(prediction, label.level)
    return _outcome(row, created=True, resolved=label.level)


def _outcome(row: GroundTruth, *, created: bool, resolved: Level | None) -> LabelOutcome:
    return LabelOutcome(
        level=Level(row.level), state=LabelState(row.state), created=created, resolved=resolved
    )


def _facts(author: User, label: Label) -> dict[str, Any]:
    """Return who says what, as columns; the note apart, since equal notes encrypt differently."""
    return {
        "author": author,
        "level": label.level,
        "scale": label.scale,
        "original_level": label.original_level,
        "source": label.source,
        "saw_prediction": label.saw_prediction,
    }


def _repeated(labels: QuerySet[GroundTruth], *, author: User, label: Label) -> GroundTruth | None:
    """Return the row in which the author already said exactly this."""
    same = labels.filter(**_facts(author, label))
    return next((row for row in same if decrypt(bytes(row.note_encrypted)) == label.note), None)


def _label_create(
    prediction: MLPredictionLog, *, author: User, label: Label, state: LabelState
) -> GroundTruth:
    row = GroundTruth(
        **_facts(author, label),
        prediction_log=prediction,
        note_encrypted=encrypt(label.note),
        state=state,
    )
    row.save(force_insert=True)
    log.info("label_recorded", prediction_id=str(prediction.pk), source=label.source, state=state)
    return row


def _resolve(prediction: MLPredictionLog, level: Level | None) -> None:
    if prediction.ground_truth != level:
        prediction.ground_truth = level
        prediction.ground_truth_at = None if level is None else timezone.now()
        MLPredictionLog.objects.filter(pk=prediction.pk).update(
            ground_truth=level, ground_truth_at=prediction.ground_truth_at
        )


def _resolved(prediction: MLPredictionLog) -> Level | None:
    return None if prediction.ground_truth is None else Level(prediction.ground_truth)
