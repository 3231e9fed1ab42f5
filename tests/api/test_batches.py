"""A file of cases is accepted at once, scored by workers, and read again row by row."""

from __future__ import annotations

import csv
import io
import json
import uuid
from collections.abc import Iterable
from typing import Any

import pytest

from api.batch_files import COLUMNS, body_of, cells_of, template
from monitoring.encryption import decrypt
from monitoring.models import AccessEvent, BatchChunk, BatchJob, MLPredictionLog, TriageIntake
from monitoring.roles import Role
from tests.conftest import ApiClient, account, client_of

BATCHES_URL = "/api/v1/batches/"
COMPLAINT = "sore throat CANARY-55102"
EAGER = pytest.mark.usefixtures("tasks_in_place")


def csv_of(rows: Iterable[dict[str, Any]], *columns: str) -> bytes:
    """Return rows as a CSV file."""
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, columns or ("patient_age", "chief_complaint"), restval="")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue().encode()


def ndjson_of(rows: Iterable[Any]) -> bytes:
    """Return rows as an NDJSON file."""
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def hand_in(
    client: ApiClient, content: bytes, *, content_type: str = "text/csv", **headers: str
) -> Any:
    """Post a file as the body."""
    return client.generic("POST", BATCHES_URL, content, content_type=content_type, **headers)


def result_of(client: ApiClient, batch: Any, *, query: str = "") -> str:
    """Return the text of a result."""
    response = client.get(f"{BATCHES_URL}{batch['id']}/result/{query}")
    assert response.status_code == 200, response.content
    return b"".join(response.streaming_content).decode()


def rows_of(client: ApiClient, batch: Any) -> list[dict[str, str]]:
    """Return the rows of a result in CSV."""
    return list(csv.DictReader(io.StringIO(result_of(client, batch, query="?format=csv"))))


ADULT = {"patient_age": "40", "chief_complaint": COMPLAINT}


@pytest.mark.django_db
@EAGER
def test_it_works(api: ApiClient) -> None:
    response = hand_in(api, csv_of([ADULT, ADULT]))

    batch = response.json()
    assert response.status_code == 202
    assert response["Location"] == f"{BATCHES_URL}{batch['id']}/"
    assert api.get(response["Location"]).json() == batch
    assert (batch["state"], batch["rows"], batch["answered"], batch["progress"]) == (
        "done", 2, 2, 1.0,
    )  # fmt: skip
    assert MLPredictionLog.objects.count() == TriageIntake.objects.count() == 2


@pytest.mark.django_db
@EAGER
def test_a_row_is_answered_as_the_same_request_would_be(
    api: ApiClient, chest_pain: dict[str, Any], sore_throat: dict[str, Any]
) -> None:
    cases = [chest_pain, sore_throat]

    batch = hand_in(api, ndjson_of(cases), content_type="application/x-ndjson").json()

    found = [json.loads(line)["decision"] for line in result_of(api, batch).splitlines()]
    single = [api.send(case).json() for case in cases]
    for name in found[0].keys() - {"prediction_id", "red_flags"}:
        assert [one[name] for one in found] == [one[name] for one in single]
    assert found[0]["red_flags"] == [flag["id"] for flag in single[0]["red_flags"]]


@pytest.mark.django_db
@EAGER
def test_the_record_says_who_sent_the_file_and_whom_each_row_is_about(api: ApiClient) -> None:
    row = ADULT | {"triage_log_id": "T-1", "site": "north", "patient_id": "p-1"}
    sent = csv_of([row], *row)

    hand_in(api, sent, HTTP_X_ACTING_USER="nurse.joy")

    [logged] = MLPredictionLog.objects.all()
    assert (logged.client, logged.actor) == ("frontend", "nurse.joy")
    assert (logged.triage_log_id, logged.site) == ("T-1", "north")
    assert logged.subject
    assert logged.request_id == BatchJob.objects.get().request_id


@pytest.mark.django_db
@EAGER
def test_each_row_is_answered_or_refused_in_the_order_of_the_file(api: ApiClient) -> None:
    faulty = ADULT | {"patient_age": "CANARY-1"}

    batch = hand_in(api, csv_of([ADULT, faulty, ADULT, ADULT | {"chief_complaint": ""}])).json()

    found = rows_of(api, batch)
    assert (batch["rows"], batch["answered"], batch["refused"]) == (4, 2, 2)
    assert [one["row"] for one in found] == ["1", "2", "3", "4"]
    assert [one["errors"] for one in found] == [
        "", "patient_age: Must be a number.", "", "chief_complaint: This field is required.",
    ]  # fmt: skip
    assert "CANARY" not in str(found)


