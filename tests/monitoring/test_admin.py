"""The record in the admin: read, filtered and labelled by those who may, edited by nobody."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from monitoring.models import GroundTruth, MLPredictionLog, RetrainingRun
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
        ("prediction__exact=1", 1), ("prediction__exact=3", 0),
        ("method__exact=ml", 1), ("method__exact=rules", 0),
        ("ab_group__exact=ml", 1), ("ab_group__exact=rules", 0),
        ("model_version=v1", 1), ("model_version=v2", 0),
        ("labelled=no", 1), ("labelled=yes", 0), ("labelled=conflict", 0),
    ],
)  # fmt: skip
def test_the_list_can_be_filtered(
    browser: Client, row: MLPredictionLog, query: str, found: int
) -> None:
    assert browser.get(f"{LIST_URL}?{query}").context["cl"].result_count == found


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


def test_who_may_not_label_is_refused(row: MLPredictionLog) -> None:
    User.objects.create_user("clerk", password="x", is_staff=True)
    client = Client()
    client.login(username="clerk", password="x")

    assert client.get(LIST_URL).status_code == 403
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
