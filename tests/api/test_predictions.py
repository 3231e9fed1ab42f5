"""The record over HTTP: who reaches which rows, how they are narrowed, paged and kept private."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.http import urlencode

from ml.service import TriagePredictionService
from monitoring.models import AccessEvent, MLPredictionLog
from monitoring.roles import Role
from monitoring.selectors import first_id
from tests.conftest import ApiClient, account, client_of

pytestmark = pytest.mark.django_db

PREDICTIONS = "/api/v1/predictions/"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def clinician() -> ApiClient:
    """Somebody who reads all rows."""
    return client_of(account("clinician", Role.CLINICIAN))


@pytest.fixture
def auditor() -> ApiClient:
    """Somebody who reads all rows and labels none."""
    return client_of(account("auditor", Role.AUDITOR))


@pytest.fixture
def engineer() -> ApiClient:
    """Somebody who reads rows without references."""
    return client_of(account("engineer", Role.ML_ENGINEER))


def row(at: datetime = NOON, **columns: Any) -> MLPredictionLog:
    """Put a decision on record."""
    values: dict[str, Any] = {
        "id": uuid.UUID(int=first_id(at).int + uuid.uuid4().int % (1 << 62)),
        "created_at": at,
        "request_id": uuid.uuid4(),
        "client": "frontend",
        "actor": "frontend",
        "experiment": "trial",
        "phase": 1,
        "decider": "rules",
        "method": "rules",
        "prediction": 1,
        "confidence": 0.0,
        "needs_human": False,
        "immediate": False,
        "rules_level": 1,
        "rules_floor": 0,
        "rules_version": "2026.1",
        "rules_severity_score": 30,
        "hard_flag": False,
        "rules_needs_human": False,
        "latency_ms": 3.0,
    }
    return MLPredictionLog.objects.create(**values | columns)


def listed(client: ApiClient, **asked: Any) -> list[str]:
    """Return the ids of a page."""
    answer = client.get(f"{PREDICTIONS}?{urlencode(asked)}")
    assert answer.status_code == 200, answer.json()
    return [one["prediction_id"] for one in answer.json()["results"]]


def ids(*rows: MLPredictionLog) -> list[str]:
    return [str(one.pk) for one in rows]


# --- what a row says -----------------------------------------------------------------------------


def test_it_works(
    api: ApiClient, chest_pain: dict[str, Any], with_model: TriagePredictionService
) -> None:
    answer = api.send(chest_pain).json()

    [found] = api.get(PREDICTIONS).json()["results"]

    same = found.keys() & answer.keys() - {"rules", "model"}
    assert {key: found[key] for key in same} == {key: answer[key] for key in same}
    assert len(same) > 10
    assert found["rules"]["red_flags"] == [flag["id"] for flag in answer["red_flags"]]
    assert found["rules"]["prediction"] == answer["rules"]["prediction"]
    assert found["model"]["prediction"] == answer["model"]["prediction"]
    assert found["vitals"]["temperature_c"] == 36.9
    assert (found["triage_log_id"], found["patient"]["age_years"]) == ("T-2026-00017", 57)
    assert found == api.get(f"{PREDICTIONS}{found['prediction_id']}/").json()


def test_nothing_that_names_the_patient_or_the_draw_is_in_it(
    api: ApiClient, chest_pain: dict[str, Any]
) -> None:
    api.send(chest_pain)
    kept = MLPredictionLog.objects.get()

    text = api.get(PREDICTIONS).content.decode()

    for secret in (kept.subject, kept.encounter, str(kept.request_id), "p-123", "chest pain"):
        assert secret
        assert secret not in text
    for name in ("bucket", "audited", "subject", "request_id"):
        assert name not in text


# --- who reaches what ----------------------------------------------------------------------------


def test_a_frontend_reaches_its_own_alone(api: ApiClient) -> None:
    own, other = row(), row(client="another")

    assert listed(api) == ids(own)
    assert api.get(f"{PREDICTIONS}{own.pk}/").status_code == 200
    assert api.get(f"{PREDICTIONS}{other.pk}/").status_code == 404


def test_a_clinician_reaches_all(clinician: ApiClient) -> None:
    first, second = row(NOON), row(NOON + timedelta(minutes=1), client="another")

    assert listed(clinician) == ids(second, first)
    assert clinician.get(f"{PREDICTIONS}{second.pk}/").json()["client"] == "another"


def test_an_engineer_reaches_all_without_references(engineer: ApiClient) -> None:
    one = row(triage_log_id="T-1")

    [found] = engineer.get(PREDICTIONS).json()["results"]

    assert found["prediction_id"] == str(one.pk)
    assert (found["client"], found["actor"], found["triage_log_id"]) == (None, None, None)
    assert engineer.get(f"{PREDICTIONS}{one.pk}/").status_code == 403


def test_an_engineer_cannot_search_by_a_reference_either(engineer: ApiClient) -> None:
    answer = engineer.get(f"{PREDICTIONS}?triage_log_id=T-1")

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/triage_log_id")


def test_who_has_no_role_is_refused() -> None:
    nobody = client_of(account("nobody"))

    assert nobody.get(PREDICTIONS).status_code == 403
    assert nobody.get(f"{PREDICTIONS}{row().pk}/").status_code == 403


def test_without_a_token_nothing_is_shown(anonymous: ApiClient) -> None:
    assert anonymous.get(PREDICTIONS).status_code == 401
    assert anonymous.get(f"{PREDICTIONS}{row().pk}/").status_code == 401


def test_an_id_of_nothing_is_a_404(clinician: ApiClient) -> None:
    assert clinician.get(f"{PREDICTIONS}{uuid.uuid4()}/").status_code == 404
    assert clinician.get(f"{PREDICTIONS}{'x' * 36}/").status_code == 404


# --- the blind audit -----------------------------------------------------------------------------


def test_a_drawn_case_stays_out_of_the_lists_of_those_who_may_judge_it(
    clinician: ApiClient, auditor: ApiClient, api: ApiClient
) -> None:
    drawn, other = row(audited=True), row(NOON - timedelta(hours=1))

    assert listed(clinician) == listed(clinician, level="soon") == ids(other)
    assert listed(auditor) == listed(api) == ids(drawn, other)


def test_once_judged_it_is_listed(clinician: ApiClient, reviewer: Any) -> None:
    drawn = row(audited=True)
    drawn.labels.create(author=reviewer, level=1, source="audit", state="accepted")

    assert listed(clinician) == ids(drawn)


# --- narrowing -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "columns"),
    [
        ({"level": "emergency"}, {"prediction": 3}),
        ({"level": "routine"}, {"prediction": 0}),
        ({"method": "red_flag"}, {"method": "red_flag"}),
        ({"ab_group": "ml"}, {"ab_group": "ml"}),
        ({"model_version": "v-1"}, {"model_version": "v-1"}),
        ({"fallback_reason": "timeout"}, {"fallback_reason": "timeout"}),
        ({"site": "north"}, {"site": "north"}),
        ({"triage_log_id": "T-1"}, {"triage_log_id": "T-1"}),
        ({"labelled": "true"}, {"ground_truth": 2, "ground_truth_at": NOON}),
    ],
    ids=lambda value: next(iter(value)),
)
def test_a_list_is_narrowed(asked: dict[str, str], columns: dict[str, Any], api: ApiClient) -> None:
    row(ab_group="rules", model_version="v-2", site="south", triage_log_id="T-2")
    wanted = row(**columns)

    assert listed(api, **asked) == ids(wanted)


def test_no_arm_and_no_label_can_be_asked_for(api: ApiClient) -> None:
    row(ab_group="ml", ground_truth=1, ground_truth_at=NOON)
    wanted = row()

    assert listed(api, ab_group="none") == listed(api, labelled="false") == ids(wanted)


def test_several_parameters_narrow_together(api: ApiClient) -> None:
    row(site="north")
    row(method="red_flag")
    wanted = row(site="north", method="red_flag")

    assert listed(api, site="north", method="red_flag") == ids(wanted)


def test_a_span_begins_at_its_start_and_ends_before_its_end(api: ApiClient) -> None:
    first, _ = row(NOON), row(NOON + timedelta(hours=1))
    row(NOON - timedelta(microseconds=1))

    span = {"since": "2026-03-01T13:00:00+01:00", "until": "2026-03-01T13:00:00Z"}
    assert listed(api, **span) == ids(first)


def test_a_clock_set_back_hides_no_row(api: ApiClient) -> None:
    late = row(id=first_id(NOON + timedelta(minutes=30)), created_at=NOON)

    span = {"since": "2026-03-01T12:00:00Z", "until": "2026-03-01T12:00:01Z"}
    assert listed(api, **span) == ids(late)


@pytest.mark.parametrize(
    "moment", ["0001-01-01T00:00:00+14:00", "1969-12-31T23:59:59Z", "2000-01-01T00:00:00Z"]
)
def test_any_moment_can_be_the_beginning(moment: str, api: ApiClient) -> None:
    one = row()

    assert listed(api, since=moment) == ids(one)


def test_any_moment_can_be_the_end(api: ApiClient) -> None:
    one = row()

    assert listed(api, until="9999-12-31T23:59:59-14:00") == ids(one)


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("level=dire", "/level"),
        ("level=3", "/level"),
        ("level=", "/level"),
        ("level=%00", "/level"),
        ("level=soon&level=urgent", "/level"),
        ("method=magic", "/method"),
        ("ab_group=", "/ab_group"),
        ("labelled=yes", "/labelled"),
        ("labelled=True", "/labelled"),
        ("site=a%20b", "/site"),
        ("site=%20a", "/site"),
        ("site=a%0A", "/site"),
        ("model_version=%00", "/model_version"),
        (f"triage_log_id={'x' * 65}", "/triage_log_id"),
        ("since=2026-03-01", "/since"),
        ("since=2026-03-01T12:00:00", "/since"),
        ("since=2026-02-30T12:00:00Z", "/since"),
        ("until=yesterday", "/until"),
        ("page_size=0", "/page_size"),
        ("page_size=101", "/page_size"),
        ("page_size=05", "/page_size"),
        ("page_size=%C2%B2", "/page_size"),
        ("cursor=", "/cursor"),
        ("cursor=bz0x", "/cursor"),
        ("cursor=--01990000-0000-7000-8000-000000000000", "/cursor"),
        ("client=frontend", "/client"),
        ("audited=true", "/audited"),
        ("ordering=id", "/ordering"),
    ],
)
def test_a_parameter_that_cannot_be_used_is_named(query: str, pointer: str, api: ApiClient) -> None:
    answer = api.get(f"{PREDICTIONS}?{query}")

    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    assert [one["pointer"] for one in answer.json()["errors"]] == [pointer]


@pytest.mark.parametrize(
    "name", ["level", "site", "labelled", "since", "page_size", "cursor", "unknown"]
)
def test_what_was_sent_is_not_repeated(name: str, api: ApiClient) -> None:
    answer = api.get(f"{PREDICTIONS}?{name}=CAN%20ARY")

    assert answer.status_code == 400
    assert "CAN" not in answer.content.decode()


def test_all_parameters_that_cannot_be_used_are_named(api: ApiClient) -> None:
    answer = api.get(f"{PREDICTIONS}?level=dire&weeks=2&since=now")

    assert {one["pointer"] for one in answer.json()["errors"]} == {"/level", "/weeks", "/since"}


# --- pages ---------------------------------------------------------------------------------------


def test_pages_go_on_where_they_ended_and_back(api: ApiClient) -> None:
    rows = [row(NOON - timedelta(minutes=n)) for n in range(5)]

    first = api.get(f"{PREDICTIONS}?page_size=2&method=rules").json()
    row(NOON + timedelta(minutes=1))
    second = api.get(first["next"]).json()
    third = api.get(second["next"]).json()
    back = api.get(second["previous"]).json()

    def shown(page: dict[str, Any]) -> list[str]:
        return [one["prediction_id"] for one in page["results"]]

    assert shown(first) == shown(back) == ids(*rows[:2])
    assert (shown(second), shown(third)) == (ids(*rows[2:4]), ids(rows[4]))
    assert (first["previous"], third["next"]) == (None, None)
    assert "method=rules" in second["next"]


def test_a_cursor_holds_an_id_alone(api: ApiClient) -> None:
    first, _ = row(NOON), row(NOON - timedelta(minutes=1))

    onward = api.get(f"{PREDICTIONS}?page_size=1").json()["next"]

    assert onward == f"{PREDICTIONS}?page_size=1&cursor={first.pk}"


def test_nothing_is_counted(api: ApiClient) -> None:
    row()

    with CaptureQueriesContext(
        connection,
    ) as queries:
        api.get(f"{PREDICTIONS}?level=soon")

    assert not [one["sql"] for one in queries if "COUNT(" in one["sql"].upper()]


# --- on record -----------------------------------------------------------------------------------


def test_a_page_that_is_read_is_on_record(api: ApiClient) -> None:
    row(), row()

    api.get(PREDICTIONS)

    event = AccessEvent.objects.get()
    assert (event.actor, event.action, event.door) == ("frontend", "view", "api")
    assert (event.cases, event.prediction_log_id) == (2, None)


def test_an_empty_page_shows_nobody(api: ApiClient) -> None:
    assert listed(api) == []
    assert not AccessEvent.objects.exists()


def test_a_case_that_is_read_is_on_record_by_its_id(api: ApiClient) -> None:
    one = row()

    api.get(f"{PREDICTIONS}{one.pk}/")

    event = AccessEvent.objects.get()
    assert (event.action, event.cases, event.prediction_log_id) == ("view", 1, one.pk)


@pytest.mark.parametrize("path", ["", "{}/"])
def test_what_cannot_be_put_on_record_is_not_shown(path: str, api: ApiClient) -> None:
    one = row()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE monitoring_accessevent RENAME TO accesses_gone")

    answer = api.get(PREDICTIONS + path.format(one.pk))

    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert "prediction_id" not in answer.content.decode()


# --- ETag ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["", "{}/"])
def test_what_has_not_changed_is_not_sent_again(path: str, api: ApiClient) -> None:
    address = PREDICTIONS + path.format(row().pk)
    first = api.get(address)

    again = api.get(address, headers={"If-None-Match": first["ETag"]})

    assert first["ETag"].startswith('"')
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])


@pytest.mark.parametrize("path", ["", "{}/"])
def test_a_label_changes_the_etag(path: str, api: ApiClient) -> None:
    one = row()
    address = PREDICTIONS + path.format(one.pk)
    first = api.get(address)
    api.send({"level": "urgent", "source": "outcome"}, path=f"{PREDICTIONS}{one.pk}/ground-truth/")

    again = api.get(address, headers={"If-None-Match": first["ETag"]})

    assert (again.status_code, again["ETag"] != first["ETag"]) == (200, True)
