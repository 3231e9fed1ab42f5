"""KTAS: adults in two Korean emergency departments (Moon et al. 2019), labelled by experts."""

from __future__ import annotations

from pathlib import Path

from ml.datasets import published
from ml.datasets.reading import Row, allow, read_cases
from ml.labelled import LabelledCase

SCALE = "ktas"
COLUMNS = (
    *published.COLUMNS,
    "avpu",
    "pain_reported",
    "injury",
    "arrival_mode",
    "site",
    "nurse_level5",
)
_YES_NO = {"1": True, "0": False, "": None}
_CONSCIOUSNESS = {"A": "A", "V": "V", "P": "P", "U": "U", "": None}
_ARRIVALS = {
    "walking": "walk_in",
    "private_vehicle": "walk_in",
    "public_ambulance": "ambulance",
    "private_ambulance": "ambulance",
    "other": "other",
    "": "unknown",
}
_SITES = {"local_ed": "local_ed", "regional_ed": "regional_ed"}


def load_ktas(path: Path, *, limit: int | None = None) -> list[LabelledCase]:
    """Read the KTAS file (Moon et al. 2019; 16 years and older, labels of three experts).

    Parameters
    ----------
    path
        ``train.csv.gz``, or the same as plain CSV.
    limit
        The most cases to return; None returns all.

    Returns
    -------
    list of LabelledCase
        ``patient_id`` is the row's id. Pain is 0 where none was reported, a complaint that is
        blank reads "not recorded", and impossible measurements are missing.

    Raises
    ------
    DatasetError
        When the file is not there, is not CSV, lacks a column, or a cell cannot be used.
    """
    return read_cases(path, choose=allow(COLUMNS), build=_case, limit=limit)


def _case(row: Row) -> LabelledCase:
    vitals = {
        **published.measured(row),
        "consciousness": row.word("avpu", _CONSCIOUSNESS),
        "pain_score": _pain(row),
    }
    return LabelledCase(
        request=published.request(
            row,
            patient_id=row.required("row_id"),
            complaint=row.text("complaint"),
            vitals=vitals,
            injury=row.word("injury", _YES_NO),
            arrival_mode=row.word("arrival_mode", _ARRIVALS),
            site=row.word("site", _SITES),
        ),
        **published.label(row),
        row_id=row.text("row_id"),
        scale=SCALE,
        nurse_level=published.label(row, "nurse_level5")["level"],
    )


def _pain(row: Row) -> int | None:
    is_reported = row.word("pain_reported", _YES_NO)
    if is_reported is False and not row.text("pain_nrs"):
        return 0
    return published.pain(row)
