"""What the check says to people: alerts and a report, of groups and never of a patient."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.conf import settings

from monitoring.accuracy.cusum import Cusum
from monitoring.accuracy.measuring import POOLED_DAYS, TRAILING_DAYS, AccuracyResult
from monitoring.accuracy.slices import Worse
from monitoring.accuracy.tallies import Tally
from triage_rules.level import Level


def accuracy_message(result: AccuracyResult) -> str:
    """Say how a day fell below the threshold, and where."""
    lines = [
        f"{_when(result)}, {_right(result.judged)}, "
        f"below the threshold of {settings.ACCURACY_THRESHOLD:.0%}.",
        f"Under-triage {result.judged.under}, over-triage {result.judged.over}. "
        f"Labels for {result.coverage:.0%} of {result.predictions} predictions.",
        _trailing(result),
    ]
    lines += [
        f"Arm {arm}: {group.correct} of {group.labelled} right."
        for arm, group in result.by_arm.items()
    ]
    if result.provisional:
        lines.append("Provisional: more labels of this day may still come in.")
    return "\n".join(lines)


def labels_message(result: AccuracyResult) -> str:
    """Say that nobody can tell how good the answers are."""
    return (
        f"Insufficient labels: for {POOLED_DAYS} days up to {result.day} the accuracy could not be "
        f"judged. {result.overall.labelled} of {result.predictions} predictions of {result.day} "
        f"have a label; {settings.ACCURACY_MIN_LABELS} are needed in {POOLED_DAYS} days."
    )


def latency_message(result: AccuracyResult) -> str:
    """Say how slow the answers were."""
    times = result.latency
    return (
        f"On {result.day}, one answer in twenty took longer than {times.p95:.0f} ms; "
        f"the limit is {times.limit:.0f} ms. {times.slow} of {times.n} answers were slower than it."
    )


def under_triage_message(result: AccuracyResult) -> str:
    """Say that too many answers are not urgent enough."""
    found = result.cusum
    return (
        f"More answers than expected are not urgent enough. Of the {found.labels} cases first "
        f"labelled up to {result.day} and its maturity, {found.under} were; "
        f"expected are {found.expected:.1%}. "
        f"The running sum over all labels reached its limit of {found.limit:g}."
    )


def slice_message(result: AccuracyResult, found: Iterable[Worse]) -> str:
    """Say which group of patients is answered worse."""
    head = f"In the {TRAILING_DAYS} days to {result.day} a group was answered worse than the rest."
    return "\n".join([head, *(one.sentence for one in found)])


def report(result: AccuracyResult) -> str:
    """Return the whole result as text for a terminal."""
    return "\n".join(
        [
            f"{result.day}: {_verdict(result)}",
            f"{_when(result)}: {_right(result.judged)}."
            if result.judged.labelled
            else "No labels.",
            f"Labels for {result.coverage:.0%} of {result.predictions} predictions; "
            f"missed emergencies: {result.missed_emergencies}.",
            "",
            *_table(result),
            "",
            *_confusion(result),
            "",
            _trailing(result),
            *(f"worse than the rest: {one.sentence}" for one in result.trailing.worse),
            _cusum(result.cusum),
            _latency(result),
        ]
    )


def _when(result: AccuracyResult) -> str:
    if result.pooled:
        return f"From {result.pooled.first} to {result.day}, pooled because labels are few"
    return f"On {result.day}"


def _trailing(result: AccuracyResult) -> str:
    weeks = result.trailing
    return (
        f"The {TRAILING_DAYS} days to {result.day}, of which {weeks.days} are on record: "
        f"{_right(weeks.tally)}."
    )


def _right(tally: Tally) -> str:
    if tally.interval is None:
        return "no labels"
    low, high = tally.interval
    return (
        f"{tally.correct} of {tally.labelled} labelled answers were right: "
        f"{tally.accuracy:.1%} (95 % interval {low:.1%} to {high:.1%})"
    )


def _verdict(result: AccuracyResult) -> str:
    words = [result.status.value.replace("_", " ")]
    words += [str(result.severity.value)] if result.severity else []
    words += ["provisional"] if result.provisional else []
    return ", ".join(words)


_COLUMNS = (
    f"{'':24}{'labels':>8}{'right':>8}{'accuracy':>10}{'95 % interval':>20}{'under':>8}{'over':>8}"
)


def _table(result: AccuracyResult) -> Iterator[str]:
    yield _COLUMNS
    yield _row("all", result.overall)
    groups: dict[str, dict[str, Any]] = {
        "arm": result.by_arm,
        "model version": result.by_model_version,
        "true level": result.by_level,
        "labeller saw the answer": result.by_saw_prediction,
        "drawn for audit": result.by_audit,
    }
    for dimension, values in result.slices.items():
        groups[dimension.replace("_", " ")] = {name: one.tally for name, one in values.items()}
    for title, tallies in groups.items():
        yield title
        yield from (_row(f"  {name}", tally) for name, tally in tallies.items())


def _row(name: str, tally: Tally) -> str:
    if tally.interval is None:
        return f"{name:24}{0:8}"
    low, high = tally.interval
    counts = f"{name:24}{tally.labelled:8}{tally.correct:8}{tally.accuracy:10.1%}"
    return f"{counts}{f'{low:.1%} to {high:.1%}':>20}{tally.under:8}{tally.over:8}"


def _confusion(result: AccuracyResult) -> Iterator[str]:
    yield f"{'true, by answer':24}" + "".join(f"{level.label:>12}" for level in Level)
    for level, row in zip(Level, result.confusion, strict=True):
        yield f"  {level.label:22}" + "".join(f"{n:12}" for n in row)
    for name, mix in (("answers", result.levels.given), ("rules", result.levels.rules)):
        yield f"{name:24}" + "".join(f"{mix[level.label]:12}" for level in Level)
    model = result.levels.model
    said = "".join(f"{model[level.label]:12}" for level in Level)
    yield f"{'model':24}{said}   none {model['none']}"


def _cusum(found: Cusum) -> str:
    if found.watermark is None:
        return "Under-triage CUSUM: this check took no part in it."
    return (
        f"Under-triage CUSUM: {found.value:.2f} of {found.limit:g}"
        f"{', crossed' if found.crossed else ''}, after {found.under} too low of {found.labels} "
        f"newly labelled cases (expected {found.expected:.1%})."
    )


def _latency(result: AccuracyResult) -> str:
    times = result.latency
    if times.p50 is None:
        return "Latency: no answers."
    return (
        f"Latency: half within {times.p50:.1f} ms, 95 % within {times.p95:.1f} ms, "
        f"99 % within {times.p99:.1f} ms; {times.slow} of {times.n} above {times.limit:.0f} ms."
    )
