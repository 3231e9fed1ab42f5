"""The record in the admin: read, filtered and labelled by those who may, edited by nobody."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from ml.models import ModelVersion
from monitoring.labelling import ground_truth_record
from monitoring.labels import Label, LabelSource
from monitoring.models import AccessEvent, GroundTruth, MLPredictionLog, RetrainingRun
from monitoring.roles import Role
from tests.conftest import account, browser_of
from tests.monitoring.conftest import prediction
from triage_rules.level import Level

LIST_URL = "/admin/monitoring/mlpredictionlog/"


@pytest.fixture
def row(db: None) -> MLPredictionLog:
    """A prediction of the model arm."""
    row = prediction(ab_group="ml", method="ml", model_version="v1", model_level=Level.SOON)
    row.save()
    return row


@pytest.fixture
def versions(db: None) -> None:
    """Two registered versions."""
    for name in ("v1", "v2"):
        ModelVersion(version=name, digest=name, created_at=timezone.now(), synthetic=True).save()


@pytest.fixture
def browser(reviewer: User) -> Client:
    """The reviewer's browser."""
    client = Client()
    client.force_login(reviewer)
    return client


def test_the_list_shows_the_predictions(browser: Client, row: MLPredictionLog) -> None:
    page = browser.get(LIST_URL)

    assert page.status_code == 200
    assert page.context["cl"].result_count == 1


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("level=1", 1), ("level=3", 0), ("level=9", 0),
        ("method=ml", 1), ("method=rules", 0),
        ("arm=ml", 1), ("arm=rules", 0), ("arm=none", 0),
        ("version=v1", 1), ("version=v2", 0), ("version=never-registered", 0),
        ("labelled=no", 1), ("labelled=yes", 0), ("labelled=conflict", 0),
        ("period=today", 1), ("period=7d", 1), ("period=30d", 1),
        ("level=1&method=ml&arm=ml&version=v1&labelled=no&period=7d", 1),
    ],
)  # fmt: skip
def test_the_list_can_be_filtered(
    browser: Client, row: MLPredictionLog, versions: None, query: str, found: int
) -> None:
    assert browser.get(f"{LIST_URL}?{query}").context["cl"].result_count == found


@pytest.mark.parametrize("query", ["client__icontains=front", "subject=x", "ground_truth=1"])
def test_the_list_cannot_be_searched_by_other_columns(
    browser: Client, row: MLPredictionLog, query: str
) -> None:
    assert browser.get(f"{LIST_URL}?{query}").status_code == 400


def test_disagreeing_labels_can_be_listed(
    browser: Client, row: MLPredictionLog, reviewer: User, frontend: User
) -> None:
    for author, level in ((reviewer, Level.SOON), (frontend, Level.URGENT)):
        label = Label(level=level, source=LabelSource.OUTCOME)
        ground_truth_record(prediction_id=row.pk, author=author, label=label)

    assert browser.get(f"{LIST_URL}?labelled=conflict").context["cl"].result_count == 1


def test_a_prediction_is_found_by_its_id(browser: Client, row: MLPredictionLog) -> None:
    page = browser.post(f"{LIST_URL}find/", {"prediction_id": f" {row.pk} "}, follow=True)

    assert page.redirect_chain[-1][0] == f"{LIST_URL}{row.pk}/change/"


@pytest.mark.parametrize("words", ["Erika Mustermann", "01990000-0000-7000-8000-000000000000"])
def test_what_was_typed_into_the_search_is_neither_repeated_nor_in_an_address(
    browser: Client, row: MLPredictionLog, words: str
) -> None:
    page = browser.post(f"{LIST_URL}find/", {"prediction_id": words}, follow=True)

    [(address, _)] = page.redirect_chain
    assert address == LIST_URL
    assert f'value="{words}' not in page.content.decode()
    assert "Mustermann" not in page.content.decode()
    assert len(list(page.context["messages"])) == 1


def test_a_search_in_the_address_is_taken_out_of_it(browser: Client, row: MLPredictionLog) -> None:
    page = browser.get(f"{LIST_URL}?q=Mustermann")

    assert (page.status_code, page["Location"]) == (302, LIST_URL)


@pytest.fixture
def drawn(db: None) -> MLPredictionLog:
    """A case that was drawn for the audit, of which everything says "emergency"."""
    row = prediction(
        audited=True, prediction=Level.EMERGENCY, rules_level=Level.EMERGENCY, method="red_flag",
        ab_group="ml", fallback_reason="low_confidence", model_level=Level.EMERGENCY,
        model_version="v1",
    )  # fmt: skip
    row.save()
    return row


def table(page: Any) -> str:
    """Return the rows of a list as they stand in the page."""
    rows: str = page.content.decode().split('id="result_list"')[1].split("</table>")[0]
    return rows.split("<tbody>")[1]


def say(source: LabelSource, *, of: MLPredictionLog, author: User) -> None:
    """Label a case "emergency"."""
    label = Label(level=Level.EMERGENCY, source=source)
    ground_truth_record(prediction_id=of.pk, author=author, label=label)


def test_nothing_in_the_list_tells_of_the_answer_to_a_drawn_case(
    browser: Client, drawn: MLPredictionLog, frontend: User
) -> None:
    say(LabelSource.OUTCOME, of=drawn, author=frontend)

    rows = table(browser.get(LIST_URL))

    for word in ("emergency", "red_flag", "low_confidence", "v1", ">ml<"):
        assert word not in rows
    assert rows.count("(audit)") == 8