@pytest.mark.django_db
@EAGER
def test_a_refused_row_of_ndjson_is_the_problem_that_one_request_would_get(api: ApiClient) -> None:
    rows = [{"patient_age": 40, "symptoms_data": {"chief_complaint": "cough"}, "oops": 1}, []]

    batch = hand_in(api, ndjson_of(rows), content_type="application/x-ndjson").json()

    problems = [json.loads(line)["problem"] for line in result_of(api, batch).splitlines()]
    single = [api.send(row).json() for row in rows]
    assert [one["errors"] for one in problems] == [one["errors"] for one in single]
    assert [one["status"] for one in problems] == [400, 400]


@pytest.mark.django_db
@EAGER
def test_a_refused_row_keeps_its_reference_unless_that_is_what_is_wrong(api: ApiClient) -> None:
    rows = [ADULT | {"triage_log_id": ref, "patient_age": "old"} for ref in ("T-1", "CANARY 2")]

    batch = hand_in(api, csv_of(rows, *rows[0])).json()

    assert [row["triage_log_id"] for row in rows_of(api, batch)] == ["T-1", ""]


@pytest.mark.django_db
@EAGER
def test_a_file_whose_rows_are_all_refused_is_done_too(api: ApiClient) -> None:
    batch = hand_in(api, csv_of([{"patient_age": "old"}] * 3)).json()

    assert (batch["state"], batch["answered"], batch["refused"]) == ("done", 0, 3)
    assert not MLPredictionLog.objects.exists()


@pytest.mark.django_db
@EAGER
def test_several_chunks_make_one_result(api: ApiClient) -> None:
    ages = range(1, 120)

    batch = hand_in(
        api, csv_of([ADULT | {"patient_age": age} for _ in range(4) for age in ages])
    ).json()

    found = rows_of(api, batch)
    logged = {str(row.pk): row.age_years for row in MLPredictionLog.objects.all()}
    assert BatchChunk.objects.count() == 3
    assert [logged[row["prediction_id"]] for row in found] == [*ages] * 4


@pytest.mark.django_db
@EAGER
def test_a_case_says_the_same_in_both_formats(api: ApiClient, chest_pain: dict[str, Any]) -> None:
    del chest_pain["symptoms_data"]["symptoms"]
    names = [column.name for column in COLUMNS]
    row = dict(zip(names, cells_of(chest_pain), strict=True))

    hand_in(api, csv_of([row], *names))
    hand_in(api, ndjson_of([chest_pain]), content_type="application/x-ndjson")

    first, second = (one.request() for one in TriageIntake.objects.order_by("pk"))
    # An empty cell is "not given", so a list that was given empty is not there.
    assert first | {"allergies": []} == second


@pytest.mark.django_db
@EAGER
def test_the_template_is_a_file_that_is_answered(api: ApiClient) -> None:
    response = api.get(f"{BATCHES_URL}template/")

    batch = hand_in(api, response.content).json()
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert (batch["rows"], batch["answered"]) == (1, 1)


def test_the_template_has_every_column() -> None:
    header, row = csv.reader(io.StringIO(template()))

    assert header == [column.name for column in COLUMNS]
    assert body_of({"chief_complaint": "x", "spo2": "96"})["vitals"] == {"spo2": 96}
    assert len(row) == len(header)


@pytest.mark.django_db
@EAGER
def test_a_form_is_as_good_as_a_body(api: ApiClient) -> None:
    file = io.BytesIO(csv_of([ADULT]))
    file.name = "../../etc/Jane Doe CANARY.csv"

    response = api.post(BATCHES_URL, {"file": file})

    assert response.status_code == 202
    assert response.json()["answered"] == 1


@pytest.mark.django_db
@EAGER
def test_the_result_is_written_as_the_file_was_unless_asked_otherwise(api: ApiClient) -> None:
    batch = hand_in(api, csv_of([ADULT])).json()
    url = f"{BATCHES_URL}{batch['id']}/result/"

    assert api.get(url)["Content-Type"] == "text/csv; charset=utf-8"
    assert api.get(url + "?format=ndjson")["Content-Type"].startswith("application/x-ndjson")
    assert api.get(url + "?format=xlsx").json()["errors"][0]["pointer"] == "/format"


