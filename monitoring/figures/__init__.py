"""The drawings of the monitoring page: every one with its numbers in words and as a table."""

from monitoring.figures.all import figures
from monitoring.figures.figure import Figure, Table

__all__ = ["Figure", "Table", "figures"]
