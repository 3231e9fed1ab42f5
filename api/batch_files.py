"""A file of cases, row by row: its structure must be right, or the whole file is refused.

What is wrong with one row is said of that row when it is scored. The columns of CSV are those of
the feature schema; docs/batches.md describes both formats.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, BinaryIO, TypeVar

from django.conf import settings

from api.demo import EXAMPLE_REQUEST
from api.errors import BodyTooLargeError, FieldProblem, InvalidBodyError
from api.parsers import parsed
from ml import schema
from ml.schema import InputField, Kind, Presence
from monitoring.batches import Format

# The cells of a CSV row by column, or a line of NDJSON; None is a row whose cells do not match the
# header. Each is what JSON can hold.
Row = dict[str, str] | str | None
Record = TypeVar("Record", str, list[str])

COLUMNS = tuple(field for field in schema.FIELDS if field.part != schema.SYMPTOM)
AGES = tuple(field.name for field in COLUMNS if field.presence is Presence.ONE_AGE)
REQUIRED = tuple(field.name for field in COLUMNS if field.presence is Presence.REQUIRED)
SEPARATOR = ";"
# A legal row has at most 50,000 characters, and each may be a quote, which is written as two.
MAX_ROW_CHARACTERS = 128 * 1024
CHUNK_ROWS = 200
# Long rows make a chunk of fewer: it is in memory at once, and scored in one transaction.
CHUNK_CHARACTERS = 1024 * 1024

_NAMES = frozenset(field.name for field in COLUMNS)
_WHOLE = re.compile(r"-?[0-9]{1,18}")
_DECIMAL = re.compile(r"-?[0-9]{1,18}\.[0-9]{1,18}")
_JSON_BLANKS = " \t\r\n"
_BYTE_ORDER_MARK = "\ufeff"
_FLAGS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it was sent."""

    format: Format
    content: BinaryIO

    def close(self) -> None:
        """Forget the content; the framework closes every file that a form has brought."""
        self.content.close()


def chunks_of(upload: Upload) -> Iterator[list[Row]]:
    """Yield the rows of a file in chunks that fit into memory.

    Raises
    ------
    InvalidBodyError
        Where the file is not what its format asks for.
    BodyTooLargeError
        Where it has more than ``BATCH_MAX_ROWS`` rows.
    """
    read = _csv_rows if upload.format is Format.CSV else _ndjson_rows
    chunk: list[Row] = []
    characters = count = 0
    for count, row in enumerate(read(upload.content), 1):
        if count > settings.BATCH_MAX_ROWS:
            raise _too_many("rows")
        chunk.append(row)
        characters += _length(row)
        if len(chunk) == CHUNK_ROWS or characters > CHUNK_CHARACTERS:
            yield chunk
            chunk, characters = [], 0
    if not count:
        raise _refusal("no_rows", "The file has no rows.")
    if chunk:
        yield chunk


def body_of(row: Row) -> Any:
    """Return the request that a row stands for, not yet checked.

    Raises
    ------
    InvalidBodyError
        When a line is not JSON, or the cells of a row do not match the header.
    BodyTooLargeError
        When a line is larger than a request may be.
    """
    if row is None:
        raise _refusal("ragged_row", "The row must have as many cells as the header.")
    if isinstance(row, str):
        return parsed(row.encode())
    return _request(row)


def column_of(pointer: str) -> str:
    """Return the column that a pointer into a request means; ``row`` where it means all of it."""
    steps = pointer.split("/")[1:]
    return next((step for step in steps if step in _NAMES), pointer or "row")


def template() -> str:
    """Return the header of a CSV file and one made-up patient."""
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(field.name for field in COLUMNS)
    writer.writerow(cells_of(EXAMPLE_REQUEST))
    return file.getvalue()


def cells_of(request: Mapping[str, Any]) -> list[str]:
    """Return a request as the cells of a CSV row; of a symptom only its name fits."""
    parts = {part: request.get(part) or {} for part in (schema.VITALS, schema.WORDS)}
    return [_cell(parts.get(field.part, request).get(field.key)) for field in COLUMNS]


def as_markdown() -> str:
    """Return the columns as a table for people."""
    lines = [
        "| column | what | written as | unit | stands for | needed |",
        "|---|---|---|---|---|---|",
    ]
    return "\n".join([*lines, *map(_markdown_row, COLUMNS)]) + "\n"


# --- structure -----------------------------------------------------------------------------------


def _csv_rows(content: BinaryIO) -> Iterator[Row]:
    lines = _Lines(io.TextIOWrapper(content, encoding="utf-8-sig", newline=""))
    with _refused_as_a_whole(lines):
        records = _records(csv.reader(lines, strict=True), lines)
        header = _header(next(records, []))
        for cells in records:
            yield dict(_given(header, cells)) if len(cells) == len(header) else None


