"""Labels from a file are held to what the API accepts, and are all recorded or none."""

from __future__ import annotations

import uuid
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import strategies as st

from monitoring import label_import
from monitoring.encryption import decrypt
from monitoring.label_import import (
    FaultyLinesError,
    Imported,
    LabelFileError,
    content_seal,
    content_unseal,
    labels_import,
    labels_preview,
)
from monitoring.labelling import ground_truth_record
from monitoring.labels import Label, LabelSource
from monitoring.models import Alert, GroundTruth, MLPredictionLog
from tests.monitoring.conftest import prediction
from triage_rules.level import Level

pytestmark = pytest.mark.django_db
HEADER = "prediction_id,level,scale,original_level,source,saw_prediction,note"


@pytest.fixture
def nurse(db: None) -> User:
    """Whose word the files are."""
    return User.objects.create_user("nurse")


@pytest.fixture
def rows(db: None) -> list[MLPredictionLog]:
    """Three cases that were answered "soon"."""
    return list(MLPredictionLog.objects.bulk_create(prediction() for _ in range(3)))


def csv_of(*lines: str, header: str = HEADER) -> bytes:
    return "\n".join([header, *lines, ""]).encode()


def counts(found: Imported) -> tuple[int, ...]:
    return found.new, found.repeats, found.conflicts, found.cannot_assess, found.faulty


def sentences(content: bytes, *, by: User) -> list[str]:
    return [str(fault) for fault in labels_preview(content, author=by).faults]


def test_it_works(nurse: User, rows: list[MLPredictionLog]) -> None:
    content = csv_of(
        f"{rows[0].pk},urgent,,,,,",
        f"{rows[1].pk},,ktas,2,outcome,false,=HYPERLINK(1)",
        f"{rows[2].pk},cannot_assess,,,audit,TRUE,",
    )

    done = labels_import(content, author=nurse)

    labels = GroundTruth.objects.order_by("prediction_log__id")
    assert counts(done) == (2, 0, 0, 1, 0)
    assert [one.level for one in labels] == [Level.URGENT, Level.EMERGENCY, None]
    assert [one.source for one in labels] == ["import", "outcome", "audit"]
    assert [one.saw_prediction for one in labels] == [None, False, True]
    assert (labels[1].scale, labels[1].original_level) == ("ktas", 2)
    assert decrypt(bytes(labels[1].note_encrypted)) == "=HYPERLINK(1)"
    assert {one.author for one in labels} == {nurse}
    assert list(MLPredictionLog.objects.order_by("id").values_list("ground_truth", flat=True)) == [
        Level.URGENT, Level.EMERGENCY, None,
    ]  # fmt: skip
    assert Alert.objects.get().cause == f"missed_emergency.{rows[1].pk}"


def test_a_preview_says_the_same_and_writes_nothing(
    nurse: User, rows: list[MLPredictionLog]
) -> None:
    content = csv_of(f"{rows[0].pk},emergency,,,,,", f"{rows[1].pk},cannot_assess,,,,,")

    found = labels_preview(content, author=nurse)

    assert not GroundTruth.objects.exists()
    assert not Alert.objects.exists()
    assert not MLPredictionLog.objects.filter(ground_truth__isnull=False).exists()
    assert found == labels_import(content, author=nurse)


def test_what_was_said_before_is_a_repeat(nurse: User, rows: list[MLPredictionLog]) -> None:
    content = csv_of(f"{rows[0].pk},urgent,,,,,seen", f"{rows[1].pk},cannot_assess,,,,,")
    labels_import(content, author=nurse)

    assert counts(labels_import(content, author=nurse)) == (0, 2, 0, 0, 0)
    assert GroundTruth.objects.count() == 2


def test_what_disagrees_is_kept_as_a_conflict(nurse: User, rows: list[MLPredictionLog]) -> None:
    doctor = User.objects.create_user("doctor")
    said = Label(level=Level.SOON, source=LabelSource.CLINICIAN)
    ground_truth_record(prediction_id=rows[0].pk, author=doctor, label=said)

    done = labels_import(csv_of(f"{rows[0].pk},urgent,,,,,"), author=nurse)

    rows[0].refresh_from_db()
    assert counts(done) == (0, 0, 1, 0, 0)
    assert rows[0].ground_truth == Level.SOON
    assert set(GroundTruth.objects.values_list("state", flat=True)) == {"conflict"}


