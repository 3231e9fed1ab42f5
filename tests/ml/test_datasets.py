"""Published visits: an allow-list of columns, impossible values left out, the API's own shape."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from structlog.testing import capture_logs

from api.serializers import TriageRequestSerializer
from ml.datasets import (
    DATASETS,
    LOADERS,
    DatasetError,
    default_path,
    ktas,
    load_dataset,
    mimic,
    nhamcs,
)
from ml.datasets.published import NO_COMPLAINT
from ml.labelled import FIVE_LEVEL_SCALES, LabelledCase
from monitoring.labels import LabelScale
from triage_rules.case import case_from_request
from triage_rules.level import Level

COMMON = {
    "row_id": "made-up-1",
    "age_years": "40",
    "sex": "F",
    "complaint": "cough",
    "temp_c": "36.5",
    "heart_rate": "80",
    "resp_rate": "18",
    "sbp": "120",
    "dbp": "80",
    "spo2": "98",
    "pain_nrs": "4.0",
    "level5": "2",
    "label_a": "emergency",
}
MADE_UP: Mapping[str, Mapping[str, str]] = {
    "ktas": COMMON
    | {
        "avpu": "A",
        "pain_reported": "1",
        "injury": "0",
        "arrival_mode": "public_ambulance",
        "site": "local_ed",
        "nurse_level5": "3",
        "outcome_disposition": "leaked",
        "audit_error_group": "leaked",
    },
    "nhamcs": COMMON
    | {
        "age_days": "",
        "arrived_by_ambulance": "1",
        "injury_code": "1",
        "temp_f": "leaked",
        "outcome_admitted": "leaked",
        "hx_asthma": "leaked",
    },
    "mimic": COMMON
    | {
        "subject_id": "made-up-patient",
        "stay_id": "leaked",
        "temp_f": "97.7",
        "arrival_mode": "walk_in",
        "pain_raw": "leaked",
        "intime": "leaked",
        "outcome_disposition": "leaked",
    },
}
PUBLISHED = sorted(MADE_UP)


def write(path: Path, name: str, changes: Mapping[str, str]) -> Path:
    row = {**MADE_UP[name], **changes}
    path.write_text(f"{','.join(row)}\n{','.join(row.values())}\n")
    return path


def one(tmp_path: Path, name: str, **changes: str) -> LabelledCase:
    (case,) = LOADERS[name](write(tmp_path / "train.csv", name, changes))
    return case


def refusal(tmp_path: Path, name: str, **changes: str) -> str:
    with pytest.raises(DatasetError) as caught:
        one(tmp_path, name, **changes)
    return str(caught.value)


def errors_of(request: Mapping[str, Any]) -> Any:
    serializer = TriageRequestSerializer(data=dict(request))
    return None if serializer.is_valid() else serializer.errors


def test_it_works(tmp_path: Path) -> None:
    case = one(tmp_path, "ktas")

    assert case.level is Level.EMERGENCY
    assert (case.original_level, case.scale, case.nurse_level) == (2, "ktas", Level.URGENT)
    assert case.request["patient_id"] == "made-up-1"
    assert case.request["site"] == "local_ed"
    assert case.request["arrival_mode"] == "ambulance"
    assert case.request["vitals"]["pain_score"] == 4
    assert case_from_request(case.request).age == 40
    assert "site local_ed" in case.subgroups


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_visit_is_a_request_the_api_takes(name: str, tmp_path: Path) -> None:
    assert errors_of(one(tmp_path, name).request) is None


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_was_written_after_triage_is_left_out(name: str, tmp_path: Path) -> None:
    case = one(tmp_path, name)

    text = json.dumps(case.request)
    assert "leaked" not in text
    assert "level" not in text
    assert "nurse" not in text


@pytest.mark.parametrize("columns", [ktas.COLUMNS, nhamcs.COLUMNS, mimic.COLUMNS])
def test_no_loader_asks_for_what_was_written_after_triage(columns: tuple[str, ...]) -> None:
    later = ("outcome_", "audit_", "hx_", "survey_", "label_", "stay_", "pain_raw", "intime")

    assert [column for column in columns if column.startswith(later)] == []


@pytest.mark.parametrize(
    ("name", "scale"), [("ktas", "ktas"), ("nhamcs", "nhamcs"), ("mimic", "esi")]
)
def test_the_level_as_given_is_kept_beside_ours(name: str, scale: str, tmp_path: Path) -> None:
    case = one(tmp_path, name, level5="5")

    assert (case.level, case.original_level, case.scale) == (Level.ROUTINE, 5, scale)


def test_a_scale_is_one_that_ground_truth_takes() -> None:
    assert tuple(LabelScale.values) == FIVE_LEVEL_SCALES


@pytest.mark.parametrize(
    ("changes", "vital", "expected"),
    [
        ({"pain_reported": "0", "pain_nrs": ""}, "pain_score", 0),
        ({"pain_reported": "1", "pain_nrs": ""}, "pain_score", None),
        ({"spo2": "20"}, "spo2", None),
        ({"spo2": "68"}, "spo2", 68),
        ({"spo2": ""}, "spo2", None),
        ({"sbp": "80", "dbp": "80"}, "systolic_bp", None),
        ({"sbp": "80", "dbp": "80"}, "diastolic_bp", None),
        ({"heart_rate": "400"}, "heart_rate", None),
        ({"heart_rate": "0"}, "heart_rate", 0),
        ({"avpu": "P"}, "consciousness", "P"),
    ],
    ids=str,
)
def test_impossible_and_blank_measurements_are_missing(
    tmp_path: Path, changes: dict[str, str], vital: str, expected: object
) -> None:
    case = one(tmp_path, "ktas", **changes)

    assert case.request["vitals"][vital] == expected
    assert errors_of(case.request) is None


def test_a_blank_complaint_says_that_it_was_not_recorded(tmp_path: Path) -> None:
    case = one(tmp_path, "ktas", complaint="")

    assert case.request["symptoms_data"]["chief_complaint"] == NO_COMPLAINT


def test_a_reason_that_was_cut_short_loses_its_dots(tmp_path: Path) -> None:
    case = one(tmp_path, "nhamcs", complaint="Symptoms of the...; Cough")

    assert case.request["symptoms_data"]["chief_complaint"] == "Symptoms of the; Cough"


def test_a_baby_has_its_age_in_days(tmp_path: Path) -> None:
    case = one(tmp_path, "nhamcs", age_years="0", age_days="12")

    assert case.request["patient_age_days"] == 12


@pytest.mark.parametrize(
    ("temp_c", "temp_f", "expected"),
    [("36.5", "100.4", 36.5), ("", "100.4", 38.0), ("", "", None), ("", "36.5", None)],
)
def test_fahrenheit_is_converted_where_celsius_is_blank(
    temp_c: str, temp_f: str, expected: float | None, tmp_path: Path
) -> None:
    case = one(tmp_path, "mimic", temp_c=temp_c, temp_f=temp_f)

    assert case.request["vitals"]["temperature_c"] == expected


def test_stays_of_one_patient_can_be_told(tmp_path: Path) -> None:
    case = one(tmp_path, "mimic")

    assert (case.request["patient_id"], case.row_id) == ("made-up-patient", "made-up-1")


def test_a_stay_without_a_level_is_left_out_and_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "train.csv", "mimic", {})
    row = path.read_text().splitlines()[1]
    path.write_text(path.read_text() + row.replace(",2,emergency", ",,") + "\n")

    with capture_logs() as logs:
        cases = LOADERS["mimic"](path)

    assert len(cases) == 1
    assert [(log["event"], log["rows"]) for log in logs] == [("rows_without_label", 1)]


@pytest.mark.parametrize(
    ("name", "changes", "sentence"),
    [
        ("ktas", {"level5": "6"}, "'level5' must be one of 1, 2, 3, 4, 5"),
        ("ktas", {"level5": ""}, "'level5' must be one of 1, 2, 3, 4, 5"),
        ("ktas", {"nurse_level5": "x"}, "'nurse_level5' must be one of 1, 2, 3, 4, 5"),
        ("mimic", {"level5": "1.5"}, "'level5' must be one of 1, 2, 3, 4, 5"),
        ("ktas", {"heart_rate": "fast"}, "'heart_rate' must be a number"),
        ("ktas", {"heart_rate": "nan"}, "'heart_rate' must be a number"),
        ("nhamcs", {"temp_c": "98.6"}, "'temp_c' looks like degrees Fahrenheit, expected °C"),
        ("ktas", {"spo2": "0.97"}, "'spo2' looks like a fraction, expected per cent"),
        ("ktas", {"age_years": ""}, "'age_years' must not be blank"),
        ("ktas", {"age_years": "1e999"}, "'age_years' must be from 0 to 125 years"),
        ("nhamcs", {"age_days": "1.5"}, "'age_days' must be a whole number"),
        ("ktas", {"avpu": "X"}, "'avpu' must be one of A, V, P, U, blank"),
        ("ktas", {"site": "mars"}, "'site' must be one of local_ed, regional_ed"),
        ("ktas", {"row_id": " "}, "'row_id' must not be blank"),
    ],
    ids=str,
)
def test_a_wrong_cell_is_named_without_its_value(
    name: str, changes: dict[str, str], sentence: str, tmp_path: Path
) -> None:
    assert refusal(tmp_path, name, **changes) == f"line 2 of train.csv: the column {sentence}"


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("column", ["complaint", "spo2", "level5"])
def test_a_lacking_column_is_named(name: str, column: str, tmp_path: Path) -> None:
    path = write(tmp_path / "train.csv", name, {})
    path.write_text(path.read_text().replace(column, "renamed", 1))

    with pytest.raises(DatasetError, match=rf"^train\.csv lacks the column '{column}'$"):
        LOADERS[name](path)


def test_at_most_the_rows_asked_for_are_returned(tmp_path: Path) -> None:
    path = write(tmp_path / "train.csv", "ktas", {})
    path.write_text(path.read_text() + path.read_text().splitlines()[1] + "\n")

    assert len(load_dataset("ktas", path=path, folder=tmp_path, rows=1, seed=1)) == 1
    with pytest.raises(DatasetError, match="expected at least 1"):
        load_dataset("ktas", path=path, folder=tmp_path, rows=0, seed=1)


def test_every_data_set_can_be_named() -> None:
    assert DATASETS == ("synthetic", "ktas", "nhamcs", "mimic", "log", "csv")


def test_an_unknown_data_set_is_refused() -> None:
    with pytest.raises(DatasetError, match=r"there is no data set 'yale'; expected one of synth"):
        load_dataset("yale", path=None, folder=Path(), rows=None, seed=1)


@pytest.mark.parametrize("name", ["log", "csv"])
def test_a_data_set_without_a_usual_place_asks_for_a_path(name: str) -> None:
    with pytest.raises(DatasetError, match=f"the data set '{name}' needs a path to its file"):
        load_dataset(name, path=None, folder=Path(), rows=None, seed=1)


def real(name: str) -> list[LabelledCase]:
    path = default_path(name, folder=settings.TRIAGE_DATA_DIR)
    if not path.is_file():
        pytest.skip(f"{name} is not in TRIAGE_DATA_DIR")
    return LOADERS[name](path)


# The training parts as their READMEs describe them; MIMIC's has 152 stays, 9 without a level.
LEVELS = {
    "ktas": {1: 20, 2: 159, 3: 343, 4: 333, 5: 42},
    "nhamcs": {1: 678, 2: 7_123, 3: 25_599, 4: 15_884, 5: 2_501},
    "mimic": {1: 12, 2: 62, 3: 68, 4: 1},
}


@pytest.mark.data
@pytest.mark.parametrize("name", PUBLISHED)
def test_all_visits_of_each_level_are_read(name: str) -> None:
    cases = real(name)

    assert Counter(case.original_level for case in cases) == LEVELS[name]
    assert all(case.level is Level.from_five_level(case.original_level or 0) for case in cases)
    assert len({case.row_id for case in cases}) == len(cases)


@pytest.mark.data
@pytest.mark.parametrize("name", PUBLISHED)
def test_visits_from_the_whole_file_are_requests_the_api_takes(name: str) -> None:
    cases = real(name)
    sample = cases[:: max(1, len(cases) // 900)]

    assert [case.row_id for case in sample if errors_of(case.request) is not None] == []


@pytest.mark.data
def test_korean_visits_say_where_and_what_the_nurse_thought() -> None:
    cases = real("ktas")

    assert Counter(case.request["site"] for case in cases) == {"local_ed": 488, "regional_ed": 409}
    assert sum(case.request["vitals"]["spo2"] is None for case in cases) == 496
    assert sum(case.nurse_level is not None for case in cases) == 897
    assert all(case_from_request(case.request).age >= 16 for case in cases)


@pytest.mark.data
def test_the_labelled_demo_stays_are_of_37_patients() -> None:
    assert len({case.request["patient_id"] for case in real("mimic")}) == 37


@pytest.mark.data
@pytest.mark.django_db
def test_rules_can_be_measured_on_the_demo_stays(capsys: pytest.CaptureFixture[str]) -> None:
    real("mimic")

    call_command("evaluate_model", "--dataset", "mimic", "--rules-only", "--rows", "20", "--json")

    figures = json.loads(capsys.readouterr().out)
    assert figures["n"] == 20
    assert 0 < figures["rules"]["emergency_recall"] <= 1
