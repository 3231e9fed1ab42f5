"""The monitoring page in a real browser: on a desk, on a phone, in the dark, without scripts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from tests.functional.conftest import Deployment, new_database
from tests.functional.test_admin_in_a_browser import CHROMIUM, QUIET

pytestmark = [
    pytest.mark.functional,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium"),
]
Opened = Callable[..., Page]
PAGE = "/admin/monitoring/overview/"
DESK = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
SIMULATED_MONTHS = """
from django.contrib.auth.models import User
from django.utils import timezone
from monitoring.accuracy import day_to_check
from tests.monitoring.simulated_runs import months, settled
User.objects.create_superuser("chief", password="correct horse battery")
now = timezone.now()
months(60, until=day_to_check(now=now), now=now)
settled(now=now)
"""
# The size that words in a drawing have on the screen, the smallest first.
SIZES = """() => [...document.querySelectorAll("svg[role=img] text")]
  .filter(text => text.getBoundingClientRect().width > 0)
  .map(text => parseFloat(text.getAttribute("font-size")) *
    text.ownerSVGElement.getBoundingClientRect().width / text.ownerSVGElement.viewBox.baseVal.width)
  .sort((a, b) => a - b)"""
# Words of a drawing that reach over its edge.
CUT_OFF = """() => [...document.querySelectorAll("svg[role=img] text")].filter(text => {
    const word = text.getBoundingClientRect(), sheet = text.ownerSVGElement.getBoundingClientRect()
    return word.width > 0 && (word.left < sheet.left - 1 || word.right > sheet.right + 1)
  }).map(text => text.textContent)"""
# The contrast of every kind of words with the paper they stand on (WCAG 2.2), the least first.
CONTRASTS = """() => {
  const light = colour => colour.match(/[0-9.]+/g).slice(0, 3).map(Number)
    .map(part => part / 255).map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0)
  const against = (words, paper) => {
    const [a, b] = [light(words), light(paper)].sort((x, y) => y - x)
    return (a + 0.05) / (b + 0.05)
  }
  return [...document.querySelectorAll(".figure:not(#mix) svg[role=img] text")].map(text => against(
    getComputedStyle(text).fill, getComputedStyle(text.ownerSVGElement.querySelector("rect")).fill))
    .concat([...document.querySelectorAll(".figure p, .figure h2, .figure summary")].map(words =>
      against(getComputedStyle(words).color,
        getComputedStyle(words.closest(".figure")).backgroundColor)))
    .sort((a, b) => a - b)
}"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page of a running service with two simulated months on record, and no model."""
    folder = tmp_path_factory.mktemp("monitored")
    with new_database(folder) as url:
        deployment = Deployment(folder, database_url=url, model_store=folder / "models")
        deployment.manage("migrate", "--verbosity", "0")
        deployment.python(SIMULATED_MONTHS)
        with deployment.server(TRIAGE_LOAD="never", WEB_WORKERS="1") as server:
            yield server.url + PAGE


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=QUIET)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def session(browser: Browser, address: str) -> Any:
    """The cookies of somebody who has logged in."""
    page = browser.new_page()
    page.goto(address)
    page.fill("#id_username", "chief")
    page.fill("#id_password", "correct horse battery")
    page.click("text=Log in")
    expect(page.locator(".verdict")).to_be_visible()
    return page.context.storage_state()


@pytest.fixture
def opened(browser: Browser, address: str, session: Any) -> Iterator[Opened]:
    """Return a function that opens the page; the browser must have nothing to complain of."""
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and "favicon" not in str(message.location):
            complaints.append(message.text)

    def opened(**how: Any) -> Page:
        page = browser.new_context(storage_state=session, **how).new_page()
        page.on("console", note)
        page.goto(address)
        return page

    yield opened
    assert complaints == []


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_the_page_fits_and_is_legible(opened: Opened, size: Any) -> None:
    page = opened(viewport=size)

    width = page.evaluate("document.documentElement.scrollWidth")

    assert width <= size["width"]
    assert page.evaluate(SIZES)[0] >= 12
    assert page.evaluate(CUT_OFF) == []


def test_on_a_phone_one_figure_follows_the_other(opened: Opened) -> None:
    page = opened(viewport=PHONE)

    boxes = [one.bounding_box() for one in page.locator(".figure").all()]

    assert {round(box["x"]) for box in boxes if box} == {round(boxes[0]["x"] if boxes[0] else 0)}
    expect(page.locator("#accuracy .wide")).to_be_hidden()
    expect(page.locator("#accuracy .drawing")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_from_the_paper(opened: Opened, scheme: Any) -> None:
    page = opened(viewport=DESK, color_scheme=scheme)

    contrasts = page.evaluate(CONTRASTS)

    assert len(contrasts) > 100
    assert contrasts[0] >= 4.5


def test_it_needs_no_scripts_and_its_tables_open(opened: Opened) -> None:
    page = opened(viewport=DESK, java_script_enabled=False)

    page.locator("#accuracy summary").press("Enter")

    expect(page.locator("#accuracy table")).to_be_visible()
    expect(page.locator("#accuracy tbody tr")).to_have_count(28)
    expect(page.locator("#accuracy .wide svg")).to_be_visible()


def test_another_window_is_one_click_away(opened: Opened) -> None:
    page = opened(viewport=DESK)

    page.click("text=7 days")

    expect(page.locator("[aria-current=true]")).to_have_text("7 days")
    expect(page.locator("#accuracy tbody tr")).to_have_count(7)


def test_it_can_be_printed(opened: Opened) -> None:
    page = opened(viewport=DESK)

    page.emulate_media(media="print")

    expect(page.locator(".window")).to_be_hidden()
    expect(page.locator("#accuracy svg").first).to_be_visible()
