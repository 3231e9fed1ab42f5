"""Earlier decisions, made again and compared with their rows bit for bit.

While a row's intake is kept and its model and rules are installed, everything is decided again.
What is not there any more is taken from the row, and the reason is named; how verdict and opinion
were combined can be decided again from the row alone for as long as it is kept.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.db.models import QuerySet

from ml.artefacts import ArtefactError, LoadedModel, check_golden, load
from ml.predictor import predict
from monitoring.access import access_record
from monitoring.intake import Unreadable, UnreadableIntakeError
from monitoring.models import AccessEvent, MLPredictionLog
from monitoring.services import case_columns, decision_columns
from triage_rules import combine, evaluate
from triage_rules.case import TriageCase, case_from_request
from triage_rules.level import Abstention, Decider, Level, Opinion
from triage_rules.outcome import FallbackReason, RedFlag, Verdict
from triage_rules.ruleset import Ruleset, ruleset_as_of
from triage_rules.scores.news2 import News2

log = structlog.get_logger(__name__)

Watch = Callable[[Iterable[MLPredictionLog]], Iterator[MLPredictionLog]]

MODELS_HELD = 4
ROWS_HELD = 500
# Named in place of a column when the columns of a row cannot stand together at all.
CONTRADICTION = "columns_contradict_each_other"


class NotReplayed(StrEnum):
    """Why a part of a decision was taken from its row instead of being made again."""

    INTAKE_GONE = "intake_gone"
    INTAKE_KEY_NOT_INSTALLED = Unreadable.KEY_NOT_INSTALLED.value
    INTAKE_DAMAGED = Unreadable.DAMAGED.value
    INTAKE_NOT_UNDERSTOOD = "intake_not_understood"
    RULES_VERSION_NOT_INSTALLED = "rules_version_not_installed"
    MODEL_NOT_INSTALLED = "model_not_installed"
    MODEL_REFUSED = "model_refused"
    MODEL_TIMED_OUT = "model_timed_out"
    MODEL_FAILED = "model_failed"


# What held a model up at that moment, or broke it, cannot be made to happen again.
_PASSING = {
    Abstention.TIMEOUT.value: NotReplayed.MODEL_TIMED_OUT,
    Abstention.PREDICTION_FAILED.value: NotReplayed.MODEL_FAILED,
}
_NO_INTAKE = frozenset(
    {
        NotReplayed.INTAKE_GONE,
        NotReplayed.INTAKE_KEY_NOT_INSTALLED,
        NotReplayed.INTAKE_DAMAGED,
        NotReplayed.INTAKE_NOT_UNDERSTOOD,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What came of one row: the columns that differ, and why a part was not made again."""

    prediction_id: uuid.UUID
    differing: tuple[str, ...] = ()
    reasons: tuple[NotReplayed, ...] = ()


@dataclass(slots=True)
class ReplayReport:
    """The count of what came of many rows.

    Attributes
    ----------
    in_full
        Rows whose verdict, opinion and combination were all made again.
    in_part
        Rows whose intake was read, but whose rules or model could not be asked again.
    from_the_row
        Rows of which only the combination was made again, because the intake could not be read.
    """

    rows: int = 0
    in_full: int = 0
    in_part: int = 0
    from_the_row: int = 0
    reasons: Counter[NotReplayed] = field(default_factory=Counter)
    differing: list[Replayed] = field(default_factory=list)

    def add(self, one: Replayed) -> None:
        """Count one row."""
        self.rows += 1
        self.in_full += not one.reasons
        self.from_the_row += not _NO_INTAKE.isdisjoint(one.reasons)
        self.in_part = self.rows - self.in_full - self.from_the_row
        self.reasons.update(one.reasons)
        if one.differing:
            self.differing.append(one)

    def as_dict(self) -> dict[str, Any]:
        """Return the report with ids, names of columns and counts; nothing of a patient."""
        return {
            "rows": self.rows,
            "in_full": self.in_full,
            "in_part": self.in_part,
            "from_the_row": self.from_the_row,
            "not_replayed": {reason.value: n for reason, n in sorted(self.reasons.items())},
            "differing": [
                {"prediction_id": str(one.prediction_id), "columns": list(one.differing)}
                for one in self.differing
            ],
        }

    def as_text(self) -> str:
        """Return the report as lines for a terminal."""
        counts = {
            "rows": self.rows,
            "decided again": self.in_full,
            "decided again in part": self.in_part,
            "combined again from the row alone": self.from_the_row,
            "differing": len(self.differing),
        }
        lines = [f"{name:36}{n:>9}" for name, n in counts.items()]
        lines += [f"  not replayed: {name:20}{n:>9}" for name, n in sorted(self.reasons.items())]
        lines += [
            f"{one.prediction_id} differs: {', '.join(one.differing)}" for one in self.differing
        ]
        return "\n".join(lines)


class InstalledModels:
    """The versions of a model store, each loaded and checked once, and a few of them held."""

    def __init__(self, store: Path, *, public_keys: Sequence[Ed25519PublicKey]) -> None:
        self._store = store
        self._public_keys = public_keys
        self.version = lru_cache(maxsize=MODELS_HELD)(self._version)

    def _version(self, name: str) -> LoadedModel | NotReplayed:
        # A name with a separator would lead out of the store.
        if Path(name).name != name or not (self._store / name).is_dir():
            return NotReplayed.MODEL_NOT_INSTALLED
        try:
            model = load(self._store / name, public_keys=self._public_keys)
            check_golden(model)
        except ArtefactError as error:
            log.warning("model_not_replayed", version=name, reason=str(error))
            return NotReplayed.MODEL_REFUSED
        return model


