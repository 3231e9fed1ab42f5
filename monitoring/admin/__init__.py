"""The record in the admin, to be read, labelled and acknowledged, never edited; and accounts."""

from monitoring.admin import accounts, alerts, record, runs

__all__ = ["accounts", "alerts", "record", "runs"]
