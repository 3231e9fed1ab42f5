"""What has outlived its retention goes, in batches, once; what was decided stays."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command

from ml.history import AppendOnlyError
from monitoring import retention
from monitoring.access import access_record
from monitoring.encryption import encrypt
from monitoring.intake import seal
from monitoring.models import (
    ABOUT_THE_PATIENT,
    AccessEvent,
    Alert,
    GroundTruth,
    MLPredictionLog,
    MonitoringRun,
    TriageIntake,
)
from monitoring.retention import Pruned, prune, prune_preview
from tests.monitoring.application_role import on_postgresql, serving
from tests.monitoring.conftest import prediction
from triage_rules.level import Level

NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)
NOTHING = Pruned(requests=0, notes=0, predictions=0, accesses=0)


EVERYTHING_ELSE = dict(retention.OTHERS)


@pytest.fixture(autouse=True)
def nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """What else goes with age is tested where it is written."""
    monkeypatch.setattr(retention, "OTHERS", {})


@pytest.fixture
def author(db: None) -> User:
    """Somebody who labels."""
    return User.objects.create_user("clinician")


def kept(author: User, *, days: int) -> MLPredictionLog:
    """Return a row of a patient, so many days old, with its request, a label and a reader."""
    at = NOW - timedelta(days=days)
    row = prediction(
        created_at=at, subject="a" * 64, subject_key_id="k", triage_log_id="T-1", heart_rate=88,
        sex="female", missing=["spo2"], ground_truth=Level.URGENT, ground_truth_at=at,
    )  # fmt: skip
    row.save()
    sealed = seal({"patient_age": 40})
    TriageIntake(prediction_log=row, created_at=at, key_id=sealed.key_id, token=sealed.token).save()
    GroundTruth(
        prediction_log=row, created_at=at, author=author, level=Level.URGENT, source="clinician",
        state="accepted", note_encrypted=encrypt("looked pale"),
    ).save()  # fmt: skip
    event = AccessEvent(actor="reviewer", action="view", door="admin", prediction_log=row)
    event.created_at = at
    event.save()
    return row


def test_it_keeps_what_is_young(author: User) -> None:
    kept(author, days=179)

    assert prune(now=NOW) == NOTHING


def test_requests_and_notes_leave_first(author: User) -> None:
    kept(author, days=181)

    assert prune(now=NOW) == Pruned(requests=1, notes=1, predictions=0, accesses=0)

    assert not TriageIntake.objects.exists()
    assert bytes(GroundTruth.objects.get().note_encrypted) == b""
    assert MLPredictionLog.objects.get().heart_rate == 88


def test_an_old_prediction_says_nothing_of_the_patient_and_all_of_the_answer(author: User) -> None:
    before = kept(author, days=731)

    prune(now=NOW)

    after = MLPredictionLog.objects.get()
    assert {name: getattr(after, name) for name in ABOUT_THE_PATIENT} == ABOUT_THE_PATIENT
    assert after.stripped_at is not None
    assert (after.prediction, after.ground_truth, after.rules_version) == (
        before.prediction, Level.URGENT, "r1",
    )  # fmt: skip


def test_who_saw_a_case_is_forgotten_last(author: User) -> None:
    kept(author, days=2_191)

    assert prune(now=NOW).accesses == 1

    assert not AccessEvent.objects.exists()


def test_a_second_run_finds_nothing(author: User) -> None:
    kept(author, days=3_000)
    prune(now=NOW)

    assert prune(now=NOW) == NOTHING
    assert MonitoringRun.objects.filter(job="retention").count() == 1


def test_two_runs_of_a_day_add_up(author: User) -> None:
    kept(author, days=200)
    prune(now=NOW)
    kept(author, days=300)

    prune(now=NOW)

    assert MonitoringRun.objects.get().result["requests"] == 2


def test_a_note_does_not_outlive_what_its_prediction_says_of_the_patient(author: User) -> None:
    row = kept(author, days=731)
    GroundTruth(
        prediction_log=row, author=author, level=Level.SOON, source="outcome", state="accepted",
        note_encrypted=encrypt("came back"),
    ).save()  # fmt: skip

    prune(now=NOW)

    assert not GroundTruth.objects.exclude(note_encrypted=b"").exists()


def test_rows_that_grow_old_later_are_stripped_later(author: User) -> None:
    kept(author, days=725)
    prune(now=NOW)

    assert prune(now=NOW + timedelta(days=10)).predictions == 1


def test_it_goes_in_batches(author: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    for _ in range(5):
        kept(author, days=200)
    told: list[int] = []

    prune(now=NOW, watch=lambda kind, n: told.append(n) if kind == "requests" else None)

    assert told == [2, 2, 1]


def test_a_preview_changes_nothing(author: User) -> None:
    kept(author, days=3_000)

    assert prune_preview(now=NOW) == Pruned(requests=1, notes=1, predictions=1, accesses=1)
    assert TriageIntake.objects.exists()
    assert MLPredictionLog.objects.get().stripped_at is None


def test_the_command_can_only_count(author: User) -> None:
    kept(author, days=3_000)
    out = StringIO()

    call_command("prune_logs", "--dry-run", stdout=out)

    assert "1 requests would be deleted" in out.getvalue()
    assert TriageIntake.objects.exists()


def test_the_command_removes(author: User) -> None:
    kept(author, days=3_000)

    call_command("prune_logs", stdout=StringIO())

    assert not TriageIntake.objects.exists()


@on_postgresql
class TestAsTheRoleOfTheService:
    def test_who_saw_a_case_waits_for_the_owner_and_everything_else_goes(
        self, author: User
    ) -> None:
        kept(author, days=3_000)

        with serving():
            pruned = prune(now=NOW)

        assert pruned == Pruned(
            requests=1, notes=1, predictions=1, accesses=0, accesses_for_owner=1
        )
        assert AccessEvent.objects.count() == 1

    def test_the_run_of_the_day_is_well_and_says_what_waits(self, author: User) -> None:
        kept(author, days=3_000)

        with serving():
            prune(now=NOW)
            prune(now=NOW)

        run = MonitoringRun.objects.get()
        assert (run.status, run.result["accesses"], run.result["accesses_for_owner"]) == (
            "ok",
            0,
            1,
        )
        assert not Alert.objects.exists()

    def test_everything_else_may_go(self, author: User, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(retention, "OTHERS", EVERYTHING_ELSE)

        with serving():
            assert prune(now=NOW).others == dict.fromkeys(EVERYTHING_ELSE, 0)

    def test_a_preview_tells_the_same(self, author: User) -> None:
        kept(author, days=3_000)

        with serving():
            assert prune_preview(now=NOW) == prune(now=NOW)

    def test_the_owner_forgets_what_waited(self, author: User) -> None:
        kept(author, days=3_000)
        with serving():
            prune(now=NOW)

        assert prune(now=NOW).accesses == 1

        assert not AccessEvent.objects.exists()
        result = MonitoringRun.objects.get().result
        assert (result["accesses"], result["accesses_for_owner"]) == (1, 0)

    def test_the_command_says_who_can_do_it(self, author: User) -> None:
        kept(author, days=3_000)
        out = StringIO()

        with serving():
            call_command("prune_logs", stdout=out)

        assert "1 notes of who saw a case are due and stay" in out.getvalue()
        assert "the owner's DATABASE_URL" in out.getvalue()


def test_what_else_goes_with_age_is_counted_by_its_name(
    author: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[datetime] = []

    def sessions_prune(*, now: datetime) -> int:
        asked.append(now)
        return 3

    monkeypatch.setattr(retention, "OTHERS", {"old_sessions": sessions_prune})
    prune(now=NOW)
    out = StringIO()
    call_command("prune_logs", stdout=out)

    assert asked[0] == NOW
    assert MonitoringRun.objects.get(day=NOW.date()).result["old_sessions"] == 3
    assert "3 old sessions deleted" in out.getvalue()


@pytest.mark.parametrize("values", [{"prediction": 0}, {"ground_truth": None}, {"client": ""}])
def test_an_answer_cannot_be_rewritten(author: User, values: dict[str, Any]) -> None:
    kept(author, days=1)

    with pytest.raises(AppendOnlyError):
        MLPredictionLog.objects.all().rewrite(**values)


def test_predictions_cannot_be_pruned(author: User) -> None:
    kept(author, days=1)

    with pytest.raises(AppendOnlyError):
        MLPredictionLog.objects.all().prune()


@pytest.mark.django_db
def test_an_access_names_one_case_or_counts_several() -> None:
    access_record(
        actor="os:operator", action=AccessEvent.Action.REPLAY, door=AccessEvent.Door.COMMAND,
        cases=7,
    )  # fmt: skip

    event = AccessEvent.objects.get()
    assert (event.prediction_log_id, event.cases) == (None, 7)
    assert isinstance(event.pk, uuid.UUID)
