"""``manage.py triage``: a file of cases, answered as the API would, with nothing recorded."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError
from tqdm import tqdm

from api.offline import answers, answers_by_rules
from triage_rules.ruleset import ruleset_as_of, ruleset_current


class Command(BaseCommand):
    """Print one JSON answer a line; a line that cannot be used is answered by an error object."""

    help = "Answer each request of an NDJSON file as the API would. Nothing is recorded."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the file, and by which rules to judge."""
        parser.add_argument("file", type=Path, help="one request body a line")
        parser.add_argument("--rules-only", action="store_true", help="ask no model")
        parser.add_argument(
            "--as-of",
            type=date.fromisoformat,
            metavar="DATE",
            help="with --rules-only: judge by the rules of that day, such as 2025-06-30",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Read the file line by line, so that its length does not matter."""
        if options["as_of"] and not options["rules_only"]:
            raise CommandError("--as-of needs --rules-only: no model of a past day is asked.")
        try:
            lines = options["file"].open("rb")
        except OSError as error:
            raise CommandError(f"{options['file']}: {error.strerror}.") from error
        with lines:
            self._print(lines, rules_only=options["rules_only"], day=options["as_of"])

    def _print(self, lines: Iterable[bytes], *, rules_only: bool, day: date | None) -> None:
        ruleset = ruleset_as_of(day) if day else ruleset_current()
        answered = answers_by_rules(lines, ruleset=ruleset) if rules_only else answers(lines)
        try:
            for answer in tqdm(answered, unit=" cases", disable=None):
                self.stdout.write(json.dumps(answer, ensure_ascii=False))
        except DatabaseError as error:
            raise CommandError("The database cannot be read; try --rules-only.") from error
        except BrokenPipeError:
            # Whoever reads on, such as head, has had enough.
            raise SystemExit(0) from None
