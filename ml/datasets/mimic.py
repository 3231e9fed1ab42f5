"""MIMIC-IV-ED demo: stays in one US emergency department, labelled by the triage nurse (ESI)."""

from __future__ import annotations

from pathlib import Path

from ml.datasets import published
from ml.datasets.reading import Row, allow, read_cases
from ml.datasets.units import from_fahrenheit
from ml.labelled import LabelledCase
from triage_rules.case import ArrivalMode

SCALE = "esi"
COLUMNS = (*published.COLUMNS, "subject_id", "temp_f", "arrival_mode")
_ARRIVALS = {"": ArrivalMode.UNKNOWN.value} | {mode.value: mode.value for mode in ArrivalMode}


def load_mimic(path: Path, *, limit: int | None = None) -> list[LabelledCase]:
    """Read the demo of MIMIC-IV-ED (one hospital, 64 patients with several stays, ESI levels).

    Takes and raises what ``load_ktas`` does. ``patient_id`` is the patient's, so that stays of
    one patient can be told. A temperature is read in degrees Celsius, and converted from
    Fahrenheit where that is blank. Stays without a level are left out and counted in the event
    ``rows_without_label``: most were arrests, trauma and seizures, so what is left looks calmer
    than the department was.
    """
    return read_cases(path, choose=allow(COLUMNS), build=_case, limit=limit)


def _case(row: Row) -> LabelledCase | None:
    if not row.text("level5"):
        return None
    vitals = published.measured(row, temperature_c=from_fahrenheit(row.number("temp_f")))
    return LabelledCase(
        request=published.request(
            row,
            patient_id=row.required("subject_id"),
            complaint=row.text("complaint"),
            vitals=vitals,
            arrival_mode=row.word("arrival_mode", _ARRIVALS),
        ),
        **published.label(row),
        row_id=row.text("row_id"),
        scale=SCALE,
    )
