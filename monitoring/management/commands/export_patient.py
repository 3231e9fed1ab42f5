"""``manage.py export_patient``: everything that is kept of one patient, as a file for them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.serializers.json import DjangoJSONEncoder

from monitoring.management.person import operator, patient_id_asked
from monitoring.patient import patient_export


class Command(BaseCommand):
    """Write one JSON object a line for each prediction, with request, labels and readers."""

    help = "Write everything that is kept of one patient; the id is read from standard input."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the file; an id on the command line would stand in every list of processes."""
        parser.add_argument("path", type=Path, metavar="FILE", help="a new file, NDJSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Ask for the id and write the file, readable by its owner alone."""
        patient_id, count = patient_id_asked(), 0
        try:
            handle = os.open(options["path"], os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise CommandError(f"FILE cannot be made: {error.strerror}.") from None
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            for each in patient_export(patient_id, actor=operator()):
                file.write(json.dumps(each, cls=DjangoJSONEncoder, ensure_ascii=False) + "\n")
                count += 1
        self.stdout.write(f"{count:,} predictions written.")
