"""Figures of groups side by side: arms, versions, levels, patients, who labelled."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from ml.card.drawing import Drawing
from monitoring.figures.figure import Figure, Table, between, fitting, percent, tick
from monitoring.figures.sheet import (
    BLUE,
    GREY,
    NARROW,
    SMALL,
    SOFT,
    VERMILION,
    WARNING,
    Scale,
    along,
    content,
    from_zero,
    shares_below_one,
    sheet,
)

Body = Mapping[str, Any]

_ROW = 40
_HEADING = 30
_TICKS = 28
_LEFT, _RIGHT = 22, NARROW - 22
_TOP = 10
_MOST_ROWS = 12
_LONGEST_NAME = 19


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One group with its share and interval; ``few`` says that it stands on too few labels."""

    heading: str
    name: str
    share: float
    interval: Sequence[float]
    n: int
    few: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Groups on one scale, with the line they are held against, if there is one."""

    rows: Sequence[Row]
    scale: Scale
    limit: float | None = None

    @property
    def height(self) -> float:
        """How much of the sheet it takes."""
        headings = len({row.heading for row in self.rows if row.heading})
        return _ROW * len(self.rows) + _HEADING * headings + _TICKS


def arms(summary: Body) -> Figure:
    """Return the arms of the trial side by side."""
    trial = summary["experiment"]
    tallies = {
        "in no arm" if arm == "none" else arm: tally
        for arm, tally in summary["accuracy"]["by_arm"].items()
    }
    return _accuracy_and_harm(
        summary, tallies, name="arms", title="Arms of the trial",
        about=(
            f"{trial['name']}, phase {trial['phase']}: {percent(trial['enrolled_share'])} of the "
            f"patients are enrolled, {percent(trial['ml_share'])} of them in the arm of the model."
            + (" The kill switch is on: the rules decide for everybody." if trial["kill_switch"]
               else "")
        ),
    )  # fmt: skip


def versions(summary: Body) -> Figure:
    """Return the model versions side by side."""
    tallies = summary["accuracy"]["by_version"]
    synthetic = [name for name, tally in tallies.items() if tally.get("synthetic")]
    about = "Answers by the model version that was asked."
    if synthetic:
        about += f" Trained on simulated patients only: {', '.join(synthetic)}."
    return _accuracy_and_harm(
        summary, tallies, name="versions", title="Model versions", about=about
    )


def levels(summary: Body) -> Figure:
    """Return how often the patients of each level were given it."""
    return _one_share(
        summary, {"": dict(reversed(summary["accuracy"]["by_level"].items()))}, name="levels",
        title="Right answers by level",
        about="Of the patients for whom a level was right, how many were given it.",
    )  # fmt: skip


def trust(summary: Body) -> Figure:
    """Return what those who had not seen the answer say beside those who had, and the estimate."""
    body = summary["accuracy"]
    names = {
        "blind": "had not seen answer", "saw": "had seen the answer", "unknown": "not known",
    }  # fmt: skip
    judges = {
        words: body["by_saw_prediction"][key]
        for key, words in names.items()
        if key in body["by_saw_prediction"]
    }
    audited = {"audited": body["audited"]} if body["audited"] else {}
    return _one_share(
        summary, {"labelled by somebody who": judges, "drawn at random, labelled blind": audited},
        name="trust", title="Who said what was right",
        about=(
            "Labels by somebody who had seen the answer tend to agree with it; those who had not "
            "are the better judges. " + _estimate(summary["drift"]["latest"])
        ).strip(),
    )  # fmt: skip


def slices(summary: Body) -> Figure:
    """Return the groups of patients, the worst of each kind first."""
    kinds = {"sex": "Sex", "age_band": "Age", "site": "Site"}
    groups = {
        words: {row["value"] or "not known": row for row in summary["slices"][kind]["values"]}
        for kind, words in kinds.items()
    }
    left_out = sum(summary["slices"][kind]["left_out"] for kind in kinds)
    about = "Right answers in each group of patients, the worst first."
    if left_out:
        about += f" {left_out} groups with better figures are not shown."
    measures = {"accuracy": "right answers", "under_triage": "answers not urgent enough"}
    worse = [
        f"{one.get('slice')} ({measures.get(str(one.get('measure')), 'answers')})"
        for one in summary["slices"]["worse"]
        if isinstance(one, Mapping)
    ]
    if worse:
        about += f" Surely and clearly worse than the others: {', '.join(worse)}."
    return _one_share(summary, groups, name="slices", title="Groups of patients", about=about)


def drift(summary: Body) -> Figure:
    """Return how far each column has moved, against how far it may."""
    latest, title = summary["drift"]["latest"], "Patients compared with the reference"
    findings = _findings(latest)
    if latest is None or not findings:
        return Figure(name="drift", title=title, words=_without_findings(latest))
    drifted = latest.get("drifted") or []
    words = (
        f"{_span(latest)} {latest.get('rows') or 0:,} answers, {len(findings)} comparisons. "
        + (f"Drifted: {', '.join(map(str, drifted))}." if drifted else "Nothing has drifted.")
        + _unknown_words(latest.get("words"))
    )
    shown = findings[:_MOST_ROWS]
    notes = [str(one["sentence"]) for one in shown if one["drifted"] and one.get("sentence")]
    if len(findings) > len(shown):
        notes.append(f"{len(findings) - len(shown)} comparisons of less effect are in the table.")
    return Figure(
        name="drift", title=title, words=words, notes=tuple(notes),
        drawing=_drift_drawing(shown, title=title, words=words),
        table=Table.of(
            ("column", "effect", "limit", "p, adjusted", "rows", "drifted"),
            [
                (
                    finding["name"], f"{finding['effect']:.3f}", f"{finding['limit']:g}",
                    "–" if finding.get("p_adjusted") is None else f"{finding['p_adjusted']:.2g}",
                    f"{finding.get('n') or 0:,}", "yes" if finding["drifted"] else "no",
                )
                for finding in findings
            ],
        ),
    )  # fmt: skip


# --- drift -----------------------------------------------------------------------------------


def _findings(latest: Body | None) -> list[dict[str, Any]]:
    """Return the findings with an effect and a limit, what drifted first, then by their ratio."""
    found = (latest or {}).get("findings")
    findings = [
        {**finding, "name": _named(finding), "ratio": finding["effect"] / finding["limit"]}
        for finding in (found if isinstance(found, list) else [])
        if isinstance(finding, Mapping) and _is_whole(finding)
    ]
    return sorted(findings, key=lambda finding: (not finding["drifted"], -finding["ratio"]))


def _is_whole(finding: Body) -> bool:
    numbers = finding.get("effect"), finding.get("limit")
    has_numbers = all(isinstance(n, int | float) and math.isfinite(n) for n in numbers)
    return has_numbers and finding["limit"] > 0 and {"column", "drifted"} <= finding.keys()


def _named(finding: Body) -> str:
    """Return the column, and what of it was compared unless it is how its values lie."""
    kind = finding.get("kind") or "distribution"
    plain = kind in ("distribution", "prediction", finding["column"])
    return str(finding["column"]) if plain else f"{finding['column']}, {kind}"


def _unknown_words(words: Any) -> str:
    if not isinstance(words, Mapping) or words.get("share") is None:
        return ""
    said = f" {percent(words['share'], digits=1)} of the complaints' words are new to the model"
    if words.get("reference_share") is not None:
        said += f" ({percent(words['reference_share'], digits=1)} in the reference)"
    return f"{said}."


def _without_findings(latest: Body | None) -> str:
    if latest is None:
        return "Nothing has been compared yet."
    reasons = {
        "not_enough_rows": f"too few answers to compare ({latest.get('rows') or 0:,})",
        "no_reference": "the model that serves keeps no reference to compare with",
    }
    return f"{latest['day']}: {reasons.get(str(latest.get('status')), 'no column was compared')}."


def _span(latest: Body) -> str:
    window = latest.get("window")
    if isinstance(window, Mapping) and "start" in window and "end" in window:
        return f"{window['start']} to {window['end']}:"
    return f"{latest['day']}:"


def _estimate(latest: Body | None) -> str:
    """Return what the model's own probabilities promise, in words."""
    estimated = (latest or {}).get("estimated")
    if not isinstance(estimated, Mapping):
        return ""
    if not estimated.get("valid"):
        return f"No estimate without labels. {_sentences(estimated.get('why_not'))}".strip()
    if not isinstance(estimated.get("accuracy"), int | float):
        return ""
    interval = estimated.get("interval")
    return (
        f"Estimated without labels: {percent(estimated['accuracy'])} of the model's answers right"
        + (f" ({between(interval)})." if isinstance(interval, list) else ".")
    )


