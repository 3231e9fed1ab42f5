"""Labelled cases from published files: an allow-list of columns, and clear refusals."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from django.conf import settings

from ml.datasets import (
    DATASETS,
    NO_COMPLAINT,
    DatasetError,
    default_path,
    load_dataset,
    load_ktas,
    load_nhamcs,
)
from triage_rules.case import case_from_request
from triage_rules.level import Level

COLUMNS = (
    "row_id,age_years,sex,complaint,temp_c,heart_rate,resp_rate,sbp,dbp,spo2,avpu,pain_reported,"
    "pain_nrs,injury,arrival_mode,level5,nurse_level5,outcome_disposition"
)
MADE_UP = "made-up-1,40,F,cough,36.5,80,18,120,80,98,A,1,4.0,0,public_ambulance,2,3,ward admission"


@pytest.fixture
def ktas_file(tmp_path: Path) -> Path:
    path = tmp_path / "train.csv"
    path.write_text(f"{COLUMNS}\n{MADE_UP}\n")
    return path


def one_row(path: Path, changes: dict[str, str]) -> Path:
    row = dict(zip(COLUMNS.split(","), MADE_UP.split(","), strict=True)) | changes
    path.write_text(f"{COLUMNS}\n{','.join(row.values())}\n")
    return path


def test_it_works(ktas_file: Path) -> None:
    (case,) = load_ktas(ktas_file)

    assert case.level is Level.EMERGENCY
    assert (case.original_level, case.scale, case.nurse_level) == (2, "ktas", Level.URGENT)
    assert case.request["patient_id"] == "made-up-1"
    assert case.request["arrival_mode"] == "ambulance"
    assert case.request["vitals"]["pain_score"] == 4
    assert case_from_request(case.request).age == 40


def test_what_was_written_after_triage_is_left_out(ktas_file: Path) -> None:
    (case,) = load_ktas(ktas_file)

    assert "ward" not in str(case.request)
    assert "nurse" not in str(case.request)


def test_a_compressed_file_is_read_too(ktas_file: Path) -> None:
    compressed = ktas_file.with_suffix(".csv.gz")
    compressed.write_bytes(gzip.compress(ktas_file.read_bytes()))

    assert load_ktas(compressed) == load_ktas(ktas_file)


@pytest.mark.parametrize(
    ("changes", "vital", "expected"),
    [
        ({"pain_reported": "0", "pain_nrs": ""}, "pain_score", 0),
        ({"pain_reported": "1", "pain_nrs": ""}, "pain_score", None),
        ({"spo2": "20"}, "spo2", None),
        ({"spo2": "68"}, "spo2", 68),
        ({"spo2": ""}, "spo2", None),
        ({"sbp": "80", "dbp": "80"}, "systolic_bp", None),
        ({"heart_rate": "400"}, "heart_rate", None),
        ({"avpu": "P"}, "consciousness", "P"),
    ],
    ids=str,
)
def test_impossible_and_blank_measurements_are_missing(
    ktas_file: Path, changes: dict[str, str], vital: str, expected: object
) -> None:
    (case,) = load_ktas(one_row(ktas_file, changes))

    assert case.request["vitals"][vital] == expected


def test_a_blank_complaint_says_that_it_was_not_recorded(ktas_file: Path) -> None:
    (case,) = load_ktas(one_row(ktas_file, {"complaint": ""}))

    assert case.request["symptoms_data"]["chief_complaint"] == NO_COMPLAINT


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"level5": "6"}, "'level5' holds a label that is not one of 1 to 5"),
        ({"level5": ""}, "'level5' holds a label that is not one of 1 to 5"),
        ({"nurse_level5": "x"}, "'nurse_level5' holds a label"),
        ({"heart_rate": "fast"}, "'heart_rate' holds something that is no number"),
    ],
    ids=str,
)
def test_a_wrong_value_is_refused_without_quoting_it(
    ktas_file: Path, changes: dict[str, str], sentence: str
) -> None:
    with pytest.raises(DatasetError, match=sentence) as refusal:
        load_ktas(one_row(ktas_file, changes))
    assert "fast" not in str(refusal.value)


def test_a_lacking_column_is_named(ktas_file: Path) -> None:
    ktas_file.write_text(ktas_file.read_text().replace("avpu", "mental"))

    with pytest.raises(DatasetError, match="lacks the column 'avpu'"):
        load_ktas(ktas_file)


def test_a_lacking_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"there is no file .*none\.csv"):
        load_ktas(tmp_path / "none.csv")


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"\x1f\x8b broken"], ids=["bytes", "gzip"])
def test_a_file_that_is_no_csv_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / ("train.csv.gz" if content.startswith(b"\x1f") else "train.csv")
    path.write_bytes(content)

    with pytest.raises(DatasetError, match="cannot be read as a CSV file"):
        load_ktas(path)


def test_a_short_line_is_refused(ktas_file: Path) -> None:
    ktas_file.write_text(f"{COLUMNS}\nmade-up-1,40\n")

    with pytest.raises(DatasetError, match=r"line 2 of train\.csv has too few fields"):
        load_ktas(ktas_file)


@pytest.mark.parametrize("name", ["log", "csv"])
def test_a_data_set_of_a_later_version_is_refused_in_one_sentence(name: str) -> None:
    assert name in DATASETS

    with pytest.raises(DatasetError, match="is not available in this version"):
        load_dataset(name, path=None, folder=Path(), rows=None, seed=1)


def real(name: str) -> Path:
    path = default_path(name, folder=settings.TRIAGE_DATA_DIR)
    if not path.is_file():
        pytest.skip(f"{name} is not in TRIAGE_DATA_DIR")
    return path


@pytest.mark.data
def test_all_korean_visits_can_be_read() -> None:
    cases = load_ktas(real("ktas"))

    assert len(cases) == 897
    assert sum(case.request["vitals"]["spo2"] is None for case in cases) == 496
    assert all(case_from_request(case.request).age >= 16 for case in cases)


@pytest.mark.data
def test_american_visits_are_in_degrees_celsius() -> None:
    cases = load_nhamcs(real("nhamcs"), limit=500)

    temperatures = [case.request["vitals"]["temperature_c"] for case in cases]
    assert len(cases) == 500
    assert max(value for value in temperatures if value is not None) < 45
