"""The running sum over under-triage: every case once, in the order of its first label."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.db.models import QuerySet

from ml.models import Deployment, ModelVersion
from monitoring.accuracy import accuracy_check
from monitoring.accuracy.cusum import Cusum, expected_share
from monitoring.labelling import ground_truth_record, ground_truth_review
from monitoring.labels import Label, LabelSource
from monitoring.models import Alert, GroundTruth, MLPredictionLog, MonitoringRun
from monitoring.selectors import first_id
from monitoring.statistics import CUSUM_LIMIT, bernoulli_cusum_weights, cusum_step
from tests.monitoring.conftest import prediction
from triage_rules.level import Level

DAY = date(2026, 11, 18)
MARK = datetime(2026, 11, 19, 23, tzinfo=UTC)
Labelled = Callable[..., None]


def check(day: date = DAY) -> Cusum:
    """Check a day in the morning on which it matures."""
    now = datetime(day.year, day.month, day.day, 5, 15, tzinfo=UTC) + timedelta(days=2)
    return accuracy_check(day, now=now).cusum


def label_at(
    row: MLPredictionLog, level: Level | None, *, at: datetime, by: User, settle: bool = False
) -> None:
    """Label a row as if it were that time."""
    label = Label(level=level, source=LabelSource.CLINICIAN)
    before = [one.pk for one in row.labels.all()]
    if settle:
        ground_truth_review(prediction_id=row.pk, reviewer=by, label=label)
    else:
        ground_truth_record(prediction_id=row.pk, author=by, label=label)
    newest = row.labels.exclude(pk__in=before).get()
    # The manager would rightly refuse.
    QuerySet(GroundTruth).filter(pk=newest.pk).update(id=first_id(at), created_at=at)
    MLPredictionLog.objects.filter(pk=row.pk, ground_truth_at__isnull=False).update(
        ground_truth_at=at
    )


@pytest.fixture
def row(db: None) -> MLPredictionLog:
    """A case of three days before, answered "soon"."""
    row = prediction(created_at=MARK - timedelta(days=4), prediction=Level.SOON)
    row.save(force_insert=True)
    return row


def test_it_works(labelled: Labelled, settings: Any) -> None:
    settings.UNDER_TRIAGE_EXPECTED = 0.1
    labelled(3, truth=Level.URGENT)
    labelled(1, at=datetime(2026, 11, 18, 13, tzinfo=UTC))

    found = check()

    rise, fall = bernoulli_cusum_weights(0.1, 0.2)
    assert found.value == pytest.approx(3 * rise + fall)
    assert (found.labels, found.under, found.crossed) == (4, 3, False)
    assert found.watermark == MARK


@pytest.mark.parametrize("expected", [0.02, 0.1, 0.45])
def test_one_pass_gives_what_page_gave_step_by_step(expected: float) -> None:
    events = (np.random.default_rng(7).random(5_000) < 2.2 * expected).tolist()
    value, alarms = 1.5, 0
    for event in events:
        value = cusum_step(value, bernoulli_cusum_weights(expected, 2 * expected)[not event])
        if value >= CUSUM_LIMIT:
            value, alarms = 0.0, alarms + 1

    found = Cusum(value=1.5, limit=CUSUM_LIMIT, expected=expected).after(events, watermark=MARK)

    assert found.value == pytest.approx(value)
    assert found.crossed == (alarms > 0)


def test_it_never_falls_below_0(labelled: Labelled) -> None:
    labelled(200)

    assert check().value == 0


def test_at_its_limit_it_alarms_and_starts_again(labelled: Labelled) -> None:
    labelled(40, truth=Level.URGENT)

    found = check()

    assert found.crossed
    assert found.value < CUSUM_LIMIT
    alert = Alert.objects.get(policy="under_triage")
    assert (alert.severity, alert.day) == ("critical", DAY)
    assert "40 were" in alert.message


def test_a_day_goes_on_where_the_day_before_stopped(labelled: Labelled) -> None:
    labelled(5, truth=Level.URGENT)
    labelled(2, truth=Level.URGENT, at=MARK)
    first, second = check(), check(DAY + timedelta(days=1))

    together = Cusum(value=0, limit=CUSUM_LIMIT, expected=0.05).after([True] * 7, watermark=MARK)

    assert (first.labels, second.labels) == (5, 2)
    assert second.value == pytest.approx(together.value)


def test_a_day_that_nobody_checked_is_made_up_for(labelled: Labelled) -> None:
    check()
    for days in (1, 2, 3):
        labelled(days, at=MARK + timedelta(days=days, hours=-9))

    assert check(DAY + timedelta(days=3)).labels == 6


def test_the_same_day_again_gives_the_same_state(labelled: Labelled) -> None:
    labelled(5, truth=Level.URGENT)
    check()
    labelled(9, truth=Level.URGENT)

    assert check().labels == 5
    assert MonitoringRun.objects.get().result["labelled"] == 14


def test_a_label_that_comes_late_counts_when_it_comes(row: MLPredictionLog, reviewer: User) -> None:
    assert check().labels == 0

    label_at(row, Level.URGENT, at=MARK + timedelta(minutes=1), by=reviewer, settle=False)

    assert check().labels == 0
    assert (check(DAY + timedelta(days=1)).under, check(DAY + timedelta(days=2)).labels) == (1, 0)


def test_at_the_horizon_itself_a_label_belongs_to_the_next_day(labelled: Labelled) -> None:
    labelled(1, at=MARK - timedelta(hours=5, microseconds=1))
    labelled(2, at=MARK - timedelta(hours=5))

    assert (check().labels, check(DAY + timedelta(days=1)).labels) == (1, 2)


@pytest.mark.parametrize("settle", [True, False])
def test_a_case_that_is_labelled_again_counts_once(
    row: MLPredictionLog, reviewer: User, settle: bool
) -> None:
    label_at(row, Level.URGENT, at=MARK - timedelta(hours=3), by=reviewer, settle=False)
    first = check()
    label_at(row, Level.EMERGENCY, at=MARK + timedelta(hours=3), by=reviewer, settle=settle)

    second = check(DAY + timedelta(days=1))

    assert (first.under, second.labels) == (1, 0)


def test_a_case_in_dispute_counts_once_by_the_most_urgent_word(
    row: MLPredictionLog, reviewer: User, frontend: User
) -> None:
    label_at(row, Level.SOON, at=MARK - timedelta(hours=3), by=frontend, settle=False)
    label_at(row, Level.URGENT, at=MARK - timedelta(hours=2), by=reviewer, settle=False)
    first = check()
    label_at(row, Level.URGENT, at=MARK + timedelta(hours=3), by=reviewer, settle=True)

    second = check(DAY + timedelta(days=1))

    assert (first.labels, first.under, second.labels) == (1, 1, 0)


@pytest.mark.parametrize("back", [-2, 2])
def test_a_case_whose_label_is_taken_back_and_given_again_counts_once(
    row: MLPredictionLog, reviewer: User, back: int
) -> None:
    label_at(row, Level.URGENT, at=MARK - timedelta(hours=3), by=reviewer)
    label_at(row, None, at=MARK + timedelta(hours=back), by=reviewer)
    first = check()
    label_at(row, Level.URGENT, at=MARK + timedelta(hours=9), by=reviewer)
    later = [check(DAY + timedelta(days=days)) for days in (1, 2)]

    # Where the first check looks to, the label had been taken back, or had not yet.
    assert [one.under for one in (first, *later)] == ([0, 1, 0] if back < 0 else [1, 0, 0])


def test_a_case_that_one_person_cannot_assess_counts_once_by_what_the_others_say(
    row: MLPredictionLog, reviewer: User, frontend: User
) -> None:
    label_at(row, None, at=MARK - timedelta(hours=4), by=frontend)
    label_at(row, Level.SOON, at=MARK - timedelta(hours=3), by=reviewer)
    first = check()
    label_at(row, Level.URGENT, at=MARK + timedelta(hours=3), by=frontend)

    second = check(DAY + timedelta(days=1))

    assert (first.labels, first.under, second.labels) == (1, 0, 0)


def test_what_a_reviewer_decided_counts_though_they_doubt_it_later(
    row: MLPredictionLog, reviewer: User
) -> None:
    label_at(row, Level.URGENT, at=MARK - timedelta(hours=3), by=reviewer, settle=True)
    label_at(row, None, at=MARK - timedelta(hours=2), by=reviewer)

    assert (check().under, check(DAY + timedelta(days=1)).labels) == (1, 0)


def test_a_day_that_is_not_mature_or_not_the_newest_takes_no_part(labelled: Labelled) -> None:
    labelled(5, truth=Level.URGENT)
    early = accuracy_check(DAY, now=datetime(2026, 11, 18, 13, tzinfo=UTC)).cusum
    mature = check()
    before = check(DAY - timedelta(days=1))

    assert (early.watermark, early.labels) == (None, 0)
    assert mature.labels == 5
    assert (before.watermark, before.labels) == (None, 0)


def test_the_alarm_is_over_after_many_quiet_labels(labelled: Labelled) -> None:
    labelled(40, truth=Level.URGENT)
    check()
    labelled(900, at=MARK)
    check(DAY + timedelta(days=1))
    still = Alert.objects.get(policy="under_triage").state
    labelled(200, at=MARK + timedelta(days=1))
    check(DAY + timedelta(days=2))

    assert (still, Alert.objects.get(policy="under_triage").state) == ("open", "closed")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("setting", "held_out", "expected"),
    [
        (None, None, 0.05),
        (None, 0.031, 0.031),
        (0.07, 0.031, 0.07),
        (None, 0.0, 0.005),
        (0.5, None, 0.45),
    ],
)
def test_what_is_usual_is_the_sites_word_or_the_versions_own(
    setting: float | None, held_out: float | None, expected: float, settings: Any
) -> None:
    settings.UNDER_TRIAGE_EXPECTED = setting
    if held_out is not None:
        version = ModelVersion.objects.create(
            version="v1", digest="d", created_at=MARK, registered_by="x", dataset="d",
            synthetic=True, scikit_learn="1.9", metrics={"hybrid": {"under_triage": held_out}},
        )  # fmt: skip
        Deployment.objects.create(slot="champion", current=version, epoch=1)

    assert expected_share() == expected
