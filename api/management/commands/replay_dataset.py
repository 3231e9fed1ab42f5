"""``manage.py replay_dataset``: real visits, posted to the running service."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from api.client import ServiceError, TriageClient
from api.replay import replay, report
from ml.datasets import LOADERS, DatasetError


class Command(BaseCommand):
    """Post labelled visits, report their truth back as ground truth, and print the score."""

    help = "Post real visits to the running service and compare its answers with the truth."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the data set, its file, and the service."""
        parser.add_argument("dataset", choices=sorted(LOADERS))
        parser.add_argument("--path", type=Path, required=True, help="the data set's file")
        parser.add_argument("--limit", type=int, help="only the first so many visits")
        parser.add_argument("--url", default="http://127.0.0.1:8000", help="the running service")
        parser.add_argument("--token", help="default: TRIAGE_TOKEN, then var/dev-token")

    def handle(self, *args: Any, **options: Any) -> None:
        """Replay with a progress bar and print the score."""
        try:
            cases = LOADERS[options["dataset"]](options["path"], limit=options["limit"])
            client = TriageClient(url=options["url"], token=options["token"] or _token())
            answers = tqdm(replay(cases, client=client), total=len(cases), unit="visit")
            replayed = list(answers)
        except (DatasetError, ServiceError) as error:
            raise CommandError(f"{error}.") from error
        self.stdout.write(report(replayed))


def _token() -> str:
    path = settings.VAR_DIR / "dev-token"
    token = os.environ.get("TRIAGE_TOKEN") or (path.read_text().strip() if path.exists() else "")
    if not token:
        raise CommandError("--token is needed: there is no TRIAGE_TOKEN and no var/dev-token.")
    return token
