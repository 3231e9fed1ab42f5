"""Whose finding it is: a relative's, or the patient's of whom a relative speaks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache

from triage_rules.case import ReportedBy
from triage_rules.text.passage import SENTENCE_ENDS, Passage, any_in, covered
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
    return covered((*_family_history(passage), *_relatives(passage, reported_by)))


def _family_history(passage: Passage) -> Iterator[range]:
    for cue in passage.cues.get("family_history", ()):
        yield passage.reach(cue, over_commas=passage.closes_with_or(cue))
        yield passage.clause(cue)


def _relatives(passage: Passage, reported_by: ReportedBy | None) -> Iterator[range]:
    """Yield what is said of each relative who is another person than the patient.

    A carer speaks of the patient. Otherwise it is another person when the speaker also speaks of
    themselves, is known to be the patient, or tells of an elder's past. When in doubt: the patient.
    """
    if reported_by == ReportedBy.CARER:
        return
    of_themselves = reported_by == ReportedBy.PATIENT or "i" in passage.texts
    currents = passage.starts_of("current")
    for position in passage.positions_of(_everybody()):
        said = _said_of(passage, position)
        if of_themselves or _is_past_of_an_elder(passage, position, said, currents):
            yield said


@cache
def _relative_words(kind: str) -> frozenset[str]:
    return frozenset(read_toml("words.toml")["relatives"][kind])


@cache
def _everybody() -> frozenset[str]:
    return _relative_words("elder") | _relative_words("partner") | _relative_words("child")


@cache
def _ends() -> frozenset[str]:
    return SENTENCE_ENDS | _LINKS | _OTHER_SUBJECTS | _everybody()


def _said_of(passage: Passage, relative: int) -> range:
    """Return the positions from a relative's verb on; none where there is no verb."""
    verb = relative + 1
    while passage.at(verb) in _BETWEEN:
        verb += 1
    end = verb
    while passage.at(verb) in _HAVING and passage.at(end) not in _ends():
        end += 1
    return range(verb, end)


def _is_past_of_an_elder(
    passage: Passage, relative: int, said: range, currents: Sequence[int]
) -> bool:
    past = passage.at(said.start) in _OVER and not any_in(currents, said)
    return past and passage.at(relative) in _relative_words("elder")