def test_two_sources_of_one_case_are_judged_together(
    nurse: User, rows: list[MLPredictionLog]
) -> None:
    content = csv_of(
        f"{rows[0].pk},urgent,,,import,,", *(f"{row.pk},soon,,,outcome,,note" for row in rows)
    )

    assert counts(labels_preview(content, author=nurse)) == (2, 0, 2, 0, 0)
    assert counts(labels_import(content, author=nurse)) == (2, 0, 2, 0, 0)


@pytest.mark.parametrize(
    "write",
    [
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.replace("\n", "\n\n").encode(),
        lambda text: text.rstrip("\n").encode(),
        lambda text: text.upper().replace("PREDICTION_ID,LEVEL", "prediction_id, level ")
        .replace("URGENT", " urgent").encode(),
    ],
    ids=["byte-order mark", "carriage returns", "blank lines", "no end of line", "spaces"],
)  # fmt: skip
def test_however_a_spreadsheet_wrote_it(
    write: Any, nurse: User, rows: list[MLPredictionLog]
) -> None:
    text = f"prediction_id,level\n{rows[0].pk},urgent\n"

    assert counts(labels_preview(write(text), author=nurse)) == (1, 0, 0, 0, 0)


def test_the_columns_stand_in_any_order(nurse: User, rows: list[MLPredictionLog]) -> None:
    content = csv_of(f"2,{rows[0].pk},esi", header="original_level,prediction_id,scale")

    labels_import(content, author=nurse)

    assert GroundTruth.objects.get().level == Level.EMERGENCY


# --- faults ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "column", "reason"),
    [
        ("CANARY,urgent,,,,,", "prediction_id", "must be the id of a prediction"),
        (",urgent,,,,,", "prediction_id", "must not be blank"),
        (f"{uuid.uuid4()},urgent,,,,,", "prediction_id", "names no prediction on record"),
        ("{id},CANARY,,,,,", "level", "must be one of blank, routine, soon, urgent, emergency, "
         "cannot_assess"),
        ("{id},URGENT,,,,,", "level", "must be one of"),
        ("{id},,,,,,", "level", "must not be blank where original_level is"),
        ("{id},,esi,,,,", "original_level", "go together"),
        ("{id},,,3,,,", "scale", "go together"),
        ("{id},,CANARY,3,,,", "scale", "must be one of blank, esi, ktas, ctas, nhamcs"),
        ("{id},,esi,6,,,", "original_level", "must be one of blank, 1, 2, 3, 4, 5"),
        ("{id},soon,esi,1,,,", "level", "must agree with original_level"),
        ("{id},cannot_assess,esi,1,,,", "level", "must agree with original_level"),
        ("{id},soon,,,CANARY,,", "source", "must be one of blank, clinician, outcome, audit"),
        ("{id},soon,,,,CANARY,", "saw_prediction", "must be true, false or blank"),
        ("{id},soon,,,,," + "x" * 2_001, "note", "must have at most 2,000 characters"),
        ("{id},=1+1,,,,,", "level", "must be one of"),
    ],
)  # fmt: skip
def test_a_cell_that_cannot_be_used_is_named_and_never_shown(
    line: str, column: str, reason: str, nurse: User, rows: list[MLPredictionLog]
) -> None:
    good = f"{rows[0].pk},urgent,,,,,"

    (sentence,) = sentences(csv_of(good, line.format(id=rows[1].pk)), by=nurse)

    assert sentence.startswith(f"line 3 of the file: the column '{column}' ")
    assert reason in sentence
    assert "CANARY" not in sentence


@pytest.mark.parametrize(
    ("line", "reason"),
    [("{id},urgent", "too few fields"), ("{id},urgent,,,,,,", "too many fields"),
     ("{id},urgent,,,,,a\0b", "holds a NUL character")],
)  # fmt: skip
def test_a_line_that_is_no_row_is_named(
    line: str, reason: str, nurse: User, rows: list[MLPredictionLog]
) -> None:
    (sentence,) = sentences(csv_of(line.format(id=rows[0].pk)), by=nurse)

    assert sentence.startswith("line 2 of the file")
    assert reason in sentence


KINDS = ["{id},urgent,,,,,", "{id},cannot_assess,,,,,", "{id},CANARY,,,,,", "{id}", "x,soon,,,,,"]


