"""Whoever the admin refused is on record, and so is whoever it showed a case."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from monitoring.access import Door, denial_record
from monitoring.models import AccessEvent, MLPredictionLog
from monitoring.review import has_seen_answer
from monitoring.roles import Action, Role
from tests.conftest import account, browser_of
from tests.monitoring.conftest import prediction

pytestmark = pytest.mark.django_db

LIST_URL = "/admin/monitoring/mlpredictionlog/"
REVIEW_URL = "/admin/monitoring/review/"
# The pages of one case.
CASES = (LIST_URL + "{id}/change/", LIST_URL + "{id}/label/", REVIEW_URL + "{id}/")
NO_ID = uuid.UUID("01990000-0000-7000-8000-000000000000")


@pytest.fixture
def row() -> MLPredictionLog:
    """A case."""
    row = prediction()
    row.save()
    return row


@pytest.fixture
def browser(reviewer: User) -> Client:
    """The reviewer's browser."""
    return browser_of(reviewer)


@pytest.fixture
def manager() -> Client:
    """The browser of somebody who manages accounts."""
    return browser_of(account("manager", Role.ADMIN, is_staff=True))


def events(action: str) -> list[tuple[Any, ...]]:
    fields = ("actor", "refused", "door", "prediction_log_id", "cases")
    return list(AccessEvent.objects.filter(action=action).order_by("id").values_list(*fields))


@pytest.mark.parametrize(
    ("page", "refused"),
    [
        (LIST_URL, "list_predictions"),
        (REVIEW_URL, "settle_labels"),
        ("/admin/monitoring/accessevent/", "read_accesses"),
        ("/admin/ml/modelversion/add/", ""),
    ],
)
def test_a_page_that_was_refused_is_on_record(manager: Client, page: str, refused: str) -> None:
    assert manager.get(page).status_code == 403
    assert events("deny") == [("manager", refused, "admin", None, 0)]


@pytest.mark.parametrize(
    ("page", "refused"),
    [
        (LIST_URL + "{id}/change/", "read_prediction"),
        (LIST_URL + "{id}/label/", "settle_labels"),
        (REVIEW_URL + "{id}/", "settle_labels"),
    ],
)
def test_a_case_that_was_refused_is_on_record(
    manager: Client, row: MLPredictionLog, page: str, refused: str
) -> None:
    for one in (row.pk, NO_ID):
        assert manager.get(page.format(id=one)).status_code == 403

    assert events("deny") == [
        ("manager", refused, "admin", row.pk, 0), ("manager", refused, "admin", None, 0),
    ]  # fmt: skip


@pytest.mark.parametrize("page", CASES)
def test_an_id_that_was_asked_for_in_vain_is_on_record(browser: Client, page: str) -> None:
    assert browser.get(page.format(id=NO_ID)).status_code == 404
    assert [event[0] for event in events("deny")] == ["reviewer"]


def test_an_id_that_was_searched_for_in_vain_is_on_record(browser: Client) -> None:
    browser.post(f"{LIST_URL}find/", {"prediction_id": str(NO_ID)})

    assert events("deny") == [("reviewer", "read_prediction", "admin", None, 0)]


def test_who_may_read_none_is_not_told_whether_there_is_one(
    manager: Client, row: MLPredictionLog
) -> None:
    for one in (row.pk, NO_ID):
        assert manager.get(LIST_URL, {"q": str(one)}).status_code == 403


def test_who_is_of_the_staff_no_more_is_refused_on_record(browser: Client, reviewer: User) -> None:
    reviewer.is_staff = False
    reviewer.save()

    assert browser.get(LIST_URL).status_code == 302
    assert events("deny") == [("reviewer", "list_predictions", "admin", None, 0)]


@pytest.mark.parametrize(
    "address",
    [
        "/admin/knox/authtoken/a%00b/delete/",
        "/admin/ml/modelversion/?dataset=%00",
        "/admin/ml/deploymentevent/?kind=%00",
    ],
)
def test_what_no_database_can_look_for_is_no_server_error(address: str) -> None:
    chief = browser_of(account("chief", is_staff=True, is_superuser=True))

    assert chief.get(address).status_code == 400


def test_what_is_not_there_and_of_no_patient_is_no_refusal(browser: Client) -> None:
    assert browser.get("/admin/nothing/").status_code == 404
    assert browser.get("/admin/monitoring/alert/acknowledge/").status_code == 404
    assert events("deny") == []


def test_who_is_not_known_leaves_no_name() -> None:
    assert Client().get(LIST_URL).status_code == 302
    assert events("deny") == []


def test_a_form_of_another_page_is_a_refusal(reviewer: User, row: MLPredictionLog) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(reviewer)

    browser.post(f"{LIST_URL}{row.pk}/label/", {"level": "2", "source": "clinician"})

    assert events("deny") == [("reviewer", "settle_labels", "admin", row.pk, 0)]


def test_a_page_of_cases_is_on_record_with_their_number(browser: Client) -> None:
    MLPredictionLog.objects.bulk_create(prediction() for _ in range(3))

    browser.get(LIST_URL)
    browser.get(f"{LIST_URL}?level=3")
    browser.get(REVIEW_URL)

    assert events("view") == [("reviewer", "", "admin", None, 3)] * 2


@pytest.fixture
def no_record(row: MLPredictionLog) -> None:
    """Nothing can be written down of who saw what."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE monitoring_accessevent RENAME TO elsewhere")


@pytest.mark.parametrize(
    "page",
    [
        LIST_URL,
        LIST_URL + "{id}/change/",
        LIST_URL + "{id}/label/",
        REVIEW_URL,
        REVIEW_URL + "{id}/",
    ],
)
def test_what_cannot_be_put_on_record_is_not_shown(
    browser: Client, row: MLPredictionLog, no_record: None, page: str
) -> None:
    answer = browser.get(page.format(id=row.pk))

    assert answer.status_code == 503
    assert "could not be put on record" in answer.content.decode()
    assert "soon" not in answer.content.decode()


def test_a_refusal_that_cannot_be_put_on_record_stays_one(
    manager: Client, no_record: None, caplog: pytest.LogCaptureFixture
) -> None:
    assert manager.get(LIST_URL).status_code == 403
    assert "denial_not_recorded" in caplog.text


def test_who_was_refused_a_case_has_not_seen_its_answer(
    reviewer: User, row: MLPredictionLog
) -> None:
    denial_record(
        actor="reviewer", refused=Action.READ_PREDICTION, door=Door.API, prediction_id=row.pk
    )

    assert not has_seen_answer(reviewer, row=row)


def test_the_auditor_finds_what_was_refused(manager: Client, browser: Client) -> None:
    manager.get(LIST_URL)
    browser.get("/admin/monitoring/accessevent/")
    auditor = browser_of(account("auditor", Role.AUDITOR, is_staff=True))
    found = {
        query: auditor.get(f"/admin/monitoring/accessevent/?{query}").context["cl"].result_count
        for query in (
            "action=deny", "action=view", "refused=list_predictions", "refused=label",
            "actor=manager", "actor=nobody",
        )
    }  # fmt: skip

    assert list(found.values()) == [2, 0, 1, 0, 1, 0]
