"""Labelled cases from files, in the shape the API takes: one module per source.

Each loader reads an allow-list of columns. What was written after triage (outcomes, audits, the
nurse's own level) can therefore not become a feature by accident.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from ml.datasets.csv_file import load_csv
from ml.datasets.errors import DatasetError
from ml.datasets.ktas import load_ktas
from ml.datasets.log import load_log
from ml.datasets.mimic import load_mimic
from ml.datasets.nhamcs import load_nhamcs
from ml.labelled import LabelledCase
from ml.simulator import simulate

__all__ = [
    "DATASETS",
    "DEFAULT_SYNTHETIC_ROWS",
    "LOADERS",
    "DatasetError",
    "Loader",
    "default_path",
    "load_csv",
    "load_dataset",
    "load_ktas",
    "load_log",
    "load_mimic",
    "load_nhamcs",
]

DEFAULT_SYNTHETIC_ROWS = 12_000


class Loader(Protocol):
    """Reads the labelled cases of one file."""

    def __call__(self, path: Path, *, limit: int | None = None) -> list[LabelledCase]:
        """Return the cases, at most ``limit``."""


LOADERS: Mapping[str, Loader] = {
    "ktas": load_ktas,
    "nhamcs": load_nhamcs,
    "mimic": load_mimic,
    "log": load_log,
    "csv": load_csv,
}
# The published ones, each in a folder of its own; the others have no usual place.
FOLDERS = {"ktas": "ktas_moon2019", "nhamcs": "nhamcs_ed", "mimic": "mimic_iv_ed_demo"}
DATASETS = ("synthetic", *LOADERS)


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
        Where the published data sets lie, each in a folder of its own.
    rows
        The most rows to return; None means all, or 12,000 of the synthetic.
    seed
        Of the synthetic patients.

    Raises
    ------
    DatasetError
        When the data set is not known, needs a path, or its file cannot be used.
    """
    if rows is not None and rows < 1:
        raise DatasetError(f"{rows} rows were asked for; expected at least 1")
    if name == "synthetic":
        return simulate(DEFAULT_SYNTHETIC_ROWS if rows is None else rows, seed=seed)
    if name not in LOADERS:
        raise DatasetError(f"there is no data set {name!r}; expected one of {', '.join(DATASETS)}")
    return LOADERS[name](path or default_path(name, folder=folder), limit=rows)


def default_path(name: str, *, folder: Path) -> Path:
    """Return where the file of a published data set lies in the folder of all.

    Raises
    ------
    DatasetError
        When the data set has no usual place.
    """
    if name not in FOLDERS:
        raise DatasetError(f"the data set {name!r} needs a path to its file")
    return folder / FOLDERS[name] / "train.csv.gz"
