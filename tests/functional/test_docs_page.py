"""The page that describes the API, in a real browser and without the internet."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import ConsoleMessage, Page, expect

from tests.functional.conftest import Server
from tests.functional.test_admin_in_a_browser import (
    browser_page,
    pytestmark,  # noqa: F401 - the same marks
)

DOCS = "/api/v1/docs/"


@pytest.fixture
def page() -> Iterator[Page]:
    """A page that fails the test when the browser complains, of a forbidden style for one."""
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            complaints.append(message.text)

    with browser_page() as page:
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", note)
        yield page
    assert complaints == []


def test_a_call_is_tried_on_the_page(page: Page, server: Server, token: str) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(server.url + DOCS)
    models = page.locator(".opblock", has_text="List model versions")

    expect(page.locator(".opblock", has_text="Decide one case").first).to_be_visible()
    page.click("button.authorize >> nth=0")
    box = page.locator(".auth-container", has_text="Authorization")
    box.locator("input").fill(f"Token {token}")
    box.locator("button.authorize").click()
    page.click("button.btn-done >> nth=0")
    models.click()
    models.locator("text=Try it out").click()
    models.locator("text=Execute").click()

    status = models.locator(".live-responses-table tbody .response-col_status").first
    expect(status).to_contain_text("200", timeout=30_000)
    # Pictures that the library carries within itself are no request.
    assert [url for url in asked if not url.startswith((server.url, "data:"))] == []
