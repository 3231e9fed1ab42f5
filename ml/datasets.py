"""Labelled cases from the published files, in the shape the API takes.

Each loader reads an allow-list of columns. What was written after triage (outcomes, audits, the
nurse's own level) can therefore not become a feature by accident.
"""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TextIO

from ml.labelled import LabelledCase
from ml.simulator import simulate
from triage_rules.case import VITAL_RANGES
from triage_rules.level import Level

# The complaint is required by the API; 14 rows of KTAS lost theirs when Korean text became "?".
NO_COMPLAINT = "not recorded"

DEFAULT_SYNTHETIC_ROWS = 12_000

Row = Mapping[str, str]


class Loader(Protocol):
    """Reads the labelled cases of one published file."""

    def __call__(self, path: Path, *, limit: int | None = None) -> list[LabelledCase]:
        """Return the cases, at most ``limit``."""


class DatasetError(Exception):
    """A file of labelled cases cannot be used; the message says why, without a full stop."""


_KTAS_COLUMNS = (
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
    "avpu",
    "pain_reported",
    "pain_nrs",
    "injury",
    "arrival_mode",
    "level5",
    "nurse_level5",
)
_NHAMCS_COLUMNS = (
    "row_id",
    "age_years",
    "age_days",
    "sex",
    "complaint",
    "temp_c",
    "heart_rate",
    "resp_rate",
    "sbp",
    "dbp",
    "spo2",
    "pain_nrs",
    "arrived_by_ambulance",
    "injury_code",
    "level5",
)
_VITAL_COLUMNS = {
    "heart_rate": "heart_rate",
    "respiratory_rate": "resp_rate",
    "spo2": "spo2",
    "systolic_bp": "sbp",
    "diastolic_bp": "dbp",
    "temperature_c": "temp_c",
}
_SEXES = {"F": "female", "M": "male", "": "unknown"}
_KTAS_ARRIVALS = {
    "walking": "walk_in",
    "private_vehicle": "walk_in",
    "public_ambulance": "ambulance",
    "private_ambulance": "ambulance",
    "other": "other",
}
_NHAMCS_ARRIVALS = {"1": "ambulance", "0": "walk_in", "": "unknown"}
# 1 injury, 2 overdose or poisoning, 3 adverse effect, 4 no injury, 5 unclear.
_NHAMCS_INJURIES = {"1": True, "2": False, "3": False, "4": False}
# Below it a reading is a poor signal rather than a saturation: the file holds one of 20.
_LEAST_CREDIBLE_SPO2 = 50


def load_ktas(path: Path, *, limit: int | None = None) -> list[LabelledCase]:
    """Read the KTAS file (Moon et al. 2019; 16 years and older, labels of three experts).

    Parameters
    ----------
    path
        ``train.csv.gz``, or the same as plain CSV.
    limit
        The most rows to read; None reads all.

    Returns
    -------
    list of LabelledCase
        ``patient_id`` is the row's id. Pain is 0 where none was reported, a complaint that is
        blank reads "not recorded", and impossible measurements are missing.

    Raises
    ------
    DatasetError
        When the file is not there, is not CSV, lacks a column or has a label outside 1 to 5.
    """
    return _load(path, columns=_KTAS_COLUMNS, build=_ktas_case, limit=limit)


def load_nhamcs(path: Path, *, limit: int | None = None) -> list[LabelledCase]:
    """Read the NHAMCS emergency file (NCHS 2016-2021; all ages, labels of one triage nurse).

    Takes and raises what ``load_ktas`` does. Of the two temperature columns the one in degrees
    Celsius is read. A reason for visit that was cut short keeps its words, less the dots.
    """
    return _load(path, columns=_NHAMCS_COLUMNS, build=_nhamcs_case, limit=limit)


# One entry per published data set that ``--dataset`` can name.
LOADERS: Mapping[str, Loader] = {"ktas": load_ktas, "nhamcs": load_nhamcs}
FOLDERS = {"ktas": "ktas_moon2019", "nhamcs": "nhamcs_ed"}
DATASETS = ("synthetic", *LOADERS, "log", "csv")


def load_dataset(
    name: str, *, path: Path | None, folder: Path, rows: int | None, seed: int
) -> list[LabelledCase]:
    """Return the cases of one of ``DATASETS``.

    Parameters
    ----------
    name
        The data set.
    path
        Its file; None takes the one in ``folder``. The synthetic one has none.
    folder
        Where the data sets lie, each in a folder of its own.
    rows
        The most rows to return; None means all, or 12,000 of the synthetic.
    seed
        Of the synthetic patients.

    Raises
    ------
    DatasetError
        When the data set is not available, or its file cannot be used.
    """
    if name == "synthetic":
        return simulate(DEFAULT_SYNTHETIC_ROWS if rows is None else rows, seed=seed)
    if name not in LOADERS:
        raise DatasetError(f"the data set {name!r} is not available in this version")
    return LOADERS[name](path or default_path(name, folder=folder), limit=rows)


