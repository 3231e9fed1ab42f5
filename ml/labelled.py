"""A case with its right answer, whether it was recorded or made up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from triage_rules.case import case_from_request
from triage_rules.level import Level

FIVE_LEVEL_SCALES = ("esi", "ktas", "ctas", "nhamcs")
# The scale of a label that was given on our own four levels.
OWN_SCALE = "triage"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledCase:
    """One request and what the right answer was.

    Attributes
    ----------
    request
        A body of the triage API.
    level
        The truth, on the four levels.
    row_id
        The row's id in its source.
    scale
        The scale the label was given on: one of ``FIVE_LEVEL_SCALES``, ``OWN_SCALE``, or
        ``simulated``.
    original_level
        The label as given, 1 to 5; None where the source has four levels.
    nurse_level
        What the triage nurse answered; None where the source does not say.
    """

    request: Mapping[str, Any]
    level: Level
    row_id: str
    scale: str
    original_level: int | None = None
    nurse_level: Level | None = None

    @property
    def subgroups(self) -> tuple[str, ...]:
        """The groups it belongs to, by age band, sex and, where it is known, site."""
        age = case_from_request(self.request).age
        band = "under 16" if age < 16 else "16 to 64" if age < 65 else "65 and over"
        site = self.request.get("site")
        named = (f"age {band}", f"sex {self.request.get('sex') or 'unknown'}")
        return (*named, f"site {site}") if site else named
