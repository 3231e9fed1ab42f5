"""A file that is not what it should be is refused as a whole, and what comes out is never code."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart
from hypothesis import given, settings
from hypothesis import strategies as st

from api.batch_files import (
    CHUNK_ROWS,
    COLUMNS,
    Row,
    Upload,
    as_markdown,
    body_of,
    cells_of,
    chunks_of,
    column_of,
)
from api.batch_results import RowResult, as_csv, harmless
from api.errors import BodyTooLargeError, InvalidBodyError
from api.serializers import TriageRequestSerializer
from monitoring.batches import Format
from monitoring.models import BatchJob
from tests.api.test_batches import hand_in

ROOT = Path(__file__).resolve().parents[2]
HEADER = "patient_age,chief_complaint"
BAD_FILES = {
    "nothing": (b"", "no_rows"),
    "a header alone": (HEADER.encode(), "no_rows"),
    "blank lines": (f"{HEADER}\n\n\r\n\n".encode(), "no_rows"),
    "UTF-16": (f"{HEADER}\n40,cough\n".encode("utf-16"), "encoding"),
    "Latin-1": (f"{HEADER}\n40,José CANARY\n".encode("latin-1"), "encoding"),
    "half a surrogate": (f"{HEADER}\n40,".encode() + b"\xed\xa0\x80\n", "encoding"),
    "an overlong slash": (f"{HEADER}\n40,".encode() + b"\xc0\xaf\n", "encoding"),
    "a NUL": (f"{HEADER}\n40,cough\0\n".encode(), "unstorable_text"),
    "a NUL in the header": (b"patient_age\0,chief_complaint\n40,cough\n", "unstorable_text"),
    "an unknown column": (b"patient_age,chief_complaint,CANARY\n40,cough,x\n", "unknown_column"),
    "a column without a name": (b"patient_age,chief_complaint,\n40,cough,x\n", "unknown_column"),
    "semicolons": (b"patient_age;chief_complaint\n40;cough\n", "unknown_column"),
    "a column twice": (f"{HEADER},patient_age\n40,cough,41\n".encode(), "duplicate_column"),
    "no complaint": (b"patient_age,sex\n40,male\n", "missing_column"),
    "no age": (b"sex,chief_complaint\nmale,cough\n", "missing_column"),
    "a million columns": (b"patient_age," * 10**6 + b"\n", "row_too_long"),
    "ten thousand columns": (b"patient_age," * 10**4 + b"\n", "duplicate_column"),
    "a million cells": (f"{HEADER}\n".encode() + b"," * 10**6, "row_too_long"),
    "a quote that never ends": (f'{HEADER}\n40,"cough CANARY\n'.encode(), "invalid_csv"),
    "a quote over a million lines": (f'{HEADER}\n40,"'.encode() + b"\n" * 10**6, "row_too_long"),
    "text after a quote": (f'{HEADER}\n40,"cough"CANARY\n'.encode(), "invalid_csv"),
    "a workbook": (b"PK\x03\x04\x14\x00\x06\x00" + bytes(range(256)), "encoding"),
}


@pytest.mark.django_db
@pytest.mark.parametrize(("content", "code"), BAD_FILES.values(), ids=BAD_FILES.keys())
def test_a_file_that_cannot_be_read_is_refused_as_a_whole(
    content: bytes, code: str, api: Any
) -> None:
    response = hand_in(api, content)

    assert response.status_code == 400, response.content
    assert response["Content-Type"] == "application/problem+json"
    assert [error["code"] for error in response.json()["errors"]] == [code]
    assert b"CANARY" not in response.content
    assert not BatchJob.objects.exists()


NDJSON_FILES = {
    "nothing": (b"", "no_rows"),
    "blank lines": (b"\n\r\n \n", "no_rows"),
    "a byte order mark": (b'\xef\xbb\xbf{"a": 1}\n', "encoding"),
    "a NUL": (b'{"a": "\0"}\n', "unstorable_text"),
    "Latin-1": ('{"a": "é"}\n'.encode("latin-1"), "encoding"),
    "one endless line": (b"[" * 10**6, "row_too_long"),
}


@pytest.mark.django_db
@pytest.mark.parametrize(("content", "code"), NDJSON_FILES.values(), ids=NDJSON_FILES.keys())
def test_ndjson_that_cannot_be_read_is_refused_as_a_whole(
    content: bytes, code: str, api: Any
) -> None:
    response = hand_in(api, content, content_type="application/x-ndjson")

    assert response.status_code == 400, response.content
    assert [error["code"] for error in response.json()["errors"]] == [code]
    assert not BatchJob.objects.exists()


@pytest.mark.django_db
def test_one_row_too_many_is_too_large(api: Any, settings: Any) -> None:
    settings.BATCH_MAX_ROWS = 5

    response = hand_in(api, f"{HEADER}\n".encode() + b"40,cough\n" * 6)

    assert response.status_code == 413
    assert not BatchJob.objects.exists()


def test_as_many_rows_as_allowed_are_read() -> None:
    content = f"{HEADER}\n" + "40,cough\n" * 10_000

    chunks = list(chunks_of(upload(content)))

    assert [len(chunk) for chunk in chunks] == [CHUNK_ROWS] * (10_000 // CHUNK_ROWS)
    with pytest.raises(BodyTooLargeError):
        list(chunks_of(upload(content + "40,cough\n")))


def test_blank_lines_without_end_are_too_many(settings: Any) -> None:
    settings.BATCH_MAX_ROWS = 100

    for format_ in Format:
        with pytest.raises(BodyTooLargeError):
            list(chunks_of(upload(f"{HEADER}\n" + "\n" * 101 + "40,cough\n", format_)))


@pytest.mark.django_db
def test_a_body_over_the_limit_is_refused_before_it_is_read(api: Any, settings: Any) -> None:
    settings.MAX_BATCH_BYTES = 64

    response = hand_in(api, b"x" * 65)

    assert response.status_code == 413


UNTAKEN_TYPES = {
    "JSON": ("application/json", {}),
    "a workbook": ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", {}),
    "no type": ("", {}),
    "another charset": ("text/csv; charset=utf-16", {}),
    "UTF-7": ('application/x-ndjson; charset="utf-7"', {}),
    "packed": ("text/csv", {"HTTP_CONTENT_ENCODING": "gzip"}),
}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("content_type", "extra"), UNTAKEN_TYPES.values(), ids=UNTAKEN_TYPES.keys()
)
def test_only_two_formats_are_taken(content_type: str, extra: dict[str, str], api: Any) -> None:
    response = hand_in(api, f"{HEADER}\n40,cough\n".encode(), content_type=content_type, **extra)

    assert response.status_code == 415
    assert "text/csv" in response.json()["detail"]


def form(*parts: tuple[str, str, str, str]) -> bytes:
    """Return a form of parts, each with its name, the name of its file, type and content."""
    lines = []
    for name, file_name, content_type, content in parts:
        named = f'; filename="{file_name}"' if file_name else ""
        lines += [
            f"--{BOUNDARY}",
            f'Content-Disposition: form-data; name="{name}"{named}',
            f"Content-Type: {content_type}",
            "",
            content,
        ]
    return "\r\n".join([*lines, f"--{BOUNDARY}--", ""]).encode()


FILE = f"{HEADER}\n40,cough\n"
FORMS = {
    "by its type": (form(("file", "x", "text/csv", FILE)), 202),
    "by its ending": (form(("file", "../../X.CSV", "application/vnd.ms-excel", FILE)), 202),
    "neither": (form(("file", "x.xlsx", "application/octet-stream", FILE)), 415),
    "another charset": (form(("file", "x.csv", "text/csv; charset=latin-1", FILE)), 415),
    "another name": (form(("files", "x.csv", "text/csv", FILE)), 400),
    "no file": (form(("file", "", "text/csv", FILE)), 400),
    "two files": (form(("file", "x.csv", "text/csv", FILE), ("file", "y.csv", "", FILE)), 400),
    "a field beside it": (form(("file", "x.csv", "text/csv", FILE), ("a", "", "", "b")), 400),
    "nothing": (form(), 400),
    "no end": (b"--" + BOUNDARY.encode(), 400),
    "two thousand fields": (form(*[("a", "", "", "b")] * 2_000), 400),
    "two hundred files": (form(*[("a", "x.csv", "text/csv", "b")] * 200), 400),
}


@pytest.mark.django_db
@pytest.mark.parametrize(("content", "status"), FORMS.values(), ids=FORMS.keys())
def test_a_form_has_exactly_one_part(
    content: bytes, status: int, api: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr("api.batch_views.chunks_publish", lambda chunk_ids: None)

    response = hand_in(api, content, content_type=MULTIPART_CONTENT)

    assert response.status_code == status, response.content
    assert BatchJob.objects.count() == (status == 202)


@pytest.mark.django_db
def test_a_form_without_a_boundary_is_refused(api: Any) -> None:
    response = hand_in(api, b"--x--", content_type="multipart/form-data")

    assert response.status_code == 400


@pytest.mark.django_db
def test_a_large_part_never_touches_a_disk(api: Any, monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.setattr("api.batch_views.chunks_publish", lambda chunk_ids: None)
    file = io.BytesIO(f"{HEADER}\n".encode() + (b"40," + b"cough " * 300 + b"\n") * 3_000)
    file.name = "large.csv"
    monkeypatch.setattr("tempfile.NamedTemporaryFile", None)

    response = hand_in(
        api, encode_multipart(BOUNDARY, {"file": file}), content_type=MULTIPART_CONTENT
    )

    assert response.status_code == 202


# --- what a row says -----------------------------------------------------------------------------


def upload(text: str, format_: Format = Format.CSV) -> Upload:
    """Return a text as a file."""
    return Upload(format=format_, content=io.BytesIO(text.encode()))


def rows_of(text: str, format_: Format = Format.CSV) -> list[Row]:
    """Return the rows of a file."""
    return [row for chunk in chunks_of(upload(text, format_)) for row in chunk]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
def test_every_kind_of_line_end_is_one(end: str) -> None:
    rows = rows_of(end.join([HEADER, "40,cough", "", "41,fever", ""]))

    assert [row["patient_age"] for row in rows] == ["40", "41"]


def test_line_ends_may_be_mixed_and_stand_in_quotes() -> None:
    rows = rows_of(f'\ufeff{HEADER}\r\n40,"cough\r\nand ""fever"""\n41,x\r42,y')

    assert [row["chief_complaint"] for row in rows] == ['cough\r\nand "fever"', "x", "y"]


