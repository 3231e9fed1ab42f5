"""``manage.py explain_case``: why the rules say what they say of one case."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rest_framework.exceptions import APIException

from api.offline import explanation, problems
from triage_rules.ruleset import ruleset_as_of, ruleset_current


class Command(BaseCommand):
    """Print which rule fired on which value or words, each score, and what was not known."""

    help = "Explain by the rules one request body, as the API takes it. Nothing is recorded."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the file and the day."""
        parser.add_argument("file", type=Path, help="one request body as JSON")
        parser.add_argument(
            "--as-of",
            type=date.fromisoformat,
            metavar="DATE",
            help="judge by the rules of that day, such as 2025-06-30",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Explain, or say in one sentence why the case cannot be read."""
        day = options["as_of"]
        ruleset = ruleset_as_of(day) if day else ruleset_current()
        try:
            body = options["file"].read_bytes()
            self.stdout.write(explanation(body, ruleset=ruleset))
        except OSError as error:
            raise CommandError(f"{options['file']}: {error.strerror}.") from error
        except APIException as error:
            raise CommandError(problems(error)) from error
