"""What is said of each finding: there, denied, over, long ago, another person's, or only feared."""

from __future__ import annotations

import re
from collections.abc import Iterator

from triage_rules.case import ReportedBy
from triage_rules.text.experiencer import family_positions
from triage_rules.text.finding import Assertion
from triage_rules.text.passage import Passage
from triage_rules.text.phrases import Match, lasting_concepts

_NEGATING_WORDS = frozenset({"no", "not", "never", "without"})
_POSTPONING = frozenset(
    {"was", "were", "is", "are", "has", "have", "been", "also", "all", "now", "had"}
)
_POSSESSIVES = frozenset({"my", "the", "his", "her", "this", "these"})
_AFTER_IF = frozenset(
    {
        "i",
        "you",
        "he",
        "she",
        "they",
        "it",
        "get",
        "gets",
        "have",
        "has",
        "there",
        "is",
        "any",
        "more",
        "develop",
        "a",
        "an",
        "some",
        "develops",
        "the",
        "my",
        "his",
        "her",
        "another",
    }
)
_BODY_WORDS = frozenset({"my", "the", "his", "her", "lower", "upper", "in", "of", "your"})
_YEAR = re.compile(r"(?:19|20)\d\d")
_HOURS = {
    "minute": 1 / 60,
    "minutes": 1 / 60,
    "hour": 1,
    "hours": 1,
    "day": 24,
    "days": 24,
    "week": 168,
    "weeks": 168,
}
_SMALL_NUMBERS = {
    "a": 1,
    "an": 1,
    "one": 1,
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "few": 3,
    "couple": 2,
}


