"""What became of each row of a file: as it is kept, as CSV, and as NDJSON.

A result says what was answered and nothing that the patient said.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypedDict

from rest_framework.exceptions import APIException

from api.answers import decision_body
from api.batch_files import SEPARATOR, column_of
from api.errors import problem_of
from api.services import Answer
from monitoring.batches import Format

_DECISION = (
    "prediction_id", "prediction", "confidence", "method", "fallback_reason", "needs_human",
    "immediate", "care_level", "target_minutes",
)  # fmt: skip
COLUMNS = ("row", "triage_log_id", *_DECISION, "red_flags", "errors")
# What a spreadsheet takes for the beginning of a formula, or passes over before one.
_FORMULA = tuple("=+-@\t\r\n\0＝＋－＠")  # noqa: RUF001 - the full-width ones count too


class RowResult(TypedDict):
    """What became of one row: a decision on record, or why there is none."""

    triage_log_id: str
    decision: dict[str, Any] | None
    problem: dict[str, Any] | None


def answered(answer: Answer, *, triage_log_id: str) -> RowResult:
    """Return what is kept of an answer."""
    body: Mapping[str, Any] = decision_body(
        answer.decision, answer.assignment, answer.prediction_id
    )
    decision = {name: body[name] for name in _DECISION}
    flags = [flag["id"] for flag in body["red_flags"]]
    return RowResult(
        triage_log_id=triage_log_id, decision={**decision, "red_flags": flags}, problem=None
    )


def refused(error: APIException, *, triage_log_id: str = "", instance: str) -> RowResult:
    """Return what is kept of a row that was not answered."""
    return RowResult(
        triage_log_id=triage_log_id,
        decision=None,
        problem=problem_of(error, instance=instance),
    )


def as_csv(results: Iterable[tuple[int, RowResult]]) -> Iterator[str]:
    """Yield the lines of a CSV file; no cell of it is a formula."""
    line = _line_writer()
    yield line(COLUMNS)
    for number, result in results:
        yield line(_cells(number, result))


def as_ndjson(results: Iterable[tuple[int, RowResult]]) -> Iterator[str]:
    """Yield one JSON object a row, with a decision or a problem."""
    for number, result in results:
        given = {name: value for name, value in result.items() if value is not None}
        yield json.dumps({"row": number, **given}, ensure_ascii=False) + "\n"


WRITERS: Mapping[Format, Callable[[Iterable[tuple[int, RowResult]]], Iterator[str]]] = {
    Format.CSV: as_csv,
    Format.NDJSON: as_ndjson,
}


def harmless(cell: str) -> str:
    """Return a cell that every spreadsheet shows as the text it is."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _line_writer() -> Callable[[Iterable[str]], str]:
    file = io.StringIO(newline="")
    writer = csv.writer(file)

    def line(cells: Iterable[str]) -> str:
        file.seek(0)
        file.truncate()
        writer.writerow(map(harmless, cells))
        return file.getvalue()

    return line


def _cells(number: int, result: RowResult) -> Iterator[str]:
    decision = result["decision"] or {}
    yield str(number)
    yield result["triage_log_id"]
    for name in _DECISION:
        yield _cell(decision.get(name))
    yield SEPARATOR.join(decision.get("red_flags", ()))
    yield "; ".join(_errors(result["problem"]))


def _errors(problem: Mapping[str, Any] | None) -> Iterator[str]:
    """Yield each error by its column; a problem of the whole row says what it is."""
    if problem is None:
        return
    errors = problem["errors"] or [{"pointer": "", "detail": problem["detail"]}]
    for error in errors:
        yield f"{column_of(error['pointer'])}: {error['detail']}"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
