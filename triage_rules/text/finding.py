"""What a text says: a concept, the words that said it, and what is said of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Assertion(StrEnum):
    """What is said of a finding. When in doubt it is present."""

    PRESENT = "present"
    POSSIBLE = "possible"
    NEGATED = "negated"
    RESOLVED = "resolved"
    HISTORICAL = "historical"
    FAMILY = "family"
    HYPOTHETICAL = "hypothetical"
    FEARED = "feared"


class Field(StrEnum):
    """Where in the case the words stand."""

    COMPLAINT = "chief_complaint"
    DESCRIPTION = "description"
    SYMPTOM = "symptoms"
    HISTORY = "medical_history"
    MEDICATION = "medications"
    ALLERGY = "allergies"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One concept found in one field.

    ``evidence`` is taken from the original text. ``hours_ago`` is None where no time was given.
    ``longstanding`` is whether the words beside it say so ("for years").
    """

    concept: str
    assertion: Assertion
    evidence: str
    field: Field
    hours_ago: float | None = None
    longstanding: bool = False

    def is_older_than(self, hours: float) -> bool:
        """Whether it is said to be longer ago; one of unknown time is not."""
        return self.hours_ago is not None and self.hours_ago > hours
