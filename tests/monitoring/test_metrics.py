"""The figures of the record: what is in it, what is not there yet, and a database that is gone."""

from __future__ import annotations

import ast
import inspect
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from importlib import import_module
from threading import Event
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from ml.experiments import experiment_ensure_default
from ml.models import Experiment
from monitoring import metrics
from monitoring.alerts import MISSED_EMERGENCY
from monitoring.drift.check import CALIBRATION, CONCEPT
from monitoring.drift.check import DRIFT as DRIFTS
from monitoring.labels import LabelState
from monitoring.metrics import POLICIES, record_figures, record_metrics, scrape_shared
from monitoring.models import Alert, AlertDelivery, GroundTruth, MLPredictionLog, MonitoringRun
from tests.monitoring.conftest import NOON, prediction
from triage_rules.level import Level

# What raises alerts.
RAISING = ("accuracy.checking", "drift.check", "watch")
DAY = date(2026, 11, 16)
ACCURACY = {
    "predictions": 200,
    "labelled": 100,
    "accuracy": 0.81,
    "interval": [0.72, 0.87],
    "coverage": 0.5,
    "under_triage": {"share": 0.04, "interval": [0.01, 0.1]},
    "over_triage": 0.15,
    "cusum": {"value": 1.5, "limit": 4.0},
}
DRIFT = {
    "columns_tested": 18,
    "drifted": ["age_years", "spo2"],
    "words": {"share": 0.07, "reference_share": 0.02},
    "concept": {"difference": -0.03},
    "calibration": {"ece": 0.05, "brier": 0.3},
}


def figures(**now: Any) -> dict[str, Any]:
    """Return each sample as ``name`` or ``name{label values}`` and its value."""
    return {
        _name(sample): sample.value
        for family in record_figures(now=now.get("now", NOON))
        for sample in family.samples
    }


def _name(sample: Any) -> str:
    return sample.name + ("{" + ",".join(sample.labels.values()) + "}" if sample.labels else "")


def run(job: str, result: Mapping[str, Any], *, day: date = DAY) -> MonitoringRun:
    """Write a run of a check."""
    return MonitoringRun.objects.create(job=job, day=day, status="ok", result=result)


def alert(**values: Any) -> Alert:
    """Write an alert that is open."""
    facts = {"policy": "accuracy", "cause": str(uuid.uuid4()), "day": DAY, "last_day": DAY}
    rest = {"severity": "critical", "message": "m", "provisional": False}
    return Alert.objects.create(**facts | rest | values)


@pytest.mark.django_db
def test_the_newest_run_of_each_check_is_told() -> None:
    run("accuracy", ACCURACY | {"accuracy": 0.1}, day=DAY - timedelta(days=1))
    newest = run("accuracy", ACCURACY)
    run("drift", DRIFT)

    found = figures()

    assert found["triage_accuracy_ratio"] == 0.81
    assert found["triage_accuracy_interval_ratio{low}"] == 0.72
    assert found["triage_accuracy_interval_ratio{high}"] == 0.87
    assert found["triage_under_triage_ratio"] == 0.04
    assert found["triage_over_triage_ratio"] == 0.15
    assert found["triage_cusum_value"] == 1.5
    assert found["triage_drift_columns{drifted}"] == 2
    assert found["triage_drift_unknown_words_ratio{reference}"] == 0.02
    assert found["triage_calibration_error_ratio"] == 0.05
    stamp = found["triage_check_last_run_timestamp_seconds{accuracy}"]
    assert stamp == newest.ran_at.timestamp()


@pytest.mark.django_db
@pytest.mark.parametrize("result", [{}, {"accuracy": None, "interval": None, "cusum": None}])
def test_what_a_check_could_not_say_has_no_value(result: dict[str, Any]) -> None:
    run("accuracy", result)
    run("drift", {"words": "?", "drifted": None})

    found = figures()

    assert not [name for name in found if name.startswith(("triage_accuracy", "triage_drift"))]
    assert "triage_cusum_value" not in found


