"""The words of ground truth: what was right, who says so, and which of them counts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import TextChoices

from triage_rules.level import Level

MAX_NOTE_CHARACTERS = 2_000
# Said instead of a level by somebody who has looked at the case and cannot tell.
CANNOT_ASSESS = "cannot_assess"
LEVEL_WORDS = (*(level.label for level in Level), CANNOT_ASSESS)


class LabelSource(TextChoices):
    """Where a label comes from."""

    CLINICIAN = "clinician"
    OUTCOME = "outcome"
    AUDIT = "audit"
    IMPORT = "import"


# From the one that counts most. An audit is made blind and for this purpose; an outcome is known
# only of some; a clinician may echo the answer; of an import we know least.
RANKING = (LabelSource.AUDIT, LabelSource.OUTCOME, LabelSource.CLINICIAN, LabelSource.IMPORT)


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
    """What was right, as somebody reports it.

    ``level`` is already on our scale; None says that the case cannot be assessed.
    """

    level: Level | None
    source: LabelSource
    saw_prediction: bool | None = None
    scale: str = ""
    original_level: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A label that stands, as far as its weight depends on it."""

    level: Level | None
    source: LabelSource
    settles: bool = False


def resolve(standing: Iterable[Standing]) -> Level | None:
    """Return the level that counts among the labels that stand; None where none does.

    In the order taken:

    1. Who cannot assess the case says nothing of its level.
    2. The label by which a reviewer settled the case.
    3. The labels of the highest rank of source, where they all agree.
    """
    named = [one for one in standing if one.level is not None]
    settling = [one for one in named if one.settles]
    levels = {one.level for one in settling or _of_highest_rank(named)}
    return levels.pop() if len(levels) == 1 else None


def disagree(standing: Iterable[Standing]) -> bool:
    """Tell whether two of the labels name different levels, whatever their rank."""
    return len({one.level for one in standing if one.level is not None}) > 1


def level_word(level: Level | None) -> str:
    """Return the word for what a label says."""
    return CANNOT_ASSESS if level is None else level.label


def level_said(word: str | None, *, original: int | None) -> Level | None:
    """Return what a label says in words, on a five-level scale, or both; None: cannot assess.

    Raises
    ------
    ValueError
        When it says neither, or one thing in words and another on the scale.
    """
    if word is None and original is None:
        raise ValueError("neither a level nor an original level")
    scaled = None if original is None else Level.from_five_level(original)
    if word is not None and scaled is not None and word != scaled.label:
        raise ValueError("a level and another original level")
    if word is None:
        return scaled
    return None if word == CANNOT_ASSESS else Level.from_label(word)


def _of_highest_rank(named: list[Standing]) -> list[Standing]:
    best = min((RANKING.index(one.source) for one in named), default=0)
    return [one for one in named if RANKING.index(one.source) == best]
