"""The drift check: a planted fault is found and named, and without one nothing is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from ml.models import ModelVersion
from monitoring.drift import drift_catch_up, drift_check, drift_measure
from monitoring.models import Alert, MLPredictionLog, MonitoringRun
from monitoring.selectors import site_today
from tests.conftest import ApiClient
from tests.monitoring.drift_window import DAY, Columns, Plant, plant, version, visits
from triage_rules.case import ArrivalMode
from triage_rules.level import Decider, Level

__all__ = ["plant", "version", "visits"]  # fixtures
EARLY_ON_THE_20TH = datetime(2026, 11, 20, 5, 30, tzinfo=UTC)


def without(name: str) -> Callable[[Columns], Columns]:
    return lambda _: {name: None}


def in_fahrenheit(visit: Columns) -> Columns:
    known = visit["temperature_c"]
    return {"temperature_c": None if known is None else round(known * 1.8 + 32, 1)}


def by_ambulance(_: Columns) -> Columns:
    return {"arrival_mode": ArrivalMode.AMBULANCE}


def test_nothing_is_said_where_nothing_changed(plant: Plant) -> None:
    plant()

    result = drift_check(DAY)

    assert (result.status, result.drifted, result.rows) == ("ok", (), 400)
    assert not Alert.objects.exists()


@pytest.mark.parametrize(
    ("fault", "column", "said"),
    [
        (in_fahrenheit, "temperature_c", "degrees Fahrenheit"),
        (without("heart_rate"), "heart_rate", "heart_rate has vanished: 100.0%"),
        (lambda visit: {"unknown_words": visit["words"]}, "words", "100.0% of the words"),
        (by_ambulance, "arrival_mode", "ambulance 100.0%"),
        (lambda _: {"arrival_mode": "helicopter"}, "arrival_mode", "never had: helicopter"),
        (lambda _: {"prediction": Level.EMERGENCY}, "prediction", "emergency 100.0%"),
        (lambda _: {"model_level": Level.SOON}, "model_level", "soon 100.0%"),
        (lambda _: {"model_confidence": 0.3}, "model_confidence", "mean 0.3 of"),
        (lambda _: {"model_abstained": "out_of_range"}, "model_abstained", "out_of_range 100.0%"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isidentifier() else "",
)
def test_a_planted_fault_is_found_and_named(
    plant: Plant, fault: Callable[[Columns], Columns], column: str, said: str
) -> None:
    plant(fault=fault)

    result = drift_check(DAY)

    assert (result.status, result.drifted) == ("drifted", (column,))
    alert = Alert.objects.get()
    assert (alert.cause, alert.severity) == (f"drift.{column}", "warning")
    assert said in alert.message


def test_one_site_of_several_with_another_unit_is_found(plant: Plant) -> None:
    plant(fault=lambda visit: in_fahrenheit(visit) if visit["age_years"] > 70 else {})

    result = drift_check(DAY)

    assert "temperature_c" in result.drifted
    assert "usual in degrees Fahrenheit" in result.message("temperature_c")


@pytest.mark.parametrize(
    ("column", "factor", "unit"),
    [("systolic_bp", 0.133322, "kPa"), ("diastolic_bp", 0.1, "cmHg"), ("spo2", 0.01, "a share")],
)
def test_other_units_are_named(plant: Plant, column: str, factor: float, unit: str) -> None:
    plant(fault=lambda visit: {column: visit[column] and visit[column] * factor})

    assert f"usual in {unit}" in drift_measure(DAY).message(column)


def test_a_few_rows_say_nothing(plant: Plant, settings: Any) -> None:
    plant(n=settings.DRIFT_MIN_ROWS - 1, fault=without("heart_rate"))

    assert drift_check(DAY).status == "not_enough_rows"
    assert not Alert.objects.exists()


def test_no_rows_at_all_are_too_few(version: ModelVersion) -> None:
    assert drift_check(DAY).status == "not_enough_rows"


def test_two_days_running_are_critical_and_a_clean_one_closes(plant: Plant, settings: Any) -> None:
    settings.DRIFT_WINDOW_DAYS = 1
    plant(fault=by_ambulance)
    plant(day=DAY + timedelta(days=1), fault=by_ambulance)
    plant(day=DAY + timedelta(days=2))

    severities = []
    for days in range(3):
        drift_check(DAY + timedelta(days=days))
        severities.append((Alert.objects.get().severity, Alert.objects.get().state))

    assert severities == [("warning", "open"), ("critical", "open"), ("critical", "closed")]


def test_the_same_of_another_version_is_not_the_second_day(plant: Plant, settings: Any) -> None:
    settings.DRIFT_WINDOW_DAYS = 1
    plant(fault=by_ambulance)
    plant(day=DAY + timedelta(days=1), fault=by_ambulance)
    drift_check(DAY)
    run = MonitoringRun.objects.get()
    run.result["reference"]["version"] = "another"
    run.save()

    drift_check(DAY + timedelta(days=1))

    assert Alert.objects.get().severity == "warning"


def test_a_column_that_was_not_compared_keeps_its_alert(plant: Plant, settings: Any) -> None:
    settings.DRIFT_WINDOW_DAYS = 1
    plant(fault=by_ambulance)
    plant(day=DAY + timedelta(days=1), n=50)
    drift_check(DAY)

    assert drift_check(DAY + timedelta(days=1)).status == "not_enough_rows"
    assert Alert.objects.get().state == "open"


def test_an_alert_stays_until_every_kind_of_drift_was_looked_at_again(
    plant: Plant, settings: Any
) -> None:
    settings.DRIFT_WINDOW_DAYS = 1
    row = count()
    plant(fault=lambda visit: {"heart_rate": visit["heart_rate"] and visit["heart_rate"] * 1.5})
    # So many rows can say how much is missing, and too few have a value.
    few = {"n": settings.DRIFT_MIN_ROWS, "day": DAY + timedelta(days=1)}
    plant(**few, fault=lambda _: {} if next(row) % 15 else {"heart_rate": None})
    plant(day=DAY + timedelta(days=2))

    states = []
    for days in range(3):
        drift_check(DAY + timedelta(days=days))
        states.append(Alert.objects.get(cause="drift.heart_rate").state)

    assert states == ["open", "open", "closed"]


def test_a_kind_that_drifted_before_the_last_day_is_not_forgotten(
    plant: Plant, settings: Any
) -> None:
    settings.DRIFT_WINDOW_DAYS = 1
    row = count()
    plant(fault=lambda visit: {"heart_rate": visit["heart_rate"] and visit["heart_rate"] * 1.5})
    plant(day=DAY + timedelta(days=1), fault=without("heart_rate"))
    few = {"n": settings.DRIFT_MIN_ROWS, "day": DAY + timedelta(days=2)}
    plant(**few, fault=lambda _: {} if next(row) % 15 else {"heart_rate": None})

    for days in range(3):
        drift_check(DAY + timedelta(days=days))

    assert Alert.objects.get(cause="drift.heart_rate").state == "open"


def test_a_version_without_reference_is_a_result_of_its_own(plant: Plant) -> None:
    plant(fault=lambda _: by_ambulance(_) | {"model_version": "trained-long-ago"})

    result = drift_check(DAY)

    assert (result.status, result.version) == ("no_reference", "trained-long-ago")
    assert not Alert.objects.exists()


def test_the_files_of_a_version_may_be_gone(plant: Plant, settings: Any, tmp_path: Path) -> None:
    plant()
    settings.MODEL_STORE = tmp_path

    assert drift_check(DAY).status == "no_reference"


def test_only_rows_of_the_version_that_looked_at_most_are_compared(plant: Plant) -> None:
    plant()
    plant(n=300, fault=lambda _: by_ambulance(_) | {"model_version": "another"})

    result = drift_check(DAY)

    assert (result.status, result.rows, result.versions["another"]) == ("ok", 400, 300)


def test_stripped_rows_and_other_days_do_not_count(plant: Plant, settings: Any) -> None:
    first = DAY - timedelta(days=settings.DRIFT_WINDOW_DAYS - 1)
    plant(fault=lambda _: {"stripped_at": timezone.now()})
    plant(day=first - timedelta(days=1))
    plant(day=DAY + timedelta(days=1))
    plant(day=first, n=3)
    plant(n=4)

    assert drift_measure(DAY).rows == 7


def test_answers_of_the_rules_arm_are_not_the_models(plant: Plant) -> None:
    plant()
    rules = {"decider": Decider.RULES, "prediction": Level.EMERGENCY}
    plant(fault=lambda _: rules)

    assert drift_measure(DAY).drifted == ()


def test_a_day_has_one_row_however_often_it_is_checked(plant: Plant) -> None:
    plant(fault=by_ambulance)

    first, second = drift_check(DAY), drift_check(DAY)

    assert first.as_dict() == second.as_dict()
    assert MonitoringRun.objects.get().status == "drifted"
    assert (Alert.objects.count(), Alert.objects.get().severity) == (1, "warning")


def test_the_result_can_be_stored_and_names_every_comparison(plant: Plant) -> None:
    plant(n=200, fault=without("pain_score"))
    drift_check(DAY)

    run = MonitoringRun.objects.get()
    assert run.duration_ms > 0
    assert run.result["window"] == {"start": "2026-11-12", "end": "2026-11-18"}
    assert run.result["drifted"] == ["pain_score"]
    assert run.result["reference"]["rows"] == 1500
    assert "glucose_mmol_l" in run.result["not_tested"]
    assert 0 < run.result["words"]["reference_share"] < 0.5
    assert sum(run.result["prediction"]["prediction"]["shares"].values()) == pytest.approx(1)


@pytest.mark.django_db(transaction=True)
def test_two_checks_at_the_same_moment_make_one_result(plant: Plant) -> None:
    plant(fault=by_ambulance)
    together = Barrier(2)

    def check(_: int) -> None:
        together.wait()
        drift_check(DAY)
        connection.close()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(check, range(2)))

    assert MonitoringRun.objects.get().status == "drifted"
    assert (Alert.objects.count(), Alert.objects.get().severity) == (1, "warning")


@pytest.mark.usefixtures("with_model")
def test_an_answer_leaves_two_numbers_of_its_words(
    api: ApiClient, sore_throat: dict[str, Any]
) -> None:
    sore_throat["symptoms_data"]["chief_complaint"] = "chest pain, quokka"

    assert api.send(sore_throat).status_code == 200

    row = MLPredictionLog.objects.get()
    assert (row.words, row.unknown_words) == (3, 1)


def test_an_answer_without_a_model_leaves_none(api: ApiClient, sore_throat: dict[str, Any]) -> None:
    assert api.send(sore_throat).status_code == 200

    row = MLPredictionLog.objects.get()
    assert (row.words, row.unknown_words) == (None, None)


@pytest.mark.django_db
def test_catching_up_starts_with_yesterday() -> None:
    assert [run.day for run in drift_catch_up(now=EARLY_ON_THE_20TH)] == [date(2026, 11, 19)]


@pytest.mark.django_db
def test_catching_up_fills_every_gap_oldest_first_and_only_once() -> None:
    drift_check(date(2026, 11, 15))
    drift_check(date(2026, 11, 17))

    caught_up = drift_catch_up(now=EARLY_ON_THE_20TH)

    assert [result.day.day for result in caught_up] == [16, 18, 19]
    assert drift_catch_up(now=EARLY_ON_THE_20TH) == []


@pytest.mark.django_db
def test_catching_up_goes_back_a_month_at_most() -> None:
    drift_check(date(2026, 1, 1))

    caught_up = drift_catch_up(now=EARLY_ON_THE_20TH)

    assert (len(caught_up), caught_up[0].day) == (31, date(2026, 10, 20))


def test_the_command_reports_in_words(plant: Plant, capsys: pytest.CaptureFixture[str]) -> None:
    plant(fault=by_ambulance)

    call_command("check_drift", date=str(DAY))

    report = capsys.readouterr().out
    assert "DRIFTED arrival_mode" in report
    assert "ambulance 100.0% (reference 23.4%)" in report
    assert "not to be relied on: Only 0 answers of the model have a label" in report


@pytest.mark.django_db
def test_the_command_prints_what_is_stored(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("check_drift", "--date", str(DAY), "--json")

    assert json.loads(capsys.readouterr().out) == {
        "day": "2026-11-18",
        "status": "not_enough_rows",
        **MonitoringRun.objects.get().result,
    }


@pytest.mark.django_db
@pytest.mark.parametrize("day", ["yesterday", "1999-12-31", "2999-01-01"])
def test_the_command_refuses_a_day_that_is_none(day: str) -> None:
    with pytest.raises(CommandError, match="--date must be"):
        call_command("check_drift", date=day)


@pytest.mark.django_db
def test_the_command_refuses_a_day_that_is_not_over() -> None:
    today = site_today(now=timezone.now())

    with pytest.raises(CommandError, match="to yesterday"):
        call_command("check_drift", date=str(today))

    assert not MonitoringRun.objects.exists()


def test_words_of_few_rows_are_counted_and_not_named(plant: Plant) -> None:
    row = count()
    planted = dict.fromkeys(range(40), "helicopter") | {n: f"case-{n}" for n in range(40, 55)}
    plant(fault=lambda _: {"arrival_mode": planted.get(next(row), ArrivalMode.WALK_IN)})

    result = drift_check(DAY)

    said = "55 of 400 rows have a value the reference never had: helicopter (40 rows), 15 others."
    assert said in Alert.objects.get(cause="drift.arrival_mode").message
    assert "case-" not in json.dumps(result.as_dict())


def test_of_many_new_words_the_most_frequent_are_named(plant: Plant) -> None:
    row = count()
    plant(fault=lambda _: {"arrival_mode": f"way-{next(row) % 5}"})

    message = drift_measure(DAY).message("arrival_mode")

    assert "way-0 (80 rows), way-1 (80 rows), way-2 (80 rows), 2 others." in message
    assert "way-3" not in message


def test_nothing_of_a_single_patient_is_in_the_result(plant: Plant) -> None:
    measured = iter([251.25])
    plant(fault=lambda _: {"subject": "f" * 64, "systolic_bp": next(measured, None)})

    stored = json.dumps(drift_check(DAY).as_dict())

    assert "systolic_bp has vanished" in stored
    assert "f" * 64 not in stored
    assert "251.2" not in stored
