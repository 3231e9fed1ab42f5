"""A reviewer at work, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.conftest import TRIAGE_URL
from tests.functional.conftest import Deployment, Server

CHROMIUM = Path("/usr/bin/chromium")
pytestmark = [
    pytest.mark.functional,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium"),
]
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--no-first-run"]  # fmt: skip


@contextmanager
def browser_page(**options: Any) -> Iterator[Page]:
    """Yield a page of a headless browser, of the size of a desk unless told otherwise."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=QUIET)
        yield browser.new_page(**{"viewport": {"width": 1280, "height": 900}, **options})
        browser.close()


@pytest.fixture
def page() -> Iterator[Page]:
    """A page of a headless browser."""
    with browser_page() as page:
        yield page


def test_a_reviewer_finds_a_prediction_and_says_what_was_right(
    page: Page, server: Server, token: str, deployment: Deployment, sore_throat: dict[str, Any]
) -> None:
    deployment.python(
        "from django.contrib.auth.models import User\n"
        "User.objects.create_superuser('chief', password='correct horse battery')"
    )
    answer = server.post(TRIAGE_URL, sore_throat, token=token)

    page.goto(f"{server.url}/admin/monitoring/mlpredictionlog/")
    page.fill("#id_username", "chief")
    page.fill("#id_password", "correct horse battery")
    page.click("text=Log in")
    expect(page.locator("#result_list tbody tr").first).to_be_visible()
    page.goto(f"{server.url}/admin/monitoring/mlpredictionlog/{answer['prediction_id']}/change/")
    expect(page.locator("input[name=_save]")).to_have_count(0)
    page.click("text=Set ground truth")
    page.select_option("#id_level", label="urgent")
    page.click("text=Record the label")

    expect(page.locator(".messagelist")).to_contain_text("The label is on record.")
    expect(page.locator("#labels-group")).to_contain_text("chief")
