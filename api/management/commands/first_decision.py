"""``manage.py first_decision``: one real decision, and the ``curl`` line that repeats it."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from api.client import ServiceError
from api.demo import DemoError, first_decision


class Command(BaseCommand):
    """Ask the running service about a made-up patient."""

    help = "Ask the running service about a made-up patient and print how to ask again."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the address of the service."""
        parser.add_argument("--url", default="http://127.0.0.1:8000", help="where it listens")

    def handle(self, *args: Any, **options: Any) -> None:
        """Call the service and print both."""
        try:
            result = first_decision(url=options["url"], folder=settings.VAR_DIR)
        except (DemoError, ServiceError) as error:
            raise CommandError(f"{error}.") from error
        self.stdout.write(
            "\nA made-up man of 57 with chest pain was decided and put on record:\n\n"
        )
        self.stdout.write(json.dumps(result.answer, indent=2, ensure_ascii=False))
        self.stdout.write(f"\nThe same question again:\n\n{result.curl}")
