"""``manage.py check_accuracy``: the daily accuracy check, by hand."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from monitoring.accuracy import (
    AccuracyResult,
    accuracy_catch_up,
    accuracy_check,
    day_to_check,
    report,
)
from monitoring.deliveries import deliver_pending
from monitoring.selectors import site_today

EARLIEST = date(2000, 1, 1)


class Command(BaseCommand):
    """Check the labelled predictions of one local day, or of all that were not checked yet."""

    help = "Check the accuracy of one local day (default: every mature day that is owed a check)."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take an optional day and the form of the report."""
        parser.add_argument("--date", metavar="DAY", help="a local day, as in 2026-11-19")
        parser.add_argument(
            "--json", action="store_true", help="print the result of the day, or a list of results"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the check, print what it found, and hand over what is to be told."""
        now = timezone.now()
        named = options["date"] is not None
        if named:
            results = [accuracy_check(_parse(options["date"], now=now), now=now)]
        else:
            results = accuracy_catch_up(now=now)
        if options["json"]:
            facts = [_facts(result) for result in results]
            self.stdout.write(json.dumps(facts[0] if named else facts, indent=2))
        else:
            self.stdout.write(_text(results, now=now))
        deliver_pending(now=timezone.now())


def _facts(result: AccuracyResult) -> dict[str, Any]:
    return {"day": str(result.day), "status": result.status, **result.as_dict()}


def _text(results: list[AccuracyResult], *, now: datetime) -> str:
    if not results:
        return f"Every day up to {day_to_check(now=now)} is checked; no label came in since."
    return "\n\n\n".join(map(report, results))


def _parse(text: str, *, now: datetime) -> date:
    today = site_today(now=now)
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise CommandError("--date must be a day written as YYYY-MM-DD.") from None
    if not EARLIEST <= day <= today:
        raise CommandError(f"--date must be a day from {EARLIEST} to today, {today}.")
    return day
