"""The record of every decision."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class MonitoringConfig(AppConfig):
    """Logs, labels, accuracy and alerts."""

    name = "monitoring"
    verbose_name = "Record and monitoring"

    def ready(self) -> None:
        """Make the groups of the roles whenever the database is brought up to date."""
        from monitoring.groups import groups_make

        post_migrate.connect(groups_make, sender=self)
