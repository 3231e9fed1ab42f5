"""``manage.py rotate_intake_keys``: write again under the newest key what an earlier one wrote."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from monitoring.key_rotation import tokens_rotate


class Command(BaseCommand):
    """Encrypt requests and notes anew; afterwards the earlier keys can be destroyed."""

    help = "Encrypt requests and notes anew with the first of INTAKE_KEYS."

    def handle(self, *args: Any, **options: Any) -> None:
        """Rotate with a progress bar; what no key reads is counted, and is an error."""
        with tqdm(unit=" tokens", disable=None) as bar:
            rotated = tokens_rotate(watch=bar.update)
        self.stdout.write(
            f"{rotated.requests:,} requests, {rotated.notes:,} notes and "
            f"{rotated.batches:,} chunks of batches rewritten."
        )
        if rotated.unreadable:
            raise CommandError(
                f"{rotated.unreadable:,} cannot be read with any of INTAKE_KEYS and stay as they "
                "are; keep the earlier keys until they are found."
            )
