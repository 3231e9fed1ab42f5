"""What the published files have in common: their columns, and what cannot be true in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ml import schema
from ml.datasets.reading import FIVE_LEVELS, Row
from ml.datasets.units import celsius, percent, within
from triage_rules.case import AGE_YEARS_RANGE
from triage_rules.level import Level

# The complaint is required by the API; 14 rows of KTAS lost theirs when Korean text became "?".
NO_COMPLAINT = "not recorded"
# Below it a reading is a poor signal rather than a saturation: KTAS holds one of 20.
LEAST_CREDIBLE_SPO2 = 50

COLUMNS = (
    "row_id",
    "age_years",
    "sex",
    "complaint",
    "temp_c",
    "heart_rate",
    "resp_rate",
    "sbp",
    "dbp",
    "spo2",
    "pain_nrs",
    "level5",
)
_SEXES = {"F": "female", "M": "male", "": "unknown"}


def request(
    row: Row, *, patient_id: str, complaint: str, vitals: Mapping[str, Any], **others: Any
) -> dict[str, Any]:
    """Return a body of the triage API; ``others`` are the fields only some files have."""
    return {
        "patient_id": patient_id,
        "patient_age": _age(row),
        "sex": row.word("sex", _SEXES),
        "symptoms_data": {"chief_complaint": complaint.strip() or NO_COMPLAINT},
        "vitals": dict(vitals),
        **others,
    }


def _age(row: Row) -> float | None:
    row.required("age_years")
    return within(AGE_YEARS_RANGE, row, "age_years", row.number("age_years"))


def measured(row: Row, *, temperature_c: float | None = None) -> dict[str, float | None]:
    """Return the measurements, without those that cannot be true.

    Outside the accepted range the API would refuse the row; a diastolic pressure not below the
    systolic one does not say which of the two is wrong, so both are dropped.

    Parameters
    ----------
    row
        A line of a published file.
    temperature_c
        Taken where the column in °C is blank.
    """
    recorded = celsius(row, "temp_c")
    vitals = {
        "heart_rate": accepted("heart_rate", row.number("heart_rate")),
        "respiratory_rate": accepted("respiratory_rate", row.number("resp_rate")),
        "spo2": accepted("spo2", percent(row, "spo2")),
        "systolic_bp": accepted("systolic_bp", row.number("sbp")),
        "diastolic_bp": accepted("diastolic_bp", row.number("dbp")),
        "temperature_c": accepted("temperature_c", temperature_c if recorded is None else recorded),
        "pain_score": pain(row),
    }
    systolic, diastolic = vitals["systolic_bp"], vitals["diastolic_bp"]
    if systolic is not None and diastolic is not None and diastolic >= systolic:
        vitals["systolic_bp"] = vitals["diastolic_bp"] = None
    if (vitals["spo2"] or 100) < LEAST_CREDIBLE_SPO2:
        vitals["spo2"] = None
    return vitals


def accepted(name: str, value: float | None) -> float | None:
    """Return ``value`` where the API takes it for the field ``name``, else None."""
    limits = schema.field(name).range
    if value is None or limits is None:
        return value
    return value if limits.low <= value <= limits.high else None


def pain(row: Row) -> int | None:
    """Return the pain score, 0 to 10."""
    value = accepted("pain_score", row.number("pain_nrs"))
    return None if value is None else int(value)


def label(row: Row, column: str = "level5") -> dict[str, Any]:
    """Return the label of a row, on our scale and as it was given."""
    original = row.word(column, FIVE_LEVELS)
    return {"level": Level.from_five_level(original), "original_level": original}