@pytest.mark.django_db
def test_nothing_on_record_is_no_error() -> None:
    found = figures()

    assert found["triage_predictions_last_hour{routine,ml}"] == 0
    assert found["triage_alerts_open{accuracy,critical,open}"] == 0
    assert found["triage_deployed_epoch"] == 0
    assert "triage_check_last_run_timestamp_seconds{accuracy}" not in found


@pytest.mark.django_db
def test_the_last_hour_is_counted_by_level_and_method(labelled: Callable[..., None]) -> None:
    labelled(3, answered=Level.SOON, at=NOON - timedelta(minutes=59))
    labelled(2, answered=Level.URGENT, at=NOON - timedelta(minutes=5), method="ml")
    labelled(4, answered=Level.SOON, at=NOON - timedelta(minutes=61))

    found = figures()

    assert found["triage_predictions_last_hour{soon,rules}"] == 3
    assert found["triage_predictions_last_hour{urgent,ml}"] == 2
    assert sum(n for name, n in found.items() if "last_hour" in name) == 5


@pytest.mark.django_db
def test_labels_are_due_when_their_day_has_matured(labelled: Callable[..., None]) -> None:
    labelled(2, at=NOON - timedelta(days=2))
    labelled(3, truth=None, at=NOON - timedelta(days=2))
    labelled(4, truth=None, at=NOON - timedelta(days=1))

    found = figures()

    assert found["triage_label_predictions{matured,labelled}"] == 2
    assert found["triage_label_predictions{matured,unlabelled}"] == 3
    assert found["triage_label_predictions{pending,labelled}"] == 0
    assert found["triage_label_predictions{pending,unlabelled}"] == 4


@pytest.mark.django_db
def test_only_the_newest_rows_are_read(
    labelled: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "MOST_ROWS", 5)
    monkeypatch.setattr(metrics, "MOST_LABELS", 4)
    labelled(9, truth=None)

    found = figures()

    assert found["triage_predictions_last_hour{soon,rules}"] == 5
    assert found["triage_label_predictions{pending,unlabelled}"] == 4


@pytest.mark.django_db
def test_alerts_that_are_not_closed_are_counted() -> None:
    alert()
    alert(state="acknowledged", severity="warning")
    alert(state="closed")
    alert(policy="p-123")

    found = figures()

    assert found["triage_alerts_open{accuracy,critical,open}"] == 1
    assert found["triage_alerts_open{accuracy,warning,acknowledged}"] == 1
    assert found["triage_alerts_open{other,critical,open}"] == 1
    assert sum(n for name, n in found.items() if "alerts_open" in name) == 3


@override_settings(ALERT_EMAILS=["a@example.org"], ALERT_WEBHOOK_URL="http://127.0.0.1:9/")
@pytest.mark.django_db
def test_notifications_that_were_not_handed_over_are_counted() -> None:
    one = alert()
    waiting = AlertDelivery.objects.create(alert=one, channel="email", number=1)
    AlertDelivery.objects.create(alert=one, channel="webhook", number=1, delivered_at=NOON)

    found = figures(now=waiting.created_at + timedelta(minutes=10))

    assert found["triage_notifications_undelivered{email}"] == 1
    assert found["triage_notifications_undelivered{webhook}"] == 0
    assert found["triage_notification_oldest_undelivered_seconds"] == 600


@override_settings(ALERT_EMAILS=["a@example.org"], ALERT_WEBHOOK_URL=None)
@pytest.mark.django_db
def test_notifications_that_nobody_will_hand_over_do_not_wait() -> None:
    for severity in ("warning", "critical"):
        one = alert(severity=severity)
        AlertDelivery.objects.create(alert=one, channel="email", number=1)
        AlertDelivery.objects.create(alert=one, channel="webhook", number=1)
    AlertDelivery.objects.update(created_at=NOON - timedelta(days=8))

    found = figures()

    # A warning is given up after a week, and the webhook is no longer set up.
    assert found["triage_notifications_undelivered{email}"] == 1
    assert found["triage_notifications_undelivered{webhook}"] == 0

    Alert.objects.update(severity="warning")
    assert figures()["triage_notification_oldest_undelivered_seconds"] == 0