def decisions_replay(
    rows: QuerySet[MLPredictionLog], *, models: InstalledModels, actor: str, watch: Watch = iter
) -> ReplayReport:
    """Decide every row of a query again and return what came of it.

    Parameters
    ----------
    rows
        The rows; their intakes are fetched along.
    models
        The model versions to decide with.
    actor
        Who asks; the record keeps that they read the requests.
    watch
        Passes the rows through, such as a progress bar.
    """
    access_record(
        actor=actor,
        action=AccessEvent.Action.REPLAY,
        door=AccessEvent.Door.COMMAND,
        cases=rows.count(),
    )
    report = ReplayReport()
    for row in watch(rows.select_related("intake").iterator(chunk_size=ROWS_HELD)):
        report.add(replayed(row, models=models))
    log.info("decisions_replayed", rows=report.rows, differing=len(report.differing))
    return report


def replayed(row: MLPredictionLog, *, models: InstalledModels) -> Replayed:
    """Decide one row again and return what came of it."""
    case = case_on_record(row)
    if isinstance(case, NotReplayed):
        return _compared(row, verdict=case, opinion=case)
    return _compared(
        row,
        verdict=verdict_again(case, row=row),
        opinion=_opinion(case, row=row, models=models),
        also={**case_columns(case), "site": case.site},
    )


def _compared(
    row: MLPredictionLog,
    *,
    verdict: Verdict | NotReplayed,
    opinion: Opinion | NotReplayed,
    also: dict[str, object] | None = None,
) -> Replayed:
    reasons = tuple(
        dict.fromkeys(one for one in (verdict, opinion) if isinstance(one, NotReplayed))
    )
    try:
        decision = combine(
            verdict_on_record(row) if isinstance(verdict, NotReplayed) else verdict,
            opinion_on_record(row) if isinstance(opinion, NotReplayed) else opinion,
            Decider(row.decider),
            kill_switch=row.fallback_reason == FallbackReason.KILL_SWITCH,
        )
        # Whoever is in an arm is decided for by it.
        columns = decision_columns(decision) | {"ab_group": row.ab_group and row.decider}
        differing = _differing(row, columns | (also or {}))
    except (TypeError, ValueError, IndexError):
        differing = (CONTRADICTION,)
    return Replayed(prediction_id=row.pk, differing=differing, reasons=reasons)


def _differing(row: MLPredictionLog, columns: dict[str, object]) -> tuple[str, ...]:
    return tuple(name for name, value in columns.items() if getattr(row, name) != value)


def case_on_record(row: MLPredictionLog) -> TriageCase | NotReplayed:
    """Return the case as it was sent, or why it cannot be read."""
    intake = getattr(row, "intake", None)
    if intake is None:
        return NotReplayed.INTAKE_GONE
    try:
        return case_from_request(intake.request())
    except UnreadableIntakeError as error:
        return NotReplayed(error.reason.value)
    except (KeyError, TypeError, ValueError):
        # An older version may have known a word that this one does not.
        return NotReplayed.INTAKE_NOT_UNDERSTOOD


def verdict_again(case: TriageCase, *, row: MLPredictionLog) -> Verdict | NotReplayed:
    """Return what the rules of the row's version say of the case, or why they cannot be asked."""
    ruleset = _ruleset(row)
    return (
        NotReplayed.RULES_VERSION_NOT_INSTALLED
        if ruleset is None
        else evaluate(case, ruleset=ruleset)
    )


def _ruleset(row: MLPredictionLog) -> Ruleset | None:
    """Return the rules of the row's version; None when they are not installed."""
    day = row.created_at.astimezone(UTC).date()
    # A row written just after midnight was judged by the rules of the day before.
    rulesets = (ruleset_as_of(day), ruleset_as_of(day - timedelta(days=1)))
    return next((one for one in rulesets if one.version == row.rules_version), None)


def _opinion(
    case: TriageCase, *, row: MLPredictionLog, models: InstalledModels
) -> Opinion | NotReplayed:
    if row.model_abstained in _PASSING:
        return _PASSING[row.model_abstained]
    if not row.model_version:
        return predict(case, model=None)
    model = models.version(row.model_version)
    if isinstance(model, NotReplayed):
        return model
    return predict(case, model=model, threshold=row.threshold)


def verdict_on_record(row: MLPredictionLog) -> Verdict:
    """Return what the row keeps of the rules' verdict: all that ``combine`` looks at.

    Raises
    ------
    ValueError
        When the columns contradict each other.
    """
    return Verdict(
        level=Level(row.rules_level),
        floor=Level(row.rules_floor),
        severity_score=row.rules_severity_score,
        news2=News2(total=row.news2),
        version=row.rules_version,
        red_flags=tuple(_flag_on_record(name, row=row) for name in row.red_flags),
        needs_human=row.rules_needs_human,
    )


def _flag_on_record(name: str, *, row: MLPredictionLog) -> RedFlag:
    # The row says whether one of its flags was hard and whether one said "now", not which.
    return RedFlag(
        id=name,
        name="",
        floor=Level.EMERGENCY if row.hard_flag else Level.URGENT,
        immediate=row.immediate,
        evidence=(),
        source="",
    )


def opinion_on_record(row: MLPredictionLog) -> Opinion:
    """Return the model's opinion as the row keeps it.

    Raises
    ------
    ValueError
        When the columns contradict each other.
    """
    return Opinion(
        level=None if row.model_level is None else Level(row.model_level),
        probabilities=tuple(row.probabilities or ()),
        plausible_levels=tuple(Level(level) for level in row.plausible_levels),
        threshold=row.threshold,
        version=row.model_version or None,
        digest=row.model_digest or None,
        abstained=Abstention(row.model_abstained) if row.model_abstained else None,
    )
