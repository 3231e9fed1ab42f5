"""All figures of the page, in the order in which they are read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitoring.figures import days, groups, levels
from monitoring.figures.figure import Figure


def figures(summary: Mapping[str, Any]) -> tuple[Figure, ...]:
    """Return the figures of a summary; each says in words what it shows or what it lacks."""
    return tuple(
        draw(summary)
        for draw in (
            days.accuracy, days.under_triage,
            days.cusum, groups.levels, groups.trust,
            levels.confusion, levels.reliability, groups.versions,
            groups.slices, groups.drift, groups.arms,
            levels.mix, days.latency, days.coverage,
        )
    )  # fmt: skip
