"""``manage.py erase_patient``: take one patient out of the record for good."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from monitoring.management.person import operator, patient_id_asked
from monitoring.patient import patient_erase, patient_predictions


class Command(BaseCommand):
    """Delete requests, empty notes and strip the predictions of one patient."""

    help = "Take one patient out of the record; the id is read from standard input."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the word that it is meant."""
        parser.add_argument("--yes", action="store_true", help="erase; without it, only count")

    def handle(self, *args: Any, **options: Any) -> None:
        """Ask for the id, and erase or say what would be erased."""
        patient_id = patient_id_asked()
        if not options["yes"]:
            count = patient_predictions(patient_id).count()
            raise CommandError(f"{count:,} predictions would be erased; --yes does it.")
        erased = patient_erase(patient_id, actor=operator())
        self.stdout.write(
            f"{erased.predictions:,} predictions stripped, {erased.requests:,} requests deleted, "
            f"{erased.notes:,} notes emptied."
        )
        if erased.learnt_from:
            self.stdout.write(
                f"{erased.learnt_from:,} of them were labelled: write training sets anew with "
                "export_training_set."
            )
