"""A name and a password: how many tokens they give, and what comes of guessing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import StringIO
from threading import Barrier
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.db.models import F
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from knox.models import AuthToken
from rest_framework.permissions import IsAuthenticated

from api.auth_views import LogoutAllView, LogoutView
from api.authentication import token_create
from api.views import JSONView
from monitoring.roles import Role
from tests.conftest import ApiClient, account, client_of

LOGIN_URL = "/api/v1/auth/login/"
ADMIN_LOGIN_URL = "/admin/login/"
PASSWORD = "correct horse battery"
CANARY = "CanaryZq8"
FIVE_GUESSES = settings.AXES_FAILURE_LIMIT

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def person(db: None) -> User:
    """Somebody with a password, who may use the admin pages too."""
    return account("person", Role.CLINICIAN, password=PASSWORD, is_staff=True)


def login(password: str = PASSWORD, *, name: str = "person", **extra: Any) -> Any:
    """Try to log in at the API."""
    body = {"username": name, "password": password}
    return ApiClient().send(body, path=LOGIN_URL, **extra)


def admin_login(password: str = PASSWORD, *, name: str = "person", **extra: Any) -> Any:
    """Try to log in at the admin pages."""
    return Client().post(ADMIN_LOGIN_URL, {"username": name, "password": password}, **extra)


def works(token: str) -> bool:
    """Tell whether a token is taken."""
    client = ApiClient(headers={"authorization": f"Token {token}"})
    return bool(client.get("/api/v1/models/").status_code == 200)


# --- tokens --------------------------------------------------------------------------------------


def test_a_login_is_a_token_and_its_end() -> None:
    answer = login().json()

    assert works(answer["token"])
    assert answer["expiry"] == AuthToken.objects.get().expiry.isoformat()


def test_the_newest_two_tokens_live_so_that_one_can_replace_the_other() -> None:
    first, second, third = (login().json()["token"] for _ in range(3))

    assert [works(first), works(second), works(third)] == [False, True, True]


def test_an_account_without_a_password_gets_its_token_from_a_command(frontend: User) -> None:
    said = [StringIO() for _ in range(3)]
    for output in said:
        call_command("make_token", "frontend", stdout=output)

    assert [works(output.getvalue().strip()) for output in said] == [False, True, True]


@pytest.mark.parametrize("name", ["nobody", "left"])
def test_nobody_else_gets_one(name: str) -> None:
    account("left", is_active=False)

    with pytest.raises(CommandError, match="no open account"):
        call_command("make_token", name)


def test_a_token_of_somebody_else_is_none_of_ours(frontend: User) -> None:
    _, theirs = token_create(frontend)
    for _ in range(3):
        login()

    assert works(theirs)


@pytest.mark.django_db(transaction=True)
def test_many_logins_at_once_leave_two_tokens(person: User) -> None:
    start = Barrier(8)

    def make() -> str:
        start.wait()
        try:
            return token_create(person)[1]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        tokens = [made.result() for made in [pool.submit(make) for _ in range(8)]]

    assert AuthToken.objects.count() == settings.LIVE_TOKENS
    assert sum(works(token) for token in tokens) == settings.LIVE_TOKENS


# --- who is refused ------------------------------------------------------------------------------


def test_every_refusal_is_the_same(person: User) -> None:
    account("left", password=PASSWORD, is_active=False)
    account("machine")

    refusals = [
        login("wrong"),
        login(name="nobody"),
        login(name="left"),
        login(name="machine"),
    ]

    assert {refusal.status_code for refusal in refusals} == {401}
    assert {refusal["WWW-Authenticate"] for refusal in refusals} == {"Token"}
    assert len({refusal.json()["detail"] for refusal in refusals}) == 1
    assert not AuthToken.objects.exists()


def test_every_refusal_costs_one_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    from django.contrib.auth.hashers import MD5PasswordHasher

    account("left", password=PASSWORD, is_active=False)
    hashed: list[str] = []
    encode = MD5PasswordHasher.encode

    def counted(self: Any, password: str, salt: str) -> str:
        hashed.append(password)
        return encode(self, password, salt)

    monkeypatch.setattr(MD5PasswordHasher, "encode", counted)
    for refusal in ({"password": "wrong"}, {"name": "nobody"}, {"name": "left"}):
        login(**refusal)

    assert len(hashed) == 3


def test_the_tokens_of_an_old_password_end_with_it(person: User, frontend: User) -> None:
    token, anothers = login().json()["token"], token_create(frontend)[1]

    person.set_password("another horse battery")
    person.save()

    assert not works(token)
    assert works(anothers)


def test_a_login_that_renews_the_hash_of_a_password_ends_nothing(settings: Any) -> None:
    token = login().json()["token"]
    settings.PASSWORD_HASHERS = [
        "django.contrib.auth.hashers.PBKDF2PasswordHasher", *settings.PASSWORD_HASHERS,
    ]  # fmt: skip

    assert login().status_code == 200
    assert works(token)


# --- guessing ------------------------------------------------------------------------------------


def test_who_guesses_five_times_is_locked_out_and_a_right_password_opens_nothing() -> None:
    guesses = [login("guess").status_code for _ in range(FIVE_GUESSES)]
    locked = login()

    assert guesses == [401] * (FIVE_GUESSES - 1) + [429]
    assert locked.status_code == 429
    assert locked["Content-Type"] == "application/problem+json"
    assert locked["Retry-After"] == "900"
    assert not AuthToken.objects.exists()


def test_the_same_name_from_elsewhere_and_another_name_from_here_get_in() -> None:
    account("colleague", Role.CLINICIAN, password=PASSWORD)
    for _ in range(FIVE_GUESSES):
        login("guess")

    assert login().status_code == 429
    assert login(REMOTE_ADDR="192.0.2.7").status_code == 200
    assert login(name="colleague").status_code == 200


def test_a_lock_holds_at_both_doors() -> None:
    for _ in range(FIVE_GUESSES):
        admin_login("guess")

    assert login().status_code == 429
    assert admin_login().status_code == 429


def test_who_is_locked_out_of_the_admin_pages_is_told_on_a_plain_page() -> None:
    for _ in range(FIVE_GUESSES):
        page = admin_login("guess", name=CANARY)

    assert page.status_code == 429
    assert page["Retry-After"] == "900"
    assert "too many wrong passwords" in page.content.decode()
    assert CANARY not in page.content.decode()
    assert "Triage service" in page.content.decode()


def test_a_lock_ends_by_itself_whatever_is_tried_meanwhile() -> None:
    for _ in range(FIVE_GUESSES):
        login("guess")
    let_pass(timedelta(minutes=14))
    assert login("guess").status_code == 429
    assert login().status_code == 429

    let_pass(timedelta(minutes=1, seconds=1))

    assert login().status_code == 200


def let_pass(time: timedelta) -> None:
    """Move the wrong passwords into the past."""
    AccessAttempt.objects.update(attempt_time=F("attempt_time") - time)


def test_a_login_forgets_the_wrong_passwords_before_it() -> None:
    for _ in range(2):
        for _ in range(FIVE_GUESSES - 1):
            login("guess")
        assert login().status_code == 200


def test_another_browser_and_a_forged_address_are_no_new_start() -> None:
    for n in range(FIVE_GUESSES):
        login("guess", HTTP_USER_AGENT=f"{CANARY} {n}", HTTP_X_FORWARDED_FOR=f"192.0.2.{n}")

    assert login().status_code == 429
    assert AccessAttempt.objects.count() == 1


def test_another_address_of_the_same_network_is_no_new_start() -> None:
    for n in range(FIVE_GUESSES):
        login("guess", REMOTE_ADDR=f"2001:db8::{n}")

    assert login(REMOTE_ADDR="2001:db8::77").status_code == 429
    assert login(REMOTE_ADDR="2001:db8:0:1::1").status_code == 200


def test_who_tries_many_names_is_slowed_down_at_both_doors_together(settings: Any) -> None:
    settings.LOGIN_RATE_LIMIT = 3
    login("guess", name="a")

    pages = [admin_login("guess", name=name) for name in ("b", "c", "d")]

    assert [page.status_code for page in pages] == [200, 200, 429]
    assert 1 <= int(pages[-1]["Retry-After"]) <= 60
    assert "Too many tries" in pages[-1].content.decode()
    assert admin_login().status_code == 429
    assert login().status_code == 429


def test_to_look_at_the_form_is_no_try(settings: Any) -> None:
    settings.LOGIN_RATE_LIMIT = 1

    assert {Client().get(ADMIN_LOGIN_URL).status_code for _ in range(3)} == {200}
    assert admin_login().status_code == 302


def test_behind_a_proxy_each_caller_is_counted_apart(settings: Any) -> None:
    settings.TRUSTED_PROXIES = 1
    for _ in range(FIVE_GUESSES):
        login("guess", HTTP_X_FORWARDED_FOR="198.51.100.9, 192.0.2.1")

    assert login(HTTP_X_FORWARDED_FOR="198.51.100.9, 192.0.2.1").status_code == 429
    assert login(HTTP_X_FORWARDED_FOR="198.51.100.9, 192.0.2.2").status_code == 200


@pytest.mark.parametrize("door", [login, admin_login])
def test_nothing_that_was_typed_is_stored_or_logged(
    door: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    for _ in range(FIVE_GUESSES + 1):
        door(
            f"{CANARY}-password",
            name=f"{CANARY}-name",
            HTTP_USER_AGENT=CANARY,
            HTTP_ACCEPT=CANARY,
            QUERY_STRING=f"next=/admin/&{CANARY}=1",
        )
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM axes_accessattempt")
        (stored,) = cursor.fetchall()

    assert CANARY not in str(stored)
    assert CANARY not in caplog.text
    assert "127.0.0.1" not in caplog.text


# --- logging out ---------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["/api/v1/auth/logout/", "/api/v1/auth/logoutall/"])
def test_an_account_without_a_role_may_log_out(url: str) -> None:
    client = client_of(account("nothing_yet"))

    assert client.post(url).status_code == 204
    assert not AuthToken.objects.filter(user__username="nothing_yet").exists()


def test_logging_out_ends_one_token_and_everywhere_all(person: User) -> None:
    here, there = client_of(person), client_of(person)

    here.post("/api/v1/auth/logout/")
    assert there.get("/api/v1/models/").status_code == 200
    client_of(person).post("/api/v1/auth/logoutall/")

    assert there.get("/api/v1/models/").status_code == 401


@pytest.mark.parametrize("url", ["/api/v1/auth/logout/", "/api/v1/auth/logoutall/"])
def test_logging_out_is_posted_by_somebody_known(url: str, person: User) -> None:
    assert client_of(person).get(url).status_code == 405
    nobody = ApiClient().post(url)

    assert (nobody.status_code, nobody["WWW-Authenticate"]) == (401, "Token")
    assert nobody["Content-Type"] == "application/problem+json"


# --- every address -------------------------------------------------------------------------------

# Their action is the caller's own login, of which the table of roles says nothing; anybody may read
# what the API is like.
WITHOUT_A_LINE = {"login", "logout", "logoutall", "schema", "docs"}


def patterns(resolver: URLResolver | None = None, prefix: str = "") -> list[tuple[str, URLPattern]]:
    """Return every address of the service."""
    found = []
    for one in (resolver or get_resolver()).url_patterns:
        path = f"{prefix}{one.pattern}".replace("^", "")
        found += patterns(one, path) if isinstance(one, URLResolver) else [(path, one)]
    return found


def test_every_operation_of_the_api_names_its_action() -> None:
    views = {
        pattern.name or path: getattr(pattern.callback, "cls", None)
        for path, pattern in patterns()
        if path.startswith("api/") and path != "api/"
    }
    unnamed = {
        (name, method)
        for name, view in views.items()
        for method in ("get", "post", "put", "patch", "delete")
        if hasattr(view, method) and method.upper() not in getattr(view, "actions", {})
    }

    assert len(views) >= 10
    assert all(views.values()), "an address under /api/ is served by something else than a view"
    assert {name for name, _ in unnamed} <= WITHOUT_A_LINE


def test_the_views_without_a_line_ask_for_an_account_all_the_same() -> None:
    for view in (LogoutView, LogoutAllView):
        assert issubclass(view, JSONView)
        assert list(view.permission_classes) == [IsAuthenticated]
