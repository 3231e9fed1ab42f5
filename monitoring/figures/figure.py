"""What a figure is on the page: a drawing, what it shows in words, and its numbers as a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The numbers behind a drawing; the first cell of a row names it."""

    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, headers: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
        """Return the table of these rows."""
        return cls(headers=tuple(headers), rows=tuple(tuple(row) for row in rows))


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One figure of the page.

    Without enough to draw, ``drawing`` is empty and ``words`` say what is missing. ``wide`` is the
    same drawing for a wide screen, where there is one.
    """

    name: str
    title: str
    words: str
    notes: tuple[str, ...] = ()
    drawing: str = ""
    wide: str = ""
    table: Table | None = None


def percent(share: float | None, *, digits: int = 0) -> str:
    """Return a share as a reader expects it, a dash where there is none."""
    return "–" if share is None else f"{share * 100:.{digits}f} %"


def tick(share: float) -> str:
    """Return a share beside a line of a scale, with a decimal only where there is one."""
    return f"{round(share * 100, 1):g} %"


def between(interval: Sequence[float] | None, *, digits: int = 0) -> str:
    """Return an interval of shares, a dash where there is none."""
    if interval is None:
        return "–"
    low, high = interval
    return f"{low * 100:.{digits}f}–{high * 100:.{digits}f} %"


def fitting(name: str, *, longest: int) -> str:
    """Return a name, cut where it would run into the numbers; the table has it in full."""
    return name if len(name) <= longest else f"{name[: longest - 1]}…"
