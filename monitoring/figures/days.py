"""Figures of one value a day: accuracy, under-triage, latency, the running sum, label coverage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from ml.card.drawing import Drawing
from monitoring.figures.figure import Figure, Table, between, percent, tick
from monitoring.figures.sheet import (
    BLUE,
    FAINT,
    GREY,
    MARGIN,
    NARROW,
    SMALL,
    SOFT,
    VERMILION,
    WARNING,
    WIDE,
    Calendar,
    Scale,
    across,
    content,
    counted,
    dates,
    decades,
    from_zero,
    shares_below_one,
    sheet,
    short,
    stretches,
)

Body = Mapping[str, Any]

_TOP = 26
# Over shares stand a line of words and the letters of the changes.
_SHARES_TOP = 42
_PLOT = 150
_WIDE_PLOT = 200
_STRIP = 34
_MOST_DISCS = 62


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """The value of one day with its interval, and whether it stands on too few cases."""

    day: date
    value: float
    low: float
    high: float
    n: int
    few: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A day on which another version or another phase began, under its letter."""

    letter: str
    day: date
    words: str


def accuracy(summary: Body) -> Figure:
    """Return the share of right answers by day, against its threshold."""
    body = summary["accuracy"]
    series, threshold = body["series"], body["threshold"]
    points = _points(series, "accuracy", "interval", least=body["min_labels"])
    if not points:
        return Figure(
            name="accuracy", title="Right answers by day",
            words="No answer of these days has a label yet, so nothing can be said.",
        )  # fmt: skip
    judged = [point for point in points if not point.few]
    below = sum(point.value < threshold for point in judged)
    words = (
        f"On {below or 'none'} of the {len(judged)} days with at least {body['min_labels']} labels "
        f"fewer than {threshold * 100:g} % of the answers were right. All days together: "
        f"{percent(body['window']['accuracy'], digits=1)} "
        f"({between(body['window']['interval'], digits=1)}) of "
        f"{body['window']['labelled']:,} labelled answers."
    )
    changes = _changes(summary)

    least = min(threshold - 0.05, *(point.low for point in points))

    def drawn(name: str, *, width: int, plot: int) -> str:
        return _shares_by_day(
            summary, points, changes, name=name, width=width, title="Right answers by day",
            words=words, limit=threshold, limit_words=f"dashed: threshold {threshold * 100:g} %",
            scale=shares_below_one(least, start=_SHARES_TOP + plot, end=_SHARES_TOP),
        )  # fmt: skip

    return Figure(
        name="accuracy", title="Right answers by day", words=words,
        notes=tuple(f"{change.letter}: {change.words}" for change in changes),
        drawing=drawn("accuracy", width=NARROW, plot=_PLOT),
        wide=drawn("accuracy-wide", width=WIDE, plot=_WIDE_PLOT),
        table=Table.of(
            ("day", "right", "95 % interval", "labelled", "answers", "versions"),
            [
                (
                    day["day"], percent(day["accuracy"], digits=1),
                    between(day["interval"], digits=1), f"{day['labelled']:,}",
                    f"{day['predictions']:,}", ", ".join(day["versions"]) or "–",
                )
                for day in reversed(series)
            ],
        ),
    )  # fmt: skip


def under_triage(summary: Body) -> Figure:
    """Return the share of answers not urgent enough by day."""
    series, window = summary["accuracy"]["series"], summary["under_triage"]["window"]
    title = "Not urgent enough, by day"
    points = _points(
        series, "under_triage", "under_interval", least=summary["accuracy"]["min_labels"]
    )
    if not points:
        return Figure(
            name="under-triage", title=title, words="No answer of these days has a label yet."
        )
    missed = summary["under_triage"]["missed_emergencies"]
    words = (
        f"{window['cases']:,} of {window['n']:,} labelled answers were not urgent enough: "
        f"{percent(window['share'], digits=1)} ({between(window['interval'], digits=1)}). "
        f"Emergencies answered as less: {missed}."
    )
    changes = _changes(summary)
    # A day of few labels has an interval up to the ceiling, and would flatten all others.
    greatest = max([point.value for point in points] + [p.high for p in points if not p.few])
    return Figure(
        name="under-triage", title=title, words=words,
        notes=tuple(f"{change.letter}: {change.words}" for change in changes),
        drawing=_shares_by_day(
            summary, points, changes, name="under-triage", width=NARROW, title=title, words=words,
            scale=from_zero(max(0.05, greatest), start=_SHARES_TOP + _PLOT, end=_SHARES_TOP),
        ),
        table=Table.of(
            ("day", "too low", "95 % interval", "too high", "95 % interval", "labelled"),
            [
                (
                    day["day"], percent(day["under_triage"], digits=1),
                    between(day["under_interval"], digits=1),
                    percent(day["over_triage"], digits=1),
                    between(day["over_interval"], digits=1), f"{day['labelled']:,}",
                )
                for day in reversed(series)
            ],
        ),
    )  # fmt: skip


