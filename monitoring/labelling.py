"""The only writer of labels: what would have been right, and what counts when people differ."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import structlog
from cryptography.fernet import InvalidToken
from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Case, OuterRef, QuerySet, Value, When
from django.utils import timezone

from monitoring.alerts import MISSED_EMERGENCY, alert_clear, alert_raise
from monitoring.encryption import decrypt, encrypt
from monitoring.labels import (
    RANKING,
    Label,
    LabelSource,
    LabelState,
    Standing,
    disagree,
    resolve,
)
from monitoring.models import Alert, GroundTruth, MLPredictionLog
from monitoring.roles import Action, reaches_all
from triage_rules.level import Level

log = structlog.get_logger(__name__)

# What is looked at and changed here; a row has eighty columns more.
_COLUMNS = ("id", "created_at", "prediction", "ground_truth", "ground_truth_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What somebody says of one prediction.

    ``actor`` is the person whom a service account names; two of them are two authors.
    """

    prediction_id: uuid.UUID
    label: Label
    actor: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelOutcome:
    """How a label was taken: whether it is new, how it stands, and what now counts as right.

    ``level`` is None where the author cannot assess the case; ``resolved`` where nothing counts.
    """

    level: Level | None
    state: LabelState
    created: bool
    resolved: Level | None


@dataclass(slots=True)
class _CaseFile:
    """One prediction and all that was said of it, in memory: first it is judged, then stored."""

    prediction: MLPredictionLog
    labels: list[GroundTruth]
    counted: int | None = field(init=False)
    states: dict[uuid.UUID, str] = field(init=False)
    was_emergency: bool = field(init=False)

    def __post_init__(self) -> None:
        self.counted = self.prediction.ground_truth
        self.states = {row.pk: row.state for row in self.labels}
        self.was_emergency = self.is_emergency

    @property
    def standing(self) -> list[GroundTruth]:
        return [row for row in self.labels if _stands(row)]

    @property
    def settling(self) -> GroundTruth | None:
        return next((row for row in self.labels if row.state == LabelState.SETTLED), None)

    @property
    def is_emergency(self) -> bool:
        """Whether a label that stands says so, even one in conflict that does not count."""
        return any(row.level == Level.EMERGENCY for row in self.standing)

    @property
    def has_changed(self) -> bool:
        return self.prediction.ground_truth != self.counted


@dataclass(frozen=True, slots=True)
class _Entry:
    """The row in which a label is on record; how it stands is known once all have been taken."""

    file: _CaseFile
    row: GroundTruth
    created: bool

    def outcome(self) -> LabelOutcome:
        return LabelOutcome(
            level=_level(self.row.level),
            state=LabelState(self.row.state),
            created=self.created,
            resolved=_level(self.file.prediction.ground_truth),
        )


# --- the doors ---------------------------------------------------------------------------------


def may_say(author: User, label: Label) -> bool:
    """Tell whether an author may call a label what it does: an audit outranks everybody's word."""
    return label.source != LabelSource.AUDIT or reaches_all(author, Action.SETTLE_LABELS)


def ground_truth_record(
    *, prediction_id: uuid.UUID, author: User, label: Label, actor: str = ""
) -> LabelOutcome:
    """Record one label and resolve what counts as right for the prediction.

    In the order taken:

    1. The same author saying the same again changes nothing, as long as it stands or a settling
       label does.
    2. The same author saying something else from the same source corrects it: the newest stands.
    3. What counts is resolved from all labels that stand (``monitoring.labels.resolve``).
    4. While they name different levels, all that do are conflicts and wait for a reviewer.

    Persons whom an account names as ``actor`` are authors of their own.

    Raises
    ------
    MLPredictionLog.DoesNotExist
        When there is no such prediction.
    """
    report = Report(prediction_id=prediction_id, label=label, actor=actor)
    (outcome,) = ground_truths_record(author=author, reports=[report])
    _log(prediction_id, label, outcome)
    return outcome


@transaction.atomic
def ground_truths_record(*, author: User, reports: Sequence[Report]) -> list[LabelOutcome]:
    """Record many labels of one author, each as ``ground_truth_record`` would, in few queries.

    Who records several batches in one transaction passes them in the order of their predictions,
    so that two of them cannot wait for each other.
    """
    files = _files(reports, lock=True)
    entries = [_report(files[one.prediction_id], one, author=author) for one in reports]
    _store(files.values())
    return [entry.outcome() for entry in entries]


def ground_truths_preview(*, author: User, reports: Sequence[Report]) -> list[LabelOutcome]:
    """Return what ``ground_truths_record`` would, and write nothing."""
    files = _files(reports, lock=False)
    entries = [_report(files[one.prediction_id], one, author=author) for one in reports]
    return [entry.outcome() for entry in entries]