def default_path(name: str, *, folder: Path) -> Path:
    """Return where the file of a published data set lies in the folder of all."""
    return folder / FOLDERS[name] / "train.csv.gz"


def _load(
    path: Path,
    *,
    columns: Sequence[str],
    build: Callable[[Row], LabelledCase],
    limit: int | None,
) -> list[LabelledCase]:
    try:
        with _open(path) as file:
            return [build(row) for row in islice(_rows(file, columns, path.name), limit)]
    except FileNotFoundError:
        raise DatasetError(f"there is no file {path}") from None
    except (OSError, EOFError, UnicodeDecodeError, csv.Error, zlib.error):
        raise DatasetError(f"{path.name} cannot be read as a CSV file") from None


def _open(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", newline="")
    return path.open(encoding="utf-8", newline="")


def _rows(file: TextIO, columns: Sequence[str], name: str) -> Iterator[Row]:
    reader = csv.DictReader(file)
    missing = [column for column in columns if column not in (reader.fieldnames or ())]
    if missing:
        raise DatasetError(f"{name} lacks the column {missing[0]!r}")
    for line, row in enumerate(reader, start=2):
        if row[columns[-1]] is None:
            raise DatasetError(f"line {line} of {name} has too few fields")
        yield {column: row[column].strip() for column in columns}


def _ktas_case(row: Row) -> LabelledCase:
    consciousness = {"consciousness": row["avpu"] or None, "pain_score": _ktas_pain(row)}
    return LabelledCase(
        request=_request(
            row,
            vitals={**_vitals(row), **consciousness},
            injury={"1": True, "0": False}.get(row["injury"]),
            arrival_mode=_KTAS_ARRIVALS.get(row["arrival_mode"], "unknown"),
        ),
        level=_level(row, "level5"),
        row_id=row["row_id"],
        scale="ktas",
        original_level=int(row["level5"]),
        nurse_level=_level(row, "nurse_level5"),
    )


def _ktas_pain(row: Row) -> int | None:
    reported = _number(row, "pain_nrs")
    if reported is None and row["pain_reported"] == "0":
        return 0
    return _pain(reported)


def _nhamcs_case(row: Row) -> LabelledCase:
    return LabelledCase(
        request=_request(
            {**row, "complaint": row["complaint"].replace("...", "")},
            vitals={**_vitals(row), "pain_score": _pain(_number(row, "pain_nrs"))},
            injury=_NHAMCS_INJURIES.get(row["injury_code"]),
            arrival_mode=_NHAMCS_ARRIVALS.get(row["arrived_by_ambulance"], "unknown"),
            age_days=_whole(_number(row, "age_days")),
        ),
        level=_level(row, "level5"),
        row_id=row["row_id"],
        scale="nhamcs",
        original_level=int(row["level5"]),
    )


def _request(
    row: Row,
    *,
    vitals: Mapping[str, Any],
    injury: bool | None,
    arrival_mode: str,
    age_days: int | None = None,
) -> dict[str, Any]:
    return {
        "patient_id": row["row_id"],
        "patient_age": _number(row, "age_years"),
        "patient_age_days": age_days,
        "sex": _SEXES.get(row["sex"], "unknown"),
        "arrival_mode": arrival_mode,
        "injury": injury,
        "symptoms_data": {"chief_complaint": row["complaint"] or NO_COMPLAINT},
        "vitals": dict(vitals),
    }


def _vitals(row: Row) -> dict[str, float | None]:
    """Return the measurements, without those that cannot be true.

    Outside the accepted range the API would refuse the row; a diastolic pressure not below the
    systolic one does not say which of the two is wrong, so both are dropped.
    """
    vitals = {
        name: _accepted(name, _number(row, column)) for name, column in _VITAL_COLUMNS.items()
    }
    systolic, diastolic = vitals["systolic_bp"], vitals["diastolic_bp"]
    if systolic is not None and diastolic is not None and diastolic >= systolic:
        vitals["systolic_bp"] = vitals["diastolic_bp"] = None
    if (vitals["spo2"] or 100) < _LEAST_CREDIBLE_SPO2:
        vitals["spo2"] = None
    return vitals


def _accepted(name: str, value: float | None) -> float | None:
    limits = VITAL_RANGES[name]
    return value if value is not None and limits.low <= value <= limits.high else None


def _pain(value: float | None) -> int | None:
    return _whole(_accepted("pain_score", value))


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def _number(row: Row, column: str) -> float | None:
    if not row[column]:
        return None
    try:
        return float(row[column])
    except ValueError:
        raise DatasetError(f"the column {column!r} holds something that is no number") from None


def _level(row: Row, column: str) -> Level:
    try:
        return Level.from_five_level(int(row[column]))
    except ValueError:
        raise DatasetError(
            f"the column {column!r} holds a label that is not one of 1 to 5"
        ) from None
