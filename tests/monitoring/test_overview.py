"""The monitoring page and the pages of the runs, as a person with a browser gets them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from monitoring.accuracy import day_to_check
from monitoring.models import Alert, MonitoringRun, RetrainingRun
from monitoring.roles import Role
from tests.conftest import account, browser_of
from tests.monitoring.simulated_runs import months, settled

pytestmark = pytest.mark.django_db
PAGE = "/admin/monitoring/overview/"
RUNS = "/admin/monitoring/monitoringrun/"


@pytest.fixture
def browser() -> Client:
    """Somebody of the staff who may see the runs, and no alert."""
    return browser_of(account("observer", Role.CLINICIAN, is_staff=True))


@pytest.fixture
def clerk() -> Client:
    """Somebody of the staff who may not."""
    return browser_of(account("clerk", is_staff=True))


def written(days: int) -> None:
    """Write the checks of the newest days."""
    now = timezone.now()
    months(days, until=day_to_check(now=now), now=now)


def page(browser: Client, query: str = "") -> str:
    """Return the page as it is sent."""
    answer = browser.get(PAGE + query)
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_without_any_data_it_says_so_in_words(browser: Client) -> None:
    sent = page(browser)

    assert "No day has been checked yet. No open alert." in sent
    assert "Nothing has been compared yet." in sent
    assert 'role="img"' not in sent


@pytest.mark.parametrize(("days", "drawings"), [(1, 15), (60, 15)])
def test_with_data_every_figure_is_drawn(browser: Client, days: int, drawings: int) -> None:
    written(days)

    sent = page(browser)

    assert sent.count('role="img"') == drawings
    assert sent.count("As a table") == drawings - 1
    assert "nan" not in sent.replace("name", "")


def test_a_model_of_simulated_patients_is_called_that(browser: Client) -> None:
    settled(now=timezone.now())

    assert "This model has only seen simulated patients." in page(browser)


def test_open_alerts_are_linked_for_those_who_may_see_them(
    browser: Client, admin_client: Client
) -> None:
    written(1)
    address = f"/admin/monitoring/alert/{Alert.objects.get().pk}/change/"

    assert address in page(admin_client)
    assert address not in page(browser)
    assert "drift.temperature_c" in page(browser)


def test_missed_emergencies_lead_to_the_list_and_name_no_case(
    browser: Client, admin_client: Client
) -> None:
    day = timezone.now().date()
    for case in ("case-1", "case-2"):
        Alert.objects.create(
            policy="missed_emergency", cause=f"missed_emergency.{case}", day=day, last_day=day,
            severity="critical", message=f"Of {case}.", provisional=False,
        )  # fmt: skip
    way = "/admin/monitoring/alert/?policy=missed_emergency"

    assert way in page(admin_client)
    assert admin_client.get(way).status_code == 200
    assert "missed_emergency (2 cases)" in " ".join(page(browser).split())
    assert "case-" not in page(browser)


def test_alerts_that_are_not_shown_are_counted(browser: Client) -> None:
    day = timezone.now().date()
    for number in range(53):
        Alert.objects.create(
            policy="slice", cause=f"slice.{number}", day=day, last_day=day,
            severity="warning", message="m", provisional=False,
        )  # fmt: skip

    assert "3 more open alerts are not shown." in page(browser)


def test_what_stands_in_a_result_never_becomes_markup(browser: Client) -> None:
    written(1)
    run = MonitoringRun.objects.get(job="accuracy")
    tally = {"labelled": 50, "correct": 40, "under": 5, "over": 5}
    run.result |= {"by_model_version": {"<b>bold</b>": tally}, "slices": {"site": {"<i>": tally}}}
    run.save()
    Alert.objects.update(message="<script>", cause="<u>")

    sent = page(browser) + browser.get(f"{RUNS}{run.pk}/change/").content.decode()

    assert not any(tag in sent for tag in ("<b>bold", "<i>", "<u>", "<script>alert"))
    assert "&lt;b&gt;bold" in sent


@pytest.mark.parametrize(
    ("query", "days"),
    [("", 28), ("?days=7", 7), ("?days=366", 366), ("?days=8", 28), ("?days=<x>", 28)],
)
def test_whatever_is_not_offered_is_the_usual_window(
    browser: Client, query: str, days: int
) -> None:
    assert browser.get(PAGE + query).context["summary"]["window"]["days"] == days


def test_who_may_not_see_the_runs_is_refused_and_not_shown_the_way(clerk: Client) -> None:
    assert clerk.get(PAGE).status_code == 403
    assert PAGE not in clerk.get("/admin/").content.decode()


def test_who_is_not_logged_in_is_asked_to(db: None) -> None:
    answer = Client().get(PAGE)

    assert answer.status_code == 302
    assert "/admin/login/" in answer["Location"]


def test_nothing_can_be_posted(browser: Client) -> None:
    assert browser.post(PAGE).status_code == 405


@pytest.mark.parametrize("where", ["/admin/", "/admin/monitoring/"])
def test_the_way_to_it_is_shown(browser: Client, where: str) -> None:
    assert f'href="{PAGE}"' in browser.get(where).content.decode()


def test_the_number_of_queries_is_bounded(browser: Client) -> None:
    written(60)

    with CaptureQueriesContext(connection) as queries:
        page(browser, "?days=366")

    assert len(queries) <= 26


# --- the runs --------------------------------------------------------------------------------


def test_the_list_of_runs_tells_each_in_one_line(browser: Client) -> None:
    written(2)

    sent = browser.get(RUNS).content.decode()

    assert "temperature_c" in sent
    assert "2,041 answers" in sent
    assert " % right (" in sent


@pytest.mark.parametrize(
    ("job", "words"),
    [
        ("accuracy", ["by arm: ml", "site: simulated-north", "watch over each label", "p95"]),
        ("drift", ["temperature_c", "81.5 %", "rows of the reference", "drifted"]),
    ],
)
def test_the_page_of_a_run_shows_figures_and_no_dump(
    browser: Client, job: str, words: list[str]
) -> None:
    written(1)
    run = MonitoringRun.objects.get(job=job)

    sent = browser.get(f"{RUNS}{run.pk}/change/").content.decode()

    assert all(word in sent for word in words)
    assert "{&#x27;" not in sent
    assert "&quot;:" not in sent


@pytest.mark.parametrize("result", [{}, {"slices": 3, "findings": [7], "cusum": None}])
@pytest.mark.parametrize("job", ["accuracy", "drift", "retention"])
def test_an_old_run_can_still_be_opened(browser: Client, job: str, result: Any) -> None:
    day = day_to_check(now=timezone.now()) - timedelta(days=9)
    run = MonitoringRun.objects.create(job=job, day=day, status="ok", result=result)

    assert browser.get(f"{RUNS}{run.pk}/change/").status_code == 200
    assert browser.get(RUNS).status_code == 200


def test_a_retention_run_shows_what_was_pruned(browser: Client) -> None:
    run = MonitoringRun.objects.create(
        job="retention", day=timezone.now().date(), status="ok",
        result={"requests": 1234, "notes": 5, "predictions": 67, "accesses": 8,
                "stripped_until": "2025-11-21T03:00:00+00:00"},
    )  # fmt: skip

    sent = browser.get(f"{RUNS}{run.pk}/change/").content.decode()
    listed = browser.get(RUNS).content.decode()

    assert all(word in sent for word in ("requests deleted", "1,234", "2025-11-21 03:00 UTC"))
    assert "67 predictions stripped" in listed
    assert "of 0 labelled" not in sent + listed


def test_a_training_run_shows_what_it_learnt_from(admin_client: Client) -> None:
    run = RetrainingRun.objects.create(
        reason="asked for", started_at=timezone.now(), status="registered",
        result={"training_set": {"rows": 812}, "figures": {"hybrid": {"accuracy": 0.8123}},
                "gate": {"refusals": ["Too few emergencies."]}},
    )  # fmt: skip

    sent = admin_client.get(f"/admin/monitoring/retrainingrun/{run.pk}/change/").content.decode()

    assert all(word in sent for word in ("812", "hybrid: accuracy", "Too few emergencies."))
