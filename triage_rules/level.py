"""The words every package shares: how urgent, who decides, and what a model thinks.

A model's code may import this module (with ``case``, ``scores`` and ``text``) and nothing else of
the rules, so that it can speak of urgency without hearing the rules' judgement.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Level(IntEnum):
    """How soon a patient must be seen. Counts upward, so the more urgent of two is ``max``.

    Examples
    --------
    >>> max(Level.SOON, Level.URGENT).label
    'urgent'
    """

    ROUTINE = 0
    SOON = 1
    URGENT = 2
    EMERGENCY = 3

    @property
    def label(self) -> str:
        """The level as it is written in requests, answers and rows."""
        return self.name.lower()

    @classmethod
    def from_label(cls, label: str) -> Level:
        """Return the level written as ``label``; any other word is a ``ValueError``."""
        try:
            return _LEVEL_BY_LABEL[label]
        except KeyError:
            raise ValueError(
                f"no level {label!r}; expected one of {list(_LEVEL_BY_LABEL)}"
            ) from None

    @classmethod
    def from_five_level(cls, original: int) -> Level:
        """Map an ESI, KTAS, CTAS or NHAMCS level: 1 and 2 are emergency, 5 is routine."""
        try:
            return _LEVEL_BY_FIVE_LEVEL[original]
        except KeyError:
            raise ValueError(f"no five-level acuity {original!r}; expected 1 to 5") from None


_LEVEL_BY_LABEL = {level.label: level for level in Level}
_LEVEL_BY_FIVE_LEVEL = {
    1: Level.EMERGENCY,
    2: Level.EMERGENCY,
    3: Level.URGENT,
    4: Level.SOON,
    5: Level.ROUTINE,
}


class Decider(StrEnum):
    """Whose answer counts for a patient: the arm of the trial, or the phase's default."""

    ML = "ml"
    RULES = "rules"


class Abstention(StrEnum):
    """Why a model gives no opinion."""

    MODEL_UNAVAILABLE = "model_unavailable"
    PREDICTION_FAILED = "prediction_failed"
    OUT_OF_RANGE = "out_of_range"
    TIMEOUT = "timeout"


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one feature added to (or took from) the model's score of its own level."""

    feature: str
    effect: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WordCount:
    """How many words the chief complaint has, and how many of them the model has never met."""

    said: int
    unknown: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What the model says, or why it says nothing.

    Attributes
    ----------
    level
        The model's decision by expected cost; None when it abstains.
    probabilities
        One per level in the order of ``Level``, summing to 1; empty when it abstains.
    plausible_levels
        The conformal set around the answer; empty when it abstains.
    threshold
        The least top probability at which the opinion may stand alone.
    version, digest
        The model that spoke; None when there was none.
    abstained
        None when the model answered.
    words
        What the model knew of the complaint; None when it did not get to reading it.
    """

    level: Level | None = None
    probabilities: tuple[float, ...] = ()
    plausible_levels: tuple[Level, ...] = ()
    threshold: float | None = None
    version: str | None = None
    digest: str | None = None
    abstained: Abstention | None = None
    contributions: tuple[Contribution, ...] = ()
    words: WordCount | None = None

    def __post_init__(self) -> None:
        if (self.level is None) == (self.abstained is None):
            raise ValueError("an opinion has either a level or a reason to abstain")
        if self.level is not None and (
            len(self.probabilities) != len(Level) or self.threshold is None
        ):
            raise ValueError("an opinion that answers has four probabilities and a threshold")

    @property
    def confidence(self) -> float | None:
        """The probability of the model's own level; None when it abstains."""
        return None if self.level is None else self.probabilities[self.level]

    @property
    def is_confident(self) -> bool:
        """Whether the top probability reaches the threshold."""
        return self.threshold is not None and max(self.probabilities, default=0.0) >= self.threshold

    @classmethod
    def abstain(
        cls,
        reason: Abstention,
        *,
        version: str | None = None,
        digest: str | None = None,
        words: WordCount | None = None,
    ) -> Opinion:
        """Return an opinion that gives no level, only the reason."""
        return cls(abstained=reason, version=version, digest=digest, words=words)
