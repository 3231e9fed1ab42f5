"""``manage.py prune_logs``: remove what has outlived its retention."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone
from tqdm import tqdm

from monitoring.retention import Pruned, prune, prune_preview


class Command(BaseCommand):
    """Delete requests, notes and accesses, and strip predictions, each at its own age."""

    help = "Remove what has outlived its retention; --dry-run only counts it."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take whether to count only."""
        parser.add_argument("--dry-run", action="store_true", help="count, and change nothing")
        parser.add_argument("--json", action="store_true", help="print one JSON object only")

    def handle(self, *args: Any, **options: Any) -> None:
        """Count what is due; then, unless that is all, remove it with a progress bar."""
        now = timezone.now()
        pruned = prune_preview(now=now)
        if not options["dry_run"]:
            total = sum(pruned.removed().values())
            with tqdm(total=total, unit=" rows", disable=None) as bar:
                pruned = prune(now=now, watch=lambda _, n: bar.update(n))
        self.stdout.write(
            json.dumps(asdict(pruned)) if options["json"] else _report(pruned, options["dry_run"])
        )


def _report(pruned: Pruned, is_preview: bool) -> str:
    would = "would be " if is_preview else ""
    lines = [
        f"{pruned.requests:,} requests {would}deleted",
        f"{pruned.notes:,} notes {would}emptied",
        f"{pruned.predictions:,} predictions {would}stripped of the patient",
        f"{pruned.accesses:,} notes of who saw a case {would}deleted",
        *(f"{n:,} {kind.replace('_', ' ')} deleted" for kind, n in pruned.others.items()),
    ]
    if pruned.accesses_for_owner:
        lines.append(
            f"{pruned.accesses_for_owner:,} notes of who saw a case are due and stay: this role "
            "may not delete them; run the command with the owner's DATABASE_URL"
        )
    return "\n".join(lines)