def latency(summary: Body) -> Figure:
    """Return how long answers took by day, against the limit."""
    body, title = summary["latency"], "Time to an answer, by day"
    series = [day for day in body["series"] if all(_positive(day[name]) for name in _PERCENTILES)]
    if not series:
        return Figure(name="latency", title=title, words="No time was measured on these days.")
    last, limit = series[-1], body["limit_ms"]
    words = (
        f"On {short(_day(last))} half of the answers took {_ms(last['p50'])} ms or less, "
        f"95 of 100 {_ms(last['p95'])} ms, 99 of 100 {_ms(last['p99'])} ms. "
        f"A day whose 95th percentile is above {limit:g} ms raises a warning."
    )
    values = [day[name] for day in series for name in _PERCENTILES]
    drawn = sheet(
        name="latency", width=NARROW, height=_TOP + _PLOT + 30, title=title, description=words
    )
    scale = decades(min(values), max(limit, *values), start=_TOP + _PLOT, end=_TOP)
    calendar = _calendar(summary, right=NARROW - 34)
    drawn.text(4, 14, "milliseconds, each step ten times the last", size=SMALL, fill=SOFT)
    across(drawn, scale, left=MARGIN, right=calendar.right, words=lambda tick: f"{tick:g}")
    _limit(drawn, scale, limit, calendar, words=f"limit {limit:g} ms")
    for name, (colour, dashes) in _PERCENTILES.items():
        _line(drawn, [(_day(day), day[name]) for day in series], calendar, scale,
              colour=colour, dashes=dashes)  # fmt: skip
    for name, y in _apart({name: scale.at(last[name]) for name in _PERCENTILES}).items():
        drawn.text(calendar.right + 5, y + 4, name, size=SMALL)
    dates(drawn, calendar, y=_TOP + _PLOT + 18)
    return Figure(
        name="latency", title=title, words=words, drawing=content(drawn),
        table=Table.of(
            ("day", "p50, ms", "p95, ms", "p99, ms", "over the limit"),
            [
                (day["day"], *(_ms(day[name]) for name in _PERCENTILES), f"{day['slow']:,}")
                for day in reversed(series)
            ],
        ),
    )  # fmt: skip


_PERCENTILES = {"p50": (GREY, None), "p95": (BLUE, None), "p99": (BLUE, "4 3")}


def cusum(summary: Body) -> Figure:
    """Return the running sum over each label, against its limit."""
    body, title = summary["cusum"], "Watch over each label"
    series = [day for day in body["series"] if day["value"] is not None and day["limit"]]
    if not series:
        return Figure(name="cusum", title=title, words="The watch over each label has not begun.")
    last = series[-1]
    crossed = sum(day["crossed"] for day in series)
    words = (
        "A running sum that rises with every answer that was not urgent enough and falls with "
        f"every other. On {short(_day(last))} it stood at {last['value']:.2f}; at "
        f"{last['limit']:g} it raises an alert and begins anew. "
        f"It did so on {crossed or 'none'} of {len(series)} days."
    )
    if last["expected"] is not None:
        words += f" {percent(last['expected'], digits=1)} too low is taken to be usual."
    drawn = sheet(
        name="cusum", width=NARROW, height=_TOP + _PLOT + 30, title=title, description=words
    )
    greatest = max(max(day["value"], day["limit"] * 1.1) for day in series)
    scale = from_zero(greatest, start=_TOP + _PLOT, end=_TOP)
    calendar = _calendar(summary)
    drawn.text(4, 14, "running sum", size=SMALL, fill=SOFT)
    across(drawn, scale, left=MARGIN, right=calendar.right, words=lambda tick: f"{tick:g}")
    _limit(drawn, scale, last["limit"], calendar, words=f"limit {last['limit']:g}")
    _line(drawn, [(_day(day), day["value"]) for day in series], calendar, scale, colour=BLUE)
    for day in series:
        if day["crossed"]:
            # The sum begins anew after an alarm, so what is stored of that day is low again.
            place = calendar.at(_day(day)), scale.at(day["limit"])
            drawn.mark(*place, shape="diamond", colour=VERMILION)
    dates(drawn, calendar, y=_TOP + _PLOT + 18)
    return Figure(
        name="cusum", title=title, words=words, drawing=content(drawn),
        table=Table.of(
            ("day", "sum", "limit", "labels", "crossed"),
            [
                (
                    day["day"], f"{day['value']:.2f}", f"{day['limit']:g}", f"{day['labels']:,}",
                    "yes" if day["crossed"] else "no",
                )
                for day in reversed(series)
            ],
        ),
    )  # fmt: skip


