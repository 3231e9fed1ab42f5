"""Files that arrive damaged, in another encoding, or not as a table: one clear sentence each."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from ml.datasets import DatasetError, load_csv

HEADER = b"chief_complaint,patient_age,heart_rate,level\n"
CANARY = b"CANARY"
ROW = b"cough,40,80,soon\n"


def refusal(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(DatasetError) as caught:
        load_csv(path)
    assert CANARY.decode() not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        HEADER + ROW,
        b"\xef\xbb\xbf" + HEADER + ROW,
        (HEADER + ROW).replace(b"\n", b"\r\n"),
        HEADER + b"\n" + ROW + b"\n\n",
        HEADER.replace(b",", b" , ") + b" cough ,40 , 80,soon \n",
        HEADER + ROW.rstrip(b"\n"),
    ],
    ids=["plain", "byte-order mark", "CRLF", "blank lines", "spaces", "no last line end"],
)
@pytest.mark.parametrize("is_compressed", [False, True])
def test_a_file_is_read_as_spreadsheets_write_it(
    content: bytes, is_compressed: bool, tmp_path: Path
) -> None:
    path = tmp_path / "cases"
    path.write_bytes(gzip.compress(content) if is_compressed else content)

    (case,) = load_csv(path)

    assert case.request["symptoms_data"]["chief_complaint"] == "cough"


def test_a_complaint_may_hold_commas_quotes_and_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "cases.csv"
    path.write_bytes(HEADER + b'"says ""pain"",\nthen none",40,80,soon\n')

    (case,) = load_csv(path)

    assert case.request["symptoms_data"]["chief_complaint"] == 'says "pain",\nthen none'


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "cases.csv is empty"),
        (b"\n", "cases.csv is empty"),
        (HEADER, "cases.csv holds no labelled case"),
        (
            HEADER.replace(b",", b";") + CANARY,
            "cases.csv is separated by semicolons; expected commas",
        ),
        (CANARY + b",40,40,soon\n" + ROW, "cases.csv lacks the column 'chief_complaint'"),
        (HEADER.replace(b"heart_rate", b"level"), "cases.csv has the column 'level' twice"),
        (
            HEADER + ROW + CANARY + b",40\n",
            "line 3 of cases.csv has too few fields: 2, the header has 4",
        ),
        (
            HEADER + ROW + CANARY + b",1,2,3,4\n",
            "line 3 of cases.csv has too many fields: 5, the header has 4",
        ),
        (HEADER + ROW + b'"' + CANARY, "line 3 of cases.csv is not CSV"),
        (HEADER + CANARY + b"\0,40,80,soon\n", "line 2 of cases.csv holds a NUL character"),
        (HEADER + CANARY + b" \xe4,40,80,soon\n", "cases.csv is not text in UTF-8"),
        ((HEADER + ROW).decode().encode("utf-16"), "cases.csv is not text in UTF-8"),
        (b"\x1f\x8b broken", "cases.csv is compressed, but cut short or damaged"),
        (gzip.compress(HEADER + ROW)[:-9], "cases.csv is compressed, but cut short or damaged"),
        (gzip.compress(HEADER + ROW)[:6], "cases.csv is compressed, but cut short or damaged"),
    ],
    ids=[
        "empty",
        "no header",
        "no rows",
        "semicolons",
        "no header, only values",
        "column twice",
        "short line",
        "long line",
        "open quote",
        "NUL",
        "Latin-1",
        "UTF-16",
        "no gzip",
        "gzip cut short",
        "gzip header cut short",
    ],
)
def test_a_file_that_cannot_be_used_says_why(content: bytes, sentence: str, tmp_path: Path) -> None:
    assert refusal(tmp_path / "cases.csv", content) == sentence


def test_a_flipped_bit_in_a_compressed_file_is_found(tmp_path: Path) -> None:
    content = bytearray(gzip.compress(HEADER + ROW * 50))
    content[-6] ^= 1  # the checksum

    sentence = refusal(tmp_path / "cases.csv.gz", bytes(content))

    assert sentence == "cases.csv.gz is compressed, but cut short or damaged"


def test_a_lacking_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"there is no file .*none\.csv"):
        load_csv(tmp_path / "none.csv")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="cannot be read"):
        load_csv(tmp_path)