@transaction.atomic
def ground_truth_review(*, prediction_id: uuid.UUID, reviewer: User, label: Label) -> LabelOutcome:
    """Record a reviewer's label: it settles the case, and earlier labels no longer count.

    In the order taken:

    1. Who cannot assess the case settles nothing, and takes back an own label that did: what each
       author last said from each source stands again.
    2. The same reviewer saying the same again changes nothing, unless somebody has disagreed since.
    3. Every earlier label is superseded, and this one counts.
    """
    report = Report(prediction_id=prediction_id, label=label)
    file = _files([report], lock=True)[prediction_id]
    entry = _settle(file, reviewer=reviewer, label=label)
    _store([file])
    outcome = entry.outcome()
    _log(prediction_id, label, outcome)
    return outcome


def counting_labels() -> QuerySet[GroundTruth]:
    """Return the labels behind the resolved one of an outer prediction; the first speaks for it.

    In the order of their weight, of equal ones the newest first. For ``Subquery``::

        MLPredictionLog.objects.annotate(
            saw=Subquery(counting_labels().values("saw_prediction")[:1])
        )
    """
    by_rank = [When(source=source, then=Value(rank)) for rank, source in enumerate(RANKING, 1)]
    weight = Case(When(state=LabelState.SETTLED, then=Value(0)), *by_rank)
    return (
        GroundTruth.objects.filter(prediction_log=OuterRef("pk"), level=OuterRef("ground_truth"))
        .exclude(state=LabelState.SUPERSEDED)
        .order_by(weight, "-created_at", "-id")
    )


# --- judging -----------------------------------------------------------------------------------


def _report(file: _CaseFile, said: Report, *, author: User) -> _Entry:
    return _take(file, author=author, label=said.label, actor=said.actor)


def _take(file: _CaseFile, *, author: User, label: Label, actor: str = "") -> _Entry:
    own = [row for row in file.labels if _is_by(row, author, label.source, actor=actor)]
    newest = _newest(own)
    if newest is not None and _says(newest, label) and (_stands(newest) or file.settling):
        return _Entry(file, newest, created=False)
    for row in own:
        if row.state != LabelState.SETTLED:
            row.state = LabelState.SUPERSEDED
    return _add(file, author=author, label=label, state=LabelState.ACCEPTED, actor=actor)


def _settle(file: _CaseFile, *, reviewer: User, label: Label) -> _Entry:
    settling = file.settling
    is_own = settling is not None and settling.author_id == reviewer.pk
    if label.level is None:
        if settling is not None and is_own:
            return _take_back(file, settling, reviewer=reviewer, label=label)
        return _take(file, author=reviewer, label=label)
    if settling is not None and is_own and _says(settling, label) and not _disagree(file):
        return _Entry(file, settling, created=False)
    for row in file.labels:
        row.state = LabelState.SUPERSEDED
    return _add(file, author=reviewer, label=label, state=LabelState.SETTLED)


def _take_back(file: _CaseFile, settling: GroundTruth, *, reviewer: User, label: Label) -> _Entry:
    """Record that a reviewer cannot assess what they had settled, and undo the settling.

    It is on record from the source of the settling label too, so that the level from there never
    stands again as the last word.
    """
    settling.state = LabelState.SUPERSEDED
    source = LabelSource(settling.source)
    if source != label.source:
        _take(file, author=reviewer, label=replace(label, source=source))
    entry = _take(file, author=reviewer, label=label)
    _restore(file)
    return entry


def _restore(file: _CaseFile) -> None:
    """Let what each author last said from each source stand again; none of it settles."""
    standing = {(row.author_id, row.actor, row.source) for row in file.standing}
    last: dict[tuple[int, str, str], GroundTruth] = {}
    for row in sorted(file.labels, key=lambda row: (row.created_at, row.pk)):
        last[row.author_id, row.actor, row.source] = row
    for key in last.keys() - standing:
        last[key].state = LabelState.ACCEPTED
    _judge(file)


def _add(
    file: _CaseFile, *, author: User, label: Label, state: LabelState, actor: str = ""
) -> _Entry:
    row = GroundTruth(
        prediction_log=file.prediction,
        author=author,
        actor=actor,
        level=label.level,
        scale=label.scale,
        original_level=label.original_level,
        source=label.source,
        saw_prediction=label.saw_prediction,
        note_encrypted=encrypt(label.note),
        state=state,
    )
    file.labels.append(row)
    _judge(file)
    return _Entry(file, row, created=True)


def _judge(file: _CaseFile) -> None:
    """Say of each label how it stands, and of the prediction what counts."""
    is_disputed = _disagree(file)
    for row in file.standing:
        if row.state != LabelState.SETTLED:
            in_conflict = is_disputed and row.level is not None
            row.state = LabelState.CONFLICT if in_conflict else LabelState.ACCEPTED
    file.prediction.ground_truth = resolve(map(_as_standing, file.standing))


def _disagree(file: _CaseFile) -> bool:
    return disagree(map(_as_standing, file.standing))


def _as_standing(row: GroundTruth) -> Standing:
    return Standing(
        level=_level(row.level),
        source=LabelSource(row.source),
        settles=row.state == LabelState.SETTLED,
    )


