"""What may be learnt from: matured labels without contradiction, by people who did not echo."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db.models import QuerySet

from ml.datasets.log import load_log
from monitoring.intake import seal
from monitoring.labelling import ground_truth_record, ground_truth_review
from monitoring.labels import Label, LabelSource
from monitoring.models import GroundTruth, MLPredictionLog, TriageIntake
from monitoring.training_set import NotMaturedError, TrainingSet, labels_new, training_set_export
from tests.monitoring.conftest import NOON, prediction
from triage_rules.level import Level

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 20, 5, tzinfo=UTC)
REQUEST = {
    "patient_id": "CANARY", "encounter_id": "CANARY", "triage_log_id": "CANARY",
    "patient_age": 40.5, "sex": "female", "site": "main",
    "symptoms_data": {"chief_complaint": "halsskmärta"}, "vitals": {"temperature_c": 38.4},
}  # fmt: skip


@pytest.fixture
def logged(db: None) -> Callable[..., MLPredictionLog]:
    """Return a function that logs one decision with its intake."""

    def log(*, at: datetime = NOON, intake: bool = True, **values: Any) -> MLPredictionLog:
        row = prediction(created_at=at, **values)
        row.save()
        if intake:
            sealed = seal(REQUEST)
            TriageIntake(prediction_log=row, key_id=sealed.key_id, token=sealed.token).save()
        return row

    return log


@pytest.fixture
def say() -> Callable[..., None]:
    """Return a function by which somebody labels a row."""

    def label(
        row: MLPredictionLog,
        level: Level | None = Level.URGENT,
        *,
        by: str = "nurse",
        review: bool = False,
        **facts: Any,
    ) -> None:
        author, _ = User.objects.get_or_create(username=by)
        said = Label(
            level=level, **{"source": LabelSource.CLINICIAN, "saw_prediction": False} | facts
        )
        if review:
            ground_truth_review(prediction_id=row.pk, reviewer=author, label=said)
        else:
            ground_truth_record(prediction_id=row.pk, author=author, label=said)

    return label


def export(folder: Path, **options: Any) -> tuple[TrainingSet, list[dict[str, Any]]]:
    written = training_set_export(folder / "log.ndjson.gz", now=NOW, actor="operator", **options)
    lines = gzip.decompress(written.path.read_bytes()).splitlines()
    return written, [json.loads(line) for line in lines[1:]]


def test_it_works(logged: Any, say: Any, tmp_path: Path) -> None:
    row = logged(subject="f" * 64)
    say(row, scale="ktas", original_level=3)

    written, (found,) = export(tmp_path)

    names = {"patient_id", "encounter_id", "triage_log_id"}
    assert found["request"] == {k: v for k, v in REQUEST.items() if k not in names}
    assert (found["row_id"], found["level"], found["day"]) == (str(row.pk), "urgent", "2026-11-18")
    assert (found["scale"], found["original_level"]) == ("ktas", 3)
    assert (found["source"], found["saw_prediction"]) == ("clinician", False)
    assert found["patient"] not in {None, "f" * 64}
    assert written.as_dict()["from"] == written.as_dict()["to"] == "2026-11-18"
    (case,) = load_log(written.path)
    assert (case.level, case.scale, case.original_level) == (Level.URGENT, "ktas", 3)
    assert case.request == found["request"] | {"patient_id": found["patient"]}


def test_the_file_is_its_owners_alone_and_holds_no_name(
    logged: Any, say: Any, tmp_path: Path
) -> None:
    say(logged(subject="f" * 64))

    written, _ = export(tmp_path)

    assert written.path.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["log.ndjson.gz"]
    text = gzip.decompress(written.path.read_bytes()).decode()
    assert "CANARY" not in text
    assert "f" * 64 not in text


def test_the_same_log_is_the_same_file(logged: Any, say: Any, tmp_path: Path) -> None:
    for _ in range(5):
        say(logged())

    first = export(tmp_path)[0].path.read_bytes()

    assert export(tmp_path)[0].path.read_bytes() == first


def test_only_labels_that_have_matured_are_taken(logged: Any, say: Any, tmp_path: Path) -> None:
    midnight = datetime(2026, 11, 19, tzinfo=UTC)
    taken = logged(at=midnight - timedelta(microseconds=1))
    for row in (taken, logged(at=midnight), logged(at=NOW)):
        say(row)

    written, rows = export(tmp_path)

    assert [row["row_id"] for row in rows] == [str(taken.pk)]
    assert written.header.last_day == "2026-11-18"


def test_a_day_whose_labels_may_still_come_in_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotMaturedError, match="2026-11-18"):
        export(tmp_path, until=date(2026, 11, 19))

    assert not list(tmp_path.iterdir())


def test_an_earlier_end_can_be_asked_for(logged: Any, say: Any, tmp_path: Path) -> None:
    early = logged(at=NOON - timedelta(days=3))
    for row in (early, logged()):
        say(row)

    assert [r["row_id"] for r in export(tmp_path, until=date(2026, 11, 17))[1]] == [str(early.pk)]


def test_labels_that_contradict_each_other_are_not_learnt_from(
    logged: Any, say: Any, tmp_path: Path
) -> None:
    row = logged()
    say(row, Level.URGENT, by="one")
    say(row, Level.SOON, by="other")
    assert export(tmp_path)[1] == []

    say(row, Level.SOON, by="reviewer", review=True)

    assert [found["level"] for found in export(tmp_path)[1]] == ["soon"]


def test_the_higher_rank_is_learnt_from_before_a_reviewer_has_looked(
    logged: Any, say: Any, tmp_path: Path
) -> None:
    row = logged()
    say(row, Level.SOON, by="one", saw_prediction=True)
    say(row, Level.URGENT, by="other", source=LabelSource.AUDIT)

    written, (found,) = export(tmp_path)

    assert (found["level"], found["source"]) == ("urgent", "audit")
    assert written.as_dict()["left_out"] == {}
    assert labels_new(since=None, now=NOW) == 1


def test_who_cannot_assess_a_case_says_nothing_to_learn_from(
    logged: Any, say: Any, tmp_path: Path
) -> None:
    say(logged(), None)
    both = logged()
    say(both, None, by="one")
    say(both, Level.URGENT, by="other")

    written, rows = export(tmp_path)

    assert [row["row_id"] for row in rows] == [str(both.pk)]
    assert written.as_dict()["left_out"] == {}
    assert labels_new(since=None, now=NOW) == 1


def test_a_label_by_somebody_who_saw_the_answer_is_left_out_and_counted(
    logged: Any, say: Any, tmp_path: Path
) -> None:
    say(logged(), saw_prediction=True)
    say(logged(), saw_prediction=None)
    say(logged(), saw_prediction=False)

    written, rows = export(tmp_path)
    assert sorted(str(row["saw_prediction"]) for row in rows) == ["False", "None"]
    assert written.as_dict()["left_out"] == {"saw_prediction": 1}

    _, rows = export(tmp_path, include_saw_prediction=True)
    assert sorted(str(row["saw_prediction"]) for row in rows) == ["False", "None", "True"]


def test_of_those_who_agree_the_one_who_did_not_see_the_answer_speaks(
    logged: Any, say: Any, tmp_path: Path
) -> None:
    row = logged()
    say(row, by="one", saw_prediction=True)
    say(row, by="two", saw_prediction=None)
    say(row, by="three", saw_prediction=False, source=LabelSource.AUDIT)

    (found,) = export(tmp_path)[1]

    assert (found["source"], found["saw_prediction"]) == ("audit", False)


def test_without_a_readable_intake_there_is_nothing_to_learn_from(
    logged: Any, say: Any, tmp_path: Path, settings: Any
) -> None:
    say(logged(intake=False))
    say(logged())
    settings.INTAKE_KEYS = [Fernet.generate_key().decode()]
    say(logged())

    written, rows = export(tmp_path)

    assert len(rows) == 1
    assert written.as_dict()["left_out"] == {"intake_gone": 1, "intake_unreadable": 1}


def test_the_same_patient_is_recognised_within_the_file(
    logged: Any, say: Any, tmp_path: Path
) -> None:
    for subject in ("a" * 64, "b" * 64, "a" * 64, ""):
        say(logged(subject=subject))

    first, other, again, nobody = (row["patient"] for row in export(tmp_path)[1])

    assert first == again != other
    assert nobody is None


def test_new_labels_are_those_that_came_in_or_matured_since(logged: Any, say: Any) -> None:
    yesterday = NOW - timedelta(days=1)
    for _ in range(3):
        say(logged(at=NOON - timedelta(days=1)))
    say(logged())
    say(logged(), saw_prediction=True)
    say(logged(intake=False))
    say(logged(at=NOW))

    assert labels_new(since=None, now=NOW) == 4
    # All labels of this test come in today, later than both times.
    assert labels_new(since=yesterday, now=NOW) == 4
    assert labels_new(since=datetime(2100, 1, 1, tzinfo=UTC), now=NOW) == 0


def test_a_label_that_matured_is_new(logged: Any, say: Any) -> None:
    say(logged())
    QuerySet.update(GroundTruth.objects.all(), created_at=NOON + timedelta(hours=6))

    assert labels_new(since=NOW - timedelta(days=1), now=NOW) == 1
    assert labels_new(since=NOW - timedelta(hours=1), now=NOW) == 0


# --- the command -------------------------------------------------------------------------------


def test_the_command_says_what_it_wrote_and_left_out(
    logged: Any, say: Any, tmp_path: Path, settings: Any
) -> None:
    settings.VAR_DIR = tmp_path
    say(logged())
    say(logged(), saw_prediction=True)
    out = StringIO()

    call_command("export_training_set", stdout=out)

    assert "1 rows, 2026-11-18 to " in out.getvalue()
    assert "left out, saw_prediction: 1" in out.getvalue()
    assert len(load_log(tmp_path / "training" / "log.ndjson.gz")) == 1
    assert (tmp_path / "training").stat().st_mode & 0o777 == 0o700


def test_the_command_refuses_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="--until: labels have matured up to"):
        call_command("export_training_set", "--out", str(tmp_path / "f"), "--until", "2100-01-01")
    (tmp_path / "file").touch()
    with pytest.raises(CommandError, match="cannot be written"):
        call_command("export_training_set", "--out", str(tmp_path / "file" / "f"))
