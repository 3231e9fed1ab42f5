"""The rule book as Markdown, from the rules themselves.

``python -m triage_rules > docs/rules.md`` writes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from triage_rules.level import Level
from triage_rules.rule import Rule, Sign
from triage_rules.ruleset import every_rule, every_sign
from triage_rules.thresholds import Limit, all_limits, load

_HEAD = """# The rules

Written from the rules themselves by `python -m triage_rules > docs/rules.md`; a test holds it to
them.

A patient is an **emergency** or at least **urgent** when one line of a red flag holds; no model can
answer less. "At once" means now, not within minutes. *Needs* names the measurements without which a
line cannot be judged: it is then reported as unassessed, never as "no". A measurement that is
written in the text counts like one that was taken. A line that holds for a time only says since and
until when. The words that a line listens for stand in `triage_rules/text/concepts/`, the harmless
senses that hide them in `triage_rules/text/senses/`, and what "no", "last year" or "my mother" do
to them in `triage_rules/text/cues.toml`.

Thresholds that are informed by the Emergency Severity Index are called "ESI-informed"; an ESI level
is never computed. The National Early Warning Score 2 is reproduced with acknowledgement to the
Royal College of Physicians. "Local policy" is a decision that a site must review before it uses the
rules.
"""
_SIGNS_HEAD = """## What makes a patient soon

Without a red flag a patient is `soon` when one of these holds, and `routine` otherwise. A complaint
in which nothing is recognised and that comes without a measurement is `soon`, and a person looks at
it.
"""
_SCORES = """## Scores

- **NEWS2** from 16 years on. {emergency} points or more: emergency. {urgent} or more, or 3 for one
  parameter alone: urgent. {soon} or more: soon. With parameters missing the sum is a lower bound,
  never "normal". In pregnancy it may raise, is marked `validated: false`, and never reassures.
- **qSOFA** in adults, the **shock index**, **ESI-informed high-risk vital signs**, **NICE** high
  and moderate risk rows and **PALS** bands in children are asked by the flags below;
  `manage.py explain_case` prints each with what was missing.
- **Glasgow Coma Scale** to ACVPU only where consciousness itself was not recorded; 14 counts as new
  confusion.
"""


def document() -> str:
    """Return the whole rule book: every flag, every line, every number, every sign."""
    parts = [_HEAD, _scores(), *_flags(every_rule()), _SIGNS_HEAD, _sign_table(every_sign())]
    return "\n".join([*parts, *_other_numbers()]) + "\n"


def _scores() -> str:
    bands = load("news2")["bands"]
    return _SCORES.format(
        emergency=bands["emergency_from"], urgent=bands["urgent_from"], soon=bands["soon_from"]
    )


def _flags(rules: Iterable[Rule]) -> Iterator[str]:
    yield "## Red flags\n"
    for _, lines in groupby(sorted(rules, key=lambda rule: rule.id), key=lambda rule: rule.id):
        yield _flag(list(lines))


def _flag(lines: list[Rule]) -> str:
    flag = lines[0].flag
    numbers = [limit for limit in all_limits() if flag.id in limit.used_by]
    return "\n".join(
        [
            f"### {flag.id} {flag.name}\n",
            f"Source: {flag.source}. Since {flag.since}."
            + (" A person must speak with the patient." if flag.human_contact else "")
            + "\n",
            *(_line(rule) for rule in sorted(lines, key=lambda rule: -rule.floor)),
            "",
            *(_number_table(numbers) if numbers else ()),
        ]
    )


def _line(rule: Rule) -> str:
    what = "**emergency**" if rule.floor is Level.EMERGENCY else "**urgent**"
    now = ", at once" if rule.immediate else ""
    needs = " and ".join(need.replace("|", " or ") for need in rule.needs)
    notes = [
        f"Needs {needs}." if needs else "",
        f"Asks for {', '.join(rule.asks_for)}." if rule.asks_for else "",
        f"Since {rule.since}." if rule.since != rule.flag.since else "",
        f"Until {rule.until}." if rule.until else "",
    ]
    return " ".join([f"- {what}{now}: {rule.sentence}", *filter(None, notes)])


def _number_table(limits: Iterable[Limit]) -> Iterator[str]:
    yield "| number | age | value | source | since |"
    yield "|---|---|---|---|---|"
    for limit in limits:
        for band in limit.bands:
            age = f"under {band.under}" if band.under else "older" if limit.bands[1:] else "any"
            per_year = f" + {band.per_year:g} for each year of age" if band.per_year else ""
            yield (
                f"| {limit.name.replace('_', ' ')} | {age} | {band.value:g}{per_year} {limit.unit} "
                f"| {limit.source} | {limit.since} |"
            )
    yield ""


def _sign_table(signs: Iterable[Sign]) -> str:
    rows = [f"| {sign.name} | {sign.source} | {sign.since} |" for sign in signs]
    return "\n".join(["| sign | source | since |", "|---|---|---|", *rows, ""])


def _other_numbers() -> Iterator[str]:
    yield "## Numbers that no flag owns\n"
    yield from _number_table(limit for limit in all_limits() if not limit.used_by)
