"""What is said of each finding: there, denied, over, long ago, another person's, or only feared."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from functools import cached_property

from triage_rules.case import ReportedBy
from triage_rules.text.experiencer import family_positions
from triage_rules.text.finding import Assertion
from triage_rules.text.passage import SENTENCE_ENDS, Passage, any_in, covered
from triage_rules.text.phrases import Match, lasting_concepts
from triage_rules.text.reaches import Reaches

_NEGATING_WORDS = frozenset({"no", "not", "never", "without"})
_POSTPONING = frozenset(
    {"was", "were", "is", "are", "has", "have", "had", "been", "also", "all", "now"}
)
_POSTPONING |= {"earlier", "later", "since", "quickly", "gradually", "eventually", "spontaneously"}
_POSSESSIVES = frozenset({"my", "the", "his", "her", "this", "these"})
_BODY_WORDS = frozenset({"my", "the", "his", "her", "lower", "upper", "in", "of", "your"})
_AFTER_BODY = frozenset({"in", "pain", "ache", "spasm", "surgery", "injury", "problems", "problem"})
_BACK = frozenset({"back"})
_BEFORE_YEAR = frozenset({"in", "during", "january", "february", "march", "april", "june", "july"})
_BEFORE_YEAR |= {"august", "september", "october", "november", "december"}
_AFTER_DENIAL = SENTENCE_ENDS | {",", ")", "-", "by", "but", "and"}
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
        "resolved_alone",
        "possible",
    }
)
_DENIALS = frozenset({"post_negator", "post_negator_alone"})
_DESCRIBING = frozenset({"long", "longstanding", "lifelong", "gradual", "gradually"})
_LIST_MARKS = frozenset({",", "and"})
_ARTICLES = frozenset({"a", "an", "some", "sudden", "my", "his", "her"})
_TOLD_AS_PAST = frozenset({"had", "got", "suffered", "experienced", "developed"})
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
    "month": 730,
    "months": 730,
    "year": 8766,
    "years": 8766,
}
_HOURS_SINCE = {"yesterday": 24.0, "week": 168.0}
_A_MONTH = 730
_TIME_WORDS = frozenset({"ago", *_HOURS_SINCE})
_SMALL_NUMBERS = {"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6}
_SMALL_NUMBERS |= {"seven": 7, "eight": 8, "nine": 9, "ten": 10, "few": 3, "couple": 2, "of": 2}


class Judge:
    """Decides, for one passage, what is said of each finding in it."""

    def __init__(self, passage: Passage, *, reported_by: ReportedBy | None) -> None:
        self._passage = passage
        self._reaches = Reaches(passage)
        self._negated = covered(self._negated_ranges())
        self._possible = covered(self._forward("possible"))
        self._hypothetical = covered(self._forward("hypothetical"))
        self._feared = covered(self._feared_ranges())
        self._family = family_positions(passage, reported_by=reported_by)
        self._past = covered((*map(self._window, self._past_times()), *self._histories()))
        self._longstanding = covered(self._longstanding_windows())
        self._current = sorted((*passage.starts_of("current"), *self._returns()))
        self._recurring = passage.starts_of("recurring")
        self._conditions = passage.cues.get("if_word", [])
        self._condition_starts = passage.starts_of("if_word")
        self._is_plain = not (
            self._family or self._past or not passage.cues.keys().isdisjoint(_DECISIVE)
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
        """Return how long ago the words at the finding say it was, None where they say nothing."""
        return self._hours.get(finding.end - 1)

    def is_longstanding(self, finding: Match) -> bool:
        """Whether the words at the finding say that it is of long standing ("for years")."""
        return finding.end - 1 in self._longstanding

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
        end += self._passage.at(end) == "?"
        position = self._skip(end)
        cue = self._passage.cue_at("post_negator", end) or self._passage.cue_at(
            "post_negator", position
        )
        if cue is not None:
            return self._closes(cue)
        alone = self._passage.cue_at("post_negator_alone", position)
        return alone is not None and self._is_end(alone.end)

    def _closes(self, cue: Match) -> bool:
        plain = self._passage.at(cue.start) not in {":", "-", "("}
        return plain or self._is_end(cue.end)

    def _is_end(self, position: int) -> bool:
        return self._passage.at(position) in _AFTER_DENIAL

    def _skip(self, position: int) -> int:
        while self._passage.at(position) in _POSTPONING:
            position += 1
        return position

    def _negated_ranges(self) -> Iterator[range]:
        for cue in self._passage.cues.get("pre_negator", ()):
            if self._passage.at(cue.end) != ",":
                yield self._reaches.of(cue)
        for cue in self._passage.cues.get("listing_negator", ()):
            yield self._reaches.of(cue, listing=True)

    def _is_resolved(self, finding: Match) -> bool:
        after = finding.end + (self._passage.at(finding.end) == ",")
        end = self._resolved_end(after) or self._resolved_end(self._skip(after))
        return end is not None and not any_in(self._recurring, self._passage.sentence_rest(end))

    def _resolved_end(self, position: int) -> int | None:
        """Return where the words end that say it is over: "stopped eating" tells of another."""
        cue = self._passage.cue_at("resolved", position)
        if cue is not None:
            return None if self._passage.cue_at("not_over", cue.end) else cue.end
        cue = self._passage.cue_at("resolved_alone", position)
        if cue is None or not (
            self._is_end(cue.end) or self._passage.cue_at("after_over", cue.end)
        ):
            return None
        return cue.end

    def _is_historical(self, finding: Match) -> bool:
        if finding.end - 1 not in self._past:
            return False
        is_current = any_in(self._current, self._passage.clause(finding))
        return not is_current and not self._is_recent_and_lasting(finding)

    def _is_recent_and_lasting(self, finding: Match) -> bool:
        """Whether it is one that counts after it has passed, and the hours since are known."""
        hours = self.hours_ago(finding)
        return hours is not None and hours < _A_MONTH and finding.entry.name in lasting_concepts()

    def _past_times(self) -> Iterator[range]:
        for cue in self._passage.cues.get("history_here", ()):
            yield range(cue.start, cue.end)
        for at in self._passage.positions_of(_BEFORE_YEAR):
            if _YEAR.fullmatch(self._passage.at(at + 1)):
                yield range(at, at + 2)

    def _window(self, time: range) -> range:
        """Return the positions a time speaks of: the finding before it, or after it if it opens."""
        start = self._passage.finding_before(time.start)
        if start is not None:
            return range(self._first_told_with(start), time.start)
        opens = self._passage.opens_clause(time.start)
        return self._window_after(time.stop) if opens else range(0)

    def _first_told_with(self, start: int) -> int:
        """Return where the list begins of which one verb tells: "had a droop and weakness"."""
        first = self._before_articles(start)
        while self._passage.at(first - 1) in _LIST_MARKS:
            earlier = self._passage.finding_before(first - 1)
            if earlier is None:
                return start
            first = self._before_articles(earlier)
        return first if self._passage.at(first - 1) in _TOLD_AS_PAST else start

    def _before_articles(self, position: int) -> int:
        while self._passage.at(position - 1) in _ARTICLES:
            position -= 1
        return position

    def _window_after(self, position: int) -> range:
        return range(position, self._passage.item_after(position) or position)

    def _histories(self) -> Iterator[range]:
        for kind in ("history", "listing_history", "bare_history"):
            for cue in self._passage.cues.get(kind, ()):
                yield self._passage.illnesses_after(
                    cue.end, listing=kind != "history", named=kind == "bare_history"
                )

    @cached_property
    def _hours(self) -> dict[int, float]:
        """How long ago it was, by the last word of the finding that a time speaks of."""
        hours: dict[int, float] = {}
        for at in self._passage.positions_of(_TIME_WORDS):
            ago = self._hours_since(at)
            if ago is not None:
                hours |= dict.fromkeys(self._window(range(at, at + 1)), ago)
        return hours

    def _hours_since(self, position: int) -> float | None:
        word, before = self._passage.at(position), self._passage.at(position - 1)
        if word == "ago":
            return _hours_in(before, self._passage.at(position - 2))
        return _HOURS_SINCE[word] if word != "week" or before == "last" else None

    def _longstanding_windows(self) -> Iterator[range]:
        for match in self._passage.findings:
            if match.entry.name != "longstanding":
                continue
            if self._passage.at(match.start) in _DESCRIBING:
                yield self._window_after(match.end)
            yield self._window(range(match.start, match.end))

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
        little = self._passage.covered_by("after_if")
        return [self._passage.skip(cue.end, through=little) for cue in self._conditions]

    def _feared_ranges(self) -> Iterator[range]:
        for cue in self._passage.cues.get("feared", ()):
            if self._passage.at(cue.end) not in _POSSESSIVES:
                yield self._reaches.of(cue)

    def _forward(self, kind: str) -> Iterator[range]:
        return (self._reaches.of(cue) for cue in self._passage.cues.get(kind, ()))


def _hours_in(unit: str, count: str) -> float | None:
    """Return the hours in "3 days" or "a week"."""
    number = _SMALL_NUMBERS.get(count, int(count) if count.isdecimal() else None)
    return None if unit not in _HOURS or number is None else _HOURS[unit] * number
