"""What the rules say (verdict) and what is answered (decision)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from triage_rules.level import Level, Opinion
from triage_rules.scores.news2 import News2


class Method(StrEnum):
    """What settled the answer."""

    ML = "ml"
    RULES = "rules"
    RED_FLAG = "red_flag"
    RULE_FLOOR = "rule_floor"


class FallbackReason(StrEnum):
    """Why the model did not stand alone although it was its turn."""

    MODEL_UNAVAILABLE = "model_unavailable"
    PREDICTION_FAILED = "prediction_failed"
    LOW_CONFIDENCE = "low_confidence"
    OUT_OF_RANGE = "out_of_range"
    TIMEOUT = "timeout"
    KILL_SWITCH = "kill_switch"


@dataclass(frozen=True, slots=True, kw_only=True)
class RedFlag:
    """A rule that fired on this patient.

    ``floor`` is EMERGENCY for a hard flag and URGENT for a floor; ``evidence`` holds the words or
    values that fired it, and never leaves the answer for a log.
    """

    id: str
    name: str
    floor: Level
    immediate: bool
    evidence: tuple[str, ...]
    source: str

    @property
    def is_hard(self) -> bool:
        """Whether the flag alone makes the patient an emergency."""
        return self.floor is Level.EMERGENCY


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the rules say of one patient; ``level`` is never below ``floor``.

    Attributes
    ----------
    floor
        The least urgent answer allowed, from red flags, NEWS2 and vital limits.
    unassessed
        Ids of rules that could not be judged because a value is missing or the rule failed.
    conflicts
        Findings that the structure denies and the text affirms, in plain words.
    reasons
        Plain sentences a nurse would accept, most urgent first.
    """

    level: Level
    floor: Level
    severity_score: int
    news2: News2
    version: str
    red_flags: tuple[RedFlag, ...] = ()
    reasons: tuple[str, ...] = ()
    unassessed: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    text_unparsed: bool = False
    needs_human: bool = False

    def __post_init__(self) -> None:
        if self.level < self.floor:
            raise ValueError(f"level {self.level.label} is below the floor {self.floor.label}")

    @property
    def immediate(self) -> bool:
        """Whether a flag says "now", not merely "within minutes"."""
        return any(flag.immediate for flag in self.red_flags)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is answered, and how verdict and opinion came together in it."""

    level: Level
    method: Method
    fallback_reason: FallbackReason | None
    needs_human: bool
    verdict: Verdict
    opinion: Opinion

    @property
    def fallback(self) -> bool:
        """Whether it was the model's turn and the model did not stand alone."""
        return self.fallback_reason is not None

    @property
    def confidence(self) -> float:
        """The model's probability of the answer when the model's answer stood, else 0."""
        return self.opinion.probabilities[self.level] if self.method is Method.ML else 0.0
