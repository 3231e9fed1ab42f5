"""What was right is reported once, repeated harmlessly, and disputed in the open."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.contrib.auth.models import User

from monitoring.encryption import decrypt
from monitoring.labelling import ground_truth_review
from monitoring.labels import Label, LabelSource
from monitoring.models import AccessEvent, GroundTruth, MLPredictionLog
from monitoring.roles import Role
from tests.conftest import account, client_of
from tests.monitoring.conftest import prediction as row_of
from triage_rules.level import Level

LABEL = {"level": "soon", "source": "clinician", "saw_prediction": True}


def url_of(prediction_id: Any) -> str:
    return f"/api/v1/predictions/{prediction_id}/ground-truth/"


@pytest.fixture
def prediction(api: Any, sore_throat: dict[str, Any]) -> MLPredictionLog:
    """A decision that the frontend asked for."""
    api.send(sore_throat)
    return MLPredictionLog.objects.get()


@pytest.mark.django_db
def test_it_works(api: Any, prediction: MLPredictionLog) -> None:
    response = api.send(LABEL, path=url_of(prediction.id))

    prediction.refresh_from_db()
    label = GroundTruth.objects.get()
    assert response.status_code == 201
    assert response.json()["ground_truth"] == "soon"
    assert prediction.get_ground_truth_display() == "soon"
    assert prediction.ground_truth_at is not None
    assert (label.author.username, label.source, label.saw_prediction) == (
        "frontend", "clinician", True,
    )  # fmt: skip


@pytest.mark.django_db
def test_a_repeat_changes_nothing(api: Any, prediction: MLPredictionLog) -> None:
    api.send(LABEL, path=url_of(prediction.id))
    response = api.send(LABEL, path=url_of(prediction.id))

    assert (response.status_code, response.json()["state"]) == (200, "accepted")
    assert GroundTruth.objects.count() == 1


@pytest.mark.django_db
def test_a_conflict_is_kept_and_nothing_counts_until_it_is_reviewed(
    api: Any, prediction: MLPredictionLog, reviewer: User
) -> None:
    api.send(LABEL, path=url_of(prediction.id))
    response = client_of(reviewer).send(LABEL | {"level": "urgent"}, path=url_of(prediction.id))

    prediction.refresh_from_db()
    assert (response.json()["state"], response.json()["ground_truth"]) == ("conflict", None)
    assert (prediction.ground_truth, prediction.ground_truth_at) == (None, None)
    assert set(GroundTruth.objects.values_list("state", flat=True)) == {"conflict"}


@pytest.mark.django_db
def test_what_a_reviewer_settled_stays_settled(
    api: Any, prediction: MLPredictionLog, reviewer: User
) -> None:
    api.send(LABEL | {"level": "emergency"}, path=url_of(prediction.id))
    api.send(LABEL, path=url_of(prediction.id))
    settled = Label(level=Level.URGENT, source=LabelSource.AUDIT)
    ground_truth_review(prediction_id=prediction.id, reviewer=reviewer, label=settled)

    repeat = api.send(LABEL, path=url_of(prediction.id))
    late = api.send(LABEL | {"level": "routine"}, path=url_of(prediction.id))

    prediction.refresh_from_db()
    assert (repeat.status_code, repeat.json()["ground_truth"]) == (200, "urgent")
    assert (late.json()["state"], late.json()["ground_truth"]) == ("conflict", "urgent")
    assert prediction.get_ground_truth_display() == "urgent"


@pytest.mark.django_db
@pytest.mark.parametrize(
    "change", [{"source": "outcome"}, {"saw_prediction": False}, {"note": "seen again"}]
)
def test_a_label_with_other_facts_is_no_repeat(
    change: dict[str, Any], api: Any, prediction: MLPredictionLog
) -> None:
    api.send(LABEL, path=url_of(prediction.id))

    assert api.send(LABEL | change, path=url_of(prediction.id)).status_code == 201
    assert GroundTruth.objects.count() == 2


@pytest.mark.django_db
def test_a_second_opinion_that_agrees_is_a_row_of_its_own(
    api: Any, prediction: MLPredictionLog, reviewer: User
) -> None:
    api.send(LABEL, path=url_of(prediction.id))
    client_of(reviewer).send(LABEL, path=url_of(prediction.id))

    assert GroundTruth.objects.filter(state="accepted").count() == 2


@pytest.mark.django_db
def test_a_five_level_label_keeps_its_original(api: Any, prediction: MLPredictionLog) -> None:
    body = {"scale": "ktas", "original_level": 2, "source": "import"}

    response = api.send(body, path=url_of(prediction.id))

    label = GroundTruth.objects.get()
    assert response.json()["level"] == "emergency"
    assert (label.scale, label.original_level) == ("ktas", 2)


@pytest.mark.django_db
def test_who_cannot_assess_a_case_says_so(api: Any, prediction: MLPredictionLog) -> None:
    body = {"level": "cannot_assess", "source": "outcome", "saw_prediction": False}

    first = api.send(body, path=url_of(prediction.id))
    again = api.send(body, path=url_of(prediction.id))

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["level"] == "cannot_assess"
    assert (first.json()["state"], first.json()["ground_truth"]) == ("accepted", None)
    assert GroundTruth.objects.get().level is None


@pytest.mark.django_db
def test_what_counts_already_is_named_to_who_cannot_assess_it(
    api: Any, prediction: MLPredictionLog, reviewer: User
) -> None:
    api.send(LABEL, path=url_of(prediction.id))

    response = client_of(reviewer).send(LABEL | {"level": "cannot_assess"},
                                        path=url_of(prediction.id))  # fmt: skip

    assert (response.json()["level"], response.json()["ground_truth"]) == ("cannot_assess", "soon")


@pytest.mark.django_db
def test_a_correction_of_ones_own_label_counts(api: Any, prediction: MLPredictionLog) -> None:
    api.send(LABEL, path=url_of(prediction.id))
    response = api.send(LABEL | {"level": "urgent"}, path=url_of(prediction.id))

    assert (response.status_code, response.json()["state"]) == (201, "accepted")
    assert response.json()["ground_truth"] == "urgent"


@pytest.mark.django_db
def test_a_note_is_stored_encrypted(api: Any, prediction: MLPredictionLog) -> None:
    api.send(LABEL | {"note": "CANARY"}, path=url_of(prediction.id))

    token = bytes(GroundTruth.objects.get().note_encrypted)
    assert b"CANARY" not in token
    assert decrypt(token) == "CANARY"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"source": "clinician"}, "/level"),
        ({"level": "low", "source": "clinician"}, "/level"),
        ({"level": "soon"}, "/source"),
        ({"level": "soon", "source": "guess"}, "/source"),
        ({"scale": "ktas", "source": "import"}, "/original_level"),
        ({"original_level": 3, "source": "import"}, "/scale"),
        ({"scale": "ktas", "original_level": 6, "source": "import"}, "/original_level"),
        ({"level": "soon", "scale": "esi", "original_level": 1, "source": "import"}, "/level"),
        ({"level": "cannot_assess", "scale": "esi", "original_level": 1, "source": "import"},
         "/level"),
        ({"level": "Cannot assess", "source": "import"}, "/level"),
        ({"level": "soon", "source": "import", "saw_prediction": "no"}, "/saw_prediction"),
        ({"level": "soon", "source": "import", "note": "x" * 2_001}, "/note"),
        ({"level": "soon", "source": "import", "author": "me"}, "/author"),
    ],
)  # fmt: skip
def test_a_label_that_cannot_be_used_is_named(
    body: dict[str, Any], pointer: str, api: Any, prediction: MLPredictionLog
) -> None:
    response = api.send(body, path=url_of(prediction.id))

    assert response.status_code == 400
    assert [error["pointer"] for error in response.json()["errors"]] == [pointer]
    assert not GroundTruth.objects.exists()


@pytest.mark.django_db
def test_no_such_prediction_is_a_404(api: Any) -> None:
    response = api.send(LABEL, path=url_of(uuid.uuid4()))

    assert response.status_code == 404
    assert response["Content-Type"] == "application/problem+json"


@pytest.mark.django_db
def test_anothers_prediction_looks_like_none(prediction: MLPredictionLog) -> None:
    stranger = client_of(account("stranger", Role.FRONTEND))

    response = stranger.send(LABEL, path=url_of(prediction.id))

    assert response.status_code == 404
    assert not GroundTruth.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("role", [Role.FRONTEND, Role.CLINICIAN])
def test_an_audit_is_not_everybodys_word(role: Role) -> None:
    somebody = account("somebody", role)
    own = row_of(client="somebody")
    own.save()

    response = client_of(somebody).send(LABEL | {"source": "audit"}, path=url_of(own.id))

    assert response.status_code == 403
    assert [one["pointer"] for one in response.json()["errors"]] == ["/source"]
    assert not GroundTruth.objects.exists()
    refused = AccessEvent.objects.get()
    assert (refused.actor, refused.action, refused.refused, refused.prediction_log_id) == (
        "somebody", "deny", "settle_labels", own.id,
    )  # fmt: skip


@pytest.mark.django_db
def test_an_audit_is_the_word_of_a_reviewer(reviewer: User, prediction: MLPredictionLog) -> None:
    response = client_of(reviewer).send(LABEL | {"source": "audit"}, path=url_of(prediction.id))

    assert (response.status_code, GroundTruth.objects.get().source) == (201, "audit")


@pytest.mark.django_db
def test_of_anothers_prediction_an_audit_tells_nothing_either(prediction: MLPredictionLog) -> None:
    stranger = client_of(account("stranger", Role.FRONTEND))

    response = stranger.send(LABEL | {"source": "audit"}, path=url_of(prediction.id))

    assert response.status_code == 404


@pytest.mark.django_db
def test_without_a_token_nothing_is_labelled(anonymous: Any, prediction: MLPredictionLog) -> None:
    assert anonymous.send(LABEL, path=url_of(prediction.id)).status_code == 401
