"""The three figures of a model card, drawn from the figures of a comparison."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ml.card.drawing import BLUE, FAINT, GREY, INK, SOFT, VERMILION, Drawing
from triage_rules.level import Level

Comparison = Mapping[str, Any]

LEVELS = [level.label for level in Level]
MARKS = {"hybrid": ("disc", BLUE), "model": ("diamond", VERMILION), "nurse": ("square", GREY)}
NAMES = {"hybrid": "served answer (hybrid)", "model": "model alone", "nurse": "triage nurse"}
EVENTS = {"top": "Likeliest level", "emergency": "Emergency"}

_CELL = 78
_PANEL = 260
_LONGEST_NAME = 30
_LEGEND = (400, 586, 704)


# --- confusion -------------------------------------------------------------------------------


def confusion(comparison: Comparison) -> bytes:
    """Return the counts of true against answered levels, for the served answer and the model."""
    deciders = [name for name in ("hybrid", "model") if name in comparison]
    panel = 100 + 4 * _CELL
    sheet = Drawing(
        width=30 + max(1, len(deciders)) * panel + 10,
        height=4 * _CELL + 150,
        title="True and answered levels",
        description=_confusion_in_words(comparison, deciders),
    )
    for position, name in enumerate(deciders):
        _confusion_panel(sheet, comparison[name], name=name, left=120 + position * panel)
    return sheet.as_bytes()


def _confusion_panel(sheet: Drawing, figures: Mapping[str, Any], *, name: str, left: float) -> None:
    top = 78
    sheet.text(left, 28, NAMES[name].capitalize(), size=15, bold=True)
    sheet.text(left, 48, f"{figures['n']:,} patients; columns: answer, rows: truth", fill=SOFT)
    for place, level in enumerate(reversed(Level)):
        sheet.text(left + (place + 0.5) * _CELL, top - 8, level.label, anchor="middle")
        sheet.text(left - 8, top + (place + 0.5) * _CELL + 4, level.label, anchor="end")
        _confusion_row(
            sheet, figures["confusion"][level], truth=level, left=left, y=top + place * _CELL
        )
    y = top + 4 * _CELL + 24
    sheet.rectangle(left, y - 11, 12, 12, fill=BLUE, opacity=0.5)
    sheet.text(left + 18, y, "right")
    sheet.rectangle(left + 68, y - 11, 12, 12, fill=VERMILION, opacity=0.5)
    sheet.text(left + 86, y, "too low (above the diagonal)")
    sheet.rectangle(left + 68, y + 9, 12, 12, fill=GREY, opacity=0.5)
    sheet.text(left + 86, y + 20, "too high (below it)")


def _confusion_row(
    sheet: Drawing, counts: Sequence[int], *, truth: Level, left: float, y: float
) -> None:
    for place, answer in enumerate(reversed(Level)):
        share = counts[answer] / max(1, sum(counts))
        x = left + place * _CELL
        colour = BLUE if answer is truth else VERMILION if answer < truth else GREY
        sheet.rectangle(x + 1, y + 1, _CELL - 2, _CELL - 2, fill="#f4f6f8")
        sheet.rectangle(
            x + 1, y + 1, _CELL - 2, _CELL - 2,
            fill=colour, opacity=_tint(share), stroke=INK if answer is truth else None,
        )  # fmt: skip
        sheet.text(x + _CELL / 2, y + 38, f"{counts[answer]:,}", anchor="middle", size=16)
        sheet.text(x + _CELL / 2, y + 57, f"{share * 100:.0f} %", anchor="middle", size=12)


def _tint(share: float) -> float:
    """Return how strongly a cell is coloured: rare errors visible, every number still legible."""
    return float(0.65 * share**0.6)


def _confusion_in_words(comparison: Comparison, deciders: Sequence[str]) -> str:
    sentences = [
        f"{NAMES[name]}: of {comparison[name]['n']} patients "
        f"{_percent(comparison[name], 'accuracy')} were given the right level, "
        f"{_percent(comparison[name], 'under_triage')} too low and "
        f"{_percent(comparison[name], 'over_triage')} too high a level."
        for name in deciders
    ]
    return " ".join(sentences) or "Nothing was measured."


# --- reliability -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Axes:
    """Where 0 to 100 % lie on the sheet, upwards and to the right."""

    left: float
    top: float

    def at(self, x: float, y: float) -> tuple[float, float]:
        return self.left + x * _PANEL, self.top + (1 - y) * _PANEL


def reliability(comparison: Comparison) -> bytes:
    """Return how often stated probabilities came true, with the counts behind each point."""
    tables = comparison.get("reliability", {})
    sheet = Drawing(
        width=2 * (_PANEL + 110) + 20,
        height=_PANEL + 216,
        title="Stated and observed probabilities of the model",
        description=_reliability_in_words(tables),
    )
    for position, (event, bins) in enumerate(tables.items()):
        axes = _Axes(left=70 + position * (_PANEL + 110), top=64)
        sheet.text(axes.left, 28, EVENTS[event], size=15, bold=True)
        sheet.text(axes.left, 48, "how often it came true, with 95 % intervals", fill=SOFT)
        _reliability_grid(sheet, axes)
        for one in bins:
            _reliability_point(sheet, axes, one)
        _reliability_counts(sheet, axes, bins)
    return sheet.as_bytes()


def _reliability_grid(sheet: Drawing, axes: _Axes) -> None:
    for percent in range(0, 101, 20):
        share = percent / 100
        sheet.line(axes.at(share, 0), axes.at(share, 1), stroke=FAINT)
        sheet.line(axes.at(0, share), axes.at(1, share), stroke=FAINT)
        x, y = axes.at(0, share)
        sheet.text(x - 8, y + 4, f"{percent} %", anchor="end", size=12, fill=SOFT)
        x, y = axes.at(share, 0)
        sheet.text(x, y + 18, f"{percent} %", anchor="middle", size=12, fill=SOFT)
    sheet.line(axes.at(0, 0), axes.at(1, 1), stroke=SOFT, dashes="5 4")
    x, y = axes.at(0, 0)
    sheet.text(x, y + 36, "stated probability (dashed: as it should be)", size=12, fill=SOFT)


def _reliability_point(sheet: Drawing, axes: _Axes, one: Mapping[str, Any]) -> None:
    low, high = one["interval"]
    stated = one["mean_probability"]
    sheet.line(axes.at(stated, low), axes.at(stated, high), stroke=BLUE, width=2)
    sheet.mark(*axes.at(stated, one["share"]), shape="disc", colour=BLUE)


def _reliability_counts(sheet: Drawing, axes: _Axes, bins: Sequence[Mapping[str, Any]]) -> None:
    most = max(one["n"] for one in bins)
    base = axes.top + _PANEL + 112
    for one in bins:
        x, _ = axes.at(one["low"], 0)
        height = 46 * one["n"] / most
        sheet.rectangle(x + 1.5, base - height, _PANEL / 10 - 3, height, fill=GREY)
        middle = x + _PANEL / 20
        sheet.text(middle, base - height - 4, _short(one["n"]), anchor="middle", size=10)
    sheet.line((axes.left, base), (axes.left + _PANEL, base), stroke=SOFT)
    sheet.text(axes.left, base + 18, "patients", size=12, fill=SOFT)


def _reliability_in_words(tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    sentences = [
        f"{EVENTS[event]}: "
        + ", ".join(
            f"of {one['n']} patients with {one['mean_probability'] * 100:.0f} % stated "
            f"it came true for {one['share'] * 100:.0f} %"
            for one in bins
        )
        + "."
        for event, bins in tables.items()
    ]
    return " ".join(sentences) or "Nothing was measured."


# --- under-triage by group -------------------------------------------------------------------


def under_triage(comparison: Comparison) -> bytes:
    """Return the share answered too low in each group of patients, with its interval."""
    groups = _groups(comparison)
    deciders = [name for name in MARKS if any(name in group for group in groups.values())]
    row = 16 * len(deciders) + 18
    sheet = Drawing(
        width=820,
        height=120 + row * len(groups),
        title="Under-triage by group of patients",
        description=_groups_in_words(groups, deciders),
    )
    sheet.text(20, 28, "Answered less urgently than right", size=15, bold=True)
    sheet.text(20, 48, "share of the group's patients, with 95 % intervals", fill=SOFT)
    for position, name in enumerate(deciders):
        shape, colour = MARKS[name]
        sheet.mark(_LEGEND[position], 24, shape=shape, colour=colour)
        sheet.text(_LEGEND[position] + 12, 29, NAMES[name])
    scale = _Scale.up_to(_greatest(groups, deciders), left=240, width=410)
    _scale_lines(sheet, scale, bottom=76 + row * len(groups))
    for position, (name, group) in enumerate(groups.items()):
        _group(sheet, scale, name=name, group=group, y=76 + position * row, height=row)
    return sheet.as_bytes()


@dataclass(frozen=True, slots=True)
class _Scale:
    """Where shares from 0 on lie on the sheet, to the right."""

    left: float
    width: float
    steps: int
    step: float

    @classmethod
    def up_to(cls, greatest: float, *, left: float, width: float) -> _Scale:
        """Return the scale of two to six full steps that shows ``greatest``."""
        step = next(step for step in (0.05, 0.1, 0.2) if greatest <= 6 * step)
        return cls(left=left, width=width, steps=max(2, math.ceil(greatest / step)), step=step)

    def at(self, share: float) -> float:
        return self.left + self.width * share / (self.steps * self.step)


def _groups(comparison: Comparison) -> dict[str, Mapping[str, Any]]:
    """Return the figures by decider of all patients together, and of each group."""
    everybody = {name: comparison[name] for name in MARKS if name in comparison}
    groups = {"all patients": everybody, **comparison.get("subgroups", {})}
    return {name: group for name, group in groups.items() if MARKS.keys() & group.keys()}


def _greatest(groups: Mapping[str, Mapping[str, Any]], deciders: Sequence[str]) -> float:
    ends = [
        group[name]["intervals"]["under_triage"][1]
        for group in groups.values()
        for name in deciders
        if name in group
    ]
    return max(ends, default=0.1)


def _scale_lines(sheet: Drawing, scale: _Scale, *, bottom: float) -> None:
    for step in range(scale.steps + 1):
        x = scale.at(step * scale.step)
        sheet.line((x, 66), (x, bottom), stroke=FAINT)
        percent = f"{step * scale.step * 100:.0f} %"
        sheet.text(x, bottom + 20, percent, anchor="middle", size=12, fill=SOFT)


def _group(
    sheet: Drawing,
    scale: _Scale,
    *,
    name: str,
    group: Mapping[str, Mapping[str, Any]],
    y: float,
    height: float,
) -> None:
    known = [decider for decider in MARKS if decider in group]
    patients = max(group[decider]["n"] for decider in known)
    sheet.line((20, y), (800, y), stroke=FAINT)
    middle = y + height / 2
    sheet.text(20, middle - 2, _fitting(name), bold=name == "all patients")
    sheet.text(20, middle + 13, f"{patients:,} patients", size=11, fill=SOFT)
    for place, decider in enumerate(known):
        level = y + 17 + 16 * place
        shape, colour = MARKS[decider]
        low, high = group[decider]["intervals"]["under_triage"]
        share = group[decider]["under_triage"]
        sheet.line((scale.at(low), level), (scale.at(high), level), stroke=colour, width=2)
        sheet.mark(scale.at(share), level, shape=shape, colour=colour)
        words = f"{share * 100:.1f} % [{low * 100:.1f}–{high * 100:.1f}]"
        sheet.text(800, level + 4, words, anchor="end", size=12)


def _groups_in_words(
    groups: Mapping[str, Mapping[str, Mapping[str, Any]]], deciders: Sequence[str]
) -> str:
    sentences = [
        f"{name}: "
        + ", ".join(
            f"{NAMES[one]} {_percent(group[one], 'under_triage')}"
            for one in deciders
            if one in group
        )
        + "."
        for name, group in groups.items()
    ]
    return " ".join(sentences) or "Nothing was measured."


def _percent(figures: Mapping[str, Any], name: str) -> str:
    return f"{figures[name] * 100:.1f} %"


def _fitting(name: str) -> str:
    """Return a group's name, cut where a long site code would run into the plot."""
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def _short(count: int) -> str:
    return f"{count / 1000:.1f}k" if count >= 10_000 else f"{count:,}"
