"""Who may and who no longer may, over several processes; and pages that a strict browser likes."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from playwright.sync_api import ConsoleMessage, Page, expect

from tests.functional.conftest import Deployment, Server, new_database
from tests.functional.test_admin_in_a_browser import CHROMIUM, browser_page

pytestmark = pytest.mark.functional

MODELS_URL = "/api/v1/models/"
LOGIN_URL = "/api/v1/auth/login/"
PASSWORD = "correct horse battery"
WORKERS = 2
# Enough that every worker answers some of them.
CALLS = 12
PEOPLE = f"""
from django.contrib.auth.models import Group, User
for name in ("nurse", "leaver", "browser"):
    user = User.objects.create_user(name, password={PASSWORD!r}, is_staff=True)
    user.groups.set([Group.objects.get(name="clinician")])
User.objects.create_superuser("strict", password={PASSWORD!r})
"""


def call(
    server: Server, method: str, path: str, body: str | None = None, **headers: str
) -> http.client.HTTPResponse:
    """Make one call over a connection of its own, so that any worker may take it."""
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=20)
    with closing(connection):
        connection.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
        response = connection.getresponse()
        response.body = response.read()  # type: ignore[attr-defined]
        return response


def login(server: Server, name: str, password: str = PASSWORD) -> http.client.HTTPResponse:
    """Ask for a token."""
    body = json.dumps({"username": name, "password": password})
    return call(server, "POST", LOGIN_URL, body, Content_Type="application/json")


def token_of(server: Server, name: str) -> dict[str, str]:
    """Return the header of a fresh token."""
    answer = json.loads(login(server, name).body)  # type: ignore[attr-defined]
    return {"Authorization": f"Token {answer['token']}"}


def session_of(server: Server, name: str) -> dict[str, str]:
    """Return the cookie of somebody who has logged in on the page."""
    page = call(server, "GET", "/admin/login/")
    token = page.headers["Set-Cookie"].partition("csrftoken=")[2].partition(";")[0]
    form = urlencode({"username": name, "password": PASSWORD, "csrfmiddlewaretoken": token})
    answer = call(
        server, "POST", "/admin/login/", form,
        Cookie=f"csrftoken={token}", Content_Type="application/x-www-form-urlencoded",
    )  # fmt: skip
    cookies = answer.headers.get_all("Set-Cookie") or []
    return {"Cookie": next(one.partition(";")[0] for one in cookies if "sessionid" in one)}


def statuses(server: Server, headers: dict[str, str]) -> set[int]:
    """Return what all workers answer."""
    return {call(server, "GET", MODELS_URL, **headers).status for _ in range(CALLS)}


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A migrated service with people and without a model."""
    folder = tmp_path_factory.mktemp("identity")
    with new_database(folder) as url:
        deployment = Deployment(folder, database_url=url, model_store=folder / "models")
        deployment.manage("migrate", "--verbosity", "0")
        deployment.python(PEOPLE)
        yield deployment


@pytest.fixture(scope="module")
def service(deployed: Deployment) -> Iterator[Server]:
    """That service, running with two workers."""
    with deployed.server(TRIAGE_LOAD="never", WEB_WORKERS=str(WORKERS)) as server:
        yield server


def test_every_worker_knows_at_once_that_a_token_has_ended(
    service: Server, deployed: Deployment
) -> None:
    ended, kept = token_of(service, "nurse"), token_of(service, "nurse")
    key = ended["Authorization"].removeprefix("Token ")[:15]
    assert statuses(service, ended) == {200}

    deployed.python(
        f"from knox.models import AuthToken\nAuthToken.objects.get(token_key={key!r}).delete()"
    )

    assert statuses(service, ended) == {401}
    assert statuses(service, kept) == {200}


