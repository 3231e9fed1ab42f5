"""Labels from a CSV file: looked through first, then recorded all together or not at all.

Preview and import are the same judgement by ``monitoring.labelling``; the preview writes nothing.
``docs/labels.md`` describes the file.
"""

from __future__ import annotations

import csv
import io
import re
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import structlog
from cryptography.fernet import InvalidToken
from django.contrib.auth.models import User
from django.db import transaction

from ml.datasets.errors import DatasetError
from ml.datasets.reading import FIVE_LEVELS, Row, check_header
from monitoring.encryption import decrypt, encrypt
from monitoring.labelling import (
    LabelOutcome,
    Report,
    ground_truths_preview,
    ground_truths_record,
)
from monitoring.labels import (
    LEVEL_WORDS,
    MAX_NOTE_CHARACTERS,
    Label,
    LabelScale,
    LabelSource,
    LabelState,
    level_said,
)
from monitoring.models import MLPredictionLog

log = structlog.get_logger(__name__)

COLUMNS = (
    "prediction_id", "level", "scale", "original_level", "source", "saw_prediction", "note",
)  # fmt: skip
MAX_BYTES = 5 * 1024 * 1024
MAX_ROWS = 20_000
BATCH = 500
# A user's file name might hold a patient's, so every sentence speaks of "the file".
FILE = "the file"

Batch = Sequence[Report]
Watch = Callable[[Sequence[Batch]], Iterable[Batch]]

_ID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_WORDS: Mapping[str, Mapping[str, Any]] = {
    "level": {"": None} | {word: word for word in LEVEL_WORDS},
    "scale": {"": ""} | {scale: scale for scale in LabelScale.values},
    "original_level": {"": None, **FIVE_LEVELS},
    "source": {"": LabelSource.IMPORT} | {source.value: source for source in LabelSource},
}
_FLAGS = {"": None, "true": True, "false": False, "1": True, "0": False}


class LabelFileError(ValueError):
    """The file cannot be used at all; the message is one sentence without a value."""


class FaultyLinesError(Exception):
    """Some lines cannot be used, so nothing was written."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(f"{_counted(len(faults), 'fault')} in the file: nothing was written.")
        self.faults = faults


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a line cannot be used: one sentence with its line and column, never a value."""

    line: int
    sentence: str

    def __str__(self) -> str:
        return self.sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What became of the lines of a file, or would: each is one of these.

    ``new`` count or agree with what does, ``conflicts`` disagree with another label,
    ``cannot_assess`` name no level, ``repeats`` were said before, ``faulty`` cannot be used.
    """

    new: int
    conflicts: int
    cannot_assess: int
    repeats: int
    faulty: int
    faults: tuple[Fault, ...]

    @property
    def lines(self) -> int:
        """How many lines the file has beside its header."""
        return self.taken + self.repeats + self.faulty

    @property
    def taken(self) -> int:
        """How many lines are put on record."""
        return self.new + self.conflicts + self.cannot_assess

    def as_text(self) -> str:
        """Return the counts as one line."""
        return (
            f"{_counted(self.lines, 'line')}: {self.new} new, {self.repeats} said before, "
            f"{self.conflicts} in conflict with another label, "
            f"{self.cannot_assess} cannot be assessed, {_counted(len(self.faults), 'fault')}"
            + (f" in {_counted(self.faulty, 'line')}" if self.faults else "")
        )


@dataclass(frozen=True, slots=True)
class _Parsed:
    """The lines that can be used, by the number of their line, and what is wrong with the rest."""

    reports: dict[int, Report]
    faults: list[Fault]


# --- the two doors -------------------------------------------------------------------------------


def labels_preview(content: bytes, *, author: User, watch: Watch = iter) -> Imported:
    """Return what ``labels_import`` would make of a file now, and write nothing.

    Raises
    ------
    LabelFileError
        When the file cannot be used at all.
    """
    parsed = _known(_read(content))
    outcomes = _each_batch(parsed, ground_truths_preview, author=author, watch=watch)
    return _imported(parsed, outcomes)


def labels_import(
    content: bytes, *, author: User, skip_faulty: bool = False, watch: Watch = iter
) -> Imported:
    """Record every line of a file as a label of its author: all of them, or none.

    Parameters
    ----------
    content
        CSV in UTF-8.
    author
        Whose word it is.
    skip_faulty
        Whether to leave out what cannot be used, instead of writing nothing.
    watch
        Passes the batches through, such as a progress bar.

    Raises
    ------
    LabelFileError
        When the file cannot be used at all.
    FaultyLinesError
        When some of its lines cannot be used and ``skip_faulty`` is false.
    """
    parsed = _read(content)
    with transaction.atomic():
        parsed = _known(parsed)
        if parsed.faults and not skip_faulty:
            raise FaultyLinesError(parsed.faults)
        outcomes = _each_batch(parsed, ground_truths_record, author=author, watch=watch)
        imported = _imported(parsed, outcomes)
    log.info(
        "labels_imported",
        author=author.get_username(),
        taken=imported.taken,
        conflicts=imported.conflicts,
        repeats=imported.repeats,
        faulty=imported.faulty,
    )
    return imported


def content_seal(content: bytes, *, author: User) -> str:
    """Return a previewed file encrypted, so that it can wait in its author's browser."""
    return encrypt(f"{_seal_of(author)}{_text(content)}").decode()


