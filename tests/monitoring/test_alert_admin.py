"""Alerts in the admin: open ones first, read by those who may, acknowledged with a note."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from monitoring.alerts import alert_acknowledge, alert_clear, alert_raise
from monitoring.deliveries import ADMIN_PAGE
from monitoring.models import Alert, AlertDelivery
from monitoring.roles import Role
from tests.conftest import account, browser_of

pytestmark = pytest.mark.django_db
LIST_URL = "/admin/monitoring/alert/"
FORM_URL = f"{LIST_URL}acknowledge/"
DAY = date(2026, 11, 18)
NOTE = {"note": "called the lab"}


def raise_one(policy: str = "accuracy", *, after: int = 0, **values: Any) -> Alert:
    facts: dict[str, Any] = {"severity": Alert.Severity.WARNING, "message": "too low"}
    return alert_raise(policy=policy, day=DAY + timedelta(days=after), **facts | values)


def page_of(alert: Alert) -> str:
    return f"{LIST_URL}{alert.pk}/change/"


def form_of(*alerts: Alert) -> str:
    return f"{FORM_URL}?" + "&".join(f"id={alert.pk}" for alert in alerts)


@pytest.fixture
def nurse() -> Client:
    """Somebody who may read and acknowledge."""
    return browser_of(account("ada", Role.REVIEWER, is_staff=True))


@pytest.fixture
def reader() -> Client:
    """Somebody who may read."""
    return browser_of(account("ada", Role.AUDITOR, is_staff=True))


def test_what_is_open_comes_first_then_the_worst_then_the_newest(reader: Client) -> None:
    raise_one("closed", after=9)
    alert_clear(policy="closed", day=DAY + timedelta(days=9))
    alert_acknowledge(raise_one("acknowledged", after=8).pk, actor="kim", note="on it")
    raise_one("older")
    raise_one("newer", after=1)
    raise_one("critical", severity=Alert.Severity.CRITICAL)

    rows = reader.get(LIST_URL).context["cl"].result_list

    assert [row.cause for row in rows] == ["critical", "newer", "older", "acknowledged", "closed"]


def test_the_list_can_be_sorted_and_filtered(reader: Client) -> None:
    raise_one()
    raise_one("drift", after=1)

    by_cause = reader.get(f"{LIST_URL}?o=1").context["cl"].result_list
    of_drift = reader.get(f"{LIST_URL}?policy=drift").context["cl"].result_list

    assert [row.cause for row in by_cause] == ["accuracy", "drift"]
    assert [row.cause for row in of_drift] == ["drift"]


def test_the_page_shows_how_it_was_told(reader: Client) -> None:
    alert = raise_one()
    AlertDelivery.objects.update(attempts=3, error="ConnectionRefusedError")

    page = reader.get(page_of(alert)).content.decode()

    assert "too low" in page
    assert "ConnectionRefusedError" in page
    assert 'name="_save"' not in page


def test_the_page_is_where_the_mail_says(nurse: Client) -> None:
    alert = raise_one()

    assert ADMIN_PAGE.format(alert.pk) == reverse("admin:monitoring_alert_change", args=[alert.pk])


def test_the_button_leads_to_the_form_and_the_note_is_kept(nurse: Client) -> None:
    alert = raise_one()
    button = f'<a href="{form_of(alert)}">Acknowledge</a>'

    assert button in nurse.get(page_of(alert)).content.decode()
    assert "too low" in nurse.get(form_of(alert)).content.decode()
    done = nurse.post(form_of(alert), NOTE, follow=True)

    alert.refresh_from_db()
    assert (alert.state, alert.acknowledged_by) == ("acknowledged", "ada")
    assert alert.acknowledgement == "called the lab"
    assert done.request["PATH_INFO"] == page_of(alert)
    assert button not in done.content.decode()


def test_several_are_acknowledged_from_the_list_with_one_note(nurse: Client) -> None:
    ids = [raise_one(policy).pk for policy in ("accuracy", "drift", "latency")]
    chosen = {"action": "acknowledge", "_selected_action": ids[:2]}

    form = nurse.post(LIST_URL, chosen)
    done = nurse.post(form.url, NOTE, follow=True)

    assert (
        sorted(Alert.objects.filter(state="acknowledged").values_list("pk", flat=True)) == ids[:2]
    )
    assert done.request["PATH_INFO"] == LIST_URL


@pytest.mark.parametrize("note", [{"note": ""}, {"note": "  "}, {"note": "x" * 501}])
def test_without_a_fitting_note_it_stays_open(nurse: Client, note: dict[str, str]) -> None:
    alert = raise_one()

    page = nurse.post(form_of(alert), note)

    alert.refresh_from_db()
    assert (page.status_code, alert.state) == (200, "open")
    assert "errorlist" in page.content.decode()


def test_who_comes_second_is_told_so(nurse: Client) -> None:
    alert = raise_one()
    alert_acknowledge(alert.pk, actor="kim", note="on it")

    page = nurse.post(form_of(alert), NOTE, follow=True)

    alert.refresh_from_db()
    assert "somebody else saw to it" in page.content.decode()
    assert (alert.acknowledged_by, alert.acknowledgement) == ("kim", "on it")


def test_who_may_only_read_cannot_acknowledge(reader: Client) -> None:
    alert = raise_one()
    reader.post(LIST_URL, {"action": "acknowledge", "_selected_action": [alert.pk]})

    assert "acknowledge/" not in reader.get(page_of(alert)).content.decode()
    assert b'value="acknowledge"' not in reader.get(LIST_URL).content
    assert [reader.get(form_of(alert)).status_code, reader.post(form_of(alert)).status_code] == [
        403,
        403,
    ]


def test_who_may_not_even_read_is_refused() -> None:
    alert = raise_one()
    clerk = browser_of(account("clerk", Role.CLINICIAN, is_staff=True))

    assert clerk.get(LIST_URL).status_code == clerk.get(page_of(alert)).status_code == 403


def test_nobody_adds_changes_or_deletes(admin_client: Client) -> None:
    alert = raise_one()

    for page in ("add/", f"{alert.pk}/delete/", f"{alert.pk}/change/"):
        assert admin_client.post(f"{LIST_URL}{page}", {"state": "closed"}).status_code == 403


@pytest.mark.parametrize("query", ["", "?id=", "?id=x", "?id=99", "?id=" + "9" * 40, "?id=²"])
def test_no_such_alert_is_a_404(nurse: Client, query: str) -> None:
    assert nurse.get(FORM_URL + query).status_code == 404


def test_a_note_from_another_page_is_refused() -> None:
    alert = raise_one()
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(User.objects.create_superuser("chief"))

    assert browser.post(form_of(alert), NOTE).status_code == 403
    assert Alert.objects.get().acknowledged_at is None
