"""Laying out a text: which phrases stand, after longer ones have hidden the shorter inside."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from functools import cache

from triage_rules.text.passage import Passage, qualifying_concepts
from triage_rules.text.phrases import Entry, Match, replaced_concepts

_NEVER_HIDDEN = frozenset(
    {
        "after_over",
        "body_part",
        "diagnosis",
        "fright",
        "habit",
        "history",
        "history_filler",
        "own_matter",
        "own_verb",
        "own_word",
        "past_filler",
        "state",
    }
)
_SILENCES = {
    "history": {"bare_history"},
    "listing_history": {"history", "bare_history"},
    "family_history": {"history", "bare_history"},
    "not_a_negator": {
        "pre_negator",
        "listing_negator",
        "post_negator_alone",
        "possible",
        "own_verb",
        "boundary",
        "history",
        "listing_history",
        "bare_history",
    },
    "not_history": {"history", "bare_history", "listing_history", "history_here", "boundary"},
    "not_if": {"if_word"},
    "hypothetical": {"if_word", "current"},
    "post_negator": {"pre_negator", "listing_negator", "post_negator_alone", "possible"},
    "possible": {"pre_negator"},
    "pre_negator": {"pre_negator", "history", "bare_history"},
    "listing_negator": {"pre_negator"},
    "resolved": {"boundary", "current"},
    "feared": {"own_verb"},
}
_HIDING = frozenset({"sense", "concept", *_SILENCES})


def lay_out(
    texts: Sequence[str], matches: Sequence[Match], *, joined: Iterable[int] = ()
) -> Passage:
    """Return the passage of these words after longer phrases have hidden the shorter inside."""
    cues: defaultdict[str, list[Match]] = defaultdict(list)
    findings = []
    for match in _unhidden(matches):
        if match.entry.kind == "concept":
            findings.append(match)
        else:
            cues[match.entry.kind].append(match)
    return Passage(texts=texts, findings=tuple(findings), cues=dict(cues), joined=frozenset(joined))


def _unhidden(matches: Sequence[Match]) -> Iterator[Match]:
    """Yield the matches, in order, that no longer one around them hides."""
    hiding = deque(m for m in matches if m.end - m.start > 1 and m.entry.kind in _HIDING)
    around: list[Match] = []
    for match in matches:
        while hiding and hiding[0].start <= match.start:
            around.append(hiding.popleft())
        if around:
            around = [longer for longer in around if longer.end > match.start]
        if not _is_hidden(match, around):
            yield match


def _is_hidden(match: Match, around: list[Match]) -> bool:
    """Whether one of the matches that begin no later holds this one, is longer, and hides it."""
    entry, start, end = match
    length = end - start
    for longer, its_start, its_end in around:
        if its_end >= end and its_end - its_start > length and _hides(longer, entry):
            return True
    return False


@cache
def _hides(longer: Entry, shorter: Entry) -> bool:
    if longer.kind == "sense":
        return True
    if shorter.kind == "concept":
        return shorter.name in replaced_concepts().get(longer.name, ())
    if longer.kind == "concept":
        return longer.name not in qualifying_concepts() and shorter.kind not in _NEVER_HIDDEN
    return shorter.kind in _SILENCES.get(longer.kind, ())