@given(kinds=st.lists(st.sampled_from(KINDS), max_size=8))
def test_every_line_becomes_one_thing_whatever_stands_around_it(kinds: list[str]) -> None:
    author, _ = User.objects.get_or_create(username="nurse")
    cases = MLPredictionLog.objects.bulk_create(prediction() for _ in kinds)
    content = csv_of(*(kind.format(id=row.pk) for kind, row in zip(kinds, cases, strict=True)))

    found = labels_preview(content, author=author)

    faulty = {number for number, kind in enumerate(kinds, 2) if kind not in KINDS[:2]}
    assert (found.new, found.cannot_assess) == (kinds.count(KINDS[0]), kinds.count(KINDS[1]))
    assert {fault.line for fault in found.faults} == faulty
    assert (found.lines, found.faulty) == (len(kinds), len(faulty))


def test_every_fault_of_a_line_is_named(nurse: User, rows: list[MLPredictionLog]) -> None:
    found = labels_preview(csv_of(f"{rows[0].pk},CANARY,CANARY,9,,,"), author=nurse)

    assert (found.faulty, len(found.faults)) == (1, 3)


def test_of_two_lines_that_say_the_same_case_neither_is_taken(
    nurse: User, rows: list[MLPredictionLog]
) -> None:
    content = csv_of(
        f"{rows[0].pk},urgent,,,,,", f"{rows[1].pk},soon,,,,,",
        f"{str(rows[0].pk).upper()},soon,,,import,,",
    )  # fmt: skip

    found = labels_preview(content, author=nurse)

    assert counts(found) == (1, 0, 0, 0, 2)
    assert [str(fault) for fault in found.faults] == [
        "line 2 of the file: the column 'prediction_id' names the same prediction, from the same "
        "source, as line 4",
        "line 4 of the file: the column 'prediction_id' names the same prediction, from the same "
        "source, as line 2",
    ]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "The file is empty."),
        (b"level,note\nurgent,CANARY\n", "The file lacks the column 'prediction_id'."),
        (b"prediction_id,note\n", "The file lacks the column 'level'."),
        (b"prediction_id,scale\n", "The file lacks the column 'original_level'."),
        (b"prediction_id,level,level\n", "The file has the column 'level' twice."),
        (b"prediction_id,level,CANARY\n", "Column 3 of the file is not known; expected"),
        (b"prediction_id;level\n", "separated by semicolons; expected commas"),
        (b"CANARY,urgent\n", "The file lacks the column 'prediction_id'."),
        ("prediction_id,level,note\n,,größer".encode("latin-1"), "not text in UTF-8"),
        ("prediction_id,level\n".encode("utf-16"), "not text in UTF-8"),
        (b'prediction_id,level\n"x"y,urgent\n', "Line 2 of the file is not CSV."),
        (b"prediction_id,level\n" + b"x" * 200_000, "Line 2 of the file is not CSV."),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_is_refused_in_a_sentence(
    content: bytes, reason: str, nurse: User
) -> None:
    with pytest.raises(LabelFileError) as refused:
        labels_preview(content, author=nurse)

    assert reason in str(refused.value)
    assert "CANARY" not in str(refused.value)