@pytest.mark.django_db
@EAGER
def test_a_result_says_nothing_that_the_patient_said(api: ApiClient) -> None:
    row = ADULT | {"patient_id": "CANARY-id"}

    batch = hand_in(api, csv_of([row], *row)).json()

    kept = [decrypt(bytes(one.result_encrypted)) for one in BatchChunk.objects.all()]
    assert "CANARY" not in str(kept) + result_of(api, batch)


@pytest.mark.django_db
@EAGER
def test_reading_a_result_is_on_record_before_its_first_byte(api: ApiClient) -> None:
    batch = hand_in(api, csv_of([ADULT, ADULT, ADULT | {"patient_age": ""}])).json()

    api.get(f"{BATCHES_URL}{batch['id']}/result/", headers={"x-acting-user": "the.chief"})

    [event] = AccessEvent.objects.all()
    assert (event.actor, event.action, event.door, event.cases) == ("frontend", "export", "api", 2)


@pytest.mark.django_db
def test_there_is_no_result_before_the_end(api: ApiClient, waiting: dict[str, Any]) -> None:
    response = api.get(f"{BATCHES_URL}{waiting['id']}/result/")

    assert (response.status_code, waiting["state"]) == (409, "queued")
    assert not AccessEvent.objects.exists()


@pytest.fixture
def waiting(api: ApiClient, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A file whose message to the workers was lost."""
    monkeypatch.setattr("api.batch_views.chunks_publish", lambda chunk_ids: None)
    return dict(hand_in(api, csv_of([ADULT])).json())


@pytest.mark.django_db
def test_what_waits_is_encrypted(api: ApiClient, waiting: dict[str, Any]) -> None:
    chunk = BatchChunk.objects.get()

    assert b"CANARY" not in bytes(chunk.rows_encrypted)
    assert COMPLAINT in decrypt(bytes(chunk.rows_encrypted))


@pytest.mark.django_db
@EAGER
def test_an_account_sees_its_own_files_alone(api: ApiClient) -> None:
    batch = hand_in(api, csv_of([ADULT])).json()
    other = client_of(account("other", Role.FRONTEND))

    for path in ("", "result/"):
        mine = other.get(f"{BATCHES_URL}{batch['id']}/{path}")
        nobodys = other.get(f"{BATCHES_URL}{uuid.uuid4()}/{path}")
        assert mine.status_code == nobodys.status_code == 404
        assert mine.json() | {"instance": ""} == nobodys.json() | {"instance": ""}
    assert other.get(BATCHES_URL).json() == {"results": []}
    assert [one["id"] for one in api.get(BATCHES_URL).json()["results"]] == [batch["id"]]


@pytest.mark.django_db
@pytest.mark.parametrize("role", sorted(set(Role) - {Role.FRONTEND, Role.REVIEWER}))
def test_who_may_not_hand_in_files_is_refused(role: Role) -> None:
    client = client_of(account("someone", role))

    assert hand_in(client, csv_of([ADULT])).status_code == 403
    assert client.get(BATCHES_URL).status_code == 403
    assert client.get(f"{BATCHES_URL}template/").status_code == 403
    assert not BatchJob.objects.exists()


@pytest.mark.django_db
@EAGER
def test_a_file_that_is_sent_again_is_scored_once(api: ApiClient) -> None:
    key = {"HTTP_IDEMPOTENCY_KEY": "night-1"}

    first = hand_in(api, csv_of([ADULT]), **key)
    second = hand_in(api, csv_of([ADULT]), **key)
    other = hand_in(api, csv_of([ADULT, ADULT]), **key)

    assert (second.status_code, other.status_code) == (202, 422)
    assert second["Location"] == first["Location"]
    assert second.json()["id"] == first.json()["id"]
    assert MLPredictionLog.objects.count() == 1


@pytest.mark.django_db
@EAGER
def test_a_refused_file_gives_its_key_back(api: ApiClient) -> None:
    key = {"HTTP_IDEMPOTENCY_KEY": "night-2"}

    assert hand_in(api, b"chief_complaint,patient_age\n", **key).status_code == 400
    assert hand_in(api, csv_of([ADULT]), **key).status_code == 202


@pytest.mark.django_db
@EAGER
def test_a_file_weighs_as_much_as_twenty_calls(api: ApiClient, settings: Any) -> None:
    settings.RATE_LIMIT = 25

    answers = [hand_in(api, csv_of([ADULT])) for _ in range(2)]

    assert [one.status_code for one in answers] == [202, 429]
    assert api.get(BATCHES_URL).status_code == 200
