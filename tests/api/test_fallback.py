"""Never without an answer: when the model cannot speak, the rules do, and the answer says why."""

from __future__ import annotations

from typing import Any

import pytest

from ml.models import Experiment, Phase
from monitoring.models import MLPredictionLog

NO_ARM = {"patient_id": None}


@pytest.mark.django_db
def test_it_answers_from_rules_when_the_model_is_missing(
    api: Any, sore_throat: dict[str, Any]
) -> None:
    response = api.send(sore_throat | NO_ARM)

    assert response.status_code == 200
    assert response.json()["method"] == "rules"
    assert response.json()["fallback"] is True
    assert response.json()["confidence"] == 0.0
    assert response.json()["probabilities"] is None
    assert response.json()["model"]["abstained"] == "model_unavailable"
    assert MLPredictionLog.objects.get().fallback_reason == "model_unavailable"


@pytest.mark.django_db
def test_words_the_model_never_saw_are_left_to_the_rules(
    api: Any, sore_throat: dict[str, Any], with_model: Any
) -> None:
    sore_throat["symptoms_data"]["chief_complaint"] = "xyzzy plugh"

    answer = api.send(sore_throat | NO_ARM).json()

    assert answer["fallback_reason"] == "out_of_range"
    assert answer["method"] in {"rules", "rule_floor"}
    assert answer["needs_human"] is False or answer["rules"]["prediction"] != "routine"


@pytest.mark.django_db
def test_the_kill_switch_works_from_the_next_request(
    api: Any, sore_throat: dict[str, Any], with_model: Any
) -> None:
    assert api.send(sore_throat | NO_ARM).json()["fallback_reason"] != "kill_switch"

    Experiment.objects.update(kill_switch=True)

    answer = api.send(sore_throat | NO_ARM).json()
    assert (answer["method"], answer["fallback_reason"]) == ("rules", "kill_switch")
    assert answer["model"]["prediction"] is not None


@pytest.mark.django_db
def test_between_two_phases_the_rules_decide(
    api: Any, sore_throat: dict[str, Any], with_model: Any
) -> None:
    Phase.objects.all().delete()

    answer = api.send(sore_throat).json()

    assert (answer["ab_group"], answer["method"], answer["fallback"]) == (None, "rules", False)


@pytest.mark.django_db
def test_a_call_without_a_patient_is_decided_by_the_phases_default(
    api: Any, sore_throat: dict[str, Any], with_model: Any
) -> None:
    answer = api.send(sore_throat | NO_ARM).json()

    row = MLPredictionLog.objects.get()
    assert answer["ab_group"] is None
    assert answer["model"]["prediction"] is not None
    assert (row.bucket, row.subject, row.subject_key_id) == (None, "", "")
