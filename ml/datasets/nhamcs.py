"""NHAMCS: visits to US emergency departments (NCHS 2016-2021), labelled by the triage nurse."""

from __future__ import annotations

from pathlib import Path

from ml.datasets import published
from ml.datasets.reading import Row, allow, read_cases
from ml.datasets.units import within
from ml.labelled import LabelledCase
from triage_rules.case import AGE_DAYS_RANGE

SCALE = "nhamcs"
COLUMNS = (*published.COLUMNS, "age_days", "arrived_by_ambulance", "injury_code")
_ARRIVALS = {"1": "ambulance", "0": "walk_in", "": "unknown"}
# 1 injury, 2 overdose or poisoning, 3 adverse effect, 4 no injury, 5 unclear.
_INJURIES = {"1": True, "2": False, "3": False, "4": False, "5": None, "": None}
_CUT_SHORT = "..."


def load_nhamcs(path: Path, *, limit: int | None = None) -> list[LabelledCase]:
    """Read the NHAMCS emergency file (NCHS 2016-2021; all ages, labels of one triage nurse).

    Takes and raises what ``load_ktas`` does. Of the two temperature columns the one in degrees
    Celsius is read. A reason for visit that was cut short keeps its words, less the dots.
    """
    return read_cases(path, choose=allow(COLUMNS), build=_case, limit=limit)


def _case(row: Row) -> LabelledCase:
    return LabelledCase(
        request=published.request(
            row,
            patient_id=row.required("row_id"),
            complaint=row.text("complaint").replace(_CUT_SHORT, ""),
            vitals=published.measured(row),
            injury=row.word("injury_code", _INJURIES),
            arrival_mode=row.word("arrived_by_ambulance", _ARRIVALS),
            patient_age_days=within(AGE_DAYS_RANGE, row, "age_days", row.number("age_days")),
        ),
        **published.label(row),
        row_id=row.text("row_id"),
        scale=SCALE,
    )
