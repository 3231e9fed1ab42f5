"""``manage.py evaluate_model``: model, rules, hybrid and nurse on labelled cases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from ml.artefacts import ArtefactError, LoadedModel, check_golden, current_version, load
from ml.comparison import as_text, compare, judge
from ml.datasets import DATASETS, DatasetError, load_dataset
from ml.training import DEFAULT_SEED


class Command(BaseCommand):
    """Compare every decider with the truth of a data set, and record nothing."""

    help = "Measure model, rules, hybrid and nurse on labelled cases, with 95 % intervals."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Let ``--version`` name the model's, as elsewhere, and not Django's."""
        return super().create_parser(prog_name, subcommand, conflict_handler="resolve", **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the data set and the version."""
        parser.add_argument("--dataset", choices=DATASETS, required=True)
        parser.add_argument("--path", type=Path, help="the data set's file")
        parser.add_argument("--rows", type=int, help="the most rows to use")
        parser.add_argument("--version", help="a version of the model store; default: the current")
        parser.add_argument("--rules-only", action="store_true", help="measure no model")
        parser.add_argument("--json", action="store_true", help="print one JSON object only")

    def handle(self, *args: Any, **options: Any) -> None:
        """Judge every case with a progress bar and print the figures."""
        try:
            model = None if options["rules_only"] else _model(options["version"])
            cases = load_dataset(
                options["dataset"],
                path=options["path"],
                folder=settings.TRIAGE_DATA_DIR,
                rows=options["rows"],
                seed=DEFAULT_SEED,
            )
        except (ArtefactError, DatasetError) as error:
            raise CommandError(f"{str(error).rstrip('.')}.") from error
        judged = list(tqdm(judge(cases, model=model), total=len(cases), unit="case"))
        comparison = {"version": model.version if model else None, **compare(judged)}
        self.stdout.write(json.dumps(comparison) if options["json"] else as_text(comparison))


def _model(version: str | None) -> LoadedModel:
    store = Path(settings.MODEL_STORE)
    chosen = version or current_version(store)
    if chosen is None:
        raise ArtefactError("There is no model yet: train one, or ask for --rules-only")
    model = load(store / chosen)
    check_golden(model)
    return model
