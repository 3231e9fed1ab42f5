"""``manage.py evaluate_model``: model, rules, hybrid and nurse on labelled cases."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from ml.artefacts import ArtefactError, LoadedModel, check_golden, load, pointer
from ml.card.tables import report
from ml.comparison import compare, judge
from ml.datasets import DATASETS, DatasetError, load_dataset
from ml.labelled import LabelledCase
from ml.training import DEFAULT_SEED, training_digest


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
        if not cases:
            raise CommandError("There are no cases to measure on; expected at least one.")
        judged = list(tqdm(judge(cases, model=model), total=len(cases), unit="case"))
        figures = compare(judged, cost_matrix=model.cost_matrix if model else None)
        result = {
            "version": model.version if model else None,
            "seen_in_training": _has_seen(model, cases),
            **figures,
        }
        self.stdout.write(json.dumps(result) if options["json"] else _text(result))


def _has_seen(model: LoadedModel | None, cases: Sequence[LabelledCase]) -> bool:
    """Whether these are the very patients that the version learnt from."""
    return model is not None and model.metadata.get("training_digest") == training_digest(cases)


def _text(result: Mapping[str, Any]) -> str:
    about = f"Version {result['version']}" if result["version"] else "The rules alone"
    patients = f"{result['n']:,} patients"
    if result["seen_in_training"]:
        patients += ", the patients it learnt from: the figures flatter it (see cross_validate)"
    return f"{about} on {patients}.\n\n{report(result)}"


def _model(version: str | None) -> LoadedModel:
    store = Path(settings.MODEL_STORE)
    current = pointer(store)
    chosen = version or (current.version if current else None)
    if chosen is None:
        raise ArtefactError("There is no model yet: train one, or ask for --rules-only")
    model = load(store / chosen, public_keys=settings.MODEL_PUBLIC_KEYS)
    check_golden(model)
    return model
