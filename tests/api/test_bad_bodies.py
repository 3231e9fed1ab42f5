"""A body with more than one meaning, or none, is refused before it is looked at."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import pytest
from django.test import RequestFactory

from api.errors import InvalidBodyError
from api.parsers import StrictJSONParser
from monitoring.models import MLPredictionLog

CANARY = b"CANARY-73219"
BAD_BODIES = {
    "not JSON": (b'{"patient_age": CANARY-73219}', "", "invalid_json"),
    "cut off": (b'{"patient_age": 5', "", "invalid_json"),
    "two values": (b"{}{}", "", "invalid_json"),
    "NaN": (b'{"patient_age": NaN}', "/patient_age", "not_finite"),
    "Infinity": (b'{"vitals": {"spo2": -Infinity}}', "/vitals/spo2", "not_finite"),
    "a number that overflows": (b'{"a": [1, 1e999]}', "/a/1", "not_finite"),
    "an integer of 5,000 digits": (b'{"a": ' + b"9" * 5000 + b"}", "", "invalid_json"),
    "a duplicate key": (b'{"patient_age": 5, "patient_age": 6}', "/patient_age", "duplicate_key"),
    "a duplicate inside": (b'{"vitals": {"a": 5, "a": 6}}', "/vitals/a", "duplicate_key"),
    "a NUL": (b'{"patient_id": "CANARY-73219\\u0000"}', "/patient_id", "unstorable_text"),
    "half a surrogate pair": (b'{"a/b": {"c~d": "\\ud800"}}', "/a~1b/c~0d", "unstorable_text"),
    "a NUL in a key": (b'{"a\\u0000b": 1}', "", "unstorable_text"),
    "deep lists": (b"[" * 10_000 + b"]" * 10_000, "", "depth"),
    "nine levels": (b'{"a":' * 9 + b"1" + b"}" * 9, "", "depth"),
    "Latin-1": ('{"patient_id": "José"}'.encode("latin-1"), "", "encoding"),
    "UTF-16": ('{"patient_age": 5}'.encode("utf-16"), "", "encoding"),
    "a byte order mark": (b'\xef\xbb\xbf{"patient_age": 5}', "", "invalid_json"),
    "a list": (b"[]", "", "invalid"),
    "a text": (b'"CANARY-73219"', "", "invalid"),
    "a number": (b"5", "", "invalid"),
    "null": (b"null", "", "null"),
}


@pytest.mark.django_db
@pytest.mark.parametrize(("body", "pointer", "code"), BAD_BODIES.values(), ids=BAD_BODIES.keys())
def test_a_body_that_cannot_be_read_is_a_400(
    body: bytes, pointer: str, code: str, api: Any
) -> None:
    response = api.send_raw(body)

    errors = response.json()["errors"]
    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"
    assert [(error["pointer"], error["code"]) for error in errors] == [(pointer, code)]
    assert CANARY not in response.content
    assert not MLPredictionLog.objects.exists()


@pytest.mark.django_db
def test_keys_that_cannot_be_sent_back_are_named_without_them(api: Any) -> None:
    response = api.send_raw(b'{"\\ud800": 1, "\\ud800": 2}')

    codes = {error["code"] for error in response.json()["errors"]}
    assert response.status_code == 400
    assert codes == {"duplicate_key", "unstorable_text"}


@pytest.mark.django_db
def test_a_thousand_unknown_keys_are_not_all_sent_back(api: Any) -> None:
    response = api.send({f"key-{n}": 1 for n in range(1_000)})

    assert len(response.json()["errors"]) == 50


@pytest.mark.django_db
def test_a_key_named_like_the_frameworks_own_is_named(api: Any, sore_throat: Any) -> None:
    response = api.send(sore_throat | {"non_field_errors": 1})

    assert [error["pointer"] for error in response.json()["errors"]] == ["/non_field_errors"]


def test_a_body_that_ends_before_its_length_is_refused() -> None:
    request = RequestFactory().post("/", CONTENT_LENGTH="5000")

    with pytest.raises(InvalidBodyError) as refusal:
        StrictJSONParser().parse(BytesIO(b"{}"), "application/json", {"request": request})

    assert [problem.code for problem in refusal.value.problems] == ["cut_off"]


@pytest.mark.django_db
def test_a_body_of_unknown_length_is_a_411(api: Any, sore_throat: Any) -> None:
    response = api.send(sore_throat, HTTP_TRANSFER_ENCODING="chunked", CONTENT_LENGTH="")

    assert response.status_code == 411
    assert response["Content-Type"] == "application/problem+json"


@pytest.mark.django_db
def test_an_empty_body_asks_for_the_required_fields(api: Any) -> None:
    response = api.send_raw(b"")

    pointers = {error["pointer"] for error in response.json()["errors"]}
    assert response.status_code == 400
    assert pointers == {"/symptoms_data"}


@pytest.mark.django_db
def test_a_body_of_64_kib_is_read_and_one_byte_more_is_a_413(api: Any) -> None:
    head, tail = b'{"patient_id": "', b'"}'
    exact = head + b"x" * (64 * 1024 - len(head) - len(tail)) + tail

    assert api.send_raw(exact).status_code == 400
    response = api.send_raw(exact + b" ")

    assert response.status_code == 413
    assert response["Content-Type"] == "application/problem+json"


@pytest.mark.django_db
@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=utf-16",
        "application/json; charset=bz2_codec",
    ],
)
def test_only_utf_8_json_is_taken(content_type: str, api: Any, chest_pain: dict[str, Any]) -> None:
    response = api.send_raw(json.dumps(chest_pain).encode(), content_type=content_type)

    assert response.status_code == 415
    assert content_type.split("=")[-1] not in response.json()["detail"]


@pytest.mark.django_db
def test_a_compressed_body_is_a_415(api: Any, chest_pain: dict[str, Any]) -> None:
    response = api.send(chest_pain, headers={"content-encoding": "gzip"})

    assert response.status_code == 415


@pytest.mark.django_db
def test_brackets_inside_a_text_are_no_depth(api: Any, sore_throat: dict[str, Any]) -> None:
    sore_throat["symptoms_data"]["description"] = '[[[[[[[[[[ {{{{ \\" [[[['

    assert api.send(sore_throat).status_code == 200
