"""Clinicians at work on the review pages, in a real browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import ConsoleMessage, Page, expect

from tests.conftest import TRIAGE_URL
from tests.functional.conftest import Deployment, Server
from tests.functional.test_admin_in_a_browser import (
    browser_page,
    pytestmark,  # noqa: F401 - the same marks
)

PASSWORD = "correct horse battery"
PHONE = {"width": 390, "height": 844}
# How far the page is wider than the window, in pixels.
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
LABELS = (
    "from monitoring.models import GroundTruth\n"
    "for one in GroundTruth.objects.filter(author__username={!r}).order_by('pk'):\n"
    "    print(one.level, one.source, one.saw_prediction)"
)


@pytest.fixture
def page() -> Iterator[Page]:
    """A page that fails the test when the browser complains of anything."""
    complaints: list[str] = []
    with browser_page() as page:
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.extend(_complaint(message)))
        yield page
    assert complaints == []


def _complaint(message: ConsoleMessage) -> list[str]:
    # A browser asks for an icon of its own accord, and there is none.
    is_icon = message.location["url"].endswith("/favicon.ico")
    return [message.text] if message.type == "error" and not is_icon else []


@pytest.fixture(scope="module")
def reviewers(deployment: Deployment) -> None:
    """The people who review here."""
    deployment.python(
        "from django.contrib.auth.models import User\n"
        "for name in ('keyboard', 'auditor', 'phone'):\n"
        f"    User.objects.create_superuser(name, password={PASSWORD!r})"
    )


@pytest.fixture
def log_in(page: Page, server: Server, reviewers: None) -> Callable[[str], None]:
    """Return a function that logs a reviewer in."""

    def go(name: str) -> None:
        page.goto(f"{server.url}/admin/monitoring/review/?queue=high-acuity")
        page.fill("#id_username", name)
        page.fill("#id_password", PASSWORD)
        page.click("text=Log in")
        expect(page.locator(".review-tabs")).to_be_visible()

    return go


def test_cases_are_reviewed_by_keyboard_alone(
    page: Page,
    server: Server,
    token: str,
    deployment: Deployment,
    chest_pain: dict[str, Any],
    log_in: Callable[[str], None],
) -> None:
    for _ in range(4):
        server.post(TRIAGE_URL, chest_pain, token=token)
    deployment.python(
        "from django.db import connection\n"
        "connection.cursor().execute('UPDATE monitoring_mlpredictionlog SET audited = false')"
    )
    log_in("keyboard")
    page.reload()

    page.keyboard.press("n")
    expect(page.locator(".review-complaint")).to_have_text("chest pain radiating to left arm")
    page.keyboard.press("a")
    expect(page.locator(".messagelist")).to_contain_text("Your label is on record.")
    page.keyboard.press("2")
    page.keyboard.type("a 4 and a c in words are no keys")
    page.keyboard.press("Enter")
    expect(page.locator(".messagelist")).to_contain_text("Your label is on record.")
    page.keyboard.press("/")
    expect(page.locator("#note")).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("c")
    expect(page.locator(".messagelist")).to_contain_text("Your label is on record.")
    page.keyboard.press("n")
    page.wait_for_url("**/review/**")

    assert deployment.python(LABELS.format("keyboard")).splitlines() == [
        "3 clinician True",
        "2 clinician True",
        "None clinician True",
    ]


def test_an_audited_case_is_judged_blind(
    page: Page,
    server: Server,
    token: str,
    deployment: Deployment,
    sore_throat: dict[str, Any],
    log_in: Callable[[str], None],
) -> None:
    answer = server.post(TRIAGE_URL, sore_throat, token=token)
    deployment.python(
        "from django.db import connection\n"
        "connection.cursor().execute('UPDATE monitoring_mlpredictionlog SET audited = true')"
    )
    log_in("auditor")
    address = f"{server.url}/admin/monitoring/review/{answer['prediction_id']}/?queue=audit"

    page.goto(address)
    expect(page.locator(".review-complaint")).to_have_text("sore throat")
    expect(page.locator(".review-answers")).to_have_count(0)
    page.keyboard.press("4")
    page.keyboard.press("Enter")
    expect(page.locator(".messagelist")).to_contain_text("Your label is on record.")
    page.goto(address)

    expect(page.locator(".review-answers")).to_be_visible()
    assert deployment.python(LABELS.format("auditor")) == "0 audit False"


def test_everything_fits_a_phone_and_works_without_scripts(
    server: Server,
    token: str,
    deployment: Deployment,
    reviewers: None,
    chest_pain: dict[str, Any],
) -> None:
    chest_pain["symptoms_data"]["description"] = "pain" * 60
    answer = server.post(TRIAGE_URL, chest_pain, token=token)
    base = f"{server.url}/admin/monitoring/review/"
    with browser_page(viewport=PHONE, java_script_enabled=False) as page:
        page.goto(base)
        page.fill("#id_username", "phone")
        page.fill("#id_password", PASSWORD)
        page.click("text=Log in")
        widths = {}
        for path in ("", "?queue=audit", f"{answer['prediction_id']}/?queue=unreviewed"):
            page.goto(base + path)
            widths[path] = page.evaluate(OVERFLOW)
        page.check("input[name=level][value='2']")
        page.fill("#note", "by thumb")
        page.click("text=Record this level")

    assert set(widths.values()) == {0}
    assert deployment.python(LABELS.format("phone")) == "2 clinician True"
