"""A file of labels is uploaded, looked through, and put on record by a second press."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from monitoring.admin import label_import as page_module
from monitoring.label_import import MAX_BYTES
from monitoring.models import GroundTruth, MLPredictionLog
from tests.monitoring.conftest import prediction

URL = "/admin/monitoring/labels/import/"


@pytest.fixture
def row(db: None) -> MLPredictionLog:
    """A case."""
    row = prediction()
    row.save()
    return row


@pytest.fixture
def browser(reviewer: User) -> Client:
    """The reviewer's browser."""
    client = Client()
    client.force_login(reviewer)
    return client


def upload(browser: Client, text: str) -> str:
    file = SimpleUploadedFile("Jane CANARY.csv", text.encode())
    return browser.post(URL, {"file": file}).content.decode()


def hidden(html: str) -> dict[str, str]:
    """Return what a press of the button sends back."""
    return dict(re.findall(r'type="hidden" name="(sealed|skip_faulty)" value="([^"]+)"', html))


def test_it_works(browser: Client, row: MLPredictionLog, reviewer: User) -> None:
    html = upload(browser, f"prediction_id,level,note\n{row.pk},urgent,CANARY\n")

    assert "Put 1 on record" in html
    assert "CANARY" not in html
    assert not GroundTruth.objects.exists()

    done = browser.post(URL, hidden(html), follow=True).content.decode()
    assert "On record: 1 line: 1 new" in done
    assert GroundTruth.objects.get().author == reviewer


def test_nothing_of_the_file_stays_in_the_session_or_the_address(
    browser: Client, row: MLPredictionLog
) -> None:
    html = upload(browser, f"prediction_id,level,note\n{row.pk},urgent,CANARY\n")
    done = browser.post(URL, hidden(html))

    assert done["Location"] == URL
    assert set(browser.session.keys()) <= {
        "_auth_user_id", "_auth_user_backend", "_auth_user_hash", "_messages",
    }  # fmt: skip


def test_faults_are_named_and_the_other_lines_offered(
    browser: Client, row: MLPredictionLog
) -> None:
    html = upload(browser, f"prediction_id,level\n{row.pk},urgent\nCANARY,urgent\n")

    assert "line 3 of the file: the column &#x27;prediction_id&#x27;" in html
    assert "Put the other 1 on record" in html
    assert "CANARY" not in html

    browser.post(URL, hidden(html))
    assert GroundTruth.objects.count() == 1


def test_a_fault_that_came_up_since_is_named_and_nothing_written(
    browser: Client, row: MLPredictionLog
) -> None:
    html = upload(browser, f"prediction_id,level\n{row.pk},urgent\n")
    MLPredictionLog.objects.filter(pk=row.pk)._raw_delete("default")

    page = browser.post(URL, hidden(html)).content.decode()

    assert "1 fault in the file: nothing was written." in page
    assert "names no prediction on record" in page


def test_a_second_press_changes_nothing(browser: Client, row: MLPredictionLog) -> None:
    sent = hidden(upload(browser, f"prediction_id,level\n{row.pk},urgent\n"))
    browser.post(URL, sent)

    assert "1 said before" in browser.post(URL, sent, follow=True).content.decode()
    assert GroundTruth.objects.count() == 1


def test_what_another_looked_through_is_refused(
    browser: Client, row: MLPredictionLog, admin_client: Client
) -> None:
    sent = hidden(upload(browser, f"prediction_id,level\n{row.pk},urgent\n"))

    assert "upload it again" in admin_client.post(URL, sent, follow=True).content.decode()
    assert not GroundTruth.objects.exists()


def test_a_file_that_cannot_be_used_is_refused_on_the_page(browser: Client) -> None:
    html = upload(browser, "level\nurgent\n")

    assert "The file lacks the column &#x27;prediction_id&#x27;." in html
    assert hidden(html) == {}


def test_a_file_that_is_too_large_is_refused(
    browser: Client, row: MLPredictionLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "larger than 5 MB" in upload(browser, "x" * (MAX_BYTES + 1))

    monkeypatch.setattr(page_module, "MAX_SEALED", 100)
    html = upload(browser, f"prediction_id,level\n{row.pk},urgent\n")
    assert "manage.py import_labels takes it" in html
    assert hidden(html) == {}


def test_who_may_not_label_is_refused(db: None) -> None:
    client = Client()
    client.force_login(User.objects.create_user("clerk", is_staff=True))

    assert client.get(URL).status_code == 403
    assert client.post(URL, {"sealed": "x"}).status_code == 403


def test_the_list_of_predictions_leads_to_it(browser: Client, row: MLPredictionLog) -> None:
    assert URL in browser.get("/admin/monitoring/mlpredictionlog/").content.decode()
