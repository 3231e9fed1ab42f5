"""Every answer keeps its request, encrypted, in the same transaction; nothing names the patient."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.db import connection, transaction
from hypothesis import given
from hypothesis import strategies as st

from ml.history import AppendOnlyError
from monitoring.intake import Unreadable, UnreadableIntakeError, canonical, seal, unseal
from monitoring.models import MLPredictionLog, TriageIntake
from monitoring.pseudonyms import key_id
from tests.api.test_not_recorded import table_gone
from tests.monitoring.conftest import prediction
from triage_rules.case import case_from_request

NAMES = {"patient_id": "CANARY-1", "encounter_id": "CANARY-2", "triage_log_id": "CANARY-3"}


@pytest.mark.django_db
def test_it_works(api: Any, chest_pain: dict[str, Any]) -> None:
    answer = api.send(chest_pain).json()

    intake = TriageIntake.objects.get()
    assert str(intake.pk) == answer["prediction_id"]
    assert case_from_request(intake.request()) == case_from_request(chest_pain)
    assert intake.request()["site"] == chest_pain["site"]


@pytest.mark.django_db
def test_it_does_not_say_who_it_was(api: Any, sore_throat: dict[str, Any]) -> None:
    api.send(sore_throat | NAMES)

    kept = TriageIntake.objects.get().request()
    assert not NAMES.keys() & kept.keys()
    assert "CANARY" not in json.dumps(kept)


@pytest.mark.django_db
def test_no_table_holds_the_words_in_plain(api: Any, sore_throat: dict[str, Any]) -> None:
    sore_throat["symptoms_data"] = {
        "chief_complaint": "CANARY sore throat",
        "description": "CANARY",
        "symptoms": [{"name": "CANARY"}],
    }
    api.send(sore_throat | {"medications": ["CANARY"], "allergies": ["CANARY"]} | NAMES)

    # The caller's own reference is the one thing of a request that the row keeps as it came.
    assert _columns_holding("CANARY") == {"monitoring_mlpredictionlog.triage_log_id"}
    assert _columns_holding("sore throat") == set()


def _columns_holding(word: str) -> set[str]:
    found = set()
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            names = [column[0] for column in cursor.description]
            for row in cursor.fetchall():
                found |= {
                    f"{table}.{name}"
                    for name, value in zip(names, row, strict=True)
                    if word.encode() in _bytes(value)
                }
    return found


def _bytes(value: Any) -> bytes:
    return bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("table", ["monitoring_triageintake", "monitoring_mlpredictionlog"])
def test_row_and_intake_are_written_together_or_not_at_all(
    table: str, api: Any, chest_pain: dict[str, Any]
) -> None:
    with table_gone(table):
        assert api.send(chest_pain).status_code == 503

    assert not MLPredictionLog.objects.exists()
    assert not TriageIntake.objects.exists()
    assert api.send(chest_pain).status_code == 200


@pytest.mark.django_db
def test_a_request_that_cannot_be_encrypted_is_not_answered(
    api: Any, chest_pain: dict[str, Any], settings: Any
) -> None:
    settings.INTAKE_KEYS = []

    assert api.send(chest_pain).status_code == 503
    assert not MLPredictionLog.objects.exists()


@pytest.mark.django_db
def test_it_is_written_once_and_stays() -> None:
    row = prediction()
    row.save()
    intake = TriageIntake(prediction_log=row, key_id="k", token=b"t")
    intake.save()

    for change in (
        intake.save,
        intake.delete,
        TriageIntake.objects.all().delete,
        lambda: TriageIntake.objects.update(token=b""),
        lambda: TriageIntake._base_manager.update(key_id="x"),
    ):
        with pytest.raises(AppendOnlyError), transaction.atomic():
            change()


numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
words = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.dictionaries(words, st.none() | st.booleans() | numbers | words | st.lists(words)))
def test_what_was_sealed_comes_back_to_the_last_bit(body: dict[str, Any]) -> None:
    expected = {name: body[name] for name in sorted(body) if name not in NAMES}

    assert repr(unseal(seal(body))) == repr(expected)


def test_one_request_has_one_spelling() -> None:
    assert canonical({"b": 1, "a": "é"}) == canonical({"a": "é", "b": 1}) == '{"a":"é","b":1}'


def test_an_older_key_still_reads_and_the_first_one_writes(settings: Any) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.INTAKE_KEYS = [old]
    sealed = seal({"patient_age": 40})

    settings.INTAKE_KEYS = [new, old]

    assert unseal(sealed) == {"patient_age": 40}
    assert sealed.key_id == key_id(old.encode())
    assert seal({}).key_id == key_id(new.encode())


def test_a_lost_key_and_a_damaged_token_are_told_apart(settings: Any) -> None:
    sealed = seal({"patient_age": 40})
    damaged = type(sealed)(token=sealed.token[:-4] + b"AAA=", key_id=sealed.key_id)

    with pytest.raises(UnreadableIntakeError) as error:
        unseal(damaged)
    assert error.value.reason is Unreadable.DAMAGED

    settings.INTAKE_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(UnreadableIntakeError) as error:
        unseal(sealed)
    assert error.value.reason is Unreadable.KEY_NOT_INSTALLED
