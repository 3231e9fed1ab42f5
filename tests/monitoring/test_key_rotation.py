"""After a rotation the newest key reads everything, and the earlier ones can be destroyed."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from monitoring.encryption import decrypt
from monitoring.key_rotation import tokens_rotate
from monitoring.labelling import ground_truth_record
from monitoring.labels import Label, LabelSource
from monitoring.models import GroundTruth, TriageIntake
from triage_rules.level import Level


@pytest.fixture
def recorded(api: Any, chest_pain: dict[str, Any], reviewer: User) -> TriageIntake:
    """An answer with a note, written under the first key."""
    api.send(chest_pain)
    intake = TriageIntake.objects.get()
    label = Label(level=Level.URGENT, source=LabelSource.CLINICIAN, note="looked pale")
    ground_truth_record(prediction_id=intake.pk, author=reviewer, label=label)
    return intake


@pytest.fixture
def newest(settings: Any) -> str:
    """A new key in front of the earlier one."""
    newest = Fernet.generate_key().decode()
    settings.INTAKE_KEYS = [newest, *settings.INTAKE_KEYS]
    return newest


def test_the_newest_key_alone_reads_all(recorded: TriageIntake, newest: str, settings: Any) -> None:
    request = recorded.request()

    rotated = tokens_rotate()

    settings.INTAKE_KEYS = [newest]
    assert (rotated.requests, rotated.notes, rotated.unreadable) == (1, 1, 0)
    assert TriageIntake.objects.get().request() == request
    assert decrypt(bytes(GroundTruth.objects.get().note_encrypted)) == "looked pale"


def test_a_second_run_changes_nothing(recorded: TriageIntake, newest: str) -> None:
    tokens_rotate()
    token = bytes(TriageIntake.objects.get().token)

    rotated = tokens_rotate()

    assert (rotated.requests, rotated.notes) == (0, 0)
    assert bytes(TriageIntake.objects.get().token) == token


def test_what_no_key_reads_stays_and_is_told(recorded: TriageIntake, settings: Any) -> None:
    token = bytes(recorded.token)
    settings.INTAKE_KEYS = [Fernet.generate_key().decode()]

    with pytest.raises(CommandError, match="2 cannot be read"):
        call_command("rotate_intake_keys", stdout=StringIO())

    assert bytes(TriageIntake.objects.get().token) == token
