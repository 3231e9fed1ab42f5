"""``manage.py export_training_set``: labelled decisions of the log, as a file to learn from."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from tqdm import tqdm

from monitoring.management.person import operator
from monitoring.training_set import NotMaturedError, training_path, training_set_export


class Command(BaseCommand):
    """Write what may be learnt from and say how much was left out, and why."""

    help = "Write the labelled decisions whose labels have matured. The file holds patients' words."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the file, the last day, and whether to take echoes too."""
        parser.add_argument("--out", type=Path, help="the file (var/training/log.ndjson.gz)")
        parser.add_argument(
            "--until",
            type=date.fromisoformat,
            metavar="DAY",
            help="the last local day (default: the newest whose labels have matured)",
        )
        parser.add_argument(
            "--include-saw-prediction",
            action="store_true",
            help="take labels of people who had seen the answer, too; they echo it",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the file with a progress bar and print what is in it."""
        try:
            written = training_set_export(
                options["out"] or training_path(),
                now=timezone.now(),
                actor=operator(),
                until=options["until"],
                include_saw_prediction=options["include_saw_prediction"],
                watch=lambda rows: iter(tqdm(rows, unit=" rows", disable=None)),
            )
        except NotMaturedError as error:
            raise CommandError(f"--until: {error}") from error
        except OSError as error:
            raise CommandError(f"The file cannot be written: {error.strerror}.") from error
        facts = written.as_dict()
        days = f", {facts['from']} to {facts['to']}" if facts["rows"] else ""
        self.stdout.write(f"{written.path}: {facts['rows']} rows{days}")
        for reason, n in facts["left_out"].items():
            self.stdout.write(f"left out, {reason}: {n}")