def _ndjson_rows(content: BinaryIO) -> Iterator[Row]:
    lines = _Lines(io.TextIOWrapper(content, encoding="utf-8", newline="\n"))
    with _refused_as_a_whole(lines):
        for line in _records((line.strip(_JSON_BLANKS) for line in lines), lines):
            if line.startswith(_BYTE_ORDER_MARK) and lines.number == 1:
                raise _refusal("encoding", "A byte order mark is not part of NDJSON.")
            yield line


class _Lines(Iterator[str]):
    """The lines of a file; the one record that is being read has a bounded length."""

    def __init__(self, file: io.TextIOWrapper) -> None:
        self._file = file
        self._left = MAX_ROW_CHARACTERS
        self.number = 0

    def __next__(self) -> str:
        line = self._file.readline(self._left + 1)
        if not line:
            raise StopIteration
        self.number += 1
        self._left -= len(line)
        if self._left < 0:
            raise self.refusal("row_too_long", f"has more than {MAX_ROW_CHARACTERS:,} characters")
        if "\0" in line:
            raise self.refusal("unstorable_text", "holds a NUL")
        return line

    def next_record(self) -> None:
        """Begin to count anew."""
        self._left = MAX_ROW_CHARACTERS

    def refusal(self, code: str, reason: str) -> InvalidBodyError:
        """Return the error that names the line being read."""
        return _refusal(code, f"Line {self.number:,} of the file {reason}.")


def _records(found: Iterable[Record], lines: _Lines) -> Iterator[Record]:
    """Pass on what is not blank; so many blank lines that they can mean nothing end the file."""
    blank = 0
    for record in found:
        lines.next_record()
        blank += not record
        if blank > settings.BATCH_MAX_ROWS:
            raise _too_many("blank lines")
        if record:
            yield record


@contextmanager
def _refused_as_a_whole(lines: _Lines) -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError:
        raise _refusal("encoding", "The file is not UTF-8.") from None
    except csv.Error:
        raise lines.refusal("invalid_csv", "is not CSV") from None


def _header(cells: Sequence[str]) -> list[str]:
    header = [cell.strip() for cell in islice(cells, len(COLUMNS) + 1)]
    for number, name in enumerate(header, 1):
        if name not in _NAMES:
            raise _refusal("unknown_column", f"Column {number} of the file is not known.")
        if name in header[: number - 1]:
            raise _refusal("duplicate_column", f"The column {name} stands twice in the file.")
    for name in REQUIRED:
        if name not in header:
            raise _refusal("missing_column", f"The file has no column {name}.")
    if not set(AGES).intersection(header):
        raise _refusal("missing_column", f"The file has no column {' or '.join(AGES)}.")
    return header


def _given(header: Sequence[str], cells: Sequence[str]) -> Iterator[tuple[str, str]]:
    for name, cell in zip(header, cells, strict=True):
        if stripped := cell.strip():
            yield name, stripped


def _length(row: Row) -> int:
    if row is None:
        return 0
    return len(row) if isinstance(row, str) else sum(map(len, row.values()))


def _refusal(code: str, detail: str) -> InvalidBodyError:
    return InvalidBodyError(FieldProblem("", code, detail))


def _too_many(what: str) -> BodyTooLargeError:
    return BodyTooLargeError(f"The file has more than {settings.BATCH_MAX_ROWS:,} {what}.")


# --- values --------------------------------------------------------------------------------------


def _request(cells: Mapping[str, str]) -> dict[str, Any]:
    request: dict[str, Any] = {schema.WORDS: {}}
    for name, cell in cells.items():
        field = schema.field(name)
        part = request.setdefault(field.part, {}) if field.part else request
        part[field.key] = _value(field, cell)
    return request


def _value(field: InputField, cell: str) -> Any:
    """Return what a cell means; what means nothing stays a text, which its field refuses."""
    if field.kind is Kind.LIST:
        return _entries(field, cell)
    if field.kind is Kind.FLAG:
        return _FLAGS.get(cell.lower(), cell)
    if field.range is None:
        return cell
    if _WHOLE.fullmatch(cell):
        return int(cell)
    return float(cell) if _DECIMAL.fullmatch(cell) else cell


def _entries(field: InputField, cell: str) -> list[Any]:
    entries = [entry.strip() for entry in cell.split(SEPARATOR) if entry.strip()]
    return [{"name": entry} for entry in entries] if field.name == "symptoms" else entries


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return SEPARATOR.join(
            entry["name"] if isinstance(entry, dict) else entry for entry in value
        )
    return str(value)


def _markdown_row(field: InputField) -> str:
    cells = (
        f"`{field.name}`",
        field.label,
        _written_as(field),
        field.unit,
        f"`{field.path}`",
        "" if field.presence is Presence.OPTIONAL else field.presence.value,
    )
    return "| " + " | ".join(cells) + " |"


def _written_as(field: InputField) -> str:
    if field.categories:
        return ", ".join(f"`{word}`" for word in field.categories)
    words = {Kind.FLAG: "`true`, `false`", Kind.LIST: f"entries with `{SEPARATOR}` between them"}
    return words.get(field.kind, field.kind.value)
