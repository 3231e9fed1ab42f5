"""``manage.py check_accuracy``: the same check, by hand, with or without Redis."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from monitoring import alerts
from monitoring.models import MonitoringRun
from monitoring.tasks import check_accuracy
from triage_rules.level import Level


def test_it_prints_the_result_of_the_named_day(labelled: Callable[..., None]) -> None:
    labelled(40)
    out = StringIO()

    call_command("check_accuracy", "--date", "2026-11-18", stdout=out)

    result = json.loads(out.getvalue())
    assert (result["day"], result["status"]) == ("2026-11-18", "ok")
    assert (result["accuracy"], result["labelled"]) == (1.0, 40)


@pytest.mark.parametrize("run", [lambda: call_command("check_accuracy", stdout=StringIO()),
                                 check_accuracy.delay])  # fmt: skip
def test_by_default_it_takes_the_newest_day_that_is_over(
    run: Callable[[], Any], labelled: Callable[..., None], settings: Any
) -> None:
    settings.CELERY_TASK_ALWAYS_EAGER = True
    two_days_ago = datetime.now(UTC) - timedelta(days=2)
    labelled(40, at=two_days_ago)

    run()

    run_row = MonitoringRun.objects.get()
    assert (run_row.day, run_row.result["labelled"]) == (two_days_ago.date(), 40)


@pytest.mark.parametrize(
    "text", ["18.11.2026", "2026-13-01", "yesterday", "9999-12-31", "0001-01-01"]
)
def test_a_day_it_cannot_use_is_refused(text: str, db: None) -> None:
    with pytest.raises(CommandError, match="--date must be a day"):
        call_command("check_accuracy", "--date", text)

    assert not MonitoringRun.objects.exists()


def test_a_mail_that_cannot_be_sent_is_said_and_the_result_is_kept(
    labelled: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: Any) -> None:
        raise ConnectionRefusedError

    labelled(40, truth=Level.URGENT)
    monkeypatch.setattr(alerts, "send_mail", refuse)

    with pytest.raises(CommandError, match="could not be mailed"):
        call_command("check_accuracy", "--date", "2026-11-18", stdout=StringIO())

    assert MonitoringRun.objects.get().status == "below_threshold"
