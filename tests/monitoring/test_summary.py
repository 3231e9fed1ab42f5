"""The summary: stored results added up, small questions to the log, and one plain sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ml.models import Experiment, Phase
from monitoring.accuracy import accuracy_check
from monitoring.models import Alert, GroundTruth, MLPredictionLog, MonitoringRun, RetrainingRun
from monitoring.summary import summary
from tests.monitoring.simulated_runs import counted, drift_result, months, settled
from triage_rules.level import Level

pytestmark = pytest.mark.django_db

# By then the labels of the 18th are in.
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
LAST = date(2026, 11, 18)
Labelled = Callable[..., None]


def checked(day: date = LAST, *, status: str = "ok", **result: Any) -> MonitoringRun:
    """Write the accuracy check of a day."""
    return MonitoringRun.objects.create(job="accuracy", day=day, status=status, result=result)


def alert(cause: str = "accuracy", severity: str = "warning", state: str = "open") -> Alert:
    """Write an alert."""
    return Alert.objects.create(
        policy=cause.partition(".")[0], cause=cause, day=LAST, last_day=LAST, severity=severity,
        state=state, message="It is so.", provisional=False,
    )  # fmt: skip


def sentence() -> str:
    """Return the verdict of now."""
    return str(summary(now=NOW)["verdict"]["sentence"])


def test_it_works() -> None:
    months(60, until=LAST, now=NOW)
    settled(now=NOW)

    found = summary(now=NOW)

    assert found["window"] == {"days": 28, "start": "2026-10-22", "end": "2026-11-18"}
    assert len(found["accuracy"]["series"]) == 28
    assert found["model"] == {"version": "simulated-b", "epoch": 2, "synthetic": True}
    assert found["drift"]["latest"]["drifted"] == ["temperature_c"]
    assert [one["cause"] for one in found["alerts"]] == ["drift.temperature_c"]
    assert json.loads(json.dumps(found, allow_nan=False))


def test_without_anything_it_says_so() -> None:
    found = summary(now=NOW)

    assert found["verdict"] == {
        "status": None, "sentence": "No day has been checked yet. No open alert.",
    }  # fmt: skip
    assert (found["accuracy"]["latest"], found["drift"]["latest"]) == (None, None)
    assert found["coverage"] == {
        "matured": 0, "labelled": 0, "never": 0, "share": None, "pending": 0,
    }  # fmt: skip


def test_the_days_add_up_to_the_window() -> None:
    checked(**counted(100, 90, 5), predictions=150, missed_emergencies=1)
    checked(LAST - timedelta(days=1), **counted(50, 30, 15), predictions=60, missed_emergencies=2)
    checked(LAST - timedelta(days=28), **counted(1_000, 0, 0))

    found = summary(now=NOW)

    window = found["accuracy"]["window"]
    assert (window["labelled"], window["accuracy"]) == (150, 0.8)
    assert window["interval"] == pytest.approx((0.7288, 0.8561), abs=1e-4)
    assert found["under_triage"]["window"]["cases"] == 20
    assert found["under_triage"]["missed_emergencies"] == 3
    assert found["coverage"] == {
        "matured": 210, "labelled": 150, "never": 60, "share": pytest.approx(150 / 210),
        "pending": 0,
    }  # fmt: skip


def test_the_number_of_days_is_the_callers() -> None:
    months(10, until=LAST, now=NOW)

    assert [len(summary(days=days, now=NOW)["accuracy"]["series"]) for days in (1, 7, 366)] == [
        1, 7, 10,
    ]  # fmt: skip


def test_a_day_whose_labels_are_not_in_is_left_for_later() -> None:
    checked(LAST, **counted(100, 90, 5))
    checked(LAST + timedelta(days=1), **counted(40, 0, 40))

    assert summary(now=NOW)["accuracy"]["latest"]["day"] == str(LAST)


def test_an_old_result_with_few_keys_is_read_as_far_as_it_goes() -> None:
    checked(**counted(100, 80, 10), by_arm={"ml": {"labelled": 100, "correct": 80}})
    checked(LAST - timedelta(days=1), slices=None, confusion="?", latency=7, by_level=[1])
    MonitoringRun.objects.create(job="drift", day=LAST, status="no_reference", result={"rows": 4})

    found = summary(now=NOW)

    assert found["accuracy"]["window"]["accuracy"] == 0.8
    assert found["accuracy"]["by_arm"]["ml"]["correct"] == 80
    assert (found["confusion"], found["latency"]["series"], found["cusum"]["latest"]) == (
        None, [], None,
    )  # fmt: skip
    assert found["drift"]["latest"]["findings"] is None


def test_what_the_daily_check_stores_is_read_in_full(labelled: Labelled, reviewer: User) -> None:
    labelled(80, ab_group="ml", model_version="v1", sex="female", site="north")
    labelled(20, truth=Level.EMERGENCY, audited=True, sex="male", site="south")
    for row in MLPredictionLog.objects.filter(audited=True):
        GroundTruth(
            prediction_log=row, author=reviewer, level=row.ground_truth, source="audit",
            saw_prediction=False, state="accepted",
        ).save(force_insert=True)  # fmt: skip
    accuracy_check(LAST, now=NOW)

    found = summary(now=NOW)

    accuracy = found["accuracy"]
    assert (accuracy["window"]["labelled"], accuracy["by_arm"]["ml"]["correct"]) == (100, 80)
    assert (accuracy["by_version"]["v1"]["labelled"], accuracy["audited"]["under"]) == (80, 20)
    assert (found["confusion"]["emergency"]["soon"], found["levels"]["given"]["soon"]) == (20, 100)
    assert found["levels"]["labels"] == {"routine": 0, "soon": 80, "urgent": 0, "emergency": 20}
    assert [row["value"] for row in found["slices"]["site"]["values"]] == ["north", "south"]
    assert found["under_triage"]["missed_emergencies"] == 20
    assert (found["latency"]["latest"]["p50"], len(found["cusum"]["series"])) == (2.0, 1)


def test_the_confusion_is_told_in_words() -> None:
    table = [[0] * 4 for _ in Level]
    table[Level.EMERGENCY][Level.SOON] = 3
    checked(confusion=table)
    checked(LAST - timedelta(days=1), confusion=table)

    assert summary(now=NOW)["confusion"]["emergency"]["soon"] == 6


def test_the_worst_group_comes_first_and_few_labels_last() -> None:
    sites = {"a": counted(3, 0, 3), "b": counted(100, 95, 0), "c": counted(100, 60, 30)}
    checked(slices={"site": sites})

    values = summary(now=NOW)["slices"]["site"]["values"]

    assert [row["value"] for row in values] == ["c", "b", "a"]
    assert [row["enough"] for row in values] == [True, True, False]


def test_of_very_many_groups_the_worst_are_shown() -> None:
    checked(slices={"site": {f"s{n:02}": counted(100, n + 50, 0) for n in range(40)}})

    sites = summary(now=NOW)["slices"]["site"]

    assert (len(sites["values"]), sites["left_out"]) == (30, 10)
    assert sites["values"][0]["value"] == "s00"


def test_a_sum_in_which_a_day_took_no_part_is_not_drawn() -> None:
    cusum = {"value": 1.0, "limit": 7.0, "expected": 0.05, "crossed": False, "labels": 9}
    checked(cusum={**cusum, "watermark": None})
    checked(LAST - timedelta(days=1), cusum={**cusum, "watermark": "2026-11-19T00:00:00+00:00"})

    assert [one["day"] for one in summary(now=NOW)["cusum"]["series"]] == ["2026-11-17"]


def test_answers_that_wait_for_their_labels_are_counted(labelled: Labelled) -> None:
    labelled(4, at=datetime(2026, 11, 18, 23, 59, tzinfo=UTC), truth=None)
    labelled(3, at=datetime(2026, 11, 19, 0, 0, tzinfo=UTC), truth=None)

    assert summary(now=NOW)["coverage"]["pending"] == 3


def test_the_arms_of_the_newest_day_are_counted(labelled: Labelled) -> None:
    labelled(3, ab_group="ml", truth=None)
    labelled(2)
    checked(by_arm={"ml": counted(1, 1, 0), "rules": counted(5, 5, 0)})

    arms = summary(now=NOW)["experiment"]["arms"]

    assert {arm: tuple(counts.values()) for arm, counts in arms.items()} == {
        "ml": (3, 1), "none": (2, 0), "rules": (0, 5),
    }  # fmt: skip


def test_another_phase_is_told_with_its_day() -> None:
    Phase.objects.filter(ended_at=None).update(ended_at=NOW)
    phase = Phase.objects.create(
        experiment=Experiment.objects.create(name="second"), number=3, ramp=1, ml_share=1,
        default_decider="ml",
    )  # fmt: skip
    Phase.objects.filter(pk=phase.pk).update(started_at=NOW - timedelta(days=5))

    assert {"day": "2026-11-15", "kind": "phase", "name": "second phase 3"} in summary(now=NOW)[
        "changes"
    ]


# --- the verdict -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("right", "words"),
    [
        (80, "80 % right (71–87 %, 100 labelled), above the threshold of 75 %."),
        (75, "75 % right (66–82 %, 100 labelled), at the threshold of 75 %."),
        (60, "60 % right (50–69 %, 100 labelled), below the threshold of 75 %."),
    ],
)
def test_the_verdict_holds_the_day_against_the_threshold(right: int, words: str) -> None:
    checked(**counted(100, right, 0))

    assert sentence() == f"Answers of 18 November 2026: {words} No open alert."


def test_a_hair_below_the_threshold_does_not_read_as_at_it() -> None:
    checked(**counted(1_000, 749, 0))

    assert "74.9 % right" in sentence()
    assert "below the threshold of 75 %" in sentence()


def test_yesterday_is_called_yesterday(settings: Any) -> None:
    settings.LABEL_MATURITY_DAYS = 0
    checked(LAST + timedelta(days=1), **counted(100, 80, 0))

    assert sentence().startswith("Yesterday's answers: 80 % right")


def test_too_few_labels_are_not_judged() -> None:
    checked(status="not_enough_labels", **counted(12, 1, 3))

    assert "12 labelled, too few to judge (30 are needed)." in sentence()


def test_days_that_were_judged_together_are_named() -> None:
    pooled = {"days": 3, "first": "2026-11-16", **counted(40, 36, 1)}
    checked(**counted(12, 1, 3), pooled=pooled)

    assert "18 November 2026 and of the days before, from 2026-11-16: 90 % right" in sentence()


@pytest.mark.parametrize(
    ("alerts", "words"),
    [
        ([], "No open alert."),
        ([("accuracy", "warning", "open")], "1 open alert."),
        ([("drift.x", "warning", "acknowledged"), ("accuracy", "critical", "open")],
         "2 open alerts, 1 critical."),
        ([("accuracy", "critical", "closed")], "No open alert."),
    ],
)  # fmt: skip
def test_the_verdict_counts_what_is_open(alerts: list[tuple[str, str, str]], words: str) -> None:
    for one in alerts:
        alert(*one)

    assert sentence().endswith(words)


def test_critical_alerts_come_first() -> None:
    alert("a", "warning")
    alert("b", "critical")

    assert [one["cause"] for one in summary(now=NOW)["alerts"]] == ["b", "a"]


def test_more_alerts_than_are_shown_are_counted_all_the_same() -> None:
    for number in range(60):
        alert(f"slice.{number}", "critical" if number < 55 else "warning")

    found = summary(now=NOW)

    assert found["verdict"]["sentence"].endswith(" 60 open alerts, 55 critical.")
    assert found["alert_counts"] == {"open": 60, "critical": 55, "left_out": 10}
    assert len(found["alerts"]) == 50


def test_missed_emergencies_are_one_line_that_names_no_prediction() -> None:
    for number in range(3):
        alert(f"missed_emergency.case-{number}", "critical", "acknowledged" if number else "open")
    alert("missed_emergency.case-9", "critical", "closed")
    alert("latency")

    found = summary(now=NOW)

    assert found["alerts"][0] == {
        "id": None, "cause": "missed_emergency", "count": 3, "severity": "critical",
        "state": "open", "since": "2026-11-18", "last_day": "2026-11-18", "provisional": False,
        "message": "",
    }  # fmt: skip
    assert [one["count"] for one in found["alerts"]] == [3, 1]
    assert found["verdict"]["sentence"].endswith(" 4 open alerts, 3 critical.")
    assert "case-" not in json.dumps(found)


# --- the jobs --------------------------------------------------------------------------------


def test_a_check_that_should_have_run_is_overdue(labelled: Labelled) -> None:
    labelled(3, truth=None)

    found = summary(now=NOW)

    accuracy, _drift, retraining = found["jobs"]
    assert (accuracy["job"], accuracy["overdue"], accuracy["ran_at"]) == ("accuracy", True, None)
    assert "The accuracy check has never run." in found["verdict"]["sentence"]
    assert retraining["overdue"] is False


def test_a_check_that_ran_is_not(labelled: Labelled) -> None:
    labelled(3, truth=None)
    checked()
    RetrainingRun.objects.create(reason="asked for", started_at=NOW, status="failed")

    accuracy, _drift, retraining = summary(now=timezone.now())["jobs"]

    assert accuracy["age_hours"] == 0.0
    assert (retraining["status"], retraining["day"]) == ("failed", "2026-11-20")
    assert summary(now=NOW)["jobs"][0]["overdue"] is False


# --- the price -------------------------------------------------------------------------------


def test_the_number_of_questions_does_not_grow_with_the_days() -> None:
    months(60, until=LAST, now=NOW)
    MonitoringRun.objects.create(
        job="drift", day=LAST - timedelta(days=1), status="ok", result=drift_result(day=LAST)
    )

    counts = []
    for days in (1, 60):
        with CaptureQueriesContext(connection) as queries:
            summary(days=days, now=NOW)
        counts.append(len(queries))

    assert counts[0] == counts[1]
    assert counts[0] <= 20


def test_the_log_is_asked_for_counts_of_single_days_only() -> None:
    months(5, until=LAST, now=NOW)

    with CaptureQueriesContext(connection) as queries:
        summary(days=366, now=NOW)

    asked = [query["sql"] for query in queries if "mlpredictionlog" in query["sql"]]
    assert asked
    assert all("COUNT(" in sql and "created_at" in sql for sql in asked)
    assert all("2025" not in sql for sql in asked)
