"""Starting up: the model is loaded here, once, in processes that serve."""

from __future__ import annotations

import os
import sys
from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class MlConfig(AppConfig):
    """The model and the trial."""

    name = "ml"
    verbose_name = "Model and trial"

    def ready(self) -> None:
        """Build the singleton and, in a serving process, load the model from local disk.

        No query, no thread and no prediction happens here, and nothing raises: a service without
        its model answers by rules.
        """
        from django.conf import settings

        from ml.processes import process_role
        from ml.service import TriagePredictionService

        post_migrate.connect(_open_default_experiment, sender=self)
        service = TriagePredictionService.instance()
        if process_role(sys.argv, os.environ).loads_at_start:
            service.boot(settings.MODEL_STORE)


def _open_default_experiment(*, using: str, **_: Any) -> None:
    from django.db import connections

    from ml.experiments import experiment_ensure_default
    from ml.models import Phase

    # The signal also comes when only other apps were migrated, or this one was taken back.
    if Phase._meta.db_table in connections[using].introspection.table_names():
        experiment_ensure_default()
