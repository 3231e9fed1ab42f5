"""A session lives on while it is used; a cookie that names none costs nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.utils import timezone

from monitoring.roles import Role
from tests.conftest import TRIAGE_URL, ApiClient, account, browser_of

pytestmark = pytest.mark.django_db
# Django undoes the escapes of a cookie, so it can bring a NUL to a database that takes none.
INVENTED = {
    "of a right form": "sessionid=" + "a" * 32,
    "too short": "sessionid=abcdefgh",
    "very long": "sessionid=" + "a" * 5_000,
    "a NUL": r'sessionid="\000' + "a" * 31 + '"',
    "half a surrogate pair": r'sessionid="\355\240\200' + "a" * 29 + '"',
    "SQL": "sessionid=' OR 1=1 --",
}


@pytest.fixture
def reader() -> User:
    """Somebody who uses the admin pages."""
    return account("reader", is_staff=True)


@pytest.mark.parametrize(
    "path", ["/livez", "/readyz", TRIAGE_URL, "/api/nothing/", "/admin/login/"]
)
@pytest.mark.parametrize("cookie", INVENTED.values(), ids=INVENTED.keys())
def test_an_invented_session_is_none_and_makes_no_row(
    cookie: str, path: str, anonymous: ApiClient
) -> None:
    without = anonymous.get(path)

    response = anonymous.get(path, headers={"cookie": cookie})

    assert response.status_code == without.status_code < 500
    assert not Session.objects.exists()


@pytest.mark.parametrize("cookie", INVENTED.values(), ids=INVENTED.keys())
def test_a_token_counts_whatever_the_cookie_says(
    cookie: str, api: ApiClient, sore_throat: Any
) -> None:
    response = api.send(sore_throat, headers={"cookie": cookie})

    assert response.status_code == 200
    assert not Session.objects.exists()


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_a_probe_asks_no_database_for_a_session(
    path: str, reader: User, django_assert_num_queries: Any
) -> None:
    browser = browser_of(reader)

    with django_assert_num_queries(0):
        assert browser.get(path).status_code == 200


def test_each_look_at_a_page_begins_the_idle_time_anew(reader: User) -> None:
    browser = browser_of(reader)
    almost_over = timezone.now() + timedelta(minutes=1)
    Session.objects.update(expire_date=almost_over)

    assert browser.get("/admin/").status_code == 200

    assert Session.objects.get().expire_date > almost_over + timedelta(minutes=10)


def test_an_idle_session_has_ended(reader: User) -> None:
    browser = browser_of(reader)
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))

    assert browser.get("/admin/").status_code == 302


def test_a_session_ends_with_its_log_out(reader: User) -> None:
    browser: Client = browser_of(reader)

    browser.post("/admin/logout/")

    assert browser.get("/admin/").status_code == 302
    assert not Session.objects.exists()


def test_with_the_sessions_out_of_reach_a_patient_is_triaged_by_hand(sore_throat: Any) -> None:
    browser = browser_of(account("clinician", Role.CLINICIAN))
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE django_session RENAME TO sessions_gone")

    response = browser.post(TRIAGE_URL, sore_throat, content_type="application/json")

    assert response.status_code == 503
    assert response.json()["manual_triage"] is True
