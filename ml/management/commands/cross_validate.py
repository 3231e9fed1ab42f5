"""``manage.py cross_validate``: how good a model is that never met the patients it is judged on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from ml.card.tables import report
from ml.datasets import DATASETS, DatasetError, load_dataset
from ml.labelled import LabelledCase
from ml.training import DEFAULT_SEED, TrainingError, train
from ml.validation import Rows, SplitError, folds, holdout, pooled, validate


class Command(BaseCommand):
    """Train on some of the patients, judge the others, and save nothing."""

    help = "Train and measure on different patients of one data set, by folds or by one split."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the data set and how to split it."""
        parser.add_argument("--dataset", choices=DATASETS, required=True)
        parser.add_argument("--path", type=Path, help="the data set's file")
        parser.add_argument("--rows", type=int, help="the most rows to use")
        parser.add_argument("--seed", type=int, default=DEFAULT_SEED)
        split = parser.add_mutually_exclusive_group()
        split.add_argument("--folds", type=int, default=5, help="rounds; default: 5")
        split.add_argument("--holdout", type=float, help="one split: the share of rows left out")
        parser.add_argument("--json", action="store_true", help="print one JSON object only")

    def handle(self, *args: Any, **options: Any) -> None:
        """Train and judge once per split with a progress bar, and print the pooled figures."""
        dataset, seed = options["dataset"], options["seed"]
        learn = partial(train, seed=seed, dataset=dataset, synthetic=dataset == "synthetic")
        try:
            cases = load_dataset(
                dataset,
                path=options["path"],
                folder=settings.TRIAGE_DATA_DIR,
                rows=options["rows"],
                seed=seed,
            )
            splits = _splits(cases, options)
            rounds = validate(cases, splits=splits, train=learn)
            result = pooled(list(tqdm(rounds, total=len(splits), unit="round")))
        except (DatasetError, SplitError, TrainingError) as error:
            raise CommandError(f"{str(error).rstrip('.')}.") from error
        self.stdout.write(json.dumps(result) if options["json"] else report(result))


def _splits(cases: Sequence[LabelledCase], options: dict[str, Any]) -> list[Rows]:
    seed, share = options["seed"], options["holdout"]
    if share is None:
        return folds(cases, k=options["folds"], seed=seed)
    return [holdout(cases, share=share, seed=seed)]