@pytest.mark.parametrize("limit", ["MAX_ROWS", "MAX_BYTES"])
def test_a_file_at_the_limit_is_taken_and_one_above_it_refused(
    limit: str, nurse: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = csv_of(*[f"{uuid.uuid4()},soon,,,,,"] * 2)
    size = 2 if limit == "MAX_ROWS" else len(content)

    monkeypatch.setattr(label_import, limit, size)
    assert labels_preview(content, author=nurse).lines == 2
    monkeypatch.setattr(label_import, limit, size - 1)
    with pytest.raises(LabelFileError, match=r"more than|larger than"):
        labels_preview(content, author=nurse)


@given(content=st.binary(max_size=300) | st.text(max_size=300).map(lambda s: csv_of(s)))
def test_whatever_a_file_holds_it_is_read_or_refused(content: bytes) -> None:
    author = User(pk=1)

    try:
        found = labels_preview(content, author=author)
    except LabelFileError:
        return

    assert found.taken + found.repeats == 0
    assert found.lines == found.faulty


# --- all or none -------------------------------------------------------------------------------


def test_with_a_fault_nothing_is_written(nurse: User, rows: list[MLPredictionLog]) -> None:
    content = csv_of(f"{rows[0].pk},emergency,,,,,", f"{uuid.uuid4()},soon,,,,,")

    with pytest.raises(FaultyLinesError, match="1 fault in the file: nothing was written") as error:
        labels_import(content, author=nurse)

    assert len(error.value.faults) == 1
    assert not GroundTruth.objects.exists()


def test_faulty_lines_can_be_left_out(nurse: User, rows: list[MLPredictionLog]) -> None:
    content = csv_of(f"{rows[0].pk},urgent,,,,,", f"{uuid.uuid4()},soon,,,,,", "x")

    done = labels_import(content, author=nurse, skip_faulty=True)

    assert (counts(done), done.lines) == ((1, 0, 0, 0, 2), 3)
    assert GroundTruth.objects.count() == 1


def test_what_breaks_half_way_leaves_nothing(
    nurse: User, rows: list[MLPredictionLog], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(label_import, "BATCH", 1)

    def two_batches(batches: Any) -> Any:
        yield from batches[:2]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        labels_import(
            csv_of(*(f"{row.pk},emergency,,,,," for row in rows)), author=nurse, watch=two_batches
        )

    assert not GroundTruth.objects.exists()
    assert not Alert.objects.exists()


def test_many_batches_are_one_import(
    nurse: User, rows: list[MLPredictionLog], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(label_import, "BATCH", 1)

    done = labels_import(csv_of(*(f"{row.pk},soon,,,,," for row in rows)), author=nurse)

    assert counts(done) == (3, 0, 0, 0, 0)
    assert GroundTruth.objects.count() == 3


def test_the_number_of_queries_does_not_grow_with_the_lines(
    nurse: User, rows: list[MLPredictionLog], django_assert_max_num_queries: Any
) -> None:
    more = MLPredictionLog.objects.bulk_create(prediction() for _ in range(200))

    with django_assert_max_num_queries(12):
        labels_import(csv_of(*(f"{row.pk},soon,,,,,n" for row in more)), author=nurse)


# --- between preview and confirmation ------------------------------------------------------------


def test_a_sealed_file_shows_nothing_and_opens_for_its_author_alone(nurse: User) -> None:
    content = csv_of("CANARY,,,,,,größer")
    sealed = content_seal(content, author=nurse)

    assert "CANARY" not in sealed
    assert content_unseal(sealed, author=nurse) == content
    for token, author in ((sealed, User.objects.create_user("other")), (sealed[:-4], nurse)):
        with pytest.raises(LabelFileError, match="upload it again"):
            content_unseal(token, author=author)


# --- the command -------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path, rows: list[MLPredictionLog]) -> Path:
    """A file of three labels."""
    path = tmp_path / "labels.csv"
    path.write_bytes(csv_of(*(f"{row.pk},urgent,,,,," for row in rows)))
    return path


def run(*args: Any) -> str:
    out = StringIO()
    call_command("import_labels", *map(str, args), stdout=out)
    return out.getvalue()


def test_the_command_writes_only_when_told_to(file: Path, nurse: User) -> None:
    preview = run(file, "--author", "nurse")
    assert "3 lines: 3 new, 0 said before" in preview
    assert "Nothing was written; --apply does." in preview
    assert not GroundTruth.objects.exists()

    assert "3 lines: 3 new" in run(file, "--author", "nurse", "--apply")
    assert GroundTruth.objects.filter(author=nurse).count() == 3


def test_the_command_names_faults_and_writes_nothing(file: Path, nurse: User) -> None:
    file.write_bytes(file.read_bytes() + b"CANARY,urgent,,,,,\n")

    assert "1 fault in 1 line" in run(file, "--author", "nurse")
    with pytest.raises(CommandError, match="1 fault in the file: nothing was written"):
        run(file, "--author", "nurse", "--apply")
    assert not GroundTruth.objects.exists()

    assert "line 5 of the file" in run(file, "--author", "nurse", "--apply", "--skip-faulty")
    assert GroundTruth.objects.count() == 3


def test_the_command_names_no_more_faults_than_can_be_read(file: Path, nurse: User) -> None:
    file.write_bytes(csv_of(*["x,,,,,,"] * 101))

    said = run(file, "--author", "nurse")

    assert said.count("prediction_id") == 100
    assert "and 1 more fault" in said


def test_the_command_refuses_in_one_sentence(file: Path, nurse: User) -> None:
    User.objects.create_user("gone", is_active=False)

    for name in ("nobody", "gone"):
        with pytest.raises(CommandError, match="--author names no active account"):
            run(file, "--author", name)
    with pytest.raises(CommandError, match="The file cannot be read"):
        run(file.with_name("none.csv"), "--author", "nurse")
    file.write_bytes(b"")
    with pytest.raises(CommandError, match="The file is empty"):
        run(file, "--author", "nurse")
