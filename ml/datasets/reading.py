"""CSV files of labelled cases, plain or compressed, line by line."""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TextIO, TypeAlias, TypeVar

import structlog

from ml.datasets.errors import DatasetError
from ml.labelled import LabelledCase

log = structlog.get_logger(__name__)

T = TypeVar("T")
Header: TypeAlias = Sequence[str]

FIVE_LEVELS: Mapping[str, int] = {str(level): level for level in range(1, 6)}
_GZIP_MAGIC = b"\x1f\x8b"
# What float() takes beyond it (nan, inf, 1_000, digits of other scripts) nobody measured.
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a file, whose cells are asked for by column.

    Attributes
    ----------
    file
        The file's name.
    line
        Its number in the file, counted from 1; the header is the first.
    cells
        What stands in the columns that may be read, without spaces around it.
    """

    file: str
    line: int
    cells: Mapping[str, str]

    def text(self, column: str) -> str:
        """Return the cell, empty where the column is blank or not in the file."""
        return self.cells.get(column, "")

    def required(self, column: str) -> str:
        """Return the cell, which must not be blank."""
        text = self.text(column)
        if not text:
            raise self.refuse(column, "must not be blank")
        return text

    def number(self, column: str) -> float | None:
        """Return the cell as a number, None where it is blank."""
        text = self.text(column)
        if not text:
            return None
        if not _NUMBER.fullmatch(text):
            raise self.refuse(column, "must be a number")
        # Adding zero turns -0.0 into 0, as the API does.
        return float(text) + 0

    def word(self, column: str, meanings: Mapping[str, T]) -> T:
        """Return what the cell's word means; blank is a word like any other."""
        try:
            return meanings[self.text(column)]
        except KeyError:
            expected = ", ".join(word or "blank" for word in meanings)
            raise self.refuse(column, f"must be one of {expected}") from None

    def refuse(self, column: str, reason: str) -> DatasetError:
        """Return the error of one cell."""
        return DatasetError(f"line {self.line} of {self.file}: the column {column!r} {reason}")


def read_cases(
    path: Path,
    *,
    choose: Callable[[Header, str], Sequence[str]],
    build: Callable[[Row], LabelledCase | None],
    limit: int | None,
) -> list[LabelledCase]:
    """Read the labelled cases of one file.

    Parameters
    ----------
    path
        CSV in UTF-8, plain or compressed by gzip.
    choose
        Takes the header and the file's name; returns the columns that may be read, or raises.
    build
        Makes a case of a row; None where the row has no label. Those are counted in the event
        ``rows_without_label``.
    limit
        The most cases to return; None returns all.

    Raises
    ------
    DatasetError
        When the file, its header, a line or a cell cannot be used.
    """
    cases: list[LabelledCase] = []
    unlabelled = 0
    for row in _rows(path, choose=choose):
        if len(cases) == limit:
            break
        case = build(row)
        if case is None:
            unlabelled += 1
        else:
            cases.append(case)
    if not cases:
        raise DatasetError(f"{path.name} holds no labelled case")
    if unlabelled:
        log.warning("rows_without_label", file=path.name, rows=unlabelled)
    return cases


def allow(columns: Sequence[str]) -> Callable[[Header, str], Sequence[str]]:
    """Return a ``choose`` that asks for all of ``columns`` and passes over every other."""

    def choose(header: Header, file: str) -> Sequence[str]:
        check_header(header, file, required=columns)
        return columns

    return choose


def check_header(header: Header, file: str, *, required: Sequence[str]) -> None:
    """Raise when a required column is lacking, or any stands there twice.

    A lacking column comes first: in a file without a header the names are a patient's values.
    """
    if len(header) == 1 and ";" in header[0]:
        raise DatasetError(f"{file} is separated by semicolons; expected commas")
    for column in required:
        if column not in header:
            raise DatasetError(f"{file} lacks the column {column!r}")
    for column in header:
        if header.count(column) > 1:
            raise DatasetError(f"{file} has the column {column!r} twice")


def _rows(path: Path, *, choose: Callable[[Header, str], Sequence[str]]) -> Iterator[Row]:
    try:
        with path.open("rb") as raw, _text(raw) as file:
            yield from _parsed(file, path.name, choose=choose)
    except FileNotFoundError:
        raise DatasetError(f"there is no file {path}") from None
    except UnicodeDecodeError:
        raise DatasetError(f"{path.name} is not text in UTF-8") from None
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise DatasetError(f"{path.name} is compressed, but cut short or damaged") from None
    except OSError:
        raise DatasetError(f"{path.name} cannot be read") from None


def _text(raw: BinaryIO) -> TextIO:
    """Return the text of a file, which spreadsheets begin with a byte-order mark."""
    magic = raw.read(len(_GZIP_MAGIC))
    raw.seek(0)
    data = gzip.GzipFile(fileobj=raw) if magic == _GZIP_MAGIC else raw
    return io.TextIOWrapper(data, encoding="utf-8-sig", newline="")


def _parsed(
    file: TextIO, name: str, *, choose: Callable[[Header, str], Sequence[str]]
) -> Iterator[Row]:
    reader = csv.reader(file, strict=True)
    try:
        header = [column.strip() for column in next(reader, ())]
        if not header:
            raise DatasetError(f"{name} is empty")
        places = {column: header.index(column) for column in choose(header, name)}
        for fields in reader:
            if fields:
                _check_line(fields, header, line=reader.line_num, file=name)
                cells = {column: fields[place].strip() for column, place in places.items()}
                yield Row(name, reader.line_num, cells)
    except csv.Error:
        raise DatasetError(f"line {reader.line_num} of {name} is not CSV") from None


def _check_line(fields: Sequence[str], header: Header, *, line: int, file: str) -> None:
    if len(fields) != len(header):
        many = "few" if len(fields) < len(header) else "many"
        raise DatasetError(
            f"line {line} of {file} has too {many} fields: {len(fields)}, the header has "
            f"{len(header)}"
        )
    if any("\0" in cell for cell in fields):
        raise DatasetError(f"line {line} of {file} holds a NUL character")
