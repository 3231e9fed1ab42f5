"""How a decision is written in an answer (design: section 4)."""

from __future__ import annotations

import uuid
from dataclasses import asdict
from typing import Any

from ml.routing import Assignment
from triage_rules import recommend_care_level
from triage_rules.level import Level, Opinion
from triage_rules.outcome import Decision, RedFlag, Verdict


def decision_body(
    decision: Decision, assignment: Assignment, prediction_id: uuid.UUID | None
) -> dict[str, Any]:
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


def red_flag_body(flag: RedFlag) -> dict[str, Any]:
    """Return one red flag with the words or values that fired it."""
    return {
        "id": flag.id,
        "name": flag.name,
        "floor": flag.floor.label,
        "evidence": list(flag.evidence),
        "source": flag.source,
    }


def _probabilities(opinion: Opinion) -> dict[str, float] | None:
    if opinion.level is None:
        return None
    return {level.label: p for level, p in zip(Level, opinion.probabilities, strict=True)}


def _rules(verdict: Verdict) -> dict[str, Any]:
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


def _model(opinion: Opinion) -> dict[str, Any]:
    return {
        "prediction": None if opinion.level is None else opinion.level.label,
        "confidence": opinion.confidence,
        "version": opinion.version,
        "abstained": opinion.abstained,
        "contributions": [asdict(one) for one in opinion.contributions],
    }
