"""Measurements in the units of a request, and those that were plainly written in another."""

from __future__ import annotations

from ml.datasets.reading import Row
from triage_rules.case import Range

MG_DL_PER_MMOL_L = 18.016
_LOOKS_CELSIUS = (20, 46)
_LOOKS_FAHRENHEIT = (80, 115)


def celsius(row: Row, column: str) -> float | None:
    """Return a temperature written in °C; one that looks like Fahrenheit is refused."""
    value = row.number(column)
    if value is not None and _LOOKS_FAHRENHEIT[0] <= value <= _LOOKS_FAHRENHEIT[1]:
        raise row.refuse(column, "looks like degrees Fahrenheit, expected °C")
    return value


def fahrenheit(row: Row, column: str) -> float | None:
    """Return a temperature written in °F in °C; one that looks like Celsius is refused."""
    value = row.number(column)
    if value is not None and _LOOKS_CELSIUS[0] <= value <= _LOOKS_CELSIUS[1]:
        raise row.refuse(column, "looks like degrees Celsius, expected °F")
    return from_fahrenheit(value)


def from_fahrenheit(value: float | None) -> float | None:
    """Return °F in °C, to the tenth a thermometer shows."""
    return None if value is None else round((value - 32) / 1.8, 1)


def percent(row: Row, column: str) -> float | None:
    """Return a saturation in per cent; one written as a fraction of 1 is refused."""
    value = row.number(column)
    if value is not None and 0 < value < 1:
        raise row.refuse(column, "looks like a fraction, expected per cent")
    return value


def mmol_l_from_mg_dl(row: Row, column: str) -> float | None:
    """Return a blood glucose written in mg/dL in mmol/L."""
    value = row.number(column)
    return None if value is None else round(value / MG_DL_PER_MMOL_L, 2)


def within(limits: Range, row: Row, column: str, value: float | None) -> float | None:
    """Return ``value``, an int where it must be whole; one that is not accepted is refused."""
    if value is None:
        return None
    if not limits.low <= value <= limits.high:
        ends = f"{limits.low:,.9g} to {limits.high:,.9g}"
        raise row.refuse(column, f"must be from {ends} {limits.unit}")
    if not limits.whole:
        return value
    if value != int(value):
        raise row.refuse(column, "must be a whole number")
    return int(value)
