"""A training set from the log says what is in it; whatever is wrong with it is one sentence."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ml.datasets.errors import DatasetError
from ml.datasets.log import LoggedCase, load_log, write_log
from triage_rules.level import Level

REQUEST = {"patient_age": 40, "symptoms_data": {"chief_complaint": "CANARY"}}


def case(number: int = 0, **values: Any) -> LoggedCase:
    facts: dict[str, Any] = {
        "row_id": f"r-{number}",
        "request": REQUEST,
        "patient": None,
        "level": "urgent",
        "scale": "",
        "original_level": None,
        "source": "outcome",
        "saw_prediction": False,
        "day": f"2026-11-{number + 1:02}",
    }
    return LoggedCase(**facts | values)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A training set of three rows."""
    path = tmp_path / "log.ndjson.gz"
    write_log(path, (case(number) for number in range(3)), last_day="2026-11-18")
    return path


def rewrite(path: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    path.write_bytes(gzip.compress(b"".join(change(lines))))


def header_with(**values: Any) -> Callable[[list[bytes]], list[bytes]]:
    def change(lines: list[bytes]) -> list[bytes]:
        return [json.dumps(json.loads(lines[0]) | values).encode() + b"\n", *lines[1:]]

    return change


def test_it_works(path: Path) -> None:
    cases = load_log(path)

    assert [one.row_id for one in cases] == ["r-0", "r-1", "r-2"]
    assert (cases[0].level, cases[0].scale, cases[0].nurse_level) == (Level.URGENT, "triage", None)
    assert cases[0].request == REQUEST | {"patient_id": None}


def test_fewer_rows_can_be_asked_for(path: Path) -> None:
    assert [one.row_id for one in load_log(path, limit=2)] == ["r-0", "r-1"]
    assert load_log(path, limit=0) == []


def test_the_header_says_what_follows(path: Path) -> None:
    header = json.loads(gzip.decompress(path.read_bytes()).splitlines()[0])

    assert header["format"] == "triage-training-set/1"
    assert (header["count"], header["first_day"], header["last_day"]) == (
        3, "2026-11-01", "2026-11-18",
    )  # fmt: skip


def test_an_empty_set_is_a_set(tmp_path: Path) -> None:
    header = write_log(tmp_path / "f", [], last_day="2026-11-18")

    assert (header.count, header.first_day) == (0, None)
    assert load_log(tmp_path / "f") == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda lines: lines[:-1], "has 2 rows; its header says 3"),
        (lambda lines: [*lines, lines[-1]], "has 4 rows; its header says 3"),
        (lambda lines: [lines[0], lines[2], lines[1], lines[3]], "are not those of its header"),
        (lambda lines: [one.replace(b"urgent", b"soon") for one in lines], "are not those"),
        (lambda lines: lines[1:], "is no training set"),
        (lambda lines: [], "is no training set"),
        (lambda lines: [b"[1]\n", *lines[1:]], "is no training set"),
        (header_with(format="triage-training-set/2"), "has another format"),
        (header_with(count="3"), "its header says 3"),
    ],
)
def test_a_set_that_is_not_as_it_was_written_is_refused(
    change: Callable[[list[bytes]], list[bytes]], sentence: str, path: Path
) -> None:
    rewrite(path, change)

    with pytest.raises(DatasetError, match=sentence):
        load_log(path)


@pytest.mark.parametrize("limit", [None, 1])
def test_every_row_is_checked_even_if_few_are_asked_for(limit: int | None, path: Path) -> None:
    rewrite(path, lambda lines: [*lines[:-1], lines[-1].replace(b"urgent", b"soon")])

    with pytest.raises(DatasetError, match="SHA-256"):
        load_log(path, limit=limit)


@pytest.mark.parametrize(
    "values",
    [{"level": "grave"}, {"request": {}}, {"request": []}, {"request": REQUEST | {"sex": "?"}}],
)
def test_a_row_that_is_no_request_is_named_by_its_line(
    values: dict[str, Any], tmp_path: Path
) -> None:
    write_log(tmp_path / "f", [case(), case(**values)], last_day="2026-11-18")

    with pytest.raises(DatasetError, match="line 3 of f is no labelled request") as error:
        load_log(tmp_path / "f")
    assert "CANARY" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"plain text", None])
def test_a_file_that_cannot_be_read_is_a_sentence(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "f").write_bytes(content)

    with pytest.raises(DatasetError, match=r"there is no file|gzip file|no training set"):
        load_log(tmp_path / "f")


def test_a_file_that_was_cut_short_is_a_sentence(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])

    with pytest.raises(DatasetError, match="cannot be read as a gzip file"):
        load_log(path)


def test_a_write_that_breaks_off_leaves_the_old_file_and_no_other(path: Path) -> None:
    before = path.read_bytes()

    def broken() -> Iterator[LoggedCase]:
        yield case()
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_log(path, broken(), last_day="2026-11-18")

    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]  # noqa: PTH208


def test_only_its_owner_reads_it(path: Path) -> None:
    assert path.stat().st_mode & 0o777 == 0o600
