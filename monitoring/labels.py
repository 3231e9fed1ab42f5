"""The words of ground truth: what was right, who says so, and whether it counts."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import TextChoices

from triage_rules.level import Level


class LabelSource(TextChoices):
    """Where a label comes from."""

    CLINICIAN = "clinician"
    OUTCOME = "outcome"
    AUDIT = "audit"
    IMPORT = "import"


class LabelScale(TextChoices):
    """The five-level scale of an original level."""

    ESI = "esi"
    KTAS = "ktas"
    CTAS = "ctas"
    NHAMCS = "nhamcs"


class LabelState(TextChoices):
    """Whether a label counts."""

    ACCEPTED = "accepted"
    CONFLICT = "conflict"
    SETTLED = "settled"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What was right, as somebody reports it; ``level`` is already on our scale."""

    level: Level
    source: LabelSource
    saw_prediction: bool | None = None
    scale: str = ""
    original_level: int | None = None
    note: str = ""
