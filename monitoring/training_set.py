"""What people said was right, as a set to learn from.

A row is taken when its label counts and has matured, and its intake can be read. Who cannot assess
a case says nothing to learn from. A label by somebody who had seen the answer echoes it, so it is
left out unless asked for; where several people agree, the one who had not seen it speaks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings
from django.db.models import F, Prefetch, Q, QuerySet

from ml.datasets.log import LoggedCase, LogHeader, write_log
from monitoring.access import access_record
from monitoring.accuracy import day_to_check
from monitoring.intake import UnreadableIntakeError
from monitoring.labels import LabelState
from monitoring.models import AccessEvent, GroundTruth, MLPredictionLog
from monitoring.pseudonyms import pseudonym
from monitoring.selectors import LocalDay

log = structlog.get_logger(__name__)

Watch = Callable[[Iterable[MLPredictionLog]], Iterator[MLPredictionLog]]

ROWS_HELD = 500
# One in conflict too: where its rank is the higher, it counts before a reviewer has looked.
STANDING = (LabelState.ACCEPTED, LabelState.CONFLICT, LabelState.SETTLED)
_TRUST = {False: 0, None: 1, True: 2}


class LeftOut(StrEnum):
    """Why a labelled row is not learnt from."""

    SAW_PREDICTION = "saw_prediction"
    NO_LABEL = "no_label"
    INTAKE_GONE = "intake_gone"
    INTAKE_UNREADABLE = "intake_unreadable"
    NOT_MATURED = "not_matured"
    CONFLICT = "conflict"


class NotMaturedError(ValueError):
    """A day was asked for whose labels may still come in; the message names the last that may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSet:
    """A set that was written: its header, and how many labelled rows were left out and why."""

    path: Path
    header: LogHeader
    left_out: Counter[LeftOut]

    def as_dict(self) -> dict[str, Any]:
        """Return counts, days and digest; nothing of a patient."""
        return {
            "rows": self.header.count,
            "sha256": self.header.sha256,
            "from": self.header.first_day,
            "to": self.header.last_day,
            "left_out": {reason.value: n for reason, n in sorted(self.left_out.items())},
        }


def training_path() -> Path:
    """Return where the set lies unless another place is named."""
    return Path(settings.VAR_DIR) / "training" / "log.ndjson.gz"


def training_set_export(
    path: Path,
    *,
    now: datetime,
    actor: str,
    until: date | None = None,
    include_saw_prediction: bool = False,
    watch: Watch = iter,
) -> TrainingSet:
    """Write every labelled decision that may be learnt from, oldest first.

    Parameters
    ----------
    path
        The file; see ``ml.datasets.log``.
    actor
        Who asks; the record keeps that they read the requests.
    until
        The last local day to take; None takes the newest whose labels have matured.
    include_saw_prediction
        Whether to learn from people who had seen the answer, too.
    watch
        Passes the rows through, such as a progress bar.

    Raises
    ------
    NotMaturedError
        When the labels of ``until`` may still come in.
    """
    newest = day_to_check(now=now)
    last_day = newest if until is None else until
    if last_day > newest:
        raise NotMaturedError(f"labels have matured up to {newest}, not up to {last_day}.")
    access_record(
        actor=actor,
        action=AccessEvent.Action.EXPORT,
        door=AccessEvent.Door.COMMAND,
        cases=labelled_rows(until=last_day).count(),
    )
    left_out: Counter[LeftOut] = Counter()
    rows = watch(labelled_rows(until=last_day).iterator(chunk_size=ROWS_HELD))
    cases = _cases(rows, left_out, include_saw_prediction=include_saw_prediction)
    header = write_log(path, cases, last_day=str(last_day))
    left_out.update(_not_settled(until=last_day))
    written = TrainingSet(path=path, header=header, left_out=left_out)
    log.info("training_set_written", **written.as_dict())
    return written


def labelled_rows(*, until: date) -> QuerySet[MLPredictionLog]:
    """Return the predictions up to a local day whose label is resolved, with intake and labels."""
    standing = GroundTruth.objects.filter(state__in=STANDING)
    return (
        MLPredictionLog.objects.filter(ground_truth__isnull=False, created_at__lt=_end(until))
        .select_related("intake")
        .prefetch_related(Prefetch("labels", queryset=standing))
        .order_by("id")
    )


def _not_settled(*, until: date) -> dict[LeftOut, int]:
    """Return how many labelled rows wait for time to pass, and how many for a reviewer."""
    rows = MLPredictionLog.objects
    counts = {
        LeftOut.NOT_MATURED: rows.filter(ground_truth__isnull=False, created_at__gte=_end(until)),
        LeftOut.CONFLICT: rows.filter(
            ground_truth=None, created_at__lt=_end(until), labels__state=LabelState.CONFLICT
        ).distinct(),
    }
    return {reason: n for reason, found in counts.items() if (n := found.count())}


def labels_new(*, since: datetime | None, now: datetime) -> int:
    """Return how many labels may be learnt from now that could not be at ``since`` (None: ever).

    A label is new when it came in, or matured, in between. Echoes do not count.
    """
    labels = GroundTruth.objects.filter(
        state__in=STANDING,
        level=F("prediction_log__ground_truth"),
        prediction_log__intake__isnull=False,
        prediction_log__created_at__lt=_end(day_to_check(now=now)),
    ).exclude(saw_prediction=True)
    if since is not None:
        matured_since = Q(prediction_log__created_at__gte=_end(day_to_check(now=since)))
        labels = labels.filter(Q(created_at__gt=since) | matured_since)
    return labels.values("prediction_log").distinct().count()


def _end(day: date) -> datetime:
    return LocalDay.of(day, zone=settings.SITE_TIME_ZONE).end


def _cases(
    rows: Iterable[MLPredictionLog], left_out: Counter[LeftOut], *, include_saw_prediction: bool
) -> Iterator[LoggedCase]:
    for row in rows:
        case = _case(row, include_saw_prediction=include_saw_prediction)
        if isinstance(case, LeftOut):
            left_out[case] += 1
        else:
            yield case


def _case(row: MLPredictionLog, *, include_saw_prediction: bool) -> LoggedCase | LeftOut:
    label = _label(row)
    if label is None:
        return LeftOut.NO_LABEL
    if label.saw_prediction and not include_saw_prediction:
        return LeftOut.SAW_PREDICTION
    intake = getattr(row, "intake", None)
    if intake is None:
        return LeftOut.INTAKE_GONE
    try:
        return _logged(row, label=label, request=intake.request())
    except UnreadableIntakeError:
        return LeftOut.INTAKE_UNREADABLE


def _label(row: MLPredictionLog) -> GroundTruth | None:
    """Return the label that speaks for the row: of those that agree, the most independent."""
    agreeing = [one for one in row.labels.all() if one.level == row.ground_truth]
    return min(agreeing, key=lambda one: (_TRUST[one.saw_prediction], one.pk), default=None)


def _logged(row: MLPredictionLog, *, label: GroundTruth, request: dict[str, Any]) -> LoggedCase:
    key = settings.PATIENT_ID_KEY
    return LoggedCase(
        row_id=str(row.pk),
        request=request,
        patient=pseudonym(row.subject, kind="training", key=key) if row.subject else None,
        level=label.get_level_display(),
        scale=label.scale,
        original_level=label.original_level,
        source=label.source,
        saw_prediction=label.saw_prediction,
        day=str(row.created_at.astimezone(settings.SITE_TIME_ZONE).date()),
    )
