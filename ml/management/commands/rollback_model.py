"""``manage.py rollback_model``: let the version serve that served before the current one."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ml.registry import RegistryError, operator, version_rollback

DEFAULT_REASON = "rolled back by command"


class Command(BaseCommand):
    """Go back one model version."""

    help = "Let the model version serve that served before the current one was promoted."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take who and why."""
        parser.add_argument("--reason", default=DEFAULT_REASON, help="why; it is kept")
        parser.add_argument("--actor", help="who; default: the operating system's user")
        parser.add_argument("--expected-epoch", type=int, help="refuse if it is another by now")
        parser.add_argument("--json", action="store_true", help="print one JSON object only")

    def handle(self, *args: Any, **options: Any) -> None:
        """Roll back and print what serves."""
        try:
            now = version_rollback(
                actor=options["actor"] or operator(),
                reason=options["reason"],
                expected_epoch=options["expected_epoch"],
            )
        except RegistryError as error:
            raise CommandError(str(error)) from error
        result = {"version": now.version, "digest": now.digest, "epoch": now.epoch}
        text = f"{now.version} serves again (epoch {now.epoch})."
        self.stdout.write(json.dumps(result) if options["json"] else text)
