"""The record of every decision."""

from django.apps import AppConfig


class MonitoringConfig(AppConfig):
    """Logs, labels, accuracy and alerts."""

    name = "monitoring"
    verbose_name = "Record and monitoring"