def _sentences(said: Any) -> str:
    return " ".join(map(str, said)) if isinstance(said, list | tuple) else str(said or "")


def _drift_drawing(findings: Sequence[Body], *, title: str, words: str) -> str:
    bottom = _TOP + _ROW * len(findings)
    drawn = sheet(name="drift", width=NARROW, height=bottom + 40, title=title, description=words)
    greatest = max(finding["ratio"] for finding in findings)
    scale = from_zero(min(4, max(1.5, greatest)), start=8, end=NARROW - 14)
    along(drawn, scale, top=_TOP, bottom=bottom, words=lambda tick: f"{tick:g}")
    drawn.line((scale.at(1), _TOP), (scale.at(1), bottom), stroke=VERMILION, dashes="6 4")
    for position, finding in enumerate(findings):
        _drift_row(drawn, finding, scale, y=_TOP + position * _ROW)
    drawn.text(8, bottom + 34, "times its limit (dashed: the limit)", size=SMALL, fill=SOFT)
    return content(drawn)


def _drift_row(drawn: Drawing, finding: Body, scale: Scale, *, y: float) -> None:
    drifted = bool(finding["drifted"])
    colour = VERMILION if drifted else GREY
    drawn.text(8, y + 14, fitting(finding["name"], longest=24), bold=drifted, halo=True)
    said = f"{finding['effect']:.2f} of {finding['limit']:g}{', drifted' if drifted else ''}"
    drawn.text(
        NARROW - 8,
        y + 14,
        said,
        anchor="end",
        size=SMALL,
        fill=WARNING if drifted else SOFT,
        halo=True,
    )
    end = scale.at(finding["ratio"])
    drawn.rectangle(scale.start, y + 20, max(1.0, end - scale.start), 10, fill=colour)