TELLING = ["level=3", "method=red_flag", "arm=ml", "version=v1", "level=3&labelled=yes"]


@pytest.mark.parametrize("query", TELLING)
def test_no_filter_tells_of_the_answer_to_a_drawn_case(
    browser: Client, drawn: MLPredictionLog, versions: None, frontend: User, query: str
) -> None:
    say(LabelSource.OUTCOME, of=drawn, author=frontend)

    assert browser.get(f"{LIST_URL}?{query}").context["cl"].result_count == 0
    assert browser.get(f"{LIST_URL}?labelled=yes").context["cl"].result_count == 1


@pytest.mark.parametrize("query", TELLING)
def test_once_judged_blind_a_drawn_case_is_found_and_shown_like_any_other(
    browser: Client, drawn: MLPredictionLog, versions: None, reviewer: User, query: str
) -> None:
    say(LabelSource.AUDIT, of=drawn, author=reviewer)

    page = browser.get(f"{LIST_URL}?{query}")

    assert page.context["cl"].result_count == 1
    assert "(audit)" not in table(page)
    assert "red_flag" in table(page)


def test_whoever_sees_a_row_is_on_record(
    browser: Client, row: MLPredictionLog, admin_client: Client
) -> None:
    for path in ("change", "label"):
        browser.get(f"{LIST_URL}{row.pk}/{path}/")

    seen = AccessEvent.objects.filter(prediction_log=row, actor="reviewer", action="view")
    assert [event.door for event in seen] == ["admin", "admin"]
    page = admin_client.get("/admin/monitoring/accessevent/?action=view&period=today")
    assert page.context["cl"].result_count == 2


def test_the_record_of_accesses_is_read_by_who_may(browser: Client) -> None:
    auditor = browser_of(account("auditor", Role.AUDITOR, is_staff=True))

    assert browser.get("/admin/monitoring/accessevent/").status_code == 403
    assert auditor.get("/admin/monitoring/accessevent/").status_code == 200
    assert auditor.get("/admin/monitoring/accessevent/add/").status_code == 403


def test_a_row_has_no_history_to_be_counted(browser: Client, row: MLPredictionLog) -> None:
    page = browser.get(f"{LIST_URL}{row.pk}/history/")

    assert page["Location"] == f"{LIST_URL}{row.pk}/change/"


def test_nobody_adds_changes_or_deletes(row: MLPredictionLog, admin_client: Client) -> None:
    assert admin_client.get(f"{LIST_URL}add/").status_code == 403
    assert admin_client.post(f"{LIST_URL}{row.pk}/delete/").status_code == 403
    assert admin_client.post(f"{LIST_URL}{row.pk}/change/", {"prediction": 0}).status_code == 403
    row.refresh_from_db()
    assert row.prediction == Level.SOON


def test_a_reviewer_sets_the_ground_truth_and_is_remembered(
    browser: Client, row: MLPredictionLog, reviewer: User
) -> None:
    label = {"level": "2", "source": "clinician", "note": "seen at the bedside"}

    page = browser.post(f"{LIST_URL}{row.pk}/label/", label, follow=True)

    row.refresh_from_db()
    kept = GroundTruth.objects.get()
    assert "The label is on record." in page.content.decode()
    assert row.ground_truth == Level.URGENT
    assert (kept.author, kept.saw_prediction) == (reviewer, True)
    assert row.ground_truth_at is not None


def test_a_review_settles_a_conflict(browser: Client, row: MLPredictionLog, api: Any) -> None:
    browser.post(f"{LIST_URL}{row.pk}/label/", {"level": "2", "source": "clinician"})
    browser.post(f"{LIST_URL}{row.pk}/label/", {"level": "3", "source": "audit"})

    row.refresh_from_db()
    assert row.ground_truth == Level.EMERGENCY
    assert sorted(GroundTruth.objects.values_list("state", flat=True)) == ["settled", "superseded"]


def test_a_double_click_is_one_label(browser: Client, row: MLPredictionLog) -> None:
    for _ in range(2):
        browser.post(f"{LIST_URL}{row.pk}/label/", {"level": "2", "source": "clinician"})

    assert GroundTruth.objects.count() == 1


def test_a_label_without_a_level_is_asked_for_again(browser: Client, row: MLPredictionLog) -> None:
    page = browser.post(f"{LIST_URL}{row.pk}/label/", {"source": "clinician"})

    assert "This field is required." in page.content.decode()
    assert not GroundTruth.objects.exists()


def test_who_may_read_but_not_settle_labels_is_refused(row: MLPredictionLog) -> None:
    client = browser_of(account("clerk", Role.CLINICIAN, is_staff=True))

    assert client.get(LIST_URL).status_code == 200
    assert client.post(f"{LIST_URL}{row.pk}/label/", {"level": "2"}).status_code == 403


def test_no_such_prediction_is_a_404(browser: Client, db: None) -> None:
    missing = "01990000-0000-7000-8000-000000000000"

    assert browser.get(f"{LIST_URL}{missing}/label/").status_code == 404


@pytest.mark.django_db
def test_what_was_trained_and_why_can_be_read(admin_client: Client) -> None:
    RetrainingRun.objects.create(reason="500 new labels", started_at=timezone.now())

    page = admin_client.get("/admin/monitoring/retrainingrun/")

    assert "500 new labels" in page.content.decode()
    assert admin_client.get("/admin/monitoring/retrainingrun/add/").status_code == 403
