"""Figures of the four levels: who was given which, how often, and can the model be believed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ml.card import drawing
from ml.card.drawing import Drawing
from monitoring.figures.figure import Figure, Table, between, percent, tick
from monitoring.figures.sheet import (
    BLUE,
    FAINT,
    GREY,
    INK,
    NARROW,
    SMALL,
    SOFT,
    VERMILION,
    Scale,
    across,
    content,
    counted,
    sheet,
)
from triage_rules.level import Level

Body = Mapping[str, Any]

_DOWNWARD = tuple(reversed(Level))
# From light to strong, and told apart by colour-blind people; dark words are legible on each.
_TINTS = {
    Level.ROUTINE: "#dbe9f6",
    Level.SOON: "#89bedc",
    Level.URGENT: "#fdc086",
    Level.EMERGENCY: "#ee7733",
}
_CELL = 64


def confusion(summary: Body) -> Figure:
    """Return the right levels against those answered, with the share of each row."""
    body, title = summary["confusion"], "Right and answered levels"
    counts = {} if body is None else {t: [body[t.label][a.label] for a in Level] for t in Level}
    n = sum(map(sum, counts.values()))
    if not n:
        return Figure(name="confusion", title=title, words="No label to compare answers with.")
    right = sum(counts[level][level] for level in Level)
    low = sum(counts[t][a] for t in Level for a in Level if a < t)
    words = (
        f"Of {n:,} labelled answers {right:,} were right, {low:,} not urgent enough and "
        f"{n - right - low:,} too urgent. Shares are of the row."
    )
    left, top = 80, 50
    drawn = sheet(
        name="confusion", width=NARROW, height=top + 4 * _CELL + 34, title=title,
        description=words,
    )  # fmt: skip
    drawn.text(left, 14, "columns: answered; rows: right", size=SMALL, fill=SOFT)
    for place, level in enumerate(_DOWNWARD):
        drawn.text(left + (place + 0.5) * _CELL, top - 10, level.label, anchor="middle", size=SMALL)
        y = top + place * _CELL
        drawn.text(left - 6, y + _CELL / 2 - 2, level.label, anchor="end", size=SMALL)
        drawn.text(
            left - 6, y + _CELL / 2 + 14, f"n {counted(sum(counts[level]))}", anchor="end",
            size=SMALL, fill=SOFT,
        )  # fmt: skip
        _cells(drawn, counts[level], truth=level, left=left, y=y)
    _key(drawn, y=top + 4 * _CELL + 12)
    return Figure(
        name="confusion", title=title, words=words, drawing=content(drawn),
        table=Table.of(
            ("right", *(f"answered {level.label}" for level in _DOWNWARD)),
            [
                (
                    truth.label,
                    *(
                        f"{counts[truth][answer]:,} "
                        f"({percent(counts[truth][answer] / max(1, sum(counts[truth])))})"
                        for answer in _DOWNWARD
                    ),
                )
                for truth in _DOWNWARD
            ],
        ),
    )  # fmt: skip


def mix(summary: Body) -> Figure:
    """Return how often each level was given, said by the deciders, and right."""
    title = "How often each level"
    names = {
        "given": "answered", "model": "the model alone", "rules": "the rules alone",
        "labels": "right, by the labels",
    }  # fmt: skip
    counts = {
        names[who]: [summary["levels"][who][level.label] for level in Level]
        for who in names
        if any(summary["levels"][who].values())
    }
    if not counts:
        return Figure(name="mix", title=title, words="No level of these days is on record.")
    drawn = sheet(
        name="mix", width=NARROW, height=36 + 50 * len(counts), title=title,
        description=_mix_in_words(counts),
    )  # fmt: skip
    for place, level in enumerate(Level):
        drawn.rectangle(8 + place * 80, 4, 12, 12, fill=_TINTS[level])
        drawn.text(24 + place * 80, 14, level.label, size=SMALL)
    for place, (who, row) in enumerate(counts.items()):
        _stack(drawn, row, who=who, y=30 + place * 50)
    return Figure(
        name="mix", title=title, drawing=content(drawn),
        words="Of the answers given, of what each decider alone said, and of the labels.",
        table=Table.of(
            ("who", *(level.label for level in Level), "together"),
            [
                (who, *(f"{row[level]:,}" for level in Level), f"{sum(row):,}")
                for who, row in counts.items()
            ],
        ),
    )  # fmt: skip


def reliability(summary: Body) -> Figure:
    """Return how often the model's stated probabilities came true."""
    latest, title = summary["drift"]["latest"], "Can the model's certainty be believed?"
    calibration = (latest or {}).get("calibration")
    bins = _bins(calibration)
    if not bins:
        return Figure(
            name="reliability", title=title,
            words="Too few labelled answers of the model to compare its certainty with.",
        )  # fmt: skip
    words = _reliability_in_words(calibration, bins)
    size, left, top = 270, 46, 26
    drawn = sheet(
        name="reliability", width=NARROW, height=top + 230 + 118, title=title, description=words
    )
    drawn.text(4, 14, "how often it was right, with 95 % intervals", size=SMALL, fill=SOFT)
    ticks = (0.0, 0.25, 0.5, 0.75, 1.0)
    up = Scale(low=0, high=1, ticks=ticks, start=top + 230, end=top)
    right = Scale(low=0, high=1, ticks=ticks, start=left, end=left + size)
    across(drawn, up, left=left, right=left + size, words=tick)
    drawn.line((right.at(0), up.at(0)), (right.at(1), up.at(1)), stroke=SOFT, dashes="5 4")
    for one in bins:
        _reliability_point(drawn, one, up=up, right=right)
    _reliability_counts(drawn, bins, right=right, base=top + 230 + 72)
    for share in ticks:
        x = right.at(share)
        drawn.text(x, top + 230 + 16, percent(share), anchor="middle", size=SMALL, fill=SOFT)
    drawn.text(
        left, top + 230 + 108, "stated probability (dashed: as it should be)", size=SMALL, fill=SOFT
    )
    drawn.text(left, top + 230 + 90, "answers in each tenth", size=SMALL, fill=SOFT)
    return Figure(
        name="reliability", title=title, words=words, drawing=content(drawn),
        table=Table.of(
            ("stated", "mean", "came true", "95 % interval", "answers"),
            [
                (
                    f"{one['low'] * 100:.0f}–{one['high'] * 100:.0f} %",
                    percent(one["mean_probability"]), percent(one["share"]),
                    between(one["interval"]), f"{one['n']:,}",
                )
                for one in bins
            ],
        ),
    )  # fmt: skip