# --- rows of shares --------------------------------------------------------------------------


def _one_share(
    summary: Body,
    groups: Mapping[str, Mapping[str, Body]],
    *,
    name: str,
    title: str,
    about: str,
) -> Figure:
    """Return a figure of the share of right answers in each group."""
    body = summary["accuracy"]
    tallies = {
        (heading, value): tally
        for heading, values in groups.items()
        for value, tally in values.items()
        if tally["labelled"]
    }
    if not tallies:
        return Figure(name=name, title=title, words=f"{about} No label tells them apart yet.")
    rows = [
        _row(heading, value, tally, "accuracy", least=body["min_labels"])
        for (heading, value), tally in tallies.items()
    ]
    return Figure(
        name=name, title=title, words=about,
        drawing=_drawing(
            [Panel(rows=rows, scale=_upper(rows, body["threshold"]), limit=body["threshold"])],
            name=name, title=title, words=_in_words(about, rows),
            legend=f"dashed: threshold {body['threshold'] * 100:g} %",
        ),
        table=_table(tallies),
    )  # fmt: skip


def _accuracy_and_harm(
    summary: Body, tallies: Mapping[str, Body], *, name: str, title: str, about: str
) -> Figure:
    """Return a figure of what was right, not urgent enough and too urgent in each group."""
    tallies = {value: tally for value, tally in tallies.items() if tally["labelled"]}
    if not tallies:
        return Figure(name=name, title=title, words=f"{about} None has a label yet.")
    least = summary["accuracy"]["min_labels"]
    measures = {
        "right": "accuracy", "not urgent enough": "under_triage", "too urgent": "over_triage",
    }  # fmt: skip
    panels = []
    for heading, measure in measures.items():
        rows = [
            _row(heading, value, tally, measure, least=least) for value, tally in tallies.items()
        ]
        scale = _upper(rows) if measure == "accuracy" else _lower(rows)
        panels.append(Panel(rows=rows, scale=scale))
    words = _in_words(about, [row for panel in panels for row in panel.rows])
    return Figure(
        name=name, title=title, words=about,
        drawing=_drawing(panels, name=name, title=title, words=words),
        table=_table({("", value): tally for value, tally in tallies.items()}),
    )  # fmt: skip


