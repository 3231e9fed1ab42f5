"""What the result of a day holds beside its accuracy."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User

from monitoring.accuracy import accuracy_check
from monitoring.models import GroundTruth, MLPredictionLog, MonitoringRun
from triage_rules.level import Level

DAY = date(2026, 11, 18)
MORNING = datetime(2026, 11, 20, 5, 15, tzinfo=UTC)
Labelled = Callable[..., None]


def stored() -> dict[str, Any]:
    """Check the day and return what the row holds."""
    accuracy_check(DAY, now=MORNING)
    result: dict[str, Any] = MonitoringRun.objects.get().result
    return result


def test_shares_have_intervals(labelled: Labelled) -> None:
    labelled(7)
    labelled(2, truth=Level.URGENT)
    labelled(1, truth=Level.ROUTINE)

    result = stored()

    assert result["under_triage"]["share"] == 0.2
    assert result["under_triage"]["interval"] == pytest.approx([0.0567, 0.5098], abs=1e-4)
    assert result["over_triage"]["share"] == 0.1
    assert result["under_interval"] == result["under_triage"]["interval"]


def test_the_confusion_has_the_truth_by_row(labelled: Labelled) -> None:
    labelled(3, answered=Level.SOON, truth=Level.EMERGENCY)
    labelled(5, answered=Level.EMERGENCY, truth=Level.ROUTINE)

    assert stored()["confusion"] == [[0, 0, 0, 5], [0, 0, 0, 0], [0, 0, 0, 0], [0, 3, 0, 0]]


def test_missed_emergencies_are_counted(labelled: Labelled) -> None:
    labelled(2, answered=Level.SOON, truth=Level.EMERGENCY)
    labelled(1, answered=Level.URGENT, truth=Level.EMERGENCY)
    labelled(4, answered=Level.EMERGENCY, truth=Level.EMERGENCY)
    labelled(8, answered=Level.SOON, truth=Level.URGENT)

    assert stored()["missed_emergencies"] == 3


def test_levels_are_of_all_answers_and_both_deciders(labelled: Labelled) -> None:
    labelled(3, truth=None, model_level=Level.URGENT)
    labelled(2, answered=Level.EMERGENCY, truth=None, rules_level=Level.EMERGENCY)

    levels = stored()["levels"]

    assert levels["given"] == {"routine": 0, "soon": 3, "urgent": 0, "emergency": 2}
    assert levels["rules"] == levels["given"]
    assert levels["model"] == {"routine": 0, "soon": 0, "urgent": 3, "emergency": 0, "none": 2}


@pytest.mark.parametrize(
    ("said", "counted"),
    [((False,), "blind"), ((True,), "saw"), ((None,), "unknown"), ((), "unknown"),
     ((False, True), "saw")],
)  # fmt: skip
def test_labels_given_blind_are_counted_apart(
    labelled: Labelled, reviewer: User, said: tuple[Any, ...], counted: str
) -> None:
    labelled(1)
    row = MLPredictionLog.objects.get()
    for saw in said:
        GroundTruth(
            prediction_log=row, author=reviewer, level=row.ground_truth, source="clinician",
            saw_prediction=saw, state="accepted",
        ).save(force_insert=True)  # fmt: skip

    apart = stored()["by_saw_prediction"]

    assert {name: one["labelled"] for name, one in apart.items()} == {
        "blind": 0, "saw": 0, "unknown": 0, counted: 1,
    }  # fmt: skip


def test_a_label_that_does_not_count_says_nothing_of_who_saw_what(
    labelled: Labelled, reviewer: User
) -> None:
    labelled(1)
    for level, state in ((Level.URGENT, "accepted"), (Level.SOON, "superseded")):
        GroundTruth(
            prediction_log=MLPredictionLog.objects.get(), author=reviewer, level=level,
            source="clinician", saw_prediction=False, state=state,
        ).save(force_insert=True)  # fmt: skip

    assert stored()["by_saw_prediction"]["blind"]["labelled"] == 0


def test_the_audit_sample_is_counted_apart(labelled: Labelled, reviewer: User) -> None:
    labelled(4, audited=True)
    labelled(2, audited=True, truth=Level.URGENT)
    for row in MLPredictionLog.objects.all():
        GroundTruth(
            prediction_log=row, author=reviewer, level=row.ground_truth, source="audit",
            saw_prediction=False, state="accepted",
        ).save(force_insert=True)  # fmt: skip
    labelled(49)
    # Drawn, but labelled by somebody who does not say whether they had seen the answer.
    labelled(1, audited=True)

    audit = stored()["by_audit"]

    assert (audit["audited"]["labelled"], audit["audited"]["under"]) == (6, 2)
    assert audit["others"]["labelled"] == 50


def test_a_day_without_anything_has_a_result_too(db: None) -> None:
    result = stored()

    assert (result["predictions"], result["accuracy"], result["interval"]) == (0, None, None)
    assert result["by_audit"]["audited"]["labelled"] == 0
    assert result["latency"]["p50"] is None


def test_how_long_it_took_is_kept(labelled: Labelled) -> None:
    labelled(1)
    stored()

    assert MonitoringRun.objects.get().duration_ms > 0


@pytest.mark.parametrize("n", [1, 2, 19, 20, 100, 101])
def test_percentiles_are_those_of_the_nearest_rank(labelled: Labelled, n: int) -> None:
    for place in range(n):
        labelled(1, latency_ms=float(place + 1))

    times = stored()["latency"]

    # The smallest time that so many of the answers did not exceed.
    assert [times["p50"], times["p95"], times["p99"]] == [
        min(t for t in range(1, n + 1) if t >= share * n / 100) for share in (50, 95, 99)
    ]


def test_answers_above_the_limit_are_slow(labelled: Labelled) -> None:
    labelled(3, latency_ms=250.0)
    labelled(1, latency_ms=250.1, at=datetime(2026, 11, 18, tzinfo=UTC))
    labelled(9, latency_ms=900.0, at=datetime(2026, 11, 18, tzinfo=UTC) - timedelta(seconds=1))

    times = stored()["latency"]

    assert (times["n"], times["slow"], times["slow_share"]) == (4, 1, 0.25)
