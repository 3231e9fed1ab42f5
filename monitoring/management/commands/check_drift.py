"""``manage.py check_drift``: the daily drift check, by hand."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from monitoring.deliveries import deliver_pending
from monitoring.drift import drift_check
from monitoring.drift.report import as_text

EARLIEST = date(2000, 1, 1)


class Command(BaseCommand):
    """Compare the last days with what the serving model was validated on."""

    help = "Check for drift in the days that end with one local day (default: yesterday)."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take an optional day and the form of the report."""
        parser.add_argument("--date", metavar="DAY", help="the last local day, as in 2026-11-19")
        parser.add_argument("--json", action="store_true", help="print one JSON object only")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the check, print its report, and tell what is still to be told."""
        now = timezone.now()
        result = drift_check(_day(options["date"], now=now))
        stored = {"day": str(result.day), "status": result.status, **result.as_dict()}
        self.stdout.write(json.dumps(stored, indent=2) if options["json"] else as_text(result))
        deliver_pending(now=timezone.now())


def _day(text: str | None, *, now: datetime) -> date:
    # A check of today would stand on record as that of the whole day.
    yesterday = now.astimezone(settings.SITE_TIME_ZONE).date() - timedelta(days=1)
    if text is None:
        return yesterday
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise CommandError("--date must be a day written as YYYY-MM-DD.") from None
    if not EARLIEST <= day <= yesterday:
        raise CommandError(f"--date must be a day from {EARLIEST} to yesterday, {yesterday}.")
    return day
