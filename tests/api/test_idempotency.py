"""A call that is sent again is answered as it was the first time, and on record once."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from http import HTTPStatus
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.contrib.auth.models import User
from django.db import connections, transaction
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from api import views
from api.idempotency import once
from api.parsers import StrictJSONParser, digest_of
from monitoring.idempotency import (
    CLAIM_HOLDS_FOR,
    KEPT_FOR,
    ClaimLostError,
    KeptAnswer,
    StillRunningError,
    call_claim,
    call_keep,
    call_release,
)
from monitoring.models import IdempotentCall, MLPredictionLog
from monitoring.patient import patient_erase
from monitoring.retention import prune
from monitoring.roles import Role
from tests.api.test_not_recorded import table_gone
from tests.conftest import TRIAGE_URL, account, client_of

pytestmark = pytest.mark.django_db
KEY = {"idempotency-key": "visit-2026-00017"}
SECOND = timedelta(seconds=1)


def age(by: timedelta) -> None:
    """Let every claim be older by a time."""
    for row in IdempotentCall.objects.all():
        IdempotentCall.objects.filter(pk=row.pk).update(claimed_at=row.claimed_at - by)


def test_it_works(api: Any, chest_pain: dict[str, Any]) -> None:
    first = api.send(chest_pain, headers=KEY)
    again = api.send(chest_pain, headers=KEY)

    assert (first.status_code, again.status_code) == (200, 200)
    assert again.content == first.content
    assert "Idempotency-Replayed" not in first
    assert again["Idempotency-Replayed"] == "true"
    assert again["Content-Type"] == first["Content-Type"]
    assert MLPredictionLog.objects.count() == 1


def test_without_a_key_every_call_is_a_new_one(api: Any, chest_pain: dict[str, Any]) -> None:
    assert api.send(chest_pain).content != api.send(chest_pain).content
    assert MLPredictionLog.objects.count() == 2
    assert not IdempotentCall.objects.exists()


def test_an_erased_patient_is_in_no_kept_answer(api: Any, chest_pain: dict[str, Any]) -> None:
    api.send(chest_pain | {"patient_id": "p-other"}, headers={"idempotency-key": "another"})
    age(timedelta(hours=1))
    MLPredictionLog.objects.rewrite(subject="")
    api.send(chest_pain, headers=KEY)

    patient_erase(chest_pain["patient_id"], actor="os:operator")
    response = api.send(chest_pain, headers=KEY)

    assert response.status_code == 422
    assert "radiating" not in response.content.decode()
    assert MLPredictionLog.objects.count() == 2
    assert IdempotentCall.objects.exclude(answer=b"").count() == 1


def test_a_changed_byte_is_another_request(api: Any, chest_pain: dict[str, Any]) -> None:
    body = json.dumps(chest_pain).encode()
    api.send_raw(body, headers=KEY)

    response = api.send_raw(body + b" ", headers=KEY)

    assert response.status_code == 422
    assert response["Content-Type"] == "application/problem+json"
    assert MLPredictionLog.objects.count() == 1


@pytest.mark.parametrize("path", ["/api/ml/predict/", f"{TRIAGE_URL}?explain=true"])
def test_another_path_or_query_is_another_request(
    path: str, api: Any, chest_pain: dict[str, Any]
) -> None:
    api.send(chest_pain, headers=KEY)

    assert api.send(chest_pain, path=path, headers=KEY).status_code == 422


def test_two_clients_may_use_the_same_key(api: Any, chest_pain: dict[str, Any]) -> None:
    other = client_of(account("other", Role.FRONTEND))

    answers = {client.send(chest_pain, headers=KEY).content for client in (api, other)}

    assert len(answers) == 2
    assert MLPredictionLog.objects.count() == 2


@pytest.mark.parametrize("key", ["", "k" * 256, "CANARY 7", "CANARY\t7", "CANARYé", "CANARY\x7f"])
def test_a_key_must_be_short_and_plain(key: str, api: Any, chest_pain: dict[str, Any]) -> None:
    response = api.send(chest_pain, HTTP_IDEMPOTENCY_KEY=key)

    (problem,) = response.json()["errors"]
    assert response.status_code == 400
    assert (problem["pointer"], problem["code"]) == ("", "idempotency_key")
    assert "CANARY" not in response.content.decode()
    assert not MLPredictionLog.objects.exists()


def test_the_longest_key_works(api: Any, chest_pain: dict[str, Any]) -> None:
    longest = {"idempotency-key": "~!" * 127 + "k"}

    assert api.send(chest_pain, headers=longest).status_code == 200
    assert api.send(chest_pain, headers=longest)["Idempotency-Replayed"] == "true"


def test_the_second_waits_for_the_first(
    api: Any, chest_pain: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    meanwhile: list[Any] = []
    decide = views.triage_decide

    def slowly(**call: Any) -> Any:
        meanwhile.append(api.send(chest_pain, headers=KEY))
        return decide(**call)

    monkeypatch.setattr(views, "triage_decide", slowly)

    assert api.send(chest_pain, headers=KEY).status_code == 200
    assert [(one.status_code, one["Retry-After"]) for one in meanwhile] == [(409, "1")]
    assert MLPredictionLog.objects.count() == 1


def test_who_was_overtaken_leaves_no_record(
    api: Any, chest_pain: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    overtaking: list[Any] = []
    decide = views.triage_decide

    def slowly(**call: Any) -> Any:
        if not overtaking:
            age(CLAIM_HOLDS_FOR + SECOND)
            overtaking.append(None)
            overtaking[0] = api.send(chest_pain, headers=KEY)
        return decide(**call)

    monkeypatch.setattr(views, "triage_decide", slowly)

    overtaken = api.send(chest_pain, headers=KEY)

    assert (overtaken.status_code, overtaking[0].status_code) == (409, 200)
    assert api.send(chest_pain, headers=KEY).content == overtaking[0].content
    assert MLPredictionLog.objects.count() == 1


def test_only_the_newest_claim_can_keep_an_answer() -> None:
    def claim() -> Any:
        return call_claim(client="frontend", key="k", request="r")

    lost = claim()
    age(CLAIM_HOLDS_FOR + SECOND)
    held = claim()

    call_release(lost)
    with pytest.raises(ClaimLostError):
        call_keep(lost, status=200, body="{}")
    with pytest.raises(StillRunningError):
        claim()
    call_keep(held, status=200, body="{}")
    assert claim() == KeptAnswer(status=200, body="{}")


def test_an_answer_that_is_kept_is_never_taken_over(api: Any, chest_pain: dict[str, Any]) -> None:
    first = api.send(chest_pain, headers=KEY)
    age(KEPT_FOR - SECOND * 60)

    assert api.send(chest_pain, headers=KEY).content == first.content


def test_after_a_day_the_key_is_new(
    api: Any, chest_pain: dict[str, Any], sore_throat: dict[str, Any]
) -> None:
    api.send(chest_pain, headers=KEY)
    age(KEPT_FOR + SECOND)

    response = api.send(sore_throat, headers=KEY)

    assert response.status_code == 200
    assert api.send(sore_throat, headers=KEY).content == response.content
    assert MLPredictionLog.objects.count() == 2


def test_a_body_with_a_mistake_does_not_use_up_the_key(
    api: Any, chest_pain: dict[str, Any]
) -> None:
    assert api.send({**chest_pain, "patient_age": -1}, headers=KEY).status_code == 400
    assert api.send(chest_pain, headers=KEY).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_an_outage_does_not_use_up_the_key(api: Any, chest_pain: dict[str, Any]) -> None:
    with table_gone("monitoring_mlpredictionlog"):
        assert api.send(chest_pain, headers=KEY).status_code == 503

    assert api.send(chest_pain, headers=KEY).status_code == 200
    assert MLPredictionLog.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_where_no_key_can_be_claimed_a_nurse_is_told_to_go_by_hand(
    api: Any, chest_pain: dict[str, Any]
) -> None:
    with table_gone("monitoring_idempotentcall"):
        response = api.send(chest_pain, headers=KEY)

    assert response.status_code == 503
    assert response.json()["manual_triage"] is True
    assert "RF07" in [flag["id"] for flag in response.json()["red_flags"]]
    assert not MLPredictionLog.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_what_is_taken_back_after_it_was_kept_gives_the_key_back(frontend: User) -> None:
    request = Request(APIRequestFactory().post(TRIAGE_URL, headers=KEY))
    request.user = frontend

    def taken_back() -> None:
        with once(request) as call, transaction.atomic():
            call.keep(HTTPStatus.OK, {})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        taken_back()
    assert not IdempotentCall.objects.exists()


def test_what_keeps_nothing_gives_the_key_back(frontend: User) -> None:
    request = Request(APIRequestFactory().post(TRIAGE_URL, headers=KEY))
    request.user = frontend

    with once(request):
        assert IdempotentCall.objects.exists()

    assert not IdempotentCall.objects.exists()


def test_neither_key_nor_answer_can_be_read_from_the_table(
    api: Any, chest_pain: dict[str, Any]
) -> None:
    api.send(chest_pain, headers={"idempotency-key": "CANARY-7"})

    row = IdempotentCall.objects.values().get()
    assert "CANARY" not in str(row)
    assert b"emergency" not in bytes(row["answer"])


def test_an_answer_that_no_key_opens_is_not_decided_anew(
    api: Any, chest_pain: dict[str, Any], settings: Any
) -> None:
    api.send(chest_pain, headers=KEY)
    settings.INTAKE_KEYS = [Fernet.generate_key().decode()]

    assert api.send(chest_pain, headers=KEY).status_code == 422
    assert MLPredictionLog.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_twenty_at_once_one_decides(frontend: User, chest_pain: dict[str, Any]) -> None:
    clients = [client_of(frontend) for _ in range(20)]

    def call(client: Any) -> Any:
        try:
            return client.send(chest_pain, headers=KEY)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(call, clients))

    assert {answer.status_code for answer in answers} <= {200, 409}
    assert len({answer.content for answer in answers if answer.status_code == 200}) == 1
    assert MLPredictionLog.objects.count() == 1


def test_only_what_is_older_than_a_day_is_pruned(api: Any, chest_pain: dict[str, Any]) -> None:
    api.send(chest_pain, headers=KEY)
    age(KEPT_FOR + SECOND)
    api.send(chest_pain, headers={"idempotency-key": "another"})

    assert prune(now=timezone.now()).others["idempotent_calls"] == 1
    assert IdempotentCall.objects.count() == 1


def test_the_digest_is_of_the_bytes_and_no_body_has_one_too() -> None:
    def digest(body: bytes) -> str:
        request = APIRequestFactory().generic("POST", "/", body, content_type="application/json")
        return digest_of(Request(request, parsers=[StrictJSONParser()]))

    assert len({digest(b""), digest(b"{}"), digest(b"{ }")}) == 3
    assert digest(b"{}") == digest(b"{}")
