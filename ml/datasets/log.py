"""Labelled decisions of the service's own log, as a file that says what is in it.

``manage.py export_training_set`` writes it and training reads it: gzip of one JSON object a line,
first a header with the number of rows and the SHA-256 of their bytes, then the rows. It holds what
patients said, so it is readable by its owner alone and no copy is kept longer than needed.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from ml.datasets.errors import DatasetError
from ml.labelled import OWN_SCALE, LabelledCase
from triage_rules.case import case_from_request
from triage_rules.level import Level

FORMAT = "triage-training-set/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedCase:
    """One decided request and what was right, as a row of the file.

    Attributes
    ----------
    row_id
        The id of the prediction.
    request
        The parsed request, less what names the patient or the visit.
    patient
        A pseudonym of the file's own, the same for the same patient; None where none was named.
    level
        The label of the right level.
    scale, original_level
        The label as it was given; empty and None where it was given on our own scale.
    source, saw_prediction
        Who says so, and whether they had seen the answer; None where they did not say.
    day
        The local day of the decision, as in 2026-11-18.
    """

    row_id: str
    request: Mapping[str, Any]
    patient: str | None
    level: str
    scale: str
    original_level: int | None
    source: str
    saw_prediction: bool | None
    day: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogHeader:
    """The first line: how many rows follow, the digest of their bytes, and which days they span.

    ``first_day`` is None where there are no rows.
    """

    count: int
    sha256: str
    first_day: str | None
    last_day: str
    format: str = FORMAT


def write_log(path: Path, cases: Iterable[LoggedCase], *, last_day: str) -> LogHeader:
    """Write the cases, oldest first, and return the header.

    The file is written aside, readable by its owner alone, and appears in one rename.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(prefix=".new-", dir=path.parent) as aside:
        rows, whole = Path(aside) / "rows", Path(aside) / "whole"
        header = _write_rows(rows, cases, last_day=last_day)
        # Members of a gzip file follow one another, so the header can be written last.
        with _private(whole) as file:
            file.write(gzip.compress(_line(asdict(header)), mtime=0))
            with rows.open("rb") as compressed:
                shutil.copyfileobj(compressed, file)
            file.flush()
            os.fsync(file.fileno())
        whole.replace(path)
    return header


def load_log(path: Path, *, limit: int | None = None) -> list[LabelledCase]:
    """Read the labelled cases of a training set, and check that they are those of its header.

    Parameters
    ----------
    path
        A file that ``manage.py export_training_set`` wrote.
    limit
        The most rows to return; all are read and checked. None returns all.

    Returns
    -------
    list of LabelledCase
        ``patient_id`` is a pseudonym of the file's own; ``row_id`` the id of the prediction.

    Raises
    ------
    DatasetError
        When the file is not there, is no training set, or is not as it was written.
    """
    lines = _verified(path)
    wanted = lines if limit is None else lines[:limit]
    return [_case(line, number, name=path.name) for number, line in enumerate(wanted, start=2)]


def _write_rows(path: Path, cases: Iterable[LoggedCase], *, last_day: str) -> LogHeader:
    digest, count, first_day = hashlib.sha256(), 0, None
    with _private(path) as file, gzip.GzipFile(fileobj=file, mode="wb", mtime=0) as rows:
        for case in cases:
            line = _line(asdict(case))
            rows.write(line)
            digest.update(line)
            count += 1
            first_day = first_day or case.day
    return LogHeader(count=count, sha256=digest.hexdigest(), first_day=first_day, last_day=last_day)


def _private(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _line(value: Mapping[str, Any]) -> bytes:
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return f"{text}\n".encode()


def _verified(path: Path) -> list[bytes]:
    """Return the lines of the rows once they are known to be those of the header."""
    lines = _lines(path)
    header = _header(next(lines, b""), name=path.name)
    digest, rows = hashlib.sha256(), []
    for line in lines:
        digest.update(line)
        rows.append(line)
    if len(rows) != header.count:
        raise DatasetError(f"{path.name} has {len(rows)} rows; its header says {header.count}")
    if digest.hexdigest() != header.sha256:
        raise DatasetError(f"the rows of {path.name} are not those of its header (SHA-256)")
    return rows


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with gzip.open(path, "rb") as file:
            yield from file
    except FileNotFoundError:
        raise DatasetError(
            f"there is no file {path}; manage.py export_training_set writes it"
        ) from None
    except (OSError, EOFError, zlib.error):
        raise DatasetError(f"{path.name} cannot be read as a gzip file") from None


def _header(line: bytes, *, name: str) -> LogHeader:
    try:
        header = LogHeader(**json.loads(line))
    except (TypeError, ValueError):
        raise DatasetError(f"{name} is no training set: its first line is no header") from None
    if header.format != FORMAT:
        raise DatasetError(f"{name} has another format than {FORMAT}")
    return header


def _case(line: bytes, number: int, *, name: str) -> LabelledCase:
    try:
        row = LoggedCase(**json.loads(line))
        request = {**row.request, "patient_id": row.patient}
        case_from_request(request)
        return LabelledCase(
            request=request,
            level=Level.from_label(row.level),
            row_id=row.row_id,
            scale=row.scale or OWN_SCALE,
            original_level=row.original_level,
        )
    except (KeyError, TypeError, ValueError):
        # What the line holds is a patient's, so it is not repeated.
        raise DatasetError(f"line {number} of {name} is no labelled request") from None
