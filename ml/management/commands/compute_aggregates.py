"""``manage.py compute_aggregates``: the simulator's tables, from the published rows."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from ml.aggregates import FILE, SOURCES, Source, Tables, as_json
from ml.datasets import DatasetError, default_path, load_dataset
from ml.simulator.counting import aggregate


class Command(BaseCommand):
    """Count the visits of each source and write what no single visit shows in."""

    help = "Make the simulator's tables from the KTAS and NHAMCS files; no cell under 10 visits."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take one file a source and where the tables go."""
        for name in SOURCES:
            parser.add_argument(f"--{name}", type=Path, help=f"the {name} file")
        parser.add_argument("--output", type=Path, default=FILE, help="default: the committed file")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the file with a progress bar and say how large it is."""
        folder = settings.TRIAGE_DATA_DIR
        try:
            sources = {
                name: _tables(source, path=options[name] or default_path(name, folder=folder))
                for name, source in SOURCES.items()
            }
        except (DatasetError, ValueError) as error:
            raise CommandError(f"{error}.") from error
        text = as_json(sources)
        options["output"].write_text(text, encoding="utf-8")
        self.stdout.write(f"{options['output']}: {len(text):,} characters")


def _tables(source: Source, *, path: Path) -> Tables:
    cases = load_dataset(source.name, path=path, folder=path.parent, rows=None, seed=0)
    with tqdm(total=len(cases), desc=source.name, unit="visit") as bar:
        digest = sha256(path.read_bytes()).hexdigest()
        return aggregate(cases, source=source, sha256=digest, progress=bar.update)
