"""Whose finding it is: a relative's, or the patient's of whom a relative speaks."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from triage_rules.case import ReportedBy
from triage_rules.text.passage import SENTENCE_ENDS, Passage
from triage_rules.text.phrases import read_toml

_HAVING = frozenset(
    {
        "has",
        "have",
        "had",
        "having",
        "with",
        "is",
        "was",
        "died",
        "suffers",
        "suffered",
        "got",
        "gets",
        "can",
        "diagnosed",
    }
)
_OVER = frozenset({"had", "was", "died", "suffered", "diagnosed"})
_BETWEEN = frozenset({"also", "recently", "just", "who", "and", "once", "now"})
_OTHER_SUBJECTS = frozenset({"i", "patient", "but", "he", "she", "we", "me"})
_LINKS = frozenset({",", "-"})


def family_positions(passage: Passage, *, reported_by: ReportedBy | None) -> frozenset[int]:
    """Return the positions that speak of a relative and not of the patient."""
    return frozenset((*_family_history(passage), *_relatives(passage, reported_by)))


def _family_history(passage: Passage) -> Iterator[int]:
    for cue in passage.cues.get("family_history", ()):
        yield from passage.reach(cue, over_commas=passage.closes_with_or(cue))
        yield from passage.clause(cue)


def _relatives(passage: Passage, reported_by: ReportedBy | None) -> Iterator[int]:
    everybody = _relative_words("elder") | _relative_words("partner") | _relative_words("child")
    ends = SENTENCE_ENDS | _LINKS | _OTHER_SUBJECTS | everybody
    for position, word in enumerate(passage.texts):
        verb = _verb_of(passage, position) if word in everybody else None
        if verb is not None:
            said = range(verb, _said_until(passage, verb, ends))
            if not _is_the_patient(passage, said, word, reported_by):
                yield from said


@cache
def _relative_words(kind: str) -> frozenset[str]:
    return frozenset(read_toml("words.toml")["relatives"][kind])


def _verb_of(passage: Passage, relative: int) -> int | None:
    at = relative + 1
    while passage.at(at) in _BETWEEN:
        at += 1
    return at if passage.at(at) in _HAVING else None


def _said_until(passage: Passage, position: int, ends: frozenset[str]) -> int:
    while passage.at(position) not in ends:
        position += 1
    return position


def _is_the_patient(
    passage: Passage, said: range, relative: str, reported_by: ReportedBy | None
) -> bool:
    """Whether the relative is the one at the door.

    A carer speaks of the patient. Otherwise it is another person when the speaker also speaks of
    themselves, is known to be the patient, or tells of an elder's past. When in doubt: the patient.
    """
    if reported_by == ReportedBy.CARER:
        return True
    if reported_by == ReportedBy.PATIENT or "i" in passage.texts:
        return False
    past = passage.at(said.start) in _OVER and not passage.has_cue("current", said)
    return not (past and relative in _relative_words("elder"))