def content_unseal(token: str, *, author: User) -> bytes:
    """Return a file that ``content_seal`` was given.

    Raises
    ------
    LabelFileError
        When it is not one, or was another's.
    """
    try:
        text = decrypt(token.encode())
    except InvalidToken:
        text = ""
    if not text.startswith(_seal_of(author)):
        raise LabelFileError("What was looked through cannot be read any more; upload it again.")
    return text.removeprefix(_seal_of(author)).encode()


def _seal_of(author: User) -> str:
    return f"labels of {author.pk}\n"


def _each_batch(
    parsed: _Parsed, judge: Callable[..., list[LabelOutcome]], *, author: User, watch: Watch
) -> Iterator[LabelOutcome]:
    for batch in watch(_batches(parsed.reports.values())):
        yield from judge(author=author, reports=batch)


def _batches(reports: Iterable[Report]) -> list[Batch]:
    """Return what is said in the order of the predictions; those of one stand in one batch."""
    by_prediction: dict[uuid.UUID, list[Report]] = defaultdict(list)
    for report in reports:
        by_prediction[report.prediction_id].append(report)
    groups = [by_prediction[key] for key in sorted(by_prediction)]
    return [
        list(chain.from_iterable(groups[start : start + BATCH]))
        for start in range(0, len(groups), BATCH)
    ]


def _imported(parsed: _Parsed, outcomes: Iterable[LabelOutcome]) -> Imported:
    kinds = Counter(map(_kind, outcomes))
    faults = sorted(parsed.faults, key=lambda fault: fault.line)
    return Imported(
        new=kinds["new"],
        conflicts=kinds["conflicts"],
        cannot_assess=kinds["cannot_assess"],
        repeats=kinds["repeats"],
        faulty=len({fault.line for fault in faults}),
        faults=tuple(faults),
    )


def _kind(outcome: LabelOutcome) -> str:
    if not outcome.created:
        return "repeats"
    if outcome.level is None:
        return "cannot_assess"
    return "conflicts" if outcome.state is LabelState.CONFLICT else "new"


# --- the file ------------------------------------------------------------------------------------


