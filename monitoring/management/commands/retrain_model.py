"""``manage.py retrain_model``: a candidate trained from the log, now. It never serves by itself."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from monitoring.retraining import RetrainingError, model_retrain


class Command(BaseCommand):
    """Train and register a candidate and print what the gate would say to it."""

    help = "Train a candidate on the labelled log and a base set. Nothing is promoted."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the reason."""
        parser.add_argument("--reason", default="by hand", help="why, for the report")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run it and print the report as JSON."""
        try:
            run = model_retrain(reason=options["reason"], now=timezone.now())
        except RetrainingError as error:
            raise CommandError(str(error)) from error
        report = {"version": run.version, "reason": run.reason, **run.result}
        self.stdout.write(json.dumps(report, indent=2))
