"""Whoever was refused by the API is on record, and nothing that is refused tells or does more."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from api.instruments import PROCESS
from monitoring.models import AccessEvent, MLPredictionLog
from monitoring.roles import Role
from tests.conftest import ApiClient, account, client_of
from tests.monitoring.conftest import prediction

pytestmark = pytest.mark.django_db

LABEL = {"level": "soon", "source": "clinician"}
NO_ID = uuid.UUID("01990000-0000-7000-8000-000000000000")
LIST = "/api/v1/predictions/"


def label_url(prediction_id: uuid.UUID) -> str:
    return f"{LIST}{prediction_id}/ground-truth/"


@pytest.fixture
def anothers() -> MLPredictionLog:
    """A prediction that somebody else asked for."""
    row = prediction(client="ward", actor="ward")
    row.save()
    return row


def denials() -> list[tuple[Any, ...]]:
    fields = ("actor", "refused", "door", "prediction_log_id", "cases")
    return list(AccessEvent.objects.filter(action="deny").order_by("id").values_list(*fields))


def refused_anonymously() -> float:
    return PROCESS.get_sample_value("triage_anonymous_denials_total") or 0.0


def test_what_a_role_may_not_is_on_record() -> None:
    auditor = client_of(account("auditor", Role.AUDITOR))

    assert auditor.send({}).status_code == 403
    assert denials() == [("auditor", "triage", "api", None, 0)]


def test_an_id_that_was_refused_is_on_record_if_there_is_one(anothers: MLPredictionLog) -> None:
    engineer = client_of(account("engineer", Role.ML_ENGINEER))

    for one in (anothers.pk, NO_ID):
        assert engineer.send(LABEL, path=label_url(one)).status_code == 403

    assert denials() == [
        ("engineer", "label", "api", anothers.pk, 0), ("engineer", "label", "api", None, 0),
    ]  # fmt: skip


def test_an_id_that_was_asked_for_in_vain_is_on_record(
    api: ApiClient, anothers: MLPredictionLog
) -> None:
    for one in (anothers.pk, NO_ID):
        assert api.send(LABEL, path=label_url(one)).status_code == 404
        assert api.get(f"{LIST}{one}/").status_code == 404

    assert denials() == [
        ("frontend", "label", "api", anothers.pk, 0),
        ("frontend", "read_prediction", "api", anothers.pk, 0),
        ("frontend", "label", "api", None, 0),
        ("frontend", "read_prediction", "api", None, 0),
    ]


def test_anothers_prediction_takes_the_work_that_none_takes(
    api: ApiClient, anothers: MLPredictionLog
) -> None:
    work = []
    for one in (anothers.pk, NO_ID, anothers.pk, NO_ID):
        with CaptureQueriesContext(connection) as queries:
            api.send(LABEL, path=label_url(one))
        work.append([query["sql"].split()[0] for query in queries])

    assert work[2] == work[3]


def test_refusals_are_limited_like_calls_so_that_nobody_fills_the_record(settings: Any) -> None:
    settings.RATE_LIMIT = 2
    client = client_of(account("engineer", Role.ML_ENGINEER))

    statuses = [client.get(f"{LIST}{NO_ID}/").status_code for _ in range(4)]

    assert statuses == [403, 403, 429, 429]
    assert len(denials()) == 2


def test_who_is_not_known_is_counted_and_not_on_record(anonymous: ApiClient) -> None:
    before = refused_anonymously()

    anonymous.send({})
    ApiClient(headers={"authorization": "Token " + "0" * 64}).get(LIST)

    assert refused_anonymously() == before + 2
    assert denials() == []


def test_a_version_that_is_not_there_is_no_refusal(api: ApiClient) -> None:
    assert api.get("/api/v1/models/none/").status_code == 404
    assert denials() == []


def test_a_bad_body_is_no_refusal(api: ApiClient) -> None:
    before = refused_anonymously()

    assert api.send({}).status_code == 400
    assert (denials(), refused_anonymously()) == ([], before)


@pytest.fixture
def no_record() -> None:
    """Nothing can be written down of who saw what."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE monitoring_accessevent RENAME TO elsewhere")


def test_a_refusal_that_cannot_be_put_on_record_stays_one(
    api: ApiClient, anothers: MLPredictionLog, no_record: None, caplog: pytest.LogCaptureFixture
) -> None:
    vain = api.send(LABEL, path=label_url(anothers.pk))
    forbidden = api.send({"reason": "x"}, path="/api/v1/models/rollback/")

    assert (vain.status_code, forbidden.status_code) == (404, 403)
    assert caplog.text.count("denial_not_recorded") == 2
    assert str(anothers.pk) not in caplog.text


@pytest.mark.parametrize("page", ["", "{id}/"])
def test_a_read_that_cannot_be_put_on_record_is_refused(
    page: str, anothers: MLPredictionLog, no_record: None
) -> None:
    reviewer = client_of(account("reviewer", Role.REVIEWER))

    answer = reviewer.get(LIST + page.format(id=anothers.pk))

    assert answer.status_code == 503
    assert "soon" not in answer.content.decode()


def test_a_label_shows_nothing_of_the_case_and_is_no_read(
    api: ApiClient, sore_throat: dict[str, Any]
) -> None:
    api.send(sore_throat)

    answer = api.send(LABEL, path=label_url(MLPredictionLog.objects.get().pk))

    assert answer.json().keys() == {"prediction_id", "level", "state", "ground_truth"}
    assert not AccessEvent.objects.exists()
