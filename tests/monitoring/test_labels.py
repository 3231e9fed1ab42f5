"""What counts as right: by rank of source, never by who came first, and never by a guess."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import QuerySet, Subquery
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from monitoring.forms import LabelForm
from monitoring.labelling import (
    LabelOutcome,
    counting_labels,
    ground_truth_record,
    ground_truth_review,
)
from monitoring.labels import (
    CANNOT_ASSESS,
    RANKING,
    Label,
    LabelSource,
    Standing,
    level_said,
    resolve,
)
from monitoring.models import Alert, GroundTruth, MLPredictionLog
from tests.monitoring.conftest import prediction
from triage_rules.level import Level

ROUTINE, SOON, URGENT, EMERGENCY = Level
AUDIT, OUTCOME, CLINICIAN, IMPORT = RANKING
Say = Callable[..., LabelOutcome]


def said_of(row: MLPredictionLog) -> Say:
    """Return a function by which somebody labels a row; ``review`` settles it."""

    def say(
        level: Level | None,
        source: LabelSource = CLINICIAN,
        *,
        by: str = "nurse",
        review: bool = False,
        **facts: Any,
    ) -> LabelOutcome:
        person, _ = User.objects.get_or_create(username=by)
        label = Label(level=level, source=source, **facts)
        if review:
            return ground_truth_review(prediction_id=row.pk, reviewer=person, label=label)
        return ground_truth_record(prediction_id=row.pk, author=person, label=label)

    return say


@pytest.fixture
def row(db: None) -> MLPredictionLog:
    """A case that was answered "soon"."""
    row = prediction()
    row.save()
    return row


@pytest.fixture
def say(row: MLPredictionLog) -> Say:
    """Somebody labels that case."""
    return said_of(row)


def truth(row: MLPredictionLog) -> Level | None:
    row.refresh_from_db()
    assert (row.ground_truth is None) == (row.ground_truth_at is None)
    return None if row.ground_truth is None else Level(row.ground_truth)


def _as_standing(label: GroundTruth) -> Standing:
    level = None if label.level is None else Level(label.level)
    return Standing(level=level, source=LabelSource(label.source), settles=label.state == "settled")


def states() -> list[str]:
    return list(GroundTruth.objects.order_by("created_at", "id").values_list("state", flat=True))


def test_it_works(row: MLPredictionLog, say: Say) -> None:
    outcome = say(URGENT)

    assert (outcome.level, outcome.state, outcome.resolved) == (URGENT, "accepted", URGENT)
    assert truth(row) is URGENT


@pytest.mark.parametrize("higher", range(3))
def test_the_higher_rank_counts_and_the_case_still_waits_for_a_reviewer(
    row: MLPredictionLog, say: Say, higher: int
) -> None:
    say(ROUTINE, RANKING[higher + 1])
    outcome = say(URGENT, RANKING[higher], by="doctor")

    assert (truth(row), outcome.resolved) == (URGENT, URGENT)
    assert states() == ["conflict", "conflict"]


def test_within_one_rank_all_must_agree(row: MLPredictionLog, say: Say) -> None:
    say(ROUTINE, IMPORT)
    say(URGENT, OUTCOME)
    say(SOON, OUTCOME, by="doctor")

    assert truth(row) is None
    assert states() == ["conflict"] * 3


def test_a_reviewer_settles_it(row: MLPredictionLog, say: Say) -> None:
    say(URGENT, AUDIT)
    say(SOON, AUDIT, by="doctor")
    say(ROUTINE, IMPORT, by="chief", review=True)
    late = say(URGENT, AUDIT, by="student")

    assert truth(row) is ROUTINE
    assert (late.state, late.resolved) == ("conflict", ROUTINE)
    assert states() == ["superseded", "superseded", "settled", "conflict"]


def test_a_review_said_again_settles_what_has_come_since(say: Say) -> None:
    say(SOON, by="chief", review=True)
    say(URGENT)
    say(SOON, by="chief", review=True)
    say(SOON, by="chief", review=True)

    assert states() == ["superseded", "superseded", "settled"]


def test_a_correction_is_in_no_conflict_with_what_it_corrects(
    row: MLPredictionLog, say: Say
) -> None:
    say(SOON)
    outcome = say(URGENT)

    assert (outcome.created, outcome.state, truth(row)) == (True, "accepted", URGENT)
    assert states() == ["superseded", "accepted"]


def test_a_correction_can_end_a_conflict_and_be_taken_back(row: MLPredictionLog, say: Say) -> None:
    say(SOON)
    say(URGENT, by="doctor")
    say(URGENT)
    assert (truth(row), states()) == (URGENT, ["superseded", "accepted", "accepted"])

    say(SOON)
    assert truth(row) is None
    assert states() == ["superseded", "conflict", "superseded", "conflict"]


def test_what_stands_is_the_newest_although_a_clock_went_back(say: Say) -> None:
    say(SOON)
    say(URGENT)
    corrected = GroundTruth.objects.filter(level=SOON)
    QuerySet.update(corrected, created_at=timezone.now() + timedelta(minutes=5))

    assert not say(URGENT).created
    assert say(SOON).created


def test_another_source_of_the_same_author_is_no_correction(row: MLPredictionLog, say: Say) -> None:
    say(SOON, CLINICIAN)
    say(URGENT, OUTCOME)

    assert (truth(row), states()) == (URGENT, ["conflict", "conflict"])


def test_what_a_reviewer_settled_is_corrected_only_by_a_review(
    row: MLPredictionLog, say: Say
) -> None:
    say(SOON, by="chief", review=True)
    outcome = say(URGENT, by="chief")

    assert (outcome.state, truth(row)) == ("conflict", SOON)


@pytest.mark.parametrize("level", [SOON, None])
def test_a_repeat_changes_nothing(row: MLPredictionLog, say: Say, level: Level | None) -> None:
    say(level, note="seen")
    before = GroundTruth.objects.values().get()
    outcome = say(level, note="seen")

    assert not outcome.created
    assert GroundTruth.objects.values().get() == before


def test_a_note_whose_key_is_lost_is_no_repeat(say: Say, settings: Any) -> None:
    say(SOON, note="seen")
    settings.INTAKE_KEYS = [Fernet.generate_key().decode()]

    assert say(SOON, note="seen").created


# --- cannot assess ---------------------------------------------------------------------------


def test_who_cannot_assess_a_case_is_on_record_and_counts_for_nothing(
    row: MLPredictionLog, say: Say
) -> None:
    outcome = say(None, AUDIT)

    assert (outcome.level, outcome.state, outcome.resolved) == (None, "accepted", None)
    assert truth(row) is None
    assert GroundTruth.objects.get().level is None


@pytest.mark.parametrize("first", [None, URGENT])
def test_cannot_assess_is_in_conflict_with_nothing(
    row: MLPredictionLog, say: Say, first: Level | None
) -> None:
    say(first, AUDIT if first is None else IMPORT)
    say(URGENT if first is None else None, IMPORT if first is None else AUDIT, by="doctor")

    assert (truth(row), states()) == (URGENT, ["accepted", "accepted"])


def test_who_cannot_assess_it_after_all_takes_the_level_back(
    row: MLPredictionLog, say: Say
) -> None:
    say(URGENT)
    say(None)

    assert (truth(row), states()) == (None, ["superseded", "accepted"])


def test_a_reviewer_who_cannot_assess_it_settles_nothing(row: MLPredictionLog, say: Say) -> None:
    say(EMERGENCY, OUTCOME)
    say(SOON)
    say(None, by="chief", review=True)

    assert (truth(row), states()) == (EMERGENCY, ["conflict", "conflict", "accepted"])


def test_a_reviewer_can_take_a_settling_label_back(row: MLPredictionLog, say: Say) -> None:
    say(SOON, by="chief", review=True)
    say(None, by="chief", review=True)

    assert (truth(row), states()) == (None, ["superseded", "accepted"])


def test_what_a_settling_label_set_aside_stands_again_when_it_is_taken_back(
    row: MLPredictionLog, say: Say
) -> None:
    say(SOON)
    say(URGENT)
    say(SOON, by="chief", review=True)
    assert not say(URGENT).created
    say(None, by="chief", review=True)

    assert (truth(row), say(URGENT).created) == (URGENT, False)
    assert states() == ["superseded", "accepted", "superseded", "accepted"]


def test_what_was_set_aside_and_disagrees_waits_for_a_reviewer_again(
    row: MLPredictionLog, say: Say
) -> None:
    say(URGENT)
    say(ROUTINE, by="doctor", review=True)
    say(SOON, by="chief", review=True)
    say(None, by="chief", review=True)

    assert truth(row) is None
    assert states() == ["conflict", "conflict", "superseded", "accepted"]


def test_a_label_set_aside_by_nothing_that_stands_can_be_said_anew(
    row: MLPredictionLog, say: Say
) -> None:
    say(URGENT)
    GroundTruth.objects.update(state="superseded")

    assert (say(URGENT).created, truth(row)) == (True, URGENT)


def test_nothing_counts_when_a_settling_label_from_another_source_is_taken_back(
    row: MLPredictionLog, say: Say
) -> None:
    say(None, by="chief", review=True)
    say(SOON, OUTCOME, by="chief", review=True)
    outcome = say(None, by="chief", review=True)

    assert (truth(row), outcome.resolved, outcome.state) == (None, None, "accepted")
    assert not row.labels.exclude(level=None).exclude(state="superseded").exists()


def test_what_was_taken_back_stays_so_when_another_reviewer_takes_theirs_back(
    row: MLPredictionLog, say: Say
) -> None:
    say(SOON, OUTCOME, by="chief", review=True)
    say(None, by="chief", review=True)
    say(URGENT, by="doctor", review=True)
    say(None, by="doctor", review=True)

    assert truth(row) is None


@pytest.mark.parametrize(("chosen", "level"), [("2", URGENT), (CANNOT_ASSESS, None)])
def test_the_form_of_the_admin_takes_a_level_or_cannot_assess(
    chosen: str, level: Level | None
) -> None:
    form = LabelForm({"level": chosen, "source": "clinician"})

    assert form.is_valid()
    assert form.label() == Label(level=level, source=CLINICIAN, saw_prediction=True)


@pytest.mark.parametrize(
    ("word", "original", "level"),
    [
        ("soon", None, SOON),
        (None, 2, EMERGENCY),
        ("urgent", 3, URGENT),
        (CANNOT_ASSESS, None, None),
    ],
)
def test_a_level_may_be_said_in_words_or_on_a_five_level_scale(
    word: str | None, original: int | None, level: Level | None
) -> None:
    assert level_said(word, original=original) is level


@pytest.mark.parametrize(("word", "original"), [(None, None), ("soon", 1), (CANNOT_ASSESS, 4)])
def test_a_level_that_says_nothing_or_two_things_is_refused(
    word: str | None, original: int | None
) -> None:
    with pytest.raises(ValueError, match="level"):
        level_said(word, original=original)


# --- a missed emergency ------------------------------------------------------------------------


def test_a_missed_emergency_is_an_alert(row: MLPredictionLog, say: Say) -> None:
    say(EMERGENCY)

    alert = Alert.objects.get()
    assert (alert.policy, alert.cause) == ("missed_emergency", f"missed_emergency.{row.pk}")
    assert (alert.severity, alert.state, str(alert.day)) == ("critical", "open", "2026-11-18")


def test_it_is_an_alert_although_a_lower_rank_disagrees(say: Say) -> None:
    say(ROUTINE)
    say(EMERGENCY, AUDIT)

    assert Alert.objects.filter(state="open").exists()


@pytest.mark.parametrize("level", [URGENT, None])
def test_it_ends_when_it_was_none(say: Say, level: Level | None) -> None:
    say(EMERGENCY)
    say(level)

    assert Alert.objects.get().state == "closed"


@pytest.mark.parametrize("first", [EMERGENCY, URGENT])
def test_one_who_says_emergency_is_enough_whoever_came_first(
    row: MLPredictionLog, say: Say, first: Level
) -> None:
    say(first)
    say(URGENT if first is EMERGENCY else EMERGENCY, by="doctor")

    assert (truth(row), states()) == (None, ["conflict", "conflict"])
    assert Alert.objects.get().state == "open"


def test_a_higher_rank_does_not_end_it_but_a_reviewer_does(row: MLPredictionLog, say: Say) -> None:
    say(EMERGENCY)
    say(SOON, AUDIT, by="doctor")
    assert (truth(row), Alert.objects.get().state) == (SOON, "open")

    say(SOON, AUDIT, by="chief", review=True)
    assert Alert.objects.get().state == "closed"


def test_it_ends_when_it_is_corrected_although_nothing_counts(
    row: MLPredictionLog, say: Say
) -> None:
    say(EMERGENCY)
    say(SOON, by="doctor")
    say(URGENT)

    assert (truth(row), Alert.objects.get().state) == (None, "closed")


def test_it_comes_back_with_the_label_that_a_reviewer_had_set_aside(say: Say) -> None:
    say(EMERGENCY)
    say(SOON, by="chief", review=True)
    say(None, by="chief", review=True)

    assert Alert.objects.get().state == "open"


def test_an_emergency_that_was_answered_so_is_no_alert(db: None) -> None:
    row = prediction(prediction=EMERGENCY)
    row.save()

    said_of(row)(EMERGENCY)

    assert not Alert.objects.exists()


def test_a_label_whose_alert_fails_is_not_recorded(
    row: MLPredictionLog, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**facts: Any) -> None:
        raise OSError("no alert")

    monkeypatch.setattr("monitoring.labelling.alert_raise", fail)
    with pytest.raises(OSError, match="no alert"):
        say(EMERGENCY)

    assert truth(row) is None
    assert not GroundTruth.objects.exists()


# --- which label speaks --------------------------------------------------------------------------


def speaks(row: MLPredictionLog) -> bool | None:
    saw = Subquery(counting_labels().values("saw_prediction")[:1])
    return MLPredictionLog.objects.annotate(saw=saw).get(pk=row.pk).saw


def test_the_label_of_the_highest_rank_speaks(row: MLPredictionLog, say: Say) -> None:
    say(URGENT, CLINICIAN, saw_prediction=True)
    say(URGENT, AUDIT, by="doctor", saw_prediction=False)
    say(URGENT, IMPORT, by="student", saw_prediction=True)

    assert speaks(row) is False


def test_of_equal_rank_the_newest_speaks(row: MLPredictionLog, say: Say) -> None:
    say(URGENT, saw_prediction=True)
    say(URGENT, by="doctor", saw_prediction=False)

    assert speaks(row) is False


def test_a_settling_label_speaks_before_all_others(row: MLPredictionLog, say: Say) -> None:
    say(URGENT, IMPORT, by="chief", review=True, saw_prediction=True)
    say(URGENT, AUDIT, saw_prediction=False)

    assert speaks(row) is True


def test_what_was_taken_back_speaks_no_more(row: MLPredictionLog, say: Say) -> None:
    say(URGENT, AUDIT, saw_prediction=False)
    say(None, AUDIT, saw_prediction=False)
    say(URGENT, by="doctor", saw_prediction=True)

    assert speaks(row) is True


def test_none_speaks_where_nothing_counts(row: MLPredictionLog, say: Say) -> None:
    say(URGENT, saw_prediction=False)
    say(None, saw_prediction=False)

    assert speaks(row) is None


# --- whoever comes first -----------------------------------------------------------------------


def expected(labels: list[tuple[str, LabelSource, Level | None]]) -> Level | None:
    """Return what counts, by the table of docs/labels.md."""
    for source in ("audit", "outcome", "clinician", "import"):
        levels = {level for _, of, level in labels if of == source and level is not None}
        if levels:
            return levels.pop() if len(levels) == 1 else None
    return None


voices = st.lists(
    st.tuples(
        st.sampled_from(["nurse", "doctor", "student"]),
        st.sampled_from(RANKING),
        st.sampled_from([*Level, None]),
    ),
    max_size=6,
    unique_by=lambda voice: voice[:2],
)


@pytest.mark.django_db
@given(labels=voices, data=st.data())
def test_what_counts_does_not_depend_on_who_came_first(labels: Any, data: st.DataObject) -> None:
    found = []
    for order in (labels, data.draw(st.permutations(labels))):
        row = prediction()
        row.save()
        for author, source, level in order:
            said_of(row)(level, source, by=author)
        standing = row.labels.values_list("author__username", "source", "level", "state")
        found.append((truth(row), set(standing)))

    assert found[0] == found[1]
    assert found[0][0] == expected(labels)


words = st.lists(
    st.tuples(
        st.sampled_from(["nurse", "doctor"]),
        st.sampled_from([OUTCOME, CLINICIAN]),
        st.sampled_from([SOON, URGENT, EMERGENCY, None]),
        st.booleans(),
    ),
    max_size=8,
)


@pytest.mark.django_db
@given(said=words)
def test_what_counts_and_the_alarm_follow_from_the_labels_that_stand(said: Any) -> None:
    row = prediction()
    row.save()
    for author, source, level, review in said:
        said_of(row)(level, source, by=author, review=review)
    stands = list(row.labels.exclude(state="superseded"))
    alerts = Alert.objects.filter(cause=f"missed_emergency.{row.pk}").exclude(state="closed")

    assert truth(row) == resolve(map(_as_standing, stands))
    assert alerts.exists() == any(label.level == EMERGENCY for label in stands)
    assert not said or stands


@pytest.mark.django_db(transaction=True)
def test_labels_at_the_same_moment_are_all_kept_and_disagreement_is_seen() -> None:
    row = prediction()
    row.save()
    people = [User.objects.create_user(f"doctor-{n}") for n in range(4)]
    together = Barrier(len(people))

    def label(number: int) -> None:
        together.wait()
        level = URGENT if number % 2 else SOON
        said = Label(level=level, source=CLINICIAN)
        ground_truth_record(prediction_id=row.pk, author=people[number], label=said)
        connection.close()

    with ThreadPoolExecutor(len(people)) as pool:
        list(pool.map(label, range(len(people))))

    assert GroundTruth.objects.count() == len(people)
    assert set(states()) == {"conflict"}
    assert truth(row) is None


@pytest.mark.django_db(transaction=True)
def test_the_same_word_at_the_same_moment_is_one_label() -> None:
    row = prediction()
    row.save()
    nurse = User.objects.create_user("nurse")
    together = Barrier(4)

    def label(_: int) -> bool:
        together.wait()
        said = Label(level=EMERGENCY, source=CLINICIAN)
        outcome = ground_truth_record(prediction_id=row.pk, author=nurse, label=said)
        connection.close()
        return outcome.created

    with ThreadPoolExecutor(4) as pool:
        created = list(pool.map(label, range(4)))

    assert sorted(created) == [False, False, False, True]
    assert (GroundTruth.objects.count(), Alert.objects.count()) == (1, 1)