def _text(content: bytes) -> str:
    if len(content) > MAX_BYTES:
        raise LabelFileError(f"The file is larger than {MAX_BYTES // 1024**2} MB.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise LabelFileError("The file is not text in UTF-8.") from None


def _read(content: bytes) -> _Parsed:
    """Return the lines of a file that can be used, and a sentence for every fault in the rest."""
    parsed = _Parsed({}, [])
    lines: dict[tuple[uuid.UUID, LabelSource], list[int]] = defaultdict(list)
    for row, misshapen in _rows(_text(content)):
        report = [misshapen] if misshapen else _report(row)
        if isinstance(report, Report):
            parsed.reports[row.line] = report
            lines[report.prediction_id, report.label.source].append(row.line)
        else:
            parsed.faults.extend(report)
    for same in lines.values():
        _refuse_double(parsed, same)
    return parsed


def _refuse_double(parsed: _Parsed, lines: Sequence[int]) -> None:
    """Refuse all lines from one source about one prediction: none of them is the newer."""
    if len(lines) < 2:
        return
    for line in lines:
        other = lines[1] if line == lines[0] else lines[0]
        reason = f"names the same prediction, from the same source, as line {other}"
        parsed.faults.append(_fault(line, "prediction_id", reason))
        del parsed.reports[line]


def _known(parsed: _Parsed) -> _Parsed:
    """Return what speaks of predictions that there are; the rest are faults."""
    known: set[uuid.UUID] = set()
    for batch in _batches(parsed.reports.values()):
        rows = MLPredictionLog.objects.filter(pk__in={report.prediction_id for report in batch})
        known.update(rows.order_by().values_list("pk", flat=True))
    kept = {n: report for n, report in parsed.reports.items() if report.prediction_id in known}
    reason = "names no prediction on record"
    unknown = [_fault(n, "prediction_id", reason) for n in parsed.reports.keys() - kept.keys()]
    return _Parsed(kept, [*parsed.faults, *unknown])


def _fault(line: int, column: str, reason: str) -> Fault:
    return Fault(line, str(Row(FILE, line, {}).refuse(column, reason)))


def _rows(text: str) -> Iterator[tuple[Row, Fault | None]]:
    """Yield each line's cells by column, or what keeps the line from being read."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = _header(next(reader, []))
        for count, fields in enumerate((fields for fields in reader if fields), 1):
            if count > MAX_ROWS:
                raise LabelFileError(f"The file has more than {MAX_ROWS:,} lines.")
            cells = {name: cell.strip() for name, cell in zip(header, fields, strict=False)}
            row = Row(FILE, reader.line_num, cells)
            yield row, _misshapen(row, fields, header)
    except csv.Error:
        raise LabelFileError(f"Line {reader.line_num} of the file is not CSV.") from None


def _header(fields: Sequence[str]) -> list[str]:
    header = [name.strip() for name in fields]
    if not header:
        raise LabelFileError("The file is empty.")
    scaled = "scale" in header or "original_level" in header
    required = ("prediction_id", *(("scale", "original_level") if scaled else ("level",)))
    try:
        check_header(header, FILE, required=required)
    except DatasetError as error:
        raise LabelFileError(f"T{str(error)[1:]}.") from None
    for number, name in enumerate(header, 1):
        if name not in COLUMNS:
            raise LabelFileError(
                f"Column {number} of the file is not known; expected {', '.join(COLUMNS)}."
            )
    return header


def _misshapen(row: Row, fields: Sequence[str], header: Sequence[str]) -> Fault | None:
    if len(fields) != len(header):
        many = "few" if len(fields) < len(header) else "many"
        return Fault(row.line, f"line {row.line} of {FILE} has too {many} fields")
    if any("\0" in cell for cell in fields):
        return Fault(row.line, f"line {row.line} of {FILE} holds a NUL character")
    return None


def _report(row: Row) -> Report | list[Fault]:
    """Return what a line says, or every fault for which the API would refuse it."""
    said: dict[str, Any] = {}
    faults: list[Fault] = []
    for column, read in _CELLS.items():
        try:
            said[column] = read(row)
        except DatasetError as error:
            faults.append(Fault(row.line, str(error)))
    if faults:
        return faults
    try:
        return Report(prediction_id=said.pop("prediction_id"), label=_label(row, said))
    except DatasetError as error:
        return [Fault(row.line, str(error))]


def _label(row: Row, said: dict[str, Any]) -> Label:
    word, original = said.pop("level"), said["original_level"]
    if bool(said["scale"]) != (original is not None):
        missing = "original_level" if said["scale"] else "scale"
        raise row.refuse(missing, "must not be blank: scale and original_level go together")
    if word is None and original is None:
        raise row.refuse("level", "must not be blank where original_level is")
    try:
        return Label(level=level_said(word, original=original), **said)
    except ValueError:
        raise row.refuse("level", "must agree with original_level") from None


def _prediction_id(row: Row) -> uuid.UUID:
    text = row.required("prediction_id").lower()
    if not _ID.fullmatch(text):
        raise row.refuse("prediction_id", "must be the id of a prediction")
    return uuid.UUID(text)


def _word(column: str) -> Callable[[Row], Any]:
    return lambda row: row.word(column, _WORDS[column])


def _saw_prediction(row: Row) -> bool | None:
    text = row.text("saw_prediction").lower()
    if text not in _FLAGS:
        raise row.refuse("saw_prediction", "must be true, false or blank")
    return _FLAGS[text]


def _note(row: Row) -> str:
    """Return the note as it stands; what a spreadsheet would take for a formula is text here."""
    note = row.text("note")
    if len(note) > MAX_NOTE_CHARACTERS:
        raise row.refuse("note", f"must have at most {MAX_NOTE_CHARACTERS:,} characters")
    return note


_CELLS: Mapping[str, Callable[[Row], Any]] = {
    "prediction_id": _prediction_id,
    **{column: _word(column) for column in _WORDS},
    "saw_prediction": _saw_prediction,
    "note": _note,
}


def _counted(n: int, noun: str) -> str:
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"