def test_a_ragged_row_is_refused_alone() -> None:
    rows = rows_of(f"{HEADER}\n40\n41,fever\n42,fever,more\n")

    assert [row is None for row in rows] == [True, False, True]
    with pytest.raises(InvalidBodyError) as refusal:
        body_of(None)
    assert refusal.value.problems[0].code == "ragged_row"


def test_lines_of_ndjson_may_end_as_on_windows() -> None:
    assert rows_of('{"a": 1}\r\n\r\n{"b": 2}', Format.NDJSON) == ['{"a": 1}', '{"b": 2}']


def test_a_line_of_ndjson_is_read_as_strictly_as_a_request() -> None:
    for line in ('{"a": 1, "a": 2}', '{"a": NaN}', '{"a": "\\u0000"}', "[" * 70_000, "{}{}"):
        with pytest.raises((InvalidBodyError, BodyTooLargeError)):
            body_of(line)


NUMBERS = {
    "37": 37, "36.9": 36.9, "-1": -1, " 40 ": 40, "007": 7, "1e2": "1e2", "1,5": "1,5",
    "1.000,5": "1.000,5", "+5": "+5", ".5": ".5", "5.": "5.", "0x10": "0x10", "NaN": "NaN",
    "inf": "inf", "1_000": "1_000", "٤٠": "٤٠", "½": "½", "9" * 400: "9" * 400, "=1+1": "=1+1",
}  # fmt: skip


