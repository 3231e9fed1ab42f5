"""``manage.py import_labels``: labels from a CSV file, looked through first, then on record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from monitoring.label_import import (
    BATCH,
    MAX_BYTES,
    FaultyLinesError,
    Imported,
    LabelFileError,
    labels_import,
    labels_preview,
)

MAX_SHOWN = 100


class Command(BaseCommand):
    """Say what a file of labels would do, or with --apply do it: every line or none."""

    help = "Look through a CSV file of labels; with --apply put them on record, all or none."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the file, whose word it is, and whether to write."""
        parser.add_argument("file", type=Path, metavar="FILE", help="CSV; see docs/labels.md")
        parser.add_argument("--author", required=True, metavar="NAME", help="whose labels they are")
        parser.add_argument("--apply", action="store_true", help="write; without it nothing is")
        parser.add_argument(
            "--skip-faulty", action="store_true", help="with --apply: leave out faulty lines"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Look through the file, or import it, and print what became of its lines."""
        author = User.objects.filter(username=options["author"], is_active=True).first()
        if author is None:
            raise CommandError("--author names no active account.")
        content = _content(options["file"])
        facts: dict[str, Any] = {"author": author, "watch": _bar}
        try:
            if options["apply"]:
                self._report(labels_import(content, skip_faulty=options["skip_faulty"], **facts))
            else:
                self._report(labels_preview(content, **facts))
                self.stdout.write("Nothing was written; --apply does.")
        except LabelFileError as error:
            raise CommandError(str(error)) from error
        except FaultyLinesError as error:
            self._name(error.faults)
            raise CommandError(str(error)) from error

    def _report(self, imported: Imported) -> None:
        self._name(imported.faults)
        self.stdout.write(imported.as_text())

    def _name(self, faults: Any) -> None:
        for fault in faults[:MAX_SHOWN]:
            self.stdout.write(str(fault))
        if len(faults) > MAX_SHOWN:
            self.stdout.write(f"and {len(faults) - MAX_SHOWN:,} more faults")


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            # One byte more than is accepted is enough to refuse it.
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise CommandError(f"The file cannot be read: {error.strerror}.") from error


def _bar(batches: Any) -> Any:
    return tqdm(batches, unit=f" x {BATCH} lines", disable=None)