class Judge:
    """Decides, for one passage, what is said of each finding in it."""

    def __init__(self, passage: Passage, *, reported_by: ReportedBy | None) -> None:
        self._passage = passage
        self._negated = frozenset(self._negated_positions())
        self._possible = frozenset(self._forward("possible"))
        self._hypothetical = frozenset(self._hypothetical_positions())
        self._feared = frozenset(self._feared_positions())
        self._history = frozenset(self._forward("history"))
        self._family = family_positions(passage, reported_by=reported_by)

    def assertion(self, finding: Match) -> Assertion:
        """Return what is said of one finding; the first that applies, in this order."""
        if finding.start in self._family:
            return Assertion.FAMILY
        if self._is_negated(finding):
            return Assertion.NEGATED
        if finding.start in self._hypothetical or self._is_conditional(finding):
            return Assertion.HYPOTHETICAL
        if finding.start in self._feared:
            return Assertion.FEARED
        if self._is_historical(finding):
            return Assertion.HISTORICAL
        if self._is_resolved(finding):
            return Assertion.RESOLVED
        return Assertion.POSSIBLE if finding.start in self._possible else Assertion.PRESENT

    def hours_ago(self, finding: Match) -> float | None:
        """Return how long ago the clause says it was, None where it says nothing."""
        clause = self._passage.clause(finding)
        for position in clause:
            if self._passage.at(position) == "ago":
                return self._hours_before(position)
            if self._passage.at(position) == "yesterday":
                return 24.0
            if self._passage.at(position) == "week" and self._passage.at(position - 1) == "last":
                return 168.0
        return None

    def _hours_before(self, ago: int) -> float | None:
        unit = _HOURS.get(self._passage.at(ago - 1))
        count = self._passage.at(ago - 2)
        number = _SMALL_NUMBERS.get(count, int(count) if count.isdecimal() else None)
        return None if unit is None or number is None else unit * number

    def _is_negated(self, finding: Match) -> bool:
        words = self._passage.texts[finding.start : finding.end]
        protected = not _NEGATING_WORDS.isdisjoint(words) or words[0] == "unable"
        if finding.start in self._negated and not protected:
            return True
        return self._denied_afterwards(finding.end)

    def _denied_afterwards(self, end: int) -> bool:
        position = self._skip(end)
        if self._passage.cue_at("post_negator", end) or self._passage.cue_at(
            "post_negator", position
        ):
            cue = self._passage.cue_at("post_negator", end) or self._passage.cue_at(
                "post_negator", position
            )
            return cue is not None and self._closes(cue)
        cue = self._passage.cue_at("post_negator_alone", position)
        return cue is not None and self._is_end(cue.end)

    def _closes(self, cue: Match) -> bool:
        plain = self._passage.at(cue.start) not in {":", "-"}
        return plain or self._is_end(cue.end)

    def _is_end(self, position: int) -> bool:
        word = self._passage.at(position)
        return word in {".", ";", "!", "?", ",", ")", "-", "by", "but", "and"}

    def _skip(self, position: int) -> int:
        while self._passage.at(position) in _POSTPONING:
            position += 1
        return position

    def _is_resolved(self, finding: Match) -> bool:
        after = finding.end + (self._passage.at(finding.end) == ",")
        cue = next(filter(None, map(self._resolved_cue, (after, self._skip(after)))), None)
        if cue is None or self._passage.at(cue.end) in {"me", "him", "her", "by", "when", "if"}:
            return False
        return not self._passage.has_cue("recurring", self._passage.sentence_rest(cue.end))

    def _resolved_cue(self, position: int) -> Match | None:
        return self._passage.cue_at("resolved", position)

    def _is_historical(self, finding: Match) -> bool:
        clause = self._passage.clause(finding)
        past = finding.start in self._history or self._has_past_time(clause)
        return past and not self._is_current(clause) and not self._is_recent_and_lasting(finding)

    def _is_recent_and_lasting(self, finding: Match) -> bool:
        """Whether it is one that counts after it has passed, and the hours since are known."""
        return finding.entry.name in lasting_concepts() and self.hours_ago(finding) is not None

    def _has_past_time(self, clause: range) -> bool:
        return self._passage.has_cue("history_here", clause) or any(
            _YEAR.fullmatch(self._passage.at(at)) and self._passage.at(at - 1) in {"in", "during"}
            for at in clause
        )

    def _is_current(self, clause: range) -> bool:
        return self._passage.has_cue("current", clause) or any(
            self._passage.at(at) == "back" and self._is_return(at) for at in clause
        )

    def _is_return(self, at: int) -> bool:
        return self._passage.at(at - 1) not in _BODY_WORDS and self._passage.at(at + 1) not in {
            "pain",
            "ache",
            "spasm",
            "surgery",
            "injury",
            "problems",
            "problem",
        }

    def _is_conditional(self, finding: Match) -> bool:
        """Whether "if chest pain returns" is all that is said."""
        cue = self._passage.last_cue_before("if_word", finding.start)
        if cue is None or cue.start < self._passage.clause(finding).start:
            return False
        return all(self._passage.at(at) in _AFTER_IF for at in range(cue.end, finding.start))

    def _negated_positions(self) -> Iterator[int]:
        for cue in self._passage.cues.get("pre_negator", ()):
            if self._passage.at(cue.end) != ",":
                yield from self._passage.reach(cue, over_commas=self._passage.closes_with_or(cue))
        for cue in self._passage.cues.get("listing_negator", ()):
            yield from self._passage.reach(cue, over_commas=True)

    def _hypothetical_positions(self) -> Iterator[int]:
        for cue in self._passage.cues.get("hypothetical", ()):
            yield from self._passage.reach(cue, over_commas=self._passage.closes_with_or(cue))

    def _feared_positions(self) -> Iterator[int]:
        for cue in self._passage.cues.get("feared", ()):
            if self._passage.at(cue.end) not in _POSSESSIVES:
                yield from self._passage.reach(cue, over_commas=False)

    def _forward(self, kind: str) -> Iterator[int]:
        for cue in self._passage.cues.get(kind, ()):
            yield from self._passage.reach(cue, over_commas=False)
