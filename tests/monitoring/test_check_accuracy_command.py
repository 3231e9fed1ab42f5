"""``manage.py check_accuracy``: the same check, by hand, with or without Redis."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core import mail
from django.core.management import CommandError, call_command

from monitoring.models import MonitoringRun
from monitoring.tasks import check_accuracy
from tests.monitoring.conftest import NOON
from triage_rules.level import Level

Labelled = Callable[..., None]


def printed(*arguments: str) -> str:
    """Run the command and return what it prints."""
    out = StringIO()
    call_command("check_accuracy", *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def two_days_ago(tasks_in_place: None) -> datetime:
    """A moment of the newest day that is mature."""
    return datetime.now(UTC) - timedelta(days=2)


def test_it_prints_the_result_of_the_named_day(labelled: Labelled) -> None:
    labelled(40)

    result = json.loads(printed("--date", "2026-11-18", "--json"))

    assert (result["day"], result["status"]) == ("2026-11-18", "ok")
    assert (result["accuracy"], result["labelled"]) == (1.0, 40)


def test_it_prints_a_report_to_read(labelled: Labelled) -> None:
    labelled(50, sex="male", ab_group="ml", model_version="v1", site="north", age_years=70)
    labelled(10, sex="female", ab_group="rules", model_version="v1", truth=Level.EMERGENCY)
    labelled(40, truth=None)

    report = printed("--date", "2026-11-18")

    assert report.startswith("2026-11-18: ok\n")
    assert "50 of 60 labelled answers were right: 83.3% (95 % interval 72.0% to 90.7%)." in report
    assert "Labels for 60% of 100 predictions; missed emergencies: 10." in report
    rows = {line[:22].strip(): line.split()[-6:] for line in report.splitlines()}
    for name in ("ml", "v1", "emergency", "blind", "audited", "female", "65 and over", "north"):
        assert name in rows
    assert "Under-triage CUSUM: " in report
    assert "99 % within 2.0 ms; 0 of 100 above 250 ms." in report


def test_a_day_without_answers_has_a_report_too(db: None) -> None:
    assert "no labels" in printed("--date", "2026-11-18")


@pytest.mark.parametrize("run", [printed, check_accuracy.delay])
def test_by_default_it_takes_the_newest_day_that_is_over(
    run: Callable[[], Any], labelled: Labelled, two_days_ago: datetime
) -> None:
    labelled(40, at=two_days_ago)

    run()

    run_row = MonitoringRun.objects.get()
    assert (run_row.day, run_row.result["labelled"]) == (two_days_ago.date(), 40)


def test_by_default_it_catches_up_oldest_first(labelled: Labelled, two_days_ago: datetime) -> None:
    for days in (0, 3):
        labelled(40, at=two_days_ago - timedelta(days=days))

    results = json.loads(printed("--json"))

    newest = two_days_ago.date()
    assert [result["day"] for result in results] == [str(newest - timedelta(days=3)), str(newest)]


def test_it_says_when_there_is_nothing_to_do(two_days_ago: datetime, db: None) -> None:
    printed()

    assert printed() == (
        f"Every day up to {two_days_ago.date()} is checked; no label came in since.\n"
    )
    assert json.loads(printed("--json")) == []


@pytest.mark.parametrize(
    "text", ["", "18.11.2026", "2026-13-01", "yesterday", "9999-12-31", "0001-01-01"]
)
def test_a_day_it_cannot_use_is_refused(text: str, db: None) -> None:
    with pytest.raises(CommandError, match=r"^--date must be a day[^\n]*\.$"):
        printed("--date", text)

    assert not MonitoringRun.objects.exists()


def test_tomorrow_is_refused_and_today_is_provisional(db: None) -> None:
    today = datetime.now(UTC).date()

    assert "provisional" in printed("--date", str(today))
    with pytest.raises(CommandError, match="to today"):
        printed("--date", str(today + timedelta(days=1)))


def test_what_is_to_be_told_is_handed_over(labelled: Labelled) -> None:
    labelled(40, truth=Level.ROUTINE)

    printed("--date", "2026-11-18")

    assert "0 of 40 labelled answers were right" in mail.outbox[0].body


def test_a_mail_that_cannot_be_sent_keeps_neither_the_result_nor_the_report_back(
    labelled: Labelled, settings: Any
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    labelled(40, truth=Level.ROUTINE, at=NOON)

    report = printed("--date", "2026-11-18")

    assert "below threshold" in report
    assert MonitoringRun.objects.get().day == date(2026, 11, 18)