def _upper(rows: Sequence[Row], limit: float = 1.0) -> Scale:
    """Return a scale up to 100 %. Intervals of few labels are cut, or they would flatten others."""
    certain = [row for row in rows if not row.few] or rows
    least = min(limit, *(row.interval[0] for row in certain))
    return shares_below_one(least, start=_LEFT, end=_RIGHT)


def _lower(rows: Sequence[Row]) -> Scale:
    certain = [row for row in rows if not row.few] or rows
    return from_zero(max(row.interval[1] for row in certain), start=_LEFT, end=_RIGHT)


def _row(heading: str, name: str, tally: Body, measure: str, *, least: int) -> Row:
    intervals = {
        "accuracy": "interval", "under_triage": "under_interval", "over_triage": "over_interval",
    }  # fmt: skip
    return Row(
        heading=heading, name=name, share=tally[measure], interval=tally[intervals[measure]],
        n=tally["labelled"], few=tally["labelled"] < least,
    )  # fmt: skip


def _drawing(
    panels: Sequence[Panel], *, name: str, title: str, words: str, legend: str = ""
) -> str:
    height = sum(panel.height for panel in panels) + (22 if legend else 4)
    drawn = sheet(name=name, width=NARROW, height=height, title=title, description=words)
    y = 0.0
    for panel in panels:
        _panel(drawn, panel, top=y)
        y += panel.height
    if legend:
        drawn.text(8, y + 12, legend, size=SMALL, fill=SOFT)
    return content(drawn)


def _panel(drawn: Drawing, panel: Panel, *, top: float) -> None:
    scale, bottom = panel.scale, top + panel.height - _TICKS
    along(drawn, scale, top=top + 6, bottom=bottom, words=tick)
    if panel.limit is not None:
        x = scale.at(panel.limit)
        drawn.line((x, top + 6), (x, bottom), stroke=VERMILION, width=1.5, dashes="6 4")
    y = top
    for heading, members in groupby(panel.rows, key=lambda row: row.heading):
        if heading:
            drawn.text(8, y + 22, heading, bold=True, halo=True)
            y += _HEADING
        for row in members:
            _dot(drawn, row, scale, y=y, limit=panel.limit)
            y += _ROW


def _dot(drawn: Drawing, row: Row, scale: Scale, *, y: float, limit: float | None) -> None:
    drawn.text(8, y + 14, fitting(row.name, longest=_LONGEST_NAME), halo=True)
    said = f"{percent(row.share)} ({between(row.interval)}), n {row.n:,}"
    drawn.text(NARROW - 8, y + 14, said, anchor="end", size=SMALL, fill=SOFT, halo=True)
    low, high = (scale.at(end) for end in row.interval)
    worse = limit is not None and row.interval[1] < limit and not row.few
    colour = GREY if row.few else VERMILION if worse else BLUE
    drawn.line((low, y + 27), (high, y + 27), stroke=colour, width=2)
    shape = "ring" if row.few else "diamond" if worse else "disc"
    drawn.mark(scale.at(row.share), y + 27, shape=shape, colour=colour, radius=4.5)


def _in_words(about: str, rows: Sequence[Row]) -> str:
    said = "; ".join(
        f"{row.heading} {row.name}: {percent(row.share)} ({between(row.interval)}) "
        f"of {row.n:,}{', too few to judge' if row.few else ''}".strip()
        for row in rows
    )
    return f"{about} {said}."


def _table(tallies: Mapping[tuple[str, str], Body]) -> Table:
    return Table.of(
        ("group", "labelled", "right", "95 % interval", "too low", "95 % interval", "too high",
         "95 % interval"),
        [
            (
                f"{heading}: {name}" if heading else name, f"{tally['labelled']:,}",
                percent(tally["accuracy"], digits=1), between(tally["interval"], digits=1),
                percent(tally["under_triage"], digits=1),
                between(tally["under_interval"], digits=1),
                percent(tally["over_triage"], digits=1), between(tally["over_interval"], digits=1),
            )
            for (heading, name), tally in tallies.items()
        ],
    )  # fmt: skip
