"""``manage.py check_accuracy``: the daily accuracy check, by hand."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from monitoring.accuracy import accuracy_check, day_to_check, site_today
from monitoring.alerts import alerts_deliver_pending

EARLIEST = date(2000, 1, 1)


class Command(BaseCommand):
    """Check the labelled predictions of one local day and alert when too few were right."""

    help = "Check the accuracy of one local day (default: the newest with mature labels)."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take an optional day."""
        parser.add_argument("--date", help="a local day, as in 2026-11-19")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the check, print its result as JSON, and mail what is still to be told."""
        now = timezone.now()
        day = _parse(options["date"], now=now) if options["date"] else day_to_check(now=now)
        result = accuracy_check(day, now=now)
        summary = {"day": str(result.day), "status": result.status, **result.as_dict()}
        self.stdout.write(json.dumps(summary, indent=2))
        try:
            alerts_deliver_pending()
        except OSError as error:
            raise CommandError(
                "The result is stored, but the alert could not be mailed; run the check again "
                f"when the mail server answers ({type(error).__name__})."
            ) from error


def _parse(text: str, *, now: datetime) -> date:
    today = site_today(now=now)
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise CommandError("--date must be a day written as YYYY-MM-DD.") from None
    if not EARLIEST <= day <= today:
        raise CommandError(f"--date must be a day from {EARLIEST} to today, {today}.")
    return day