# --- drawing ---------------------------------------------------------------------------------


def _cells(drawn: Drawing, counts: Sequence[int], *, truth: Level, left: float, y: float) -> None:
    for place, answer in enumerate(_DOWNWARD):
        share = counts[answer] / max(1, sum(counts))
        x, middle = left + place * _CELL, left + (place + 0.5) * _CELL
        colour = BLUE if answer is truth else VERMILION if answer < truth else GREY
        drawn.rectangle(x + 1, y + 1, _CELL - 2, _CELL - 2, fill=FAINT, opacity=0.35)
        drawn.rectangle(
            x + 1, y + 1, _CELL - 2, _CELL - 2, fill=colour, opacity=_tint(share),
            stroke=INK if answer is truth else None,
        )  # fmt: skip
        drawn.text(middle, y + 30, f"{counts[answer]:,}", anchor="middle", size=15)
        drawn.text(middle, y + 49, percent(share), anchor="middle", size=SMALL)


def _tint(share: float) -> float:
    """Return how strongly a cell is coloured: rare errors visible, every number still legible."""
    return 0.05 + 0.5 * share**0.5 if share else 0.0


def _key(drawn: Drawing, *, y: float) -> None:
    for x, colour, words in (
        (80, BLUE, "right"), (142, VERMILION, "too low"), (218, GREY, "too high"),
    ):  # fmt: skip
        drawn.rectangle(x, y, 12, 12, fill=colour, opacity=0.6)
        drawn.text(x + 17, y + 10, words, size=SMALL)


def _stack(drawn: Drawing, counts: Sequence[int], *, who: str, y: float) -> None:
    total, x, width = sum(counts), 8.0, NARROW - 16
    drawn.text(8, y + 12, who)
    drawn.text(NARROW - 8, y + 12, f"n {total:,}", anchor="end", size=SMALL, fill=SOFT)
    for level in Level:
        part = width * counts[level] / total
        if part:
            drawn.rectangle(x, y + 18, part, 24, fill=_TINTS[level])
        if part >= 30:
            share = percent(counts[level] / total)
            drawn.text(x + part / 2, y + 34, share, anchor="middle", size=SMALL, fill=drawing.INK)
        x += part


def _mix_in_words(counts: Mapping[str, Sequence[int]]) -> str:
    return " ".join(
        f"{who.capitalize()}, of {sum(row):,}: "
        + ", ".join(f"{level.label} {percent(row[level] / sum(row))}" for level in Level)
        + "."
        for who, row in counts.items()
    )


def _bins(calibration: Any) -> list[Body]:
    """Return the bins that hold anybody and are whole."""
    found = calibration.get("reliability") if isinstance(calibration, Mapping) else None
    needed = {"low", "high", "n", "mean_probability", "share", "interval"}
    return [
        one
        for one in (found if isinstance(found, list) else [])
        if isinstance(one, Mapping)
        and needed <= one.keys()
        and all(one[key] is not None for key in needed)
        and one["n"]
    ]


def _reliability_in_words(calibration: Any, bins: Sequence[Body]) -> str:
    words = f"{sum(one['n'] for one in bins):,} labelled answers of the model. "
    ece, reference = calibration.get("ece"), calibration.get("reference_ece")
    if isinstance(ece, int | float):
        words += f"On average its certainty is off by {ece * 100:.1f} points"
        if isinstance(reference, int | float):
            words += f" ({reference * 100:.1f} when it was validated)"
        words += "."
    return words.strip()


def _reliability_point(drawn: Drawing, one: Body, *, up: Scale, right: Scale) -> None:
    x = right.at(one["mean_probability"])
    low, high = one["interval"]
    drawn.line((x, up.at(low)), (x, up.at(high)), stroke=BLUE, width=2)
    drawn.mark(x, up.at(one["share"]), shape="disc", colour=BLUE, radius=4)


def _reliability_counts(drawn: Drawing, bins: Sequence[Body], *, right: Scale, base: float) -> None:
    most = max(one["n"] for one in bins)
    for one in bins:
        start, end = right.at(one["low"]), right.at(one["high"])
        height = 30 * one["n"] / most
        drawn.rectangle(start + 1.5, base - height, max(1, end - start - 3), height, fill=GREY)
        drawn.text(
            (start + end) / 2, base - height - 4, counted(one["n"]), anchor="middle", size=SMALL
        )
    drawn.line((right.start, base), (right.end, base), stroke=SOFT)
