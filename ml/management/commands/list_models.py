"""``manage.py list_models``: the registered versions, and which of them serves."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from ml.models import ModelVersion
from ml.registry import deployed, versions

FIGURES = {"kappa": "qwk", "emergency recall": "emergency_recall", "under-triage": "under_triage"}


class Command(BaseCommand):
    """List the model versions."""

    help = "List the registered model versions, the newest first; * marks the one that serves."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the form of the list."""
        parser.add_argument("--json", action="store_true", help="print one JSON array only")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print one line or object per version."""
        serving = deployed()
        serves = None if serving is None else serving.version
        rows = [_row(row, serves=serves) for row in versions()]
        self.stdout.write(json.dumps(rows) if options["json"] else _table(rows))


def _row(row: ModelVersion, *, serves: str | None) -> dict[str, Any]:
    figures = row.metrics.get("model", {})
    return {
        "version": row.version,
        "dataset": row.dataset,
        "synthetic": row.synthetic,
        "deployed": row.version == serves,
        **{name: figures.get(name) for name in FIGURES.values()},
    }


def _table(rows: list[dict[str, Any]]) -> str:
    """Return the list as lines; the figures are of the model alone, on rows it did not learn."""
    if not rows:
        return "No model version is registered."
    longest = max(len(row["version"]) for row in rows)
    header = f"  {'version':{longest}}  {'data set':10} synthetic"
    lines = [header + "".join(name.rjust(18) for name in FIGURES)]
    for row in rows:
        mark = "*" if row["deployed"] else " "
        start = f"{mark} {row['version']:{longest}}  {row['dataset']:10} "
        start += f"{'yes' if row['synthetic'] else 'no':9}"
        lines.append(start + "".join(_figure(row[name]).rjust(18) for name in FIGURES.values()))
    return "\n".join(lines)


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