def coverage(summary: Body) -> Figure:
    """Return how many of each day's answers have a label."""
    body, title = summary["coverage"], "Labels that have come in"
    series = [day for day in summary["accuracy"]["series"] if day["predictions"]]
    pending = f"{body['pending']:,} newer answers still wait for theirs."
    if not series:
        return Figure(
            name="coverage", title=title, words=f"No checked day has an answer. {pending}"
        )
    words = (
        f"{body['labelled']:,} of {body['matured']:,} answers ({percent(body['share'])}) have a "
        f"label, {body['never']:,} never got one. {pending}"
    )
    drawn = sheet(
        name="coverage", width=NARROW, height=_TOP + _PLOT + 30, title=title, description=words
    )
    greatest = max(day["predictions"] for day in series)
    scale = from_zero(greatest, start=_TOP + _PLOT, end=_TOP)
    calendar = _calendar(summary)
    for x, colour, name in ((4, FAINT, "answers"), (90, BLUE, "of them labelled")):
        drawn.rectangle(x, 4, 12, 12, fill=colour)
        drawn.text(x + 17, 14, name, size=SMALL)
    across(drawn, scale, left=MARGIN, right=calendar.right, words=counted)
    for day in series:
        _bar(drawn, calendar, _day(day), scale.at(day["predictions"]), scale.start, fill=FAINT)
        _bar(drawn, calendar, _day(day), scale.at(day["labelled"]), scale.start, fill=BLUE)
    dates(drawn, calendar, y=_TOP + _PLOT + 18)
    return Figure(
        name="coverage", title=title, words=words, drawing=content(drawn),
        table=Table.of(
            ("day", "answers", "labelled", "share"),
            [
                (
                    day["day"], f"{day['predictions']:,}", f"{day['labelled']:,}",
                    percent(day["labelled"] / day["predictions"]),
                )
                for day in reversed(series)
            ],
        ),
    )  # fmt: skip


# --- drawing ---------------------------------------------------------------------------------


def _shares_by_day(
    summary: Body,
    points: Sequence[Point],
    changes: Sequence[Change],
    *,
    name: str,
    width: int,
    title: str,
    words: str,
    scale: Scale,
    limit: float | None = None,
    limit_words: str = "",
) -> str:
    top, bottom = scale.end, scale.start
    drawn = sheet(
        name=name, width=width, height=bottom + _STRIP + 46, title=title, description=words
    )
    calendar = _calendar(summary, right=width - 8)
    drawn.text(4, 14, "share of labelled answers", size=SMALL, fill=SOFT)
    across(drawn, scale, left=MARGIN, right=calendar.right, words=tick)
    for change in changes:
        x = calendar.at(change.day)
        drawn.line((x, top - 4), (x, bottom), stroke=SOFT, dashes="2 3")
        drawn.text(x, top - 8, change.letter, anchor="middle", size=SMALL, bold=True, halo=True)
    _band(drawn, points, calendar, scale)
    if limit is not None:
        ends = (calendar.left, scale.at(limit)), (calendar.right, scale.at(limit))
        drawn.line(*ends, stroke=VERMILION, width=1.5, dashes="6 4")
        drawn.text(calendar.right, 14, limit_words, anchor="end", size=SMALL, fill=WARNING)
    _line(drawn, [(point.day, point.value) for point in points], calendar, scale, colour=BLUE)
    _discs(drawn, points, calendar, scale, worse_below=limit)
    _cases(drawn, points, calendar, base=bottom + _STRIP + 10)
    dates(drawn, calendar, y=bottom + _STRIP + 28)
    return content(drawn)


def _band(drawn: Drawing, points: Sequence[Point], calendar: Calendar, scale: Scale) -> None:
    """Draw the intervals: as a band over days that follow each other, as a stroke for one alone."""
    for group in stretches([point.day for point in points]):
        chosen = [points[position] for position in group]
        if len(chosen) == 1:
            x = calendar.at(chosen[0].day)
            ends = (x, scale.at(chosen[0].low)), (x, scale.at(chosen[0].high))
            drawn.line(*ends, stroke=BLUE, width=2)
            continue
        upper = [(calendar.at(point.day), scale.at(point.high)) for point in chosen]
        lower = [(calendar.at(point.day), scale.at(point.low)) for point in reversed(chosen)]
        drawn.area(upper + lower, fill=BLUE, opacity=0.2)


