"""``manage.py check_model``: can this host serve the version that the model store points to?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from ml.artefacts import ArtefactError, pointer
from ml.trial import try_out


class Command(BaseCommand):
    """Try a version in a process of its own and say in one sentence why it would not serve."""

    help = "Verify a version and predict its golden rows, as a serving process would."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Let ``--version`` name the model's, as elsewhere, and not Django's."""
        return super().create_parser(prog_name, subcommand, conflict_handler="resolve", **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the version."""
        parser.add_argument("--version", help="a version of the model store; default: the current")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the version, or end with the reason."""
        store = Path(settings.MODEL_STORE)
        try:
            version = options["version"] or _current(store)
            try_out(store / version, public_keys=settings.MODEL_PUBLIC_KEYS)
        except ArtefactError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(version)


def _current(store: Path) -> str:
    current = pointer(store)
    if current is None:
        raise ArtefactError("The model store names no current version.")
    return current.version