@pytest.mark.parametrize(("cell", "value"), NUMBERS.items(), ids=lambda one: repr(one)[:12])
def test_a_number_is_plain_or_refused(cell: str, value: Any) -> None:
    [row] = rows_of(f'patient_age,chief_complaint\n"{cell}",cough\n')
    assert row is not None

    body = body_of(row)

    serializer = TriageRequestSerializer(data=body)
    assert body["patient_age"] == value
    assert serializer.is_valid() is (isinstance(value, int | float) and value >= 0)


@pytest.mark.parametrize(
    ("cell", "value"), {"true": True, "FALSE": False, "yes": "yes", "1": "1"}.items()
)
def test_a_flag_is_true_or_false(cell: str, value: Any) -> None:
    assert body_of({"injury": cell})["injury"] == value


def test_entries_are_separated_and_symptoms_are_named() -> None:
    body = body_of({"medications": "apixaban; ; aspirin;", "symptoms": "nausea;fever"})

    assert body["medications"] == ["apixaban", "aspirin"]
    assert body["symptoms_data"]["symptoms"] == [{"name": "nausea"}, {"name": "fever"}]


def test_an_error_names_the_column() -> None:
    assert column_of("/vitals/heart_rate") == "heart_rate"
    assert column_of("/symptoms_data/symptoms/0/name") == "symptoms"
    assert column_of("/medications/3") == "medications"
    assert column_of("/oops") == "/oops"
    assert column_of("") == "row"


