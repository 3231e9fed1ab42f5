"""Whose finding it is: a relative's, or the patient's of whom a relative speaks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache

from triage_rules.case import ReportedBy
from triage_rules.text.passage import SENTENCE_ENDS, Passage, any_in, covered
from triage_rules.text.phrases import Match, read_toml

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
_OVER = frozenset({"had", "died", "suffered", "diagnosed"})
_OWNING = frozenset(
    {
        "have",
        "had",
        "having",
        "got",
        "get",
        "feel",
        "am",
        "also",
        "just",
        "now",
        "only",
        "a",
        "an",
        "the",
        "some",
        "bad",
        "really",
        "very",
    }
)
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

    A carer speaks of the patient. Otherwise it is another person when the speaker also tells of a
    finding of their own, is known to be the patient, or tells of an elder's past. When in doubt:
    the patient.
    """
    if reported_by == ReportedBy.CARER:
        return
    of_themselves = reported_by == ReportedBy.PATIENT or _tells_of_the_speaker(passage)
    currents = sorted((*passage.starts_of("current"), *_sudden(passage)))
    for position in passage.positions_of(_everybody()):
        said = _said_of(passage, position)
        if of_themselves or _is_past_of_an_elder(passage, position, said, currents):
            yield said


def _tells_of_the_speaker(passage: Passage) -> bool:
    """Whether a finding is the speaker's own: "I have a cough", "my chest hurts"."""
    return any(_is_the_speakers(passage, finding) for finding in passage.findings)


def _is_the_speakers(passage: Passage, finding: Match) -> bool:
    """Whether it is "my" finding, or one that "I have"."""
    before = finding.start - 1
    if passage.at(before) == "my":
        return passage.at(finding.start) not in _everybody()
    while passage.at(before) in _OWNING:
        before -= 1
    return passage.at(before) == "i" and before < finding.start - 1


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


def _sudden(passage: Passage) -> Iterator[int]:
    return (match.start for match in passage.findings if match.entry.name == "sudden")


def _is_past_of_an_elder(
    passage: Passage, relative: int, said: range, currents: Sequence[int]
) -> bool:
    """Whether an elder "had" it, and nothing says that it is of now."""
    past = passage.at(said.start) in _OVER and not any_in(currents, said)
    return past and passage.at(relative) in _relative_words("elder")