def _newest(own: Iterable[GroundTruth]) -> GroundTruth | None:
    """Return what an author last said from a source; what stands is newer than what does not."""
    return max(
        own,
        key=lambda row: (_stands(row), row.created_at, row.pk),
        default=None,
    )


def _stands(row: GroundTruth) -> bool:
    return row.state != LabelState.SUPERSEDED


def _is_by(row: GroundTruth, author: User, source: LabelSource, *, actor: str) -> bool:
    return (row.author_id, row.actor, row.source) == (author.pk, actor, source)


def _says(row: GroundTruth, label: Label) -> bool:
    """Tell whether a row says exactly what the label does."""
    facts = ("level", "scale", "original_level", "source", "saw_prediction")
    same = all(getattr(row, name) == getattr(label, name) for name in facts)
    return same and _note(row) == label.note


def _note(row: GroundTruth) -> str | None:
    """Return the note; None where no installed key reads it."""
    try:
        return decrypt(bytes(row.note_encrypted))
    except InvalidToken:
        return None


def _level(number: int | None) -> Level | None:
    return None if number is None else Level(number)


# --- reading and storing -------------------------------------------------------------------------


def _files(reports: Iterable[Report], *, lock: bool) -> dict[uuid.UUID, _CaseFile]:
    """Return predictions with their labels; locked, nobody else labels them meanwhile.

    Raises
    ------
    MLPredictionLog.DoesNotExist
        When one of the predictions is not there.
    """
    wanted = {one.prediction_id for one in reports}
    rows = MLPredictionLog.objects.only(*_COLUMNS).filter(pk__in=wanted).order_by("pk")
    if lock:
        # Not the stronger lock, for which a reader's entry in the access record would wait.
        rows = rows.select_for_update(no_key=True)
    predictions = list(rows)
    if len(predictions) < len(wanted):
        raise MLPredictionLog.DoesNotExist
    # Only now: what is said before the lock is held is read, what comes later waits.
    labels: dict[uuid.UUID, list[GroundTruth]] = defaultdict(list)
    for label in GroundTruth.objects.filter(prediction_log__in=wanted):
        labels[label.prediction_log_id].append(label)
    return {row.pk: _CaseFile(prediction=row, labels=labels[row.pk]) for row in predictions}


def _store(files: Iterable[_CaseFile]) -> None:
    """Write new labels, changed states and what now counts, and tell of missed emergencies."""
    files = list(files)
    _store_labels(files)
    _store_resolved(file for file in files if file.has_changed)
    for file in files:
        if file.has_changed or file.is_emergency != file.was_emergency:
            _tell(file)


def _store_labels(files: Iterable[_CaseFile]) -> None:
    states: dict[str, list[uuid.UUID]] = defaultdict(list)
    for file in files:
        for row in file.labels:
            if file.states.get(row.pk, row.state) != row.state:
                states[row.state].append(row.pk)
    for state, keys in states.items():
        GroundTruth.objects.filter(pk__in=keys).update(state=state)
    GroundTruth.objects.bulk_create(
        [row for file in files for row in file.labels if row.pk not in file.states]
    )


def _store_resolved(changed: Iterable[_CaseFile]) -> None:
    levels: dict[int | None, list[uuid.UUID]] = defaultdict(list)
    for file in changed:
        levels[file.prediction.ground_truth].append(file.prediction.pk)
    for level, keys in levels.items():
        MLPredictionLog.objects.filter(pk__in=keys).update(
            ground_truth=level, ground_truth_at=None if level is None else timezone.now()
        )


def _tell(file: _CaseFile) -> None:
    """Raise the alarm over an emergency that was answered lower; end it when nobody says so.

    One voice is enough: a disagreement is about the level, not a reason to keep quiet. A label
    ceases to stand only by its author's correction or a reviewer's other level, so nothing else
    ends the alarm.
    """
    row = file.prediction
    if row.prediction == Level.EMERGENCY:
        return
    cause: dict[str, Any] = {
        "policy": MISSED_EMERGENCY,
        "subject": str(row.pk),
        "day": row.created_at.astimezone(settings.SITE_TIME_ZONE).date(),
    }
    if file.is_emergency:
        alert_raise(**cause, severity=Alert.Severity.CRITICAL, message=_message(row))
    elif file.was_emergency:
        alert_clear(**cause)


def _message(row: MLPredictionLog) -> str:
    is_certain = row.ground_truth == Level.EMERGENCY
    became = "turned out to be" if is_certain else "is, by a label that others contradict,"
    return (
        f"A case answered {Level(row.prediction).label} {became} an emergency: prediction {row.pk}."
    )


def _log(prediction_id: uuid.UUID, label: Label, outcome: LabelOutcome) -> None:
    if outcome.created:
        log.info(
            "label_recorded",
            prediction_id=str(prediction_id),
            source=label.source,
            state=outcome.state,
        )