@pytest.mark.django_db
def test_what_waits_for_a_person_is_counted(reviewer: User) -> None:
    rows = [prediction(audited=True), prediction(), prediction(ground_truth=None)]
    MLPredictionLog.objects.bulk_create(rows)
    GroundTruth.objects.bulk_create(
        GroundTruth(
            prediction_log=rows[1],
            author=reviewer,
            level=level,
            source="clinician",
            state=LabelState.CONFLICT,
        )
        for level in (0, 1)
    )

    found = figures()

    assert found["triage_audit_sample_waiting"] == 1
    assert found["triage_label_conflicts_waiting"] == 1


@pytest.mark.django_db
def test_the_terms_of_the_trial_are_told() -> None:
    experiment_ensure_default()
    Experiment.objects.update(kill_switch=True)

    found = figures()

    assert found["triage_kill_switch_on"] == 1
    assert found["triage_phase_number"] == 1
    assert found["triage_phase_model_arm_ratio"] == 0.5


@pytest.mark.django_db
def test_a_scrape_asks_a_fixed_number_of_questions(labelled: Callable[..., None]) -> None:
    def asked() -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            record_figures(now=NOON)
        return len(queries)

    before = asked()
    labelled(50)
    [alert() for _ in range(5)]

    assert asked() == before <= 16


@pytest.mark.django_db(transaction=True)
def test_the_database_answers() -> None:
    found = {family.name: family for family in record_metrics(now=NOON)}

    assert found["triage_database_up"].samples[0].value == 1
    assert "triage_alerts_open" in found


@pytest.mark.django_db(transaction=True)
def test_a_missing_table_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MonitoringRun._meta, "db_table", "no_such_table")

    found = {family.name: family for family in record_metrics(now=NOON)}

    assert found["triage_database_up"].samples[0].value == 0
    assert set(found) == {"triage_database_up", "triage_accuracy_threshold_ratio"}


@pytest.mark.django_db(transaction=True)
def test_a_scrape_leaves_no_connection_behind() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no list of its connections.")

    def connections() -> int:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            )
            return int(cursor.fetchone()[0])

    before = connections()
    for _ in range(5):
        list(record_metrics(now=NOON))

    assert connections() <= before + 1


@pytest.mark.django_db(transaction=True)
def test_scrapes_at_the_same_moment_ask_the_database_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked, go_on = [], Event()

    def slow(now: datetime) -> list[Any]:
        asked.append(now)
        go_on.wait(5)
        return []

    monkeypatch.setattr(metrics, "_QUESTIONS", (slow,))

    with ThreadPoolExecutor(4) as pool:
        scrapes = list(pool.map(lambda _: scrape_shared(now=NOON), range(4)))
    go_on.set()

    assert [scrape.result(timeout=2) for scrape in scrapes] == [[], [], [], []]
    assert len(asked) == 1

    assert next(record_metrics(now=NOON)).samples[0].value == 1
    assert len(asked) == 2


@override_settings(ACCURACY_THRESHOLD=0.9)
@pytest.mark.django_db(transaction=True)
def test_the_threshold_is_told() -> None:
    found = {family.name: family for family in record_metrics(now=NOON)}

    assert found["triage_accuracy_threshold_ratio"].samples[0].value == 0.9


def test_every_policy_has_a_word_of_its_own() -> None:
    modules = [import_module(f"monitoring.{name}") for name in RAISING]
    raised = {
        getattr(module, keyword.value.id)
        for module in modules
        for keyword in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(keyword, ast.keyword)
        and keyword.arg == "policy"
        and isinstance(keyword.value, ast.Name)
        and hasattr(module, keyword.value.id)
    }

    assert {"accuracy", "no_run"} <= raised <= set(POLICIES)
    assert {MISSED_EMERGENCY, DRIFTS, CONCEPT, CALIBRATION} <= set(POLICIES)
