"""Whose finding it is: a relative's, or the patient's of whom a relative speaks."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from triage_rules.case import ReportedBy
from triage_rules.text.passage import SENTENCE_ENDS, Passage, any_in, covered
from triage_rules.text.phrases import Match, read_toml

_HAVING = frozenset(
    {"has", "have", "had", "having", "with", "is", "was", "are", "were", "on", "can"}
)
_HAVING |= {"died", "dies", "passed", "suffers", "suffered", "got", "gets", "diagnosed"}
_TELLING = frozenset({"noticed", "seen", "found", "called", "brought", "told", "said", "given"})
_OWNING = frozenset({"have", "had", "having", "got", "been", "am", "also", "just", "now", "only"})
_OWNING |= {"a", "an", "the", "my", "some", "bad", "really", "very", "still"}
_OWNING |= {"need", "want", "would", "like", "here", "for", "came", "new", "repeat"}
_DOING = frozenset({"given", "gave", "used", "started", "taken", "took", "called", "done", "doing"})
_DOING |= {"injected", "put"}
_TOLD_WITH = frozenset({"has", "have", "had"})
_ARTICLES = frozenset({"a", "an"})
_DYING = frozenset({"died", "dies", "passed"})
_BETWEEN = frozenset({"also", "recently", "just", "who", "and", "once", "now", "all", "both"})
_SPEAKER = frozenset({"i", "me", "my", "myself"})
_OTHER_SUBJECTS = _SPEAKER | {"patient", "but", "he", "she", "we"}
_LINKS = frozenset({",", "-"})


def family_positions(passage: Passage, *, reported_by: ReportedBy | None) -> frozenset[int]:
    """Return the positions that speak of a relative and not of the patient."""
    return covered((*_family_history(passage), *_relatives(passage, reported_by)))


def _family_history(passage: Passage) -> Iterator[range]:
    for cue in passage.cues.get("family_history", ()):
        yield passage.illnesses_after(cue.end, listing=True)
    for cue in passage.cues.get("in_family", ()):
        start = passage.finding_before(cue.start)
        yield range(cue.start if start is None else start, cue.start)


def _relatives(passage: Passage, reported_by: ReportedBy | None) -> Iterator[range]:
    """Yield what is said of each relative who is another person than the patient.

    Nobody who died of it is the patient. Else a carer speaks of the patient. Else it is another
    person when the speaker is known to be the patient or says "I have ...", and when it is an
    elder's own illness. When in doubt: the patient.
    """
    by_carer = reported_by == ReportedBy.CARER
    of_themselves = reported_by == ReportedBy.PATIENT or _tells_of_the_speaker(passage)
    elders = _Elders(passage)
    for position in passage.positions_of(_everybody()):
        said = _said_of(passage, position)
        if passage.at(said.start) in _DYING:
            yield passage.illnesses_after(said.start + 1, listing=False)
        elif of_themselves and not by_carer:
            yield said
        elif not by_carer and passage.at(position) in _relative_words("elder"):
            yield elders.own_illness(position, said)


def _tells_of_the_speaker(passage: Passage) -> bool:
    """Whether the speaker tells of an own complaint or errand: "I have a cough"."""
    return "own_matter" in passage.cues or any(
        _is_the_speakers(passage, finding) for finding in passage.findings
    )


def _is_the_speakers(passage: Passage, finding: Match) -> bool:
    """Whether "I have" it, and it is no lasting illness, no help given and no fright."""
    before = finding.start - 1
    while passage.at(before) in _OWNING:
        before -= 1
    if passage.at(before) != "i" or before == finding.start - 1:
        return False
    is_known = finding.entry.name in _lasting_states() or passage.cue_at("diagnosis", finding.start)
    is_fright = passage.cue_at("fright", finding.start) is not None
    return not (is_known or is_fright) and passage.at(finding.start) not in _DOING


@cache
def _relative_words(kind: str) -> frozenset[str]:
    return frozenset(read_toml("words.toml")["relatives"][kind])


@cache
def _everybody() -> frozenset[str]:
    return _relative_words("elder") | _relative_words("partner") | _relative_words("child")


@cache
def _ends() -> frozenset[str]:
    return SENTENCE_ENDS | _LINKS | _OTHER_SUBJECTS | _everybody()


@cache
def _lasting_states() -> frozenset[str]:
    """The concepts that tell how somebody lives, and not why they come today."""
    return frozenset(read_toml("cues.toml")["lasting_state"]["concepts"])


def _said_of(passage: Passage, relative: int) -> range:
    """Return the positions from a relative's verb on; none where they tell of another."""
    verb = relative + 1
    while passage.at(verb) in _BETWEEN:
        verb += 1
    has = passage.at(verb) in _HAVING
    tells = passage.at(verb) in _TOLD_WITH and passage.at(verb + 1) in _TELLING
    if tells or not (has or passage.item_end(verb)):
        return range(verb, verb)
    end = verb
    while passage.at(end) not in _ends():
        end += 1
    does_it_to_the_speaker = not has and passage.at(end) in _SPEAKER
    return range(verb, verb if does_it_to_the_speaker else end)


class _Elders:
    """What is told of elders that is their own, though nobody says whose complaint it is."""

    def __init__(self, passage: Passage) -> None:
        self._passage = passage
        sudden = (one.start for one in passage.findings if one.entry.name == "sudden")
        self._times = sorted((*passage.starts_of("current"), *sudden))
        self._habits = frozenset(passage.starts_of("habit"))
        self._acute = [one.start for one in passage.alone if self._is_acute(one)]

    def own_illness(self, elder: int, said: range) -> range:
        """Return the illness that is the elder's: nothing says that it is of now."""
        if any_in(self._times, said):
            return range(0)
        if self._is_former(elder, said):
            return self._passage.illnesses_after(said.start + 1, listing=False)
        return said if self._is_in_passing(elder, said) else range(0)

    def _is_former(self, elder: int, said: range) -> bool:
        """Whether "my mother had a stroke" is told; "Mum had a fit" tells of a patient."""
        is_told = self._passage.at(elder - 1) == "my" and self._passage.at(elder + 1) == "had"
        illness = elder + 2 + (self._passage.at(elder + 2) in _ARTICLES)
        return is_told and self._passage.cue_at("diagnosis", illness) is not None

    def _is_in_passing(self, elder: int, said: range) -> bool:
        """Whether it is "fever, grandmother is on chemo", or no more than "nephew has seizures"."""
        if any_in(self._acute, range(elder, self._passage.end)):
            return False
        is_habit = said.start + 1 in self._habits
        return is_habit or any_in(self._acute, self._passage.sentence_until(elder))

    def _is_acute(self, finding: Match) -> bool:
        return finding.entry.name not in _lasting_states() and finding.start not in self._habits
