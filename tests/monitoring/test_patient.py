"""A patient's record can be handed out whole, and taken out for good."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from monitoring.labelling import ground_truth_record
from monitoring.labels import Label, LabelSource
from monitoring.models import ABOUT_THE_PATIENT, AccessEvent, MLPredictionLog, TriageIntake
from monitoring.patient import patient_erase, patient_export, patient_predictions
from triage_rules.level import Level


@pytest.fixture
def two_patients(api: Any, chest_pain: dict[str, Any], sore_throat: dict[str, Any]) -> None:
    """Two visits of p-123 and one of p-7."""
    api.send(chest_pain)
    api.send(chest_pain)
    api.send(sore_throat)


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that puts a line on standard input."""
    return lambda line: monkeypatch.setattr("sys.stdin", io.StringIO(f"{line}\n"))


def test_an_export_holds_all_of_one_patient(two_patients: None) -> None:
    visits = list(patient_export("p-123", actor="os:operator"))

    assert len(visits) == 2
    assert visits[0]["request"]["symptoms_data"]["chief_complaint"].startswith("chest pain")
    assert visits[0]["prediction"] == "emergency"


def test_an_export_is_on_record(two_patients: None) -> None:
    list(patient_export("p-123", actor="os:operator"))

    event = AccessEvent.objects.get()
    assert (event.actor, event.action, event.cases) == ("os:operator", "export", 2)


def test_a_patient_is_found_under_an_earlier_key(two_patients: None, settings: Any) -> None:
    settings.PATIENT_ID_OLD_KEYS = [settings.PATIENT_ID_KEY]
    settings.PATIENT_ID_KEY = b"a new key, longer than thirty-two characters"

    assert patient_predictions(" p-123 ").count() == 2


def test_erasure_leaves_only_what_was_decided(two_patients: None) -> None:
    erased = patient_erase("p-123", actor="os:operator")

    assert (erased.predictions, erased.requests) == (2, 2)
    assert not patient_predictions("p-123").exists()
    row = MLPredictionLog.objects.exclude(stripped_at=None)[0]
    assert {name: getattr(row, name) for name in ABOUT_THE_PATIENT} == ABOUT_THE_PATIENT
    assert row.prediction == 3


def test_a_note_that_no_key_reads_does_not_hold_up_the_rest(
    two_patients: None, reviewer: User, settings: Any
) -> None:
    label = Label(level=Level.URGENT, source=LabelSource.CLINICIAN, note="looked pale")
    for row in patient_predictions("p-123"):
        ground_truth_record(prediction_id=row.pk, author=reviewer, label=label)
    settings.INTAKE_KEYS = [Fernet.generate_key().decode()]

    visits = list(patient_export("p-123", actor="os:operator"))

    assert [visit["labels"][0]["note"] for visit in visits] == ["intake_key_not_installed"] * 2


def test_erasure_leaves_everybody_else(two_patients: None) -> None:
    patient_erase("p-123", actor="os:operator")

    assert TriageIntake.objects.count() == 1
    assert patient_predictions("p-7").get().heart_rate == 72


def test_the_command_writes_a_private_file(two_patients: None, typed: Any, tmp_path: Path) -> None:
    typed("p-123")
    path = tmp_path / "p.ndjson"

    call_command("export_patient", path, stdout=io.StringIO())

    assert path.stat().st_mode & 0o777 == 0o600
    assert [json.loads(line)["site"] for line in path.read_text().splitlines()] == ["main"] * 2


def test_the_command_does_not_write_over_a_file(typed: Any, tmp_path: Path, db: None) -> None:
    typed("p-123")
    path = tmp_path / "there"
    path.write_text("mine")

    with pytest.raises(CommandError, match="FILE cannot be made"):
        call_command("export_patient", path)

    assert path.read_text() == "mine"


def test_erasing_is_only_counted_until_it_is_meant(two_patients: None, typed: Any) -> None:
    typed("p-123")

    with pytest.raises(CommandError, match="2 predictions would be erased"):
        call_command("erase_patient")

    assert patient_predictions("p-123").count() == 2


def test_the_command_erases(two_patients: None, typed: Any) -> None:
    typed("p-123")

    call_command("erase_patient", "--yes", stdout=io.StringIO())

    assert not patient_predictions("p-123").exists()


@pytest.mark.parametrize("line", ["", " ", "x" * 256])
def test_an_id_that_cannot_be_one_is_refused(typed: Any, line: str, db: None) -> None:
    typed(line)

    with pytest.raises(CommandError, match="1 to 255 characters"):
        call_command("erase_patient", "--yes")
