"""``manage.py train_model``: train, calibrate, evaluate and save a model version."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from ml.artefacts import ArtefactError, TrainedModel, save
from ml.card import documents
from ml.datasets import DATASETS, DatasetError, load_dataset
from ml.labelled import LabelledCase
from ml.registry import RegistryError, operator, version_register
from ml.training import DEFAULT_SEED, TrainingError, train

FIGURES = ("accuracy", "qwk", "under_triage", "over_triage", "emergency_recall")
COLUMNS = ("model", "rules", "hybrid", "nurse", "baseline")
BASES = tuple(name for name in DATASETS if name != "log")


class Command(BaseCommand):
    """Train a model version and save it in the model store."""

    help = "Train, calibrate, evaluate and save a model version."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the data sets and what to do with the version."""
        parser.add_argument("--dataset", choices=DATASETS, required=True)
        parser.add_argument("--path", type=Path, help="the data set's file")
        parser.add_argument("--rows", type=int, help="the most rows to use")
        parser.add_argument("--base", choices=BASES, help="a second data set to learn from")
        parser.add_argument("--base-path", type=Path, help="its file")
        parser.add_argument("--seed", type=int, default=DEFAULT_SEED)
        parser.add_argument(
            "--register",
            action="store_true",
            help="make it a candidate for promotion; the very first one serves at once",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object only")

    def handle(self, *args: Any, **options: Any) -> None:
        """Train, save, and print the version with its figures."""
        if settings.MODEL_SIGNING_KEY is None:
            raise CommandError("MODEL_SIGNING_KEY is not set; only a trainer holds it.")
        try:
            model = _train(_cases(options), options)
            version = _save(model, register=options["register"])
        except (ArtefactError, DatasetError, RegistryError, TrainingError) as error:
            raise CommandError(f"{str(error).rstrip('.')}.") from error
        result = {"version": version, "dataset": model.dataset, "metrics": model.metrics}
        self.stdout.write(json.dumps(result) if options["json"] else _summary(result))


def _cases(options: dict[str, Any]) -> list[LabelledCase]:
    cases = _load(options["dataset"], options["path"], options)
    if options["base"]:
        cases += _load(options["base"], options["base_path"], options)
    return cases


def _load(name: str, path: Path | None, options: dict[str, Any]) -> list[LabelledCase]:
    if name == "log":
        path = path or settings.VAR_DIR / "training" / "log.ndjson.gz"
    cases = load_dataset(
        name,
        path=path,
        folder=settings.TRIAGE_DATA_DIR,
        rows=options["rows"],
        seed=options["seed"],
    )
    if not cases:
        raise DatasetError(f"the data set {name} has no rows to learn from yet")
    return cases


def _train(cases: list[LabelledCase], options: dict[str, Any]) -> TrainedModel:
    names = [name for name in (options["dataset"], options["base"]) if name]
    with tqdm(unit="step") as bar:

        def show(step: str, number: int, total: int) -> None:
            bar.total = total
            bar.set_description(step)
            bar.update(number - bar.n)

        return train(
            cases,
            seed=options["seed"],
            dataset="-".join(names),
            synthetic="synthetic" in names,
            progress=show,
        )


def _save(model: TrainedModel, *, register: bool) -> str:
    version = save(
        model,
        Path(settings.MODEL_STORE),
        signing_key=settings.MODEL_SIGNING_KEY,
        documents=documents(model),
    )
    if register:
        version_register(
            version,
            actor=operator(),
            held_out=model.held_out,
            opinions=model.held_out_opinions,
        )
    return version


def _summary(result: dict[str, Any]) -> str:
    metrics = result["metrics"]
    columns = [name for name in COLUMNS if name in metrics]
    lines = [
        f"{result['version']} ({result['dataset']}), on rows not learnt from",
        f"{'':20}" + "".join(name.rjust(10) for name in columns),
    ]
    lines += [
        f"{figure:20}" + "".join(_written(metrics[name][figure]).rjust(10) for name in columns)
        for figure in FIGURES
    ]
    return "\n".join(lines)


def _written(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
