"""``manage.py promote_model``: let a registered version serve, if the gate lets it pass."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from ml.datasets import DATASETS, DatasetError, load_dataset
from ml.registry import GateRefusalError, RegistryError, operator, version_compare, version_promote
from ml.training import DEFAULT_SEED

DEFAULT_REASON = "promoted by command"
AGAINST_THE_GATE = (
    "Against the gate: --override with a --reason; docs/models.md says what it guards."
)
# Simulated patients that no version was trained on.
FRESH_SEED = DEFAULT_SEED + 1


class Command(BaseCommand):
    """Promote a model version."""

    help = "Let a registered model version serve, if it is not worse than the one that does."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the version, who and why, and the rows to compare on."""
        parser.add_argument("model_version", metavar="VERSION")
        parser.add_argument("--reason", help="why; it is kept with the promotion")
        parser.add_argument("--actor", help="who; default: the operating system's user")
        parser.add_argument("--expected-epoch", type=int, help="refuse if it is another by now")
        parser.add_argument("--dataset", choices=DATASETS, help="compare on these rows first")
        parser.add_argument("--path", type=Path, help="the data set's file")
        parser.add_argument("--rows", type=int, help="the most rows to compare on")
        parser.add_argument(
            "--override", action="store_true", help="promote against the gate; needs --reason"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object only")

    def handle(self, *args: Any, **options: Any) -> None:
        """Compare where asked to, promote, and print what serves."""
        if options["override"] and not options["reason"]:
            raise CommandError("--override needs a --reason.")
        try:
            if options["dataset"]:
                _compare(options)
            now = version_promote(
                options["model_version"],
                actor=options["actor"] or operator(),
                reason=options["reason"] or DEFAULT_REASON,
                expected_epoch=options["expected_epoch"],
                override=options["override"],
            )
        except DatasetError as error:
            raise CommandError(f"{str(error).rstrip('.')}.") from error
        except GateRefusalError as error:
            raise CommandError("\n".join([*error.sentences, AGAINST_THE_GATE])) from error
        except RegistryError as error:
            raise CommandError("\n".join(error.sentences)) from error
        result = {"version": now.version, "digest": now.digest, "epoch": now.epoch}
        text = f"{now.version} serves (epoch {now.epoch})."
        self.stdout.write(json.dumps(result) if options["json"] else text)


def _compare(options: dict[str, Any]) -> None:
    cases = load_dataset(
        options["dataset"],
        path=options["path"],
        folder=settings.TRIAGE_DATA_DIR,
        rows=options["rows"],
        seed=FRESH_SEED,
    )
    version_compare(options["model_version"], cases=cases, source=f"data set {options['dataset']}")
