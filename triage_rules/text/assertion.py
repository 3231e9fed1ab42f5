"""What is said of each finding: there, denied, over, long ago, another person's, or only feared."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from functools import cached_property

from triage_rules.case import ReportedBy
from triage_rules.text.experiencer import family_positions
from triage_rules.text.finding import Assertion
from triage_rules.text.passage import Passage, any_in, covered, next_in
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
_AFTER_BODY = frozenset({"pain", "ache", "spasm", "surgery", "injury", "problems", "problem"})
_BACK = frozenset({"back"})
_BEFORE_YEAR = frozenset({"in", "during"})
_DECISIVE = frozenset(
    {
        "pre_negator",
        "listing_negator",
        "post_negator",
        "post_negator_alone",
        "hypothetical",
        "if_word",
        "feared",
        "resolved",
        "possible",
    }
)
_WITH_OBJECT = frozenset({"stopped", "settled", "subsided"})
_AFTER_STOPPED = frozenset(
    {"now", "after", "with", "since", "on", "at", "in", "within", "today", "yesterday", "last"}
    | {"a", "an", "one", "two", "few", "before", "then", "completely", "again", "itself"}
)
_DENIALS = frozenset({"post_negator", "post_negator_alone"})
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
_HOURS_SINCE = {"yesterday": 24.0, "week": 168.0}
_TIME_WORDS = frozenset({"ago", *_HOURS_SINCE})
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
        self._negated = covered(self._negated_ranges())
        self._possible = covered(self._forward("possible"))
        self._hypothetical = covered(self._hypothetical_ranges())
        self._feared = covered(self._feared_ranges())
        self._history = covered(self._forward("history"))
        self._family = family_positions(passage, reported_by=reported_by)
        self._times = [at for at in passage.positions_of(_TIME_WORDS) if self._is_time(at)]
        self._past = sorted((*passage.starts_of("history_here"), *self._years()))
        self._current = sorted((*passage.starts_of("current"), *self._returns()))
        self._recurring = passage.starts_of("recurring")
        self._conditions = passage.cues.get("if_word", [])
        self._condition_starts = passage.starts_of("if_word")
        self._is_plain = not (
            self._family
            or self._past
            or self._history
            or not passage.cues.keys().isdisjoint(_DECISIVE)
        )

    def assertion(self, finding: Match) -> Assertion:
        """Return what is said of one finding; the first that applies, in this order."""
        if self._is_plain:
            return Assertion.PRESENT
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
        if not self._times:
            return None
        clause = self._passage.clause(finding)
        position = next_in(self._times, clause.start, clause.stop)
        return self._hours_since(position) if position < clause.stop else None

    def _is_time(self, position: int) -> bool:
        return self._passage.at(position) != "week" or self._passage.at(position - 1) == "last"

    def _hours_since(self, position: int) -> float | None:
        word = self._passage.at(position)
        return self._hours_before(position) if word == "ago" else _HOURS_SINCE[word]

    def _hours_before(self, ago: int) -> float | None:
        unit = _HOURS.get(self._passage.at(ago - 1))
        count = self._passage.at(ago - 2)
        number = _SMALL_NUMBERS.get(count, int(count) if count.isdecimal() else None)
        return None if unit is None or number is None else unit * number

    def _is_negated(self, finding: Match) -> bool:
        if finding.start in self._negated and not self._is_protected(finding):
            return True
        return not self._passage.cues.keys().isdisjoint(_DENIALS) and self._denied_afterwards(
            finding.end
        )

    def _is_protected(self, finding: Match) -> bool:
        """Whether the finding has its negation within ("not breathing", "unable to speak")."""
        words = self._passage.texts[finding.start : finding.end]
        return not _NEGATING_WORDS.isdisjoint(words) or words[0] == "unable"

    def _denied_afterwards(self, end: int) -> bool:
        position = self._skip(end)
        cue = self._passage.cue_at("post_negator", end) or self._passage.cue_at(
            "post_negator", position
        )
        if cue is not None:
            return self._closes(cue)
        alone = self._passage.cue_at("post_negator_alone", position)
        return alone is not None and self._is_end(alone.end)

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
        if "resolved" not in self._passage.cues:
            return False
        after = finding.end + (self._passage.at(finding.end) == ",")
        cue = self._resolved_cue(after) or self._resolved_cue(self._skip(after))
        if cue is None or not self._is_over(cue):
            return False
        return not any_in(self._recurring, self._passage.sentence_rest(cue.end))

    def _is_over(self, cue: Match) -> bool:
        """Whether the finding is what ended: "stopped eating" tells of something else."""
        following = self._passage.at(cue.end)
        if self._passage.at(cue.end - 1) in _WITH_OBJECT:
            return self._is_end(cue.end) or following in _AFTER_STOPPED
        return following not in {"me", "him", "her", "by", "when", "if"}

    def _resolved_cue(self, position: int) -> Match | None:
        return self._passage.cue_at("resolved", position)

    def _is_historical(self, finding: Match) -> bool:
        if finding.start not in self._history and not self._past:
            return False
        clause = self._passage.clause(finding)
        past = finding.start in self._history or any_in(self._past, clause)
        is_current = any_in(self._current, clause)
        return past and not is_current and not self._is_recent_and_lasting(finding)

    def _is_recent_and_lasting(self, finding: Match) -> bool:
        """Whether it is one that counts after it has passed, and the hours since are known."""
        return finding.entry.name in lasting_concepts() and self.hours_ago(finding) is not None

    def _years(self) -> Iterator[int]:
        """Where a year stands as a time ("in 2019")."""
        for at in self._passage.positions_of(_BEFORE_YEAR):
            if _YEAR.fullmatch(self._passage.at(at + 1)):
                yield at + 1

    def _returns(self) -> Iterator[int]:
        """Where "back" says that something returned, and is no part of the body."""
        for at in self._passage.positions_of(_BACK):
            before, after = self._passage.at(at - 1), self._passage.at(at + 1)
            if before not in _BODY_WORDS and after not in _AFTER_BODY:
                yield at

    def _is_conditional(self, finding: Match) -> bool:
        """Whether "if chest pain returns" is all that is said."""
        at = bisect_left(self._condition_starts, finding.start)
        if not at or self._condition_starts[at - 1] < self._passage.clause(finding).start:
            return False
        return self._condition_reach[at - 1] >= finding.start

    @cached_property
    def _condition_reach(self) -> list[int]:
        """For each "if", where the first word stands that is more than a little word."""
        return [self._past_little_words(cue.end) for cue in self._conditions]

    def _past_little_words(self, position: int) -> int:
        while self._passage.at(position) in _AFTER_IF:
            position += 1
        return position

    def _negated_ranges(self) -> Iterator[range]:
        for cue in self._passage.cues.get("pre_negator", ()):
            if self._passage.at(cue.end) != ",":
                yield self._passage.reach(cue, over_commas=self._passage.closes_with_or(cue))
        for cue in self._passage.cues.get("listing_negator", ()):
            yield self._passage.reach(cue, over_commas=True)

    def _hypothetical_ranges(self) -> Iterator[range]:
        for cue in self._passage.cues.get("hypothetical", ()):
            yield self._passage.reach(cue, over_commas=self._passage.closes_with_or(cue))

    def _feared_ranges(self) -> Iterator[range]:
        for cue in self._passage.cues.get("feared", ()):
            if self._passage.at(cue.end) not in _POSSESSIVES:
                yield self._passage.reach(cue, over_commas=False)

    def _forward(self, kind: str) -> Iterator[range]:
        for cue in self._passage.cues.get(kind, ()):
            yield self._passage.reach(cue, over_commas=False)
