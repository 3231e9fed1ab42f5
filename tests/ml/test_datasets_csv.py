"""A CSV file of one's own: the request's fields as columns, held to what the API accepts."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from api.serializers import TriageRequestSerializer
from ml.datasets import DatasetError, load_csv, load_dataset
from ml.datasets.cells import OTHER_UNITS, cell
from ml.datasets.csv_file import COLUMNS, FIELDS, template
from ml.datasets.reading import Row
from ml.labelled import LabelledCase
from triage_rules.level import Level

MADE_UP = {"chief_complaint": "cough", "patient_age": "40", "level": "soon"}
FIVE_LEVEL = {
    "chief_complaint": "cough",
    "patient_age": "40",
    "scale": "esi",
    "original_level": "3",
}


def load(tmp_path: Path, *rows: Mapping[str, str]) -> list[LabelledCase]:
    path = tmp_path / "cases.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return load_csv(path)


def refusal(tmp_path: Path, row: Mapping[str, str]) -> str:
    with pytest.raises(DatasetError) as caught:
        load(tmp_path, row)
    return str(caught.value)


def is_accepted(request: Mapping[str, Any]) -> bool:
    return bool(TriageRequestSerializer(data=dict(request)).is_valid())


def test_it_works(tmp_path: Path) -> None:
    (case,) = load(tmp_path, MADE_UP | {"nurse_level": "urgent", "site": "main", "row_id": "r1"})

    assert (case.level, case.nurse_level, case.row_id) == (Level.SOON, Level.URGENT, "r1")
    assert (case.scale, case.original_level) == ("triage", None)
    assert case.request == {
        "site": "main",
        "patient_age": 40,
        "symptoms_data": {"chief_complaint": "cough"},
        "vitals": {},
    }


def test_the_template_loads_and_its_cases_are_requests(tmp_path: Path) -> None:
    path = tmp_path / "template.csv"
    path.write_text(template(), encoding="utf-8")

    cases = load_dataset("csv", path=path, folder=tmp_path, rows=None, seed=1)

    assert [case.level for case in cases] == [Level.EMERGENCY, Level.ROUTINE]
    assert cases[0].request["symptoms_data"]["symptoms"] == [
        {"name": "nausea"},
        {"name": "sweating"},
    ]
    assert cases[0].request["injury"] is False
    assert all(is_accepted(case.request) for case in cases)


def test_the_template_has_every_column_once() -> None:
    header = template().splitlines()[0].split(",")

    assert sorted([*header, *OTHER_UNITS]) == sorted(COLUMNS)


@pytest.mark.parametrize(
    ("column", "text", "vital", "expected"),
    [
        ("temperature_c", "36.6", "temperature_c", 36.6),
        ("temperature_f", "98.6", "temperature_c", 37.0),
        ("glucose_mmol_l", "5.5", "glucose_mmol_l", 5.5),
        ("glucose_mg_dl", "99.088", "glucose_mmol_l", 5.5),
    ],
)
def test_the_name_of_a_column_says_its_unit(
    column: str, text: str, vital: str, expected: float, tmp_path: Path
) -> None:
    (case,) = load(tmp_path, MADE_UP | {column: text})

    assert case.request["vitals"] == {vital: expected}


def test_a_five_level_label_is_kept_beside_ours(tmp_path: Path) -> None:
    (case,) = load(tmp_path, FIVE_LEVEL)

    assert (case.level, case.scale, case.original_level) == (Level.URGENT, "esi", 3)


def test_a_row_without_a_label_is_left_out_and_counted(tmp_path: Path) -> None:
    with capture_logs() as logs:
        cases = load(tmp_path, MADE_UP, MADE_UP | {"level": ""})

    assert len(cases) == 1
    assert [(log["event"], log["rows"]) for log in logs] == [("rows_without_label", 1)]


@pytest.mark.parametrize("column", ["outcome_died", "audit_reason", "ignore_name"])
def test_a_column_marked_as_known_later_is_passed_over(column: str, tmp_path: Path) -> None:
    (case,) = load(tmp_path, MADE_UP | {column: "leaked"})

    assert "leaked" not in str(case)


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (MADE_UP | {"diagnosis": "x"}, "has the column 'diagnosis', which is not known"),
        (MADE_UP | {"level5": "2"}, "has the column 'level5', which is not known"),
        (
            MADE_UP | {"temperature_c": "37", "temperature_f": ""},
            "has both 'temperature_c' and 'temperature_f'; expected one of them",
        ),
        ({"chief_complaint": "x", "patient_age": "4"}, "lacks the column 'level'"),
        ({"chief_complaint": "x", "level": "soon"}, "lacks the column 'patient_age'"),
        ({"patient_age": "4", "level": "soon"}, "lacks the column 'chief_complaint'"),
        (MADE_UP | {"scale": "esi"}, "lacks the column 'original_level'"),
    ],
)
def test_a_wrong_header_is_refused_by_name(
    row: dict[str, str], sentence: str, tmp_path: Path
) -> None:
    assert refusal(tmp_path, row) == f"cases.csv {sentence}"


@pytest.mark.parametrize(
    ("row", "column", "reason"),
    [
        (
            MADE_UP | {"level": "Soon"},
            "level",
            "must be one of blank, routine, soon, urgent, emergency",
        ),
        (
            MADE_UP | {"level": "3"},
            "level",
            "must be one of blank, routine, soon, urgent, emergency",
        ),
        (
            FIVE_LEVEL | {"original_level": "6"},
            "original_level",
            "must be one of blank, 1, 2, 3, 4, 5",
        ),
        (FIVE_LEVEL | {"scale": "mts"}, "scale", "must be one of blank, esi, ktas, ctas, nhamcs"),
        (
            FIVE_LEVEL | {"scale": ""},
            "scale",
            "must be given with the original level, and only with it",
        ),
        (FIVE_LEVEL | {"level": "soon"}, "level", "must agree with the original level"),
        (MADE_UP | {"chief_complaint": " "}, "chief_complaint", "must not be blank"),
        (
            MADE_UP | {"chief_complaint": "x" * 2_001},
            "chief_complaint",
            "must have at most 2,000 characters",
        ),
        (
            MADE_UP | {"patient_age": ""},
            "patient_age",
            "must not be blank where patient_age_days is",
        ),
        (
            MADE_UP | {"patient_age_days": "5"},
            "patient_age_days",
            "must agree with patient_age within a year",
        ),
        (MADE_UP | {"patient_age": "126"}, "patient_age", "must be from 0 to 125 years"),
        (MADE_UP | {"sex": "F"}, "sex", "must be one of blank, female, male, other, unknown"),
        (MADE_UP | {"injury": "yes"}, "injury", "must be true, false or blank"),
        (MADE_UP | {"site": "é"}, "site", "must consist of A-Z a-z 0-9 . _ -"),
        (
            MADE_UP | {"temperature_c": "98.6"},
            "temperature_c",
            "looks like degrees Fahrenheit, expected °C",
        ),
        (
            MADE_UP | {"temperature_f": "37.0"},
            "temperature_f",
            "looks like degrees Celsius, expected °F",
        ),
        (
            MADE_UP | {"temperature_f": "150"},
            "temperature_f",
            "must be from 20 to 46 °C once converted",
        ),
        (MADE_UP | {"spo2": "0.97"}, "spo2", "looks like a fraction, expected per cent"),
        (MADE_UP | {"spo2": "1"}, "spo2", "must be from 20 to 100 %"),
        (MADE_UP | {"glucose_mmol_l": "120"}, "glucose_mmol_l", "must be from 0.3 to 80 mmol/L"),
        (MADE_UP | {"gcs": "14.5"}, "gcs", "must be a whole number"),
        (MADE_UP | {"heart_rate": "80,5"}, "heart_rate", "must be a number"),
        (MADE_UP | {"heart_rate": "1_0"}, "heart_rate", "must be a number"),
        (
            MADE_UP | {"systolic_bp": "80", "diastolic_bp": "80"},
            "diastolic_bp",
            "must be below systolic_bp",
        ),
        (MADE_UP | {"symptoms": ";".join("x" * 51)}, "symptoms", "must have at most 50 entries"),
        (MADE_UP | {"symptoms": "x" * 201}, "symptoms", "must have at most 200 characters"),
        (MADE_UP | {"allergies": "x" * 201}, "allergies", "must have at most 200 characters"),
    ],
)
def test_a_wrong_cell_is_named_by_line_and_column(
    row: dict[str, str], column: str, reason: str, tmp_path: Path
) -> None:
    assert refusal(tmp_path, row) == f"line 2 of cases.csv: the column {column!r} {reason}"


CELLS = st.one_of(
    st.sampled_from(["", "0", "1", "true", "A", "female", "soon", "a;b", "-0", "1e3", "36.6"]),
    st.floats(-50, 500).map(lambda number: f"{number:.2f}"),
    st.integers(-5, 50_000).map(str),
    st.text(max_size=20),
)


@given(
    cells=st.dictionaries(st.sampled_from([*(f.name for f in FIELDS), *OTHER_UNITS]), CELLS),
)
def test_what_a_file_may_say_the_api_accepts(cells: dict[str, str]) -> None:
    cells = {name: text.replace("\0", "").strip() for name, text in cells.items()}
    row = Row("cases.csv", 2, MADE_UP | cells)
    body: dict[str, Any] = {"symptoms_data": {"chief_complaint": "x"}, "patient_age": 40}
    for field in FIELDS:
        try:
            value = cell(row, field)
        except DatasetError:
            continue
        part = {field.key: value}
        request = body | ({field.part: body.get(field.part, {}) | part} if field.part else part)
        if field.name == "patient_age_days" or value is None:
            continue
        assert is_accepted(request), field.name


def test_the_page_of_the_data_names_every_column() -> None:
    page = (settings.BASE_DIR / "docs" / "data.md").read_text(encoding="utf-8")
    table = page.split("| column | holds |")[1].split("\n\n")[0]
    named = [name for line in table.splitlines()[2:] for name in line.split("|")[1].split(",")]

    assert sorted(name.strip(" `") for name in named) == sorted(COLUMNS)
