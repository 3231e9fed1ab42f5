"""``manage.py replay_decisions``: decide logged cases again and compare bit for bit."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from monitoring.management.person import operator
from monitoring.replay import InstalledModels, ReplayReport, decisions_replay
from monitoring.selectors import predictions_newest


class Command(BaseCommand):
    """Print what could be decided again, what could not and why, and every row that differs."""

    help = "Decide logged cases again; the exit status is 1 when a row differs."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the days and how many rows."""
        parser.add_argument(
            "--since", type=date.fromisoformat, metavar="DAY", help="the first local day"
        )
        parser.add_argument(
            "--until", type=date.fromisoformat, metavar="DAY", help="the last local day"
        )
        parser.add_argument("--limit", type=int, metavar="N", help="at most N rows, newest first")
        parser.add_argument("--json", action="store_true", help="print one JSON object only")

    def handle(self, *args: Any, **options: Any) -> None:
        """Decide the rows again with a progress bar and print the report."""
        if options["limit"] is not None and options["limit"] < 1:
            raise CommandError("--limit must be 1 or more.")
        rows = predictions_newest(
            since=options["since"], until=options["until"], limit=options["limit"]
        )
        report = decisions_replay(
            rows,
            actor=operator(),
            models=InstalledModels(settings.MODEL_STORE, public_keys=settings.MODEL_PUBLIC_KEYS),
            watch=lambda found: iter(tqdm(found, total=rows.count(), unit=" rows", disable=None)),
        )
        self.stdout.write(json.dumps(report.as_dict()) if options["json"] else report.as_text())
        if report.differing:
            raise CommandError(_verdict(report))


def _verdict(report: ReplayReport) -> str:
    return f"{len(report.differing)} of {report.rows} decisions differ from their record."
