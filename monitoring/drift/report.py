"""The result of a drift check as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from monitoring.drift.check import DriftResult
from monitoring.drift.findings import Finding
from monitoring.drift.performance import Performance

_WIDTH = 24


def as_text(result: DriftResult) -> str:
    """Return the report: the verdict first, then every comparison, then the model's figures."""
    return "\n".join([*_heading(result), *_drifted(result), *_table(result), *_model(result)])


def _heading(result: DriftResult) -> Iterator[str]:
    yield f"{'status':{_WIDTH}}{result.status}"
    yield f"{'window':{_WIDTH}}{result.window.first} to {result.window.last}"
    yield f"{'model version':{_WIDTH}}{result.version or 'none'}"
    yield f"{'rows':{_WIDTH}}{result.rows}"
    if result.reference is not None:
        yield f"{'rows of the reference':{_WIDTH}}{result.reference.rows}"


def _drifted(result: DriftResult) -> Iterator[str]:
    for name in result.drifted:
        yield f"\nDRIFTED {name}. {result.message(name)}"


def _table(result: DriftResult) -> Iterator[str]:
    if result.comparison is None:
        return
    header = f"{'column':{_WIDTH}}{'kind':14}{'n':>8}{'p adj':>9}{'effect':>9}{'limit':>9}"
    yield f"\n{header}"
    yield from map(_line, result.comparison.findings)
    if result.comparison.not_tested:
        yield f"\ntoo few values to compare: {', '.join(result.comparison.not_tested)}"


def _line(one: Finding) -> str:
    mark = "  drifted" if one.drifted else ""
    figures = f"{one.n:>8}{one.p_adjusted:>9.3f}{one.effect:>9.3f}{one.limit:>9.3f}"
    return f"{one.column:{_WIDTH}}{one.kind:14}{figures}{mark}"


def _model(result: DriftResult) -> Iterator[str]:
    found = result.performance
    if found is None:
        return
    yield ""
    yield f"{'estimated accuracy':{_WIDTH}}{_share(found.estimated.accuracy)}{_validity(found)}"
    yield f"{'realised accuracy':{_WIDTH}}{_share(found.realised.accuracy)} of {found.realised.n}"
    yield f"{'difference':{_WIDTH}}{_share(found.concept.difference)}"
    yield (
        f"{'Brier score':{_WIDTH}}{_figure(found.calibration.brier)} "
        f"(reference {found.calibration.reference_brier:.3f})"
    )
    yield (
        f"{'calibration error':{_WIDTH}}{_figure(found.calibration.ece)} "
        f"(reference {found.calibration.reference_ece:.3f})"
    )


def _validity(found: Performance) -> str:
    if found.estimated.valid:
        return ""
    return f" (not to be relied on: {' '.join(found.estimated.why_not) or 'no answers'})"


def _share(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1%}"


def _figure(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"
