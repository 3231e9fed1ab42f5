"""Estimated and realised accuracy, and whether probabilities hold."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from ml.models import ModelVersion
from monitoring.drift import drift_check, drift_measure
from monitoring.drift.performance import MIN_LABELS, Performance
from monitoring.models import Alert
from tests.monitoring.drift_window import DAY, Columns, Plant, plant, version, visits
from triage_rules.level import Level

__all__ = ["plant", "version", "visits"]  # fixtures
MATURE = DAY - timedelta(days=1)


def upside_down(visit: Columns) -> Columns:
    """Return what would be right in a place where everything is one level more urgent."""
    return {"ground_truth": Level(min(visit["ground_truth"] + 1, Level.EMERGENCY))}


def measured() -> Performance:
    found = drift_measure(DAY).performance
    assert found is not None
    return found


def test_nothing_is_said_where_the_model_is_as_good_as_before(plant: Plant) -> None:
    plant(day=MATURE, labelled=True)

    result = drift_check(DAY)
    found = measured()

    assert (result.status, result.drifted) == ("ok", ())
    assert found.estimated.valid
    assert found.estimated.accuracy == pytest.approx(found.realised.accuracy, abs=0.07)
    assert found.realised.n == found.calibration.n > 350
    assert not Alert.objects.exists()


def test_a_change_of_what_is_right_is_found_and_named(plant: Plant) -> None:
    plant(day=MATURE, labelled=True, fault=upside_down)

    result = drift_check(DAY)

    assert result.drifted == ("concept", "calibration")
    assert {alert.cause for alert in Alert.objects.all()} == {"concept", "calibration"}
    assert "what is right has changed" in Alert.objects.get(policy="concept").message
    assert measured().concept.difference < -0.2  # type: ignore[operator]


def test_concept_drift_is_found_although_the_estimate_is_not_believed(plant: Plant) -> None:
    plant(day=MATURE, labelled=True, fault=upside_down)

    found = measured()

    assert found.concept.drifted
    assert not found.estimated.valid
    assert "calibration error" in found.estimated.why_not[0]


def test_probabilities_that_promise_too_much_are_found(plant: Plant) -> None:
    def sharpened(visit: Columns) -> Columns:
        if visit["probabilities"] is None:
            return {}
        sharper = np.array(visit["probabilities"]) ** 4
        stated = (sharper / sharper.sum()).tolist()
        return {"probabilities": stated, "model_confidence": stated[visit["model_level"]]}

    plant(day=MATURE, labelled=True, fault=sharpened)

    result = drift_check(DAY)

    assert "calibration" in result.drifted
    assert "calibration error" in Alert.objects.get(policy="calibration").message


def test_few_labels_give_no_verdict(plant: Plant) -> None:
    plant(day=MATURE, n=MIN_LABELS - 1, labelled=True, fault=upside_down)

    found = measured()

    assert (found.concept.difference, found.concept.drifted) == (None, False)
    assert (found.calibration.ece, found.calibration.drifted) == (None, False)
    assert "need" in found.estimated.why_not[0]
    assert 0 < found.estimated.accuracy < 1  # type: ignore[operator]


def test_without_labels_there_is_an_estimate_that_says_it_is_not_to_be_believed(
    plant: Plant,
) -> None:
    plant()

    found = drift_measure(DAY + timedelta(days=1)).performance

    assert found is not None
    assert found.realised.accuracy is None
    assert (found.estimated.valid, found.estimated.n > 350) == (False, True)


def test_patients_unlike_those_of_training_make_the_estimate_invalid(plant: Plant) -> None:
    def strange(visit: Columns) -> Columns:
        if visit["age_years"] < 60:
            return {}
        return {"model_abstained": "out_of_range", "model_level": None, "model_confidence": None}

    plant(day=MATURE, labelled=True, fault=strange)

    assert "unlike those of training" in measured().estimated.why_not[-1]


def test_labels_that_had_no_time_to_come_in_do_not_count(plant: Plant, settings: Any) -> None:
    settings.LABEL_MATURITY_DAYS = 2
    plant(day=MATURE, labelled=True, fault=upside_down)

    assert measured().realised.n == 0


def test_a_month_of_labels_counts_and_no_more(plant: Plant) -> None:
    plant(n=20)
    plant(day=MATURE - timedelta(days=27), n=20, labelled=True)
    plant(day=MATURE - timedelta(days=28), n=30, labelled=True)

    assert measured().realised.n == 20


def test_few_rows_of_a_window_do_not_hide_a_change_of_what_is_right(plant: Plant) -> None:
    plant(day=DAY - timedelta(days=10), labelled=True, fault=upside_down)
    plant(n=20)

    result = drift_check(DAY)

    assert (result.status, result.comparison) == ("drifted", None)
    assert "concept" in result.drifted


def test_the_second_day_is_critical_and_good_labels_close_it(
    plant: Plant, version: ModelVersion, settings: Any
) -> None:
    plant(day=MATURE, labelled=True, fault=upside_down)
    drift_check(DAY)
    plant(n=20, day=DAY + timedelta(days=1))
    drift_check(DAY + timedelta(days=1))
    assert Alert.objects.get(policy="concept").severity == "critical"

    later = DAY + timedelta(days=60)
    plant(day=later - timedelta(days=1), labelled=True)
    drift_check(later)

    assert Alert.objects.get(policy="concept").state == "closed"
