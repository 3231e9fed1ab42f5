"""What a browser may do with the service, and what nobody may: sessions, origins, headers."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client, RequestFactory
from django.utils import timezone
from knox.models import AuthToken

from api.addresses import UNKNOWN, client_address
from api.authentication import token_create
from config.env import SettingError, env_origins
from monitoring.models import GroundTruth, MLPredictionLog
from monitoring.retention import prune
from monitoring.roles import Role
from tests.conftest import TRIAGE_URL, ApiClient, account, client_of

MODELS_URL = "/api/v1/models/"
TOKENS_URL = "/admin/knox/authtoken/"
ORIGIN = "https://desk.example"
SCRAPER = "m" * 40

pytestmark = pytest.mark.django_db


@pytest.fixture
def clinician(db: None) -> User:
    """Somebody who may triage, and who uses a browser."""
    return account("clinician", Role.CLINICIAN, is_staff=True)


def browser_of(user: User) -> Client:
    """Return a browser in which somebody has logged in; it insists on the tokens of forms."""
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(user)
    return browser


def form_token(browser: Client) -> str:
    """Return what a page of ours puts into its forms."""
    browser.get("/admin/password_change/")
    return browser.cookies["csrftoken"].value


def triage(browser: Client, body: Any, **extra: Any) -> Any:
    """Ask for a decision."""
    return browser.post(TRIAGE_URL, json.dumps(body), content_type="application/json", **extra)


# --- where a caller calls from -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "198.51.100.1", "192.0.2.1"),
        (1, None, "192.0.2.1"),
        (1, "", "192.0.2.1"),
        (1, "198.51.100.1", "198.51.100.1"),
        (1, "203.0.113.66, 198.51.100.1", "198.51.100.1"),
        (2, "203.0.113.66, 198.51.100.1, 10.0.0.1", "198.51.100.1"),
        (2, "198.51.100.1", "192.0.2.1"),
        (1, "198.51.100.1:4711", "198.51.100.1"),
        (1, "2001:DB8:0::1", "2001:db8::"),
        (1, "[2001:db8::1]:4711", "2001:db8::"),
        (1, "[2001:db8::1]", "2001:db8::"),
        (1, "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        (1, "::ffff:198.51.100.1", "198.51.100.1"),
        (1, "fe80::1%eth0", "fe80::"),
        (1, "198.51.100.1, unknown", "192.0.2.1"),
        (1, "198.51.100.1, ", "192.0.2.1"),
        (1, "_hidden", "192.0.2.1"),
        (1, "198.51.100.256", "192.0.2.1"),
        (1, "[", "192.0.2.1"),
        (1, "' OR 1=1", "192.0.2.1"),
    ],
)
def test_an_address_is_what_our_own_proxies_say(
    proxies: int, forwarded: str | None, address: str, settings: Any
) -> None:
    settings.TRUSTED_PROXIES = proxies
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    request = RequestFactory().get("/", headers=headers, REMOTE_ADDR="192.0.2.1")

    assert client_address(request) == address


@pytest.mark.parametrize("remote", ["", "unix:", "::ffff:192.0.2.1"])
def test_whoever_is_connected_has_some_address(remote: str) -> None:
    request = RequestFactory().get("/", REMOTE_ADDR=remote)

    assert client_address(request) == ("192.0.2.1" if "192" in remote else UNKNOWN)


# --- people with a session -----------------------------------------------------------------------


def test_a_session_reads(clinician: User) -> None:
    assert browser_of(clinician).get(MODELS_URL).status_code == 200


def test_a_session_writes_with_the_token_of_our_own_page(
    clinician: User, sore_throat: dict[str, Any]
) -> None:
    browser = browser_of(clinician)

    refused = triage(browser, sore_throat)
    token = form_token(browser)
    wrong = triage(browser, sore_throat, headers={"x-csrftoken": "x" * 64})
    taken = triage(browser, sore_throat, headers={"x-csrftoken": token})

    assert [refused.status_code, wrong.status_code, taken.status_code] == [403, 403, 200]
    assert refused["Content-Type"] == "application/problem+json"
    assert MLPredictionLog.objects.count() == 1


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "application/json"]
)
def test_a_page_elsewhere_writes_nothing(
    content_type: str, clinician: User, sore_throat: dict[str, Any]
) -> None:
    browser = browser_of(clinician)
    form_token(browser)

    answer = browser.post(
        TRIAGE_URL,
        json.dumps(sore_throat),
        content_type=content_type,
        headers={"origin": "https://elsewhere.example"},
    )

    assert answer.status_code == 403
    assert "elsewhere.example" not in answer.content.decode()
    assert not MLPredictionLog.objects.exists()


def test_a_form_from_elsewhere_is_refused_on_a_plain_page(clinician: User) -> None:
    browser = browser_of(clinician)

    page = browser.post("/admin/password_change/", {"old_password": "CANARY"})

    assert page.status_code == 403
    assert "Nothing was done" in page.content.decode()
    assert "<style" not in page.content.decode()
    assert "CANARY" not in page.content.decode()


def test_a_token_needs_no_token_of_a_form(frontend: User, sore_throat: dict[str, Any]) -> None:
    client = Client(enforce_csrf_checks=True)
    token = token_create(frontend)[1]

    answer = triage(client, sore_throat, headers={"authorization": f"Token {token}"})

    assert answer.status_code == 200


def test_nobody_is_told_to_bring_a_token(sore_throat: dict[str, Any]) -> None:
    answer = triage(Client(enforce_csrf_checks=True), sore_throat)

    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Token")


def test_a_session_ends_when_it_is_not_used_and_lives_while_it_is(clinician: User) -> None:
    browser = browser_of(clinician)
    Session.objects.update(expire_date=timezone.now() + timedelta(minutes=1))
    browser.get(MODELS_URL)
    prolonged = Session.objects.get().expire_date

    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))

    assert prolonged > timezone.now() + timedelta(minutes=10)
    assert browser.get(MODELS_URL).status_code == 401
    assert browser.get("/admin/").status_code == 302


def test_a_closed_account_has_no_session(clinician: User) -> None:
    browser = browser_of(clinician)
    clinician.is_active = False
    clinician.save()

    assert browser.get(MODELS_URL).status_code == 401


def test_a_cookie_is_for_this_service_and_not_for_scripts(clinician: User) -> None:
    clinician.set_password("correct horse battery")
    clinician.save()
    said = {"username": "clinician", "password": "correct horse battery"}
    cookie = Client().post("/admin/login/", said).cookies["sessionid"]

    assert (cookie["httponly"], cookie["samesite"], cookie["secure"]) == (True, "Lax", True)


def test_ended_sessions_and_old_wrong_passwords_are_forgotten(clinician: User) -> None:
    from axes.models import AccessAttempt

    browser_of(clinician)
    body = {"username": "clinician", "password": "guess"}
    ApiClient().send(body, path="/api/v1/auth/login/")

    kept = prune(now=timezone.now()).others
    gone = prune(now=timezone.now() + timedelta(hours=1)).others

    assert (kept["sessions"], kept["wrong_passwords"]) == (0, 0)
    assert (gone["sessions"], gone["wrong_passwords"]) == (1, 1)
    assert not AccessAttempt.objects.exists()


# --- tokens in the admin -------------------------------------------------------------------------


def test_who_manages_accounts_sees_tokens_and_ends_them(frontend: User) -> None:
    row, token = token_create(frontend)
    browser = Client()
    browser.force_login(account("manager", Role.ADMIN, is_staff=True))
    client = ApiClient(headers={"authorization": f"Token {token}"})
    assert client.get(MODELS_URL).status_code == 200

    page = browser.get(TOKENS_URL).content.decode()
    chosen = {"action": "delete_selected", "_selected_action": row.pk}
    asked = browser.post(TOKENS_URL, chosen).content.decode()
    browser.post(TOKENS_URL, chosen | {"post": "yes"})

    assert "frontend" in page
    assert row.token_key in page
    assert "token of frontend, made" in asked
    assert token not in page + asked
    assert not AuthToken.objects.exists()
    assert client.get(MODELS_URL).status_code == 401


def test_nobody_makes_or_prolongs_a_token_in_the_admin(frontend: User) -> None:
    row, _ = token_create(frontend)
    browser = Client()
    browser.force_login(User.objects.create_superuser("chief"))

    assert browser.get(f"{TOKENS_URL}add/").status_code == 403
    assert browser.post(
        f"{TOKENS_URL}{row.pk}/change/", {"expiry_0": "2099-01-01"}
    ).status_code in {
        302,
        403,
    }
    assert AuthToken.objects.get().expiry == row.expiry


def test_who_does_not_manage_accounts_sees_no_token(clinician: User) -> None:
    browser = Client()
    browser.force_login(clinician)

    assert browser.get(TOKENS_URL).status_code == 403


# --- headers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [MODELS_URL, TRIAGE_URL, "/api/nothing/", "/admin/", "/admin/login/", "/nothing", "/livez"],
)
def test_every_answer_tells_a_browser_what_not_to_do(url: str, clinician: User) -> None:
    headers = browser_of(clinician).get(url).headers

    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]
    assert "no-store" in headers["Cache-Control"]
    policy = headers["Content-Security-Policy"].split("; ")
    assert {"default-src 'none'", "script-src 'self'", "style-src 'self'"} <= set(policy)
    assert "frame-ancestors 'none'" in policy


def test_only_files_of_the_pages_may_be_kept(client: Client) -> None:
    answer = client.get("/static/monitoring/review.css")
    answer.close()

    assert "no-store" not in answer.headers["Cache-Control"]


@pytest.mark.parametrize("url", ["/", "/livez", "/metrics", "/admin/", MODELS_URL, TRIAGE_URL])
def test_trace_is_refused(url: str, client: Client) -> None:
    answer = client.generic("TRACE", url, headers={"x-secret": "CANARY"})

    assert answer.status_code == 405
    assert "CANARY" not in answer.content.decode()


def test_the_icon_that_browsers_ask_for_is_no_error(client: Client) -> None:
    assert client.get("/favicon.ico").status_code == 204


# --- other origins -------------------------------------------------------------------------------


def preflight(url: str, *, headers: str = "authorization,content-type") -> Any:
    """Ask as a browser does before a page elsewhere may post."""
    asked = {
        "origin": ORIGIN,
        "access-control-request-method": "POST",
        "access-control-request-headers": headers,
    }
    return Client().options(url, headers=asked)


def allowed(answer: Any) -> list[str]:
    """Return the headers that would let a page elsewhere in."""
    return [name for name in answer.headers if name.lower().startswith("access-control")]


def test_no_page_elsewhere_reads_an_answer_unless_it_is_named(api: Any) -> None:
    answer = api.get(MODELS_URL, headers={"origin": ORIGIN})

    assert allowed(answer) == allowed(preflight(TRIAGE_URL)) == []


def test_a_page_that_is_named_calls_the_api_with_its_own_headers(settings: Any, api: Any) -> None:
    settings.CORS_ALLOWED_ORIGINS = [ORIGIN]
    sent = "authorization,content-type,idempotency-key,if-none-match,x-acting-user"

    before = preflight(TRIAGE_URL, headers=sent)
    answer = api.get(MODELS_URL, headers={"origin": ORIGIN})

    assert before.status_code == 200
    assert before["Access-Control-Allow-Origin"] == ORIGIN
    assert set(sent.split(",")) <= set(before["Access-Control-Allow-Headers"].split(", "))
    assert "POST" in before["Access-Control-Allow-Methods"]
    exposed = set(answer["Access-Control-Expose-Headers"].split(", "))
    assert {"ETag", "X-Request-ID", "Retry-After"} <= exposed
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert "origin" in answer["Vary"].lower()


@pytest.mark.parametrize("url", ["/admin/", "/metrics", "/livez"])
def test_the_pages_and_the_figures_are_for_no_page_elsewhere(url: str, settings: Any) -> None:
    settings.CORS_ALLOWED_ORIGINS = [ORIGIN]

    answer = preflight(url)

    assert allowed(answer) == []


@pytest.mark.parametrize(
    "value",
    ["desk.example", "https://desk.example/", "*", "null", "https://*.example", "ftp://desk.example",
     "https://", "https://a b", "https://desk.example,elsewhere"],
)  # fmt: skip
def test_an_odd_origin_stops_the_start_with_a_sentence(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CORS_ALLOWED_ORIGINS", value)

    with pytest.raises(SettingError, match="CORS_ALLOWED_ORIGINS must be") as stopped:
        env_origins("CORS_ALLOWED_ORIGINS")

    assert "elsewhere" not in str(stopped.value)


def test_origins_may_have_ports_and_for_forms_a_wildcard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORIGINS", "https://desk.example:8443, http://[::1]:8000")
    assert env_origins("ORIGINS") == ["https://desk.example:8443", "http://[::1]:8000"]

    monkeypatch.setenv("ORIGINS", "https://*.hospital.example")
    assert env_origins("ORIGINS", wildcard=True) == ["https://*.hospital.example"]


# --- /metrics ------------------------------------------------------------------------------------


def scrape(authorization: str = "") -> Any:
    """Read the figures."""
    return Client().get("/metrics", headers={"authorization": authorization})


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", f"Bearer {SCRAPER}x", "Token 00", "x"])
def test_figures_are_not_for_everybody(header: str, settings: Any) -> None:
    settings.METRICS_TOKENS = [SCRAPER]

    answer = scrape(header)

    assert answer.status_code == 401
    assert answer["Content-Type"] == "application/problem+json"
    assert answer["WWW-Authenticate"] == "Bearer"


def test_any_of_the_tokens_reads_them_without_the_database(
    settings: Any, django_assert_num_queries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.METRICS_TOKENS = ["o" * 40, SCRAPER]
    monkeypatch.setattr("monitoring.metrics.record_metrics", lambda **_: ())

    with django_assert_num_queries(0):
        answer = scrape(f"Bearer {SCRAPER}")

    assert answer.status_code == 200
    assert "triage_http_requests_total" in answer.content.decode()


def test_without_any_token_no_bearer_reads_them(settings: Any) -> None:
    settings.METRICS_TOKENS = []

    assert scrape("Bearer ").status_code == 401


def test_a_token_for_figures_is_good_for_nothing_else(settings: Any) -> None:
    settings.METRICS_TOKENS = [SCRAPER]
    client = Client(headers={"authorization": f"Bearer {SCRAPER}"})

    assert client.get(MODELS_URL).status_code == 401


@pytest.mark.parametrize(("role", "status"), [(Role.ADMIN, 200), (Role.CLINICIAN, 403)])
def test_an_account_reads_them_by_its_role(role: Role, status: int) -> None:
    user = account("somebody", role, is_staff=True)

    assert client_of(user).get("/metrics").status_code == status
    assert browser_of(user).get("/metrics").status_code == status


def test_a_developer_reads_them(settings: Any) -> None:
    settings.DEBUG = True

    assert scrape().status_code == 200


# --- the acting person ---------------------------------------------------------------------------


def test_a_service_says_who_acts(api: Any, sore_throat: dict[str, Any]) -> None:
    named = api.send(sore_throat, headers={"x-acting-user": "nurse-17"}).json()
    unnamed = api.send(sore_throat).json()

    rows = {str(row.pk): (row.client, row.actor) for row in MLPredictionLog.objects.all()}
    assert rows[named["prediction_id"]] == ("frontend", "nurse-17")
    assert rows[unnamed["prediction_id"]] == ("frontend", "frontend")


@pytest.mark.parametrize("name", ["", " ", "n" * 151, "two words", "na\xefve", "tab\there"])
def test_a_name_that_cannot_be_kept_is_refused(
    name: str, api: Any, sore_throat: dict[str, Any]
) -> None:
    answer = api.send(sore_throat, headers={"x-acting-user": name})

    (problem,) = answer.json()["errors"]
    assert answer.status_code == 400
    assert "X-Acting-User" in problem["detail"]
    assert not MLPredictionLog.objects.exists()


def test_who_has_a_session_acts_in_person(clinician: User, sore_throat: dict[str, Any]) -> None:
    browser = browser_of(clinician)
    headers = {"x-csrftoken": form_token(browser), "x-acting-user": "somebody-else"}

    triage(browser, sore_throat, headers=headers)

    assert MLPredictionLog.objects.get().actor == "clinician"


def test_a_name_gives_no_rights(api: Any, reviewer: User, sore_throat: dict[str, Any]) -> None:
    assert api.get("/api/v1/monitoring/summary/").status_code == 403

    answer = api.get("/api/v1/monitoring/summary/", headers={"x-acting-user": "reviewer"})

    assert answer.status_code == 403


def test_two_persons_of_one_service_disagree_and_one_corrects_herself(
    api: Any, sore_throat: dict[str, Any]
) -> None:
    answer = api.send(sore_throat).json()
    url = f"/api/v1/predictions/{uuid.UUID(answer['prediction_id'])}/ground-truth/"

    def say(level: str, who: str) -> Any:
        label = {"level": level, "source": "clinician"}
        return api.send(label, path=url, headers={"x-acting-user": who}).json()

    say("soon", "nurse-17")
    assert say("urgent", "nurse-18")["state"] == "conflict"
    assert say("urgent", "nurse-17")["state"] == "accepted"

    said = {(row.actor, row.author.username, row.state) for row in GroundTruth.objects.all()}
    assert said == {
        ("nurse-17", "frontend", "superseded"),
        ("nurse-17", "frontend", "accepted"),
        ("nurse-18", "frontend", "accepted"),
    }


# --- what an error tells -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url", ["/nothing", "/admin/nothing/", "/api/nothing/", "/admin/auth/user/x/", TOKENS_URL]
)
def test_an_error_names_nothing_of_the_inside(url: str, clinician: User) -> None:
    page = browser_of(clinician).get(url, follow=True).content.decode()

    for word in (
        "Traceback",
        "Exception",
        "Error(",
        "django.",
        "rest_framework",
        "SELECT",
        "/work",
    ):
        assert word not in page
