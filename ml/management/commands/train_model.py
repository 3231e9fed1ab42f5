"""``manage.py train_model``: train, calibrate, evaluate and save a model version."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from ml.artefacts import TrainedModel, point_to, save
from ml.datasets import DATASETS, DatasetError, load_dataset
from ml.training import DEFAULT_SEED, STEPS, TrainingError, train

FIGURES = ("accuracy", "qwk", "under_triage", "over_triage", "emergency_recall", "brier", "ece")


class Command(BaseCommand):
    """Train a model version and save it in the model store."""

    help = "Train, calibrate, evaluate and save a model version."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the data set and what to do with the version."""
        parser.add_argument("--dataset", choices=DATASETS, required=True)
        parser.add_argument("--path", type=Path, help="the data set's file")
        parser.add_argument("--rows", type=int, help="the most rows to use")
        parser.add_argument("--seed", type=int, default=DEFAULT_SEED)
        parser.add_argument("--register", action="store_true", help="let the service load it")
        parser.add_argument("--json", action="store_true", help="print one JSON object only")

    def handle(self, *args: Any, **options: Any) -> None:
        """Train, save, and print the version with its figures."""
        try:
            model = _train(options)
        except (DatasetError, TrainingError) as error:
            raise CommandError(f"{error}.") from error
        version = _save(model, register=options["register"])
        result = {"version": version, "dataset": model.dataset, "metrics": model.metrics}
        self.stdout.write(json.dumps(result) if options["json"] else _summary(result))


def _train(options: dict[str, Any]) -> TrainedModel:
    dataset, seed = options["dataset"], options["seed"]
    cases = load_dataset(
        dataset,
        path=options["path"],
        folder=settings.TRIAGE_DATA_DIR,
        rows=options["rows"],
        seed=seed,
    )
    with tqdm(total=len(STEPS), unit="step") as bar:
        return train(
            cases,
            seed=seed,
            dataset=dataset,
            synthetic=dataset == "synthetic",
            progress=lambda step: _show(bar, step),
        )


def _show(bar: Any, step: str) -> None:
    bar.set_description(step)
    bar.update()


def _save(model: TrainedModel, *, register: bool) -> str:
    store = Path(settings.MODEL_STORE)
    version = save(model, store)
    if register:
        point_to(store, version)
    return version


def _summary(result: dict[str, Any]) -> str:
    metrics = result["metrics"]
    lines = [f"{result['version']} ({result['dataset']})", f"{'':20}{'model':>10}{'baseline':>10}"]
    lines += [
        f"{name:20}{_figure(metrics['model'][name]):>10}{_figure(metrics['baseline'][name]):>10}"
        for name in FIGURES
    ]
    return "\n".join(lines)


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
