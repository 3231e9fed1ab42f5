"""One cell of a CSV file as the value of a field, held to what the feature schema accepts."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ml import schema
from ml.datasets.reading import Row
from ml.datasets.units import celsius, fahrenheit, mmol_l_from_mg_dl, percent, within
from ml.schema import InputField, Kind, Presence
from triage_rules.case import Range

Read = Callable[[Row, str], float | None]

# A field in another unit than the request's; a file has the one column or the other.
OTHER_UNITS: Mapping[str, tuple[str, Read]] = {
    "temperature_f": ("temperature_c", fahrenheit),
    "glucose_mg_dl": ("glucose_mmol_l", mmol_l_from_mg_dl),
}
# Between the entries of a list.
SEPARATOR = ";"

_UNIT_READERS: Mapping[str, Read] = {"temperature_c": celsius, "spo2": percent}
_CODE = re.compile("[A-Za-z0-9._-]+")
_FLAGS = {"": None, "true": True, "false": False, "1": True, "0": False}


def cell(row: Row, field: InputField) -> Any:
    """Return what a row says of a field, as a request holds it; None where it says nothing.

    Raises
    ------
    DatasetError
        When the API would refuse the value.
    """
    if field.range is not None:
        column, read = _source(row, field)
        return within(_limits(field.range, column, field), row, column, read(row, column))
    if field.categories:
        return row.word(field.name, {"": None, **{word: str(word) for word in field.categories}})
    if field.kind is Kind.FLAG:
        return _flag(row, field)
    if field.kind is Kind.LIST:
        return _entries(row, field)
    return _text(row, field)


def _source(row: Row, field: InputField) -> tuple[str, Read]:
    """Return the column that holds a field, and how it is read."""
    for column, (name, read) in OTHER_UNITS.items():
        if name == field.name and column in row.cells:
            return column, read
    return field.name, _UNIT_READERS.get(field.name, Row.number)


def _limits(limits: Range, column: str, field: InputField) -> Range:
    if column == field.name:
        return limits
    return replace(limits, unit=f"{limits.unit} once converted")


def _flag(row: Row, field: InputField) -> bool | None:
    text = row.text(field.name).lower()
    if text not in _FLAGS:
        raise row.refuse(field.name, "must be true, false or blank")
    return _FLAGS[text]


def _entries(row: Row, field: InputField) -> list[Any] | None:
    parts = row.text(field.name).split(SEPARATOR)
    entries = [entry.strip() for entry in parts if entry.strip()]
    if not entries:
        return None
    if field.most is not None and len(entries) > field.most:
        raise row.refuse(field.name, f"must have at most {field.most} entries")
    item = schema.field("symptom_name") if field.name == "symptoms" else field
    for entry in entries:
        _check_length(row, item, entry, column=field.name)
    return [{item.key: entry} for entry in entries] if item is not field else entries


def _text(row: Row, field: InputField) -> str | None:
    is_required = field.presence is Presence.REQUIRED
    text = row.required(field.name) if is_required else row.text(field.name)
    if not text:
        return None
    if field.kind is Kind.CODE and not _CODE.fullmatch(text):
        raise row.refuse(field.name, "must consist of A-Z a-z 0-9 . _ -")
    _check_length(row, field, text, column=field.name)
    return text


def _check_length(row: Row, field: InputField, text: str, *, column: str) -> None:
    if field.longest is not None and len(text) > field.longest:
        raise row.refuse(column, f"must have at most {field.longest:,} characters")
