"""A sheet in the colours of the page, light or dark, and the scales that are drawn on it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from ml.card import drawing
from ml.card.drawing import Drawing

# The page's own style sheet may set each of these; without it the colours of a model card hold.
INK = f"var(--figure-ink, {drawing.INK})"
SOFT = f"var(--figure-soft, {drawing.SOFT})"
FAINT = f"var(--figure-faint, {drawing.FAINT})"
PAPER = f"var(--figure-paper, {drawing.PAPER})"
BLUE = f"var(--figure-blue, {drawing.BLUE})"
VERMILION = f"var(--figure-vermilion, {drawing.VERMILION})"
WARNING = "var(--figure-warning, #a63d00)"
GREY = f"var(--figure-grey, {drawing.GREY})"

# As wide as a phone leaves room for, so that twelve pixels stay twelve pixels there.
NARROW = 340
WIDE = 760
SMALL = 12
MARGIN = 44


def sheet(*, name: str, width: float, height: float, title: str, description: str) -> Drawing:
    """Return an empty sheet of the page."""
    return Drawing(
        name=name, width=width, height=height, title=title, description=description,
        ink=INK, paper=PAPER,
    )  # fmt: skip


def content(drawn: Drawing) -> str:
    """Return a finished sheet as it stands in the page."""
    return drawn.as_bytes().decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Where values lie between two ends of the sheet, and the lines that help to read them."""

    low: float
    high: float
    ticks: tuple[float, ...]
    start: float
    end: float
    logarithmic: bool = False

    def at(self, value: float) -> float:
        """Return the place of a value; what lies outside is shown at the edge."""
        value = min(max(value, self.low), self.high)
        if self.logarithmic:
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


def shares_below_one(least: float, *, start: float, end: float) -> Scale:
    """Return the scale from the last full tenth under ``least`` up to 100 %."""
    low = min(9, max(0, math.floor(least * 10 - 1e-9))) / 10
    step = 0.1 if low >= 0.5 else 0.2 if low >= 0.2 else 0.25
    count = math.ceil((1 - low) / step - 1e-9)
    ticks = tuple(1 - step * back for back in range(count, -1, -1))
    return Scale(low=max(0.0, ticks[0]), high=1, ticks=ticks, start=start, end=end)


def from_zero(greatest: float, *, start: float, end: float) -> Scale:
    """Return the scale from 0 over ``greatest`` in three to six full steps."""
    rough = max(greatest, 1e-6) / 5
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if rough <= power * m * (1 + 1e-9))
    count = max(3, math.ceil(greatest / step - 1e-9))
    return Scale(
        low=0, high=count * step, ticks=tuple(step * i for i in range(count + 1)),
        start=start, end=end,
    )  # fmt: skip


def decades(least: float, greatest: float, *, start: float, end: float) -> Scale:
    """Return the logarithmic scale of full powers of ten around the values."""
    first = math.floor(math.log10(max(least, 0.01)) + 1e-9)
    last = max(first + 1, math.ceil(math.log10(max(greatest, 0.01)) - 1e-9))
    ticks = tuple(10.0**power for power in range(first, last + 1))
    return Scale(low=ticks[0], high=ticks[-1], ticks=ticks, start=start, end=end, logarithmic=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """Where days lie on the sheet: each has a column of its own, all of them equally wide."""

    first: date
    last: date
    left: float
    right: float

    @property
    def days(self) -> int:
        """How many days it shows."""
        return (self.last - self.first).days + 1

    @property
    def column(self) -> float:
        """How wide one day is."""
        return (self.right - self.left) / self.days

    def at(self, day: date) -> float:
        """Return the middle of a day's column."""
        return self.left + ((day - self.first).days + 0.5) * self.column

    def holds(self, day: date) -> bool:
        """Tell whether the day is shown."""
        return self.first <= day <= self.last


def across(
    drawn: Drawing, scale: Scale, *, left: float, right: float, words: Callable[[float], str]
) -> None:
    """Draw the lines of a scale that goes up, with their values at the left."""
    for tick in scale.ticks:
        y = scale.at(tick)
        drawn.line((left, y), (right, y), stroke=FAINT)
        drawn.text(left - 6, y + 4, words(tick), anchor="end", size=SMALL, fill=SOFT)


def along(
    drawn: Drawing, scale: Scale, *, top: float, bottom: float, words: Callable[[float], str]
) -> None:
    """Draw the lines of a scale that goes to the right, with their values below."""
    for tick in scale.ticks:
        x = scale.at(tick)
        drawn.line((x, top), (x, bottom), stroke=FAINT)
        drawn.text(x, bottom + 16, words(tick), anchor="middle", size=SMALL, fill=SOFT)


def dates(drawn: Drawing, calendar: Calendar, *, y: float) -> None:
    """Write the first, the middle and the last day under the columns, as far as they differ."""
    if calendar.days == 1:
        drawn.text(
            calendar.at(calendar.first), y, short(calendar.first), anchor="middle", size=SMALL,
            fill=SOFT,
        )  # fmt: skip
        return
    drawn.text(calendar.left, y, short(calendar.first), size=SMALL, fill=SOFT)
    drawn.text(calendar.right, y, short(calendar.last), anchor="end", size=SMALL, fill=SOFT)
    if calendar.days >= 9:
        middle = calendar.first + timedelta(days=calendar.days // 2)
        drawn.text(calendar.at(middle), y, short(middle), anchor="middle", size=SMALL, fill=SOFT)


def short(day: date) -> str:
    """Return a day as it is written under a plot."""
    return f"{day.day} {day:%b}"


def counted(n: float) -> str:
    """Return a count that fits under a narrow bar."""
    if n >= 10_000:
        return f"{n / 1000:.0f}k"
    return f"{n / 1000:.1f}k" if n >= 1_000 else f"{n:.0f}"


def stretches(days: Sequence[date]) -> list[list[int]]:
    """Return the positions of the days, in groups that follow each other without a gap."""
    groups: list[list[int]] = []
    for position, day in enumerate(days):
        if position and day - days[position - 1] == timedelta(days=1):
            groups[-1].append(position)
        else:
            groups.append([position])
    return groups
