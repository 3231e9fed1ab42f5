"""What follows from a level: the order in a queue, the place of care, the target time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from triage_rules.level import Level
from triage_rules.thresholds import load


class CareLevel(StrEnum):
    """Where the patient is best seen."""

    EMERGENCY_DEPARTMENT = "emergency_department"
    URGENT_CARE = "urgent_care"
    PRIMARY_CARE = "primary_care"
    SELF_CARE = "self_care"


@dataclass(frozen=True, slots=True)
class CareAdvice:
    """Where the patient is best seen, and within how many minutes."""

    care_level: CareLevel
    target_minutes: int


_CARE_LEVEL = {
    Level.EMERGENCY: CareLevel.EMERGENCY_DEPARTMENT,
    Level.URGENT: CareLevel.URGENT_CARE,
    Level.SOON: CareLevel.PRIMARY_CARE,
    Level.ROUTINE: CareLevel.SELF_CARE,
}


def calculate_severity(*, level: Level, news2_total: int | None, pain_score: int | None) -> int:
    """Return 0 to 100: the band of the level, and within it the larger of NEWS2 and pain.

    It orders a queue; it is not a probability.

    Examples
    --------
    >>> calculate_severity(level=Level.URGENT, news2_total=3, pain_score=7)
    57
    """
    low, high = load("levels")["severity"][level.label]
    return int(min(low + max(news2_total or 0, pain_score or 0), high))


def recommend_care_level(
    level: Level, *, immediate: bool, target_minutes: Mapping[str, int] | None = None
) -> CareAdvice:
    """Return the place of care and the target time of a level.

    Parameters
    ----------
    level
        The level decided.
    immediate
        Whether a red flag says "now"; then it is the emergency department at once.
    target_minutes
        A site's own minutes by level label, and ``immediate``; what it leaves out stays as is.
    """
    minutes = {**load("levels")["care"], **(target_minutes or {})}
    if immediate:
        return CareAdvice(CareLevel.EMERGENCY_DEPARTMENT, int(minutes["immediate"]))
    return CareAdvice(_CARE_LEVEL[level], int(minutes[level.label]))