def _line(
    drawn: Drawing,
    values: Sequence[tuple[date, float]],
    calendar: Calendar,
    scale: Scale,
    *,
    colour: str,
    dashes: str | None = None,
) -> None:
    for group in stretches([day for day, _ in values]):
        places = [(calendar.at(values[at][0]), scale.at(values[at][1])) for at in group]
        if len(places) == 1:
            drawn.mark(*places[0], shape="disc", colour=colour, radius=3)
        else:
            drawn.path(places, stroke=colour, width=1.5, dashes=dashes)


def _discs(
    drawn: Drawing,
    points: Sequence[Point],
    calendar: Calendar,
    scale: Scale,
    *,
    worse_below: float | None,
) -> None:
    """Mark each day: open where it stands on few labels, a diamond where it is below the limit."""
    for point in points:
        place = calendar.at(point.day), scale.at(point.value)
        if worse_below is not None and point.value < worse_below and not point.few:
            drawn.mark(*place, shape="diamond", colour=VERMILION)
        elif point.few:
            drawn.mark(*place, shape="ring", colour=GREY, radius=3)
        elif calendar.days <= _MOST_DISCS:
            drawn.mark(*place, shape="disc", colour=BLUE, radius=2.5)


def _cases(drawn: Drawing, points: Sequence[Point], calendar: Calendar, *, base: float) -> None:
    """Draw how many labels each day stands on, with the greatest number in figures."""
    most = max(point.n for point in points)
    drawn.text(MARGIN - 6, base - 14, "labels", anchor="end", size=SMALL, fill=SOFT)
    drawn.text(MARGIN - 6, base, f"≤ {counted(most)}", anchor="end", size=SMALL, fill=SOFT)
    for point in points:
        top = base - 24 * point.n / most
        _bar(drawn, calendar, point.day, top, base, fill=GREY)


def _bar(
    drawn: Drawing, calendar: Calendar, day: date, top: float, bottom: float, *, fill: str
) -> None:
    width = min(24.0, calendar.column * 0.8)
    if bottom - top >= 0.1:
        drawn.rectangle(calendar.at(day) - width / 2, top, width, bottom - top, fill=fill)


def _limit(drawn: Drawing, scale: Scale, value: float, calendar: Calendar, *, words: str) -> None:
    y = scale.at(value)
    drawn.line((calendar.left, y), (calendar.right, y), stroke=VERMILION, width=1.5, dashes="6 4")
    drawn.text(calendar.left + 4, y - 6, words, size=SMALL, fill=WARNING, halo=True)


def _apart(places: Mapping[str, float]) -> dict[str, float]:
    """Return the places of words, moved down where they would cover each other."""
    moved: dict[str, float] = {}
    free = float("-inf")
    for name, y in sorted(places.items(), key=lambda item: item[1]):
        moved[name] = free = max(y, free)
        free += 14
    return moved


# --- reading the summary ---------------------------------------------------------------------


def _points(series: Sequence[Body], value: str, interval: str, *, least: int) -> list[Point]:
    return [
        Point(
            day=_day(day), value=day[value], low=day[interval][0], high=day[interval][1],
            n=day["labelled"], few=day["labelled"] < least,
        )
        for day in series
        if day["labelled"] and day[value] is not None and day[interval] is not None
    ]  # fmt: skip


def _changes(summary: Body) -> list[Change]:
    """Return the changes of the window by day, one letter each day."""
    by_day: dict[str, list[str]] = {}
    for change in summary["changes"]:
        words = f"version {change['name']}" if change["kind"] == "version" else change["name"]
        by_day.setdefault(change["day"], []).append(words)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    days = sorted(by_day)[-len(letters) :]
    return [
        Change(
            letter=letter,
            day=date.fromisoformat(day),
            words=f"{' and '.join(by_day[day])} from {short(date.fromisoformat(day))}",
        )
        for letter, day in zip(letters, days, strict=False)
    ]


def _calendar(summary: Body, *, right: float = NARROW - 8) -> Calendar:
    window = summary["window"]
    return Calendar(
        first=date.fromisoformat(window["start"]), last=date.fromisoformat(window["end"]),
        left=MARGIN, right=right,
    )  # fmt: skip


def _day(body: Body) -> date:
    return date.fromisoformat(body["day"])


def _positive(value: float | None) -> bool:
    return value is not None and value > 0


def _ms(value: float) -> str:
    return f"{value:.1f}" if value < 10 else f"{value:,.0f}"