def test_long_rows_make_small_chunks() -> None:
    text = f"{HEADER}\n" + f"40,{'x' * 100_000}\n" * 30

    assert max(len(chunk) for chunk in chunks_of(upload(text))) == 11


def test_every_accepted_field_has_a_column_and_the_page_lists_it() -> None:
    page = (ROOT / "docs" / "batches.md").read_text(encoding="utf-8")

    assert as_markdown() in page
    assert len(COLUMNS) == len({column.name for column in COLUMNS})


cells = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)


@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=5))
def test_any_text_comes_through_a_file_as_it_is(pairs: list[tuple[str, str]]) -> None:
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerows([("chief_complaint", "description", "patient_age"), *((*p, 1) for p in pairs)])

    rows = rows_of(file.getvalue())

    found = [(row.get("chief_complaint", ""), row.get("description", "")) for row in rows]
    assert found == [(first.strip(), second.strip()) for first, second in pairs]


@given(st.binary(max_size=300), st.sampled_from(list(Format)))
@settings(max_examples=500)
def test_no_bytes_at_all_are_an_error_of_ours(content: bytes, format_: Format) -> None:
    header = HEADER.encode() + b"\n" if format_ is Format.CSV else b""
    with suppress(InvalidBodyError, BodyTooLargeError):
        list(chunks_of(Upload(format=format_, content=io.BytesIO(header + content))))


# --- what comes out ------------------------------------------------------------------------------

FORMULAS = "=+-@\t\r\n\0＝＋－＠"  # noqa: RUF001


def refused_for(text: str) -> RowResult:
    """Return a row that says the same text wherever it can."""
    problem = {"errors": [{"pointer": text, "detail": text}], "detail": ""}
    return RowResult(triage_log_id=text, decision=None, problem=problem)


opened = st.one_of(
    cells, st.builds(lambda first, rest: first + rest, st.sampled_from(FORMULAS), cells)
)


@given(st.lists(opened, min_size=100, max_size=100))
@settings(max_examples=100)
def test_no_cell_of_a_result_is_a_formula_when_it_is_opened(texts: list[str]) -> None:
    file = "".join(as_csv(enumerate(map(refused_for, texts), 1)))

    header, *rows = csv.reader(io.StringIO(file, newline=""), strict=True)
    assert [row[1].removeprefix("'") for row in rows] == [text.removeprefix("'") for text in texts]
    for row in rows:
        assert len(row) == len(header)
        assert not any(cell.startswith(tuple(FORMULAS)) for cell in row)


def test_a_cell_that_looks_like_a_formula_is_marked_as_text() -> None:
    assert harmless("=HYPERLINK(1)") == "'=HYPERLINK(1)"
    assert harmless("-5") == "'-5"
    assert harmless("T-1") == "T-1"


def test_a_case_comes_back_from_its_cells(chest_pain: dict[str, Any]) -> None:
    row = dict(zip((column.name for column in COLUMNS), cells_of(chest_pain), strict=True))

    body = body_of({name: cell for name, cell in row.items() if cell})

    assert body["vitals"] == chest_pain["vitals"]
    assert body["medical_history"] == ["hypertension"]
    assert body["symptoms_data"]["symptoms"] == [{"name": "nausea"}]


# --- memory --------------------------------------------------------------------------------------

LARGEST = 31 * 1024 * 1024
BOMBS = {
    "commas": ("csv", ",", LARGEST, "InvalidBodyError"),
    "cells": ("csv", "," * 131_000 + "\n", 240, "accepted"),
    "line ends": ("csv", "\n", LARGEST, "BodyTooLargeError"),
    "wide characters": ("csv", "1," + "x" * 130_000 + "\U0001f600\n", 240, "accepted"),
    "wide lines": ("ndjson", "x" * 130_000 + "\U0001f600\n", 240, "accepted"),
    "brackets": ("ndjson", "[", LARGEST, "InvalidBodyError"),
    "good rows": ("csv", "40," + "cough " * 500 + "\n", 10_000, "accepted"),
}


@pytest.mark.parametrize(("format_", "piece", "times", "ended"), BOMBS.values(), ids=BOMBS.keys())
def test_no_file_takes_more_than_a_hundred_megabytes(
    format_: str, piece: str, times: int, ended: str
) -> None:
    """In a process of its own, since memory that was once taken hides what is taken later."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.api.upload_memory", format_, piece, str(times)],
        cwd=ROOT, env=os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    outcome, megabytes = done.stdout.split()
    assert outcome == ended
    assert int(megabytes) < 100