def test_every_worker_knows_at_once_who_has_left(service: Server, deployed: Deployment) -> None:
    token, session = token_of(service, "leaver"), session_of(service, "leaver")
    assert statuses(service, token) == statuses(service, session) == {200}

    deployed.python(
        "from django.contrib.auth.models import User\n"
        "User.objects.filter(username='leaver').update(is_active=False)"
    )

    assert statuses(service, token) == statuses(service, session) == {401}
    assert login(service, "leaver").status == 401


def test_every_worker_knows_at_once_what_somebody_may(
    service: Server, deployed: Deployment
) -> None:
    token = token_of(service, "browser")
    assert statuses(service, token) == {200}

    deployed.python(
        "from django.contrib.auth.models import User\n"
        "User.objects.get(username='browser').groups.clear()"
    )

    assert statuses(service, token) == {403}


def test_wrong_passwords_are_counted_by_all_workers_together(service: Server) -> None:
    guesses = [login(service, "nobody", "guess").status for _ in range(8)]

    assert guesses == [401] * 4 + [429] * 4


# --- a strict browser ----------------------------------------------------------------------------

# Told by the browser itself, whatever the page does.
LISTEN = """document.addEventListener("securitypolicyviolation", event =>
  console.error(`CSP ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`))"""
PAGES = """
from django.apps import apps
from django.contrib import admin
from django.urls import reverse
print(*(reverse(f"admin:{m._meta.app_label}_{m._meta.model_name}_changelist")
  for m in admin.site._registry))
"""


@pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium")
def test_no_page_asks_for_what_the_policy_forbids(service: Server, deployed: Deployment) -> None:
    deployed.python(RECORD)
    lists = deployed.python(PAGES).split()
    complaints: list[str] = []
    with browser_page() as page:
        page.add_init_script(LISTEN)
        page.on("console", lambda said: note(complaints, said))
        page.on("pageerror", lambda error: complaints.append(f"{page.url} {error}"))
        enter(page, service)
        visited = [look(page, service.url + path) for path in [*FIXED_PAGES, *lists]]
        rows = [row for path in lists for row in first_rows(page, service.url + path)]
        visited += [look(page, row) for row in rows]

    assert len(rows) >= 5
    assert len(visited) >= 15
    assert set(visited) == {200}
    assert complaints == []


FIXED_PAGES = (
    "/admin/", "/admin/password_change/", "/admin/monitoring/", "/admin/monitoring/overview/",
    "/admin/monitoring/review/", "/admin/monitoring/labels/import/", "/admin/auth/user/add/",
)  # fmt: skip
RECORD = """
from django.utils import timezone
from monitoring.accuracy import day_to_check
from monitoring.models import MonitoringRun
from monitoring.retention import prune
from tests.monitoring.conftest import prediction
from tests.monitoring.simulated_runs import months, settled
from ml.experiments import experiment_ensure_default
now = timezone.now()
months(30, until=day_to_check(now=now), now=now)
settled(now=now)
prune(now=now)
experiment_ensure_default()
prediction().save()
"""


def enter(page: Page, server: Server) -> None:
    """Log in."""
    page.goto(f"{server.url}/admin/")
    page.fill("#id_username", "strict")
    page.fill("#id_password", PASSWORD)
    page.click("text=Log in")
    expect(page.locator("#user-tools")).to_be_visible()


def note(complaints: list[str], said: ConsoleMessage) -> None:
    """Keep what the browser complains of; hints to developers are none."""
    if said.type in {"error", "warning"}:
        complaints.append(f"{said.location} {said.text}")


def look(page: Page, url: str) -> int:
    """Open a page with all it asks for, and return the status."""
    answer = page.goto(url)
    assert answer is not None
    return answer.status


def first_rows(page: Page, url: str) -> list[Any]:
    """Return the addresses of a list's newest rows, one of each kind of job."""
    page.goto(url)
    links: list[Any] = page.evaluate(
        "() => [...document.querySelectorAll('#result_list tbody th a')].map(link => link.href)"
    )
    return links[:4]
