"""The record in the admin: to be read, filtered, labelled and acknowledged, never edited."""

from monitoring.admin import alerts, record, runs

__all__ = ["alerts", "record", "runs"]
