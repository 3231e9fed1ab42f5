"""Why a file of labelled cases cannot be used."""

from __future__ import annotations


class DatasetError(Exception):
    """A file of labelled cases cannot be used; the message says why, without a full stop.

    It names the file, the line and the column, and never what a patient's cell holds.
    """
