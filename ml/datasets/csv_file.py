"""A CSV file of one's own: a column per field of a request, and the right answer.

``docs/data.md`` lists the columns; ``template`` writes a file that can be filled in.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ml import schema
from ml.datasets.cells import OTHER_UNITS, cell
from ml.datasets.errors import DatasetError
from ml.datasets.reading import FIVE_LEVELS, Header, Row, check_header, read_cases
from ml.labelled import FIVE_LEVEL_SCALES, OWN_SCALE, LabelledCase
from triage_rules.case import DAYS_PER_YEAR
from triage_rules.level import Level

FIELDS = tuple(each for each in schema.FIELDS if each.part != schema.SYMPTOM)
LABELS = ("level", "scale", "original_level", "nurse_level", "row_id")
COLUMNS = (*(each.name for each in FIELDS), *OTHER_UNITS, *LABELS)
# What is known only after triage is passed over by name, and so is whatever else is marked.
IGNORED_PREFIXES = ("outcome_", "audit_", "ignore_")

_OPTIONAL_LEVELS: Mapping[str, Level | None] = {
    "": None,
    **{level.label: level for level in Level},
}
_OPTIONAL_FIVE_LEVELS: Mapping[str, int | None] = {"": None, **FIVE_LEVELS}
_SCALES: Mapping[str, str | None] = {"": None, **{scale: scale for scale in FIVE_LEVEL_SCALES}}
_EXAMPLES = (
    {
        "row_id": "example-1",
        "site": "main",
        "patient_age": "57",
        "sex": "male",
        "arrival_mode": "walk_in",
        "injury": "false",
        "chief_complaint": "chest pain radiating to left arm",
        "symptoms": "nausea; sweating",
        "heart_rate": "104",
        "respiratory_rate": "20",
        "spo2": "96",
        "on_oxygen": "false",
        "systolic_bp": "142",
        "diastolic_bp": "88",
        "temperature_c": "36.9",
        "consciousness": "A",
        "pain_score": "7",
        "glucose_mmol_l": "6.1",
        "medical_history": "hypertension",
        "scale": "esi",
        "original_level": "2",
    },
    {
        "row_id": "example-2",
        "site": "main",
        "patient_age": "24",
        "sex": "female",
        "chief_complaint": "sore throat, since 2 days",
        "temperature_c": "37.4",
        "scale": "esi",
        "original_level": "5",
        "nurse_level": "soon",
    },
)


def load_csv(path: Path, *, limit: int | None = None) -> list[LabelledCase]:
    """Read a labelled CSV file whose columns are the fields of a request.

    A row is held to what the API accepts; a blank cell means "not known". Nothing is converted
    but what the column's name says. A row without a label is left out and counted in the event
    ``rows_without_label``.

    Parameters
    ----------
    path
        CSV in UTF-8 with a header, plain or compressed by gzip.
    limit
        The most cases to return; None returns all.

    Raises
    ------
    DatasetError
        In this order: a column is lacking, stands there twice, comes in two units or is not
        known; then at the first line with a cell the API would refuse, or a wrong label.
    """
    return read_cases(path, choose=_choose, build=_case, limit=limit)


def template() -> str:
    """Return a file with every column in the request's units and two made-up patients."""
    file = io.StringIO()
    columns = [column for column in COLUMNS if column not in OTHER_UNITS]
    writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(_EXAMPLES)
    return file.getvalue()


def _choose(header: Header, file: str) -> Sequence[str]:
    check_header(header, file, required=_required(header))
    for other, (name, _) in OTHER_UNITS.items():
        if other in header and name in header:
            raise DatasetError(f"{file} has both {name!r} and {other!r}; expected one of them")
    for column in header:
        if column not in COLUMNS and not column.startswith(IGNORED_PREFIXES):
            raise DatasetError(f"{file} has the column {column!r}, which is not known")
    return [column for column in header if column in COLUMNS]


def _required(header: Header) -> Sequence[str]:
    age = "patient_age_days" if "patient_age_days" in header else "patient_age"
    original = ("scale", "original_level")
    label = original if any(column in header for column in original) else ("level",)
    return ("chief_complaint", age, *label)


def _case(row: Row) -> LabelledCase | None:
    request = _request(row)
    original, scale = _original(row)
    level = row.word("level", _OPTIONAL_LEVELS)
    given = None if original is None else Level.from_five_level(original)
    if level is not None and given is not None and level is not given:
        raise row.refuse("level", "must agree with the original level")
    truth = given if level is None else level
    if truth is None:
        return None
    return LabelledCase(
        request=request,
        level=truth,
        row_id=row.text("row_id") or f"line-{row.line}",
        scale=scale or OWN_SCALE,
        original_level=original,
        nurse_level=row.word("nurse_level", _OPTIONAL_LEVELS),
    )


def _original(row: Row) -> tuple[int | None, str | None]:
    original = row.word("original_level", _OPTIONAL_FIVE_LEVELS)
    scale = row.word("scale", _SCALES)
    if (original is None) != (scale is None):
        raise row.refuse("scale", "must be given with the original level, and only with it")
    return original, scale


def _request(row: Row) -> dict[str, Any]:
    request: dict[str, Any] = {schema.WORDS: {}, schema.VITALS: {}}
    for field in FIELDS:
        value = cell(row, field)
        if value is not None:
            part = request[field.part] if field.part else request
            part[field.key] = value
    _check_age(row, request)
    _check_pressures(row, request[schema.VITALS])
    return request


def _check_age(row: Row, request: Mapping[str, Any]) -> None:
    years, days = request.get("patient_age"), request.get("patient_age_days")
    if years is None and days is None:
        raise row.refuse("patient_age", "must not be blank where patient_age_days is")
    if years is not None and days is not None and abs(days / DAYS_PER_YEAR - years) > 1:
        raise row.refuse("patient_age_days", "must agree with patient_age within a year")


def _check_pressures(row: Row, vitals: Mapping[str, Any]) -> None:
    systolic, diastolic = vitals.get("systolic_bp"), vitals.get("diastolic_bp")
    if systolic is not None and diastolic is not None and diastolic >= systolic:
        raise row.refuse("diastolic_bp", "must be below systolic_bp")
