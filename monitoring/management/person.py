"""Who sits at the terminal, and whom they ask about."""

from __future__ import annotations

import getpass
import sys

from django.core.management.base import CommandError

from ml.schema import MAX_ID_CHARACTERS


def operator() -> str:
    """Return the account of the operating system that runs the command."""
    return f"os:{getpass.getuser()}"[:150]


def patient_id_asked() -> str:
    """Return the patient id from standard input, where neither shell nor process list keeps it."""
    if sys.stdin.isatty():
        patient_id = getpass.getpass("Patient id (not shown): ")
    else:
        patient_id = sys.stdin.readline()
    patient_id = patient_id.strip()
    if not patient_id or len(patient_id) > MAX_ID_CHARACTERS:
        raise CommandError(f"The patient id must have 1 to {MAX_ID_CHARACTERS} characters.")
    return patient_id
