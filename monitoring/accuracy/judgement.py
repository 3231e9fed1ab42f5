"""When a day is too bad: a pure function of counts."""

from __future__ import annotations

from dataclasses import dataclass

from ml.evaluation import wilson_interval
from monitoring.models import Alert, MonitoringRun
from monitoring.statistics.confidence_sequences import bernoulli_confidence_sequence

Status = MonitoringRun.Status
# About what four weeks of a small department have in labels.
TIGHTEST_AT = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What counts say of a day; ``severity`` is None where there is nothing to tell anybody."""

    status: MonitoringRun.Status
    severity: Alert.Severity | None = None


def judgement(
    *,
    correct: int,
    labelled: int,
    trailing_correct: int,
    trailing_labelled: int,
    threshold: float,
    min_labels: int,
) -> Judgement:
    """Judge a day by its own labels and by those of the weeks that end with it.

    In the order taken:

    1. Fewer labels than ``min_labels``: not enough labels, no judgement.
    2. The share of right answers reaches the threshold: ok.
    3. Even the upper end of its Wilson interval, or of the anytime-valid interval of the trailing
       weeks, is below the threshold: below, critical.
    4. Otherwise: below, a warning. At 50 labels a day chance alone does that now and then.
    """
    if labelled < max(min_labels, 1):
        return Judgement(status=Status.NOT_ENOUGH_LABELS)
    if correct / labelled >= threshold:
        return Judgement(status=Status.OK)
    trailing_upper = anytime_upper(trailing_correct, trailing_labelled)
    upper = min(wilson_interval(correct, labelled)[1], trailing_upper)
    severity = Alert.Severity.CRITICAL if upper < threshold else Alert.Severity.WARNING
    return Judgement(status=Status.BELOW_THRESHOLD, severity=severity)


def anytime_upper(correct: int, labelled: int) -> float:
    """Return the upper end of the interval that holds however often one looks; 1 without labels."""
    return bernoulli_confidence_sequence(correct, labelled, t_opt=TIGHTEST_AT)[1]
