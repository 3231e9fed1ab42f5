"""The one list of input fields: complete, stable, and bound to the case it describes."""

from __future__ import annotations

import dataclasses
import json

import pytest
from django.conf import settings

from ml import schema
from triage_rules.case import MEASURED, VITAL_RANGES, TriageCase, Vitals, case_from_request

# A change of a field changes the digest: raise SCHEMA_VERSION with it and write the new pair here.
KNOWN_DIGEST = (1, "e2ee91e92291a6f5cf25f550926afd75c5e53e915a4d58b2fabf7f2c585f9967")


def test_it_works() -> None:
    heart_rate = schema.field("heart_rate")

    assert heart_rate.path == "vitals.heart_rate"
    assert heart_rate.range is VITAL_RANGES["heart_rate"]
    assert heart_rate.unit == "/min"
    usual = schema.usual_range("heart_rate")
    assert usual is not None
    assert (usual.low, usual.high) == (30, 220)


def test_a_changed_schema_has_a_new_version() -> None:
    assert (schema.SCHEMA_VERSION, schema.digest()) == KNOWN_DIGEST


def test_names_and_paths_are_used_once() -> None:
    assert len({each.name for each in schema.FIELDS}) == len(schema.FIELDS)
    assert len({each.path for each in schema.FIELDS}) == len(schema.FIELDS)


def test_everything_a_case_keeps_is_a_field() -> None:
    kept = {each.attribute for each in schema.FIELDS} - {None}

    vitals = {f"vitals.{each.name}" for each in dataclasses.fields(Vitals)}
    others = {each.name for each in dataclasses.fields(TriageCase)} - {"vitals"}
    assert kept == vitals | others


def test_the_value_of_a_field_is_read_from_a_case() -> None:
    case = case_from_request(
        {
            "patient_age": 57,
            "symptoms_data": {"chief_complaint": "chest pain"},
            "vitals": {"heart_rate": 104},
        }
    )

    assert schema.value_of(case, "heart_rate") == 104
    assert schema.value_of(case, "patient_age") == 57
    assert schema.value_of(case, "chief_complaint") == "chest pain"
    assert schema.value_of(case, "spo2") is None


@pytest.mark.parametrize("name", ["patient_id", "symptom_name", "no_such_field"])
def test_what_a_case_does_not_keep_cannot_be_read(name: str) -> None:
    case = TriageCase(chief_complaint="cough", age_years=40)

    with pytest.raises(KeyError):
        schema.value_of(case, name)


@pytest.mark.parametrize(
    "name", ["patient_id", "encounter_id", "triage_log_id", "urgency", "severity_score"]
)
def test_who_it_is_and_what_the_caller_thinks_is_never_modelled(name: str) -> None:
    assert not schema.field(name).modelled


def test_a_usual_range_lies_inside_the_accepted_one() -> None:
    for each in schema.FIELDS:
        if each.usual is not None:
            assert each.range is not None
            assert each.range.low <= each.usual.low < each.usual.high <= each.range.high
            assert each.usual.unit == each.unit


def test_every_measured_number_says_what_is_usual() -> None:
    numbers = {name for name in MEASURED if name in VITAL_RANGES}

    without = {name for name in numbers if schema.usual_range(name) is None}
    assert without == {"gcs", "pain_score"}


def test_it_is_plain_data_with_a_version_and_a_digest() -> None:
    data = schema.as_dict()

    assert json.loads(json.dumps(data)) == data
    assert (data["version"], data["digest"]) == KNOWN_DIGEST
    assert [each["name"] for each in data["fields"]] == [each.name for each in schema.FIELDS]


def test_the_page_of_the_features_is_current() -> None:
    page = (settings.BASE_DIR / "docs" / "features.md").read_text(encoding="utf-8")

    assert schema.as_markdown() in page
    assert f"version {schema.SCHEMA_VERSION}" in page
