"""Which processes load the model as they start, and which follow its deployments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

LOAD_VARIABLE = "TRIAGE_LOAD"
_SERVERS = ("gunicorn", "uvicorn", "daphne", "hypercorn")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessRole:
    """What a process does with the model.

    Attributes
    ----------
    loads_at_start
        Whether the model is read from local disk while the process starts, without predicting.
    loads_at_first_use
        Whether it is read when the first prediction asks for it.
    follows_deployments
        Whether, from its first prediction on, the process takes over each newly deployed version.
    """

    loads_at_start: bool
    loads_at_first_use: bool
    follows_deployments: bool


EAGER = ProcessRole(loads_at_start=True, loads_at_first_use=True, follows_deployments=True)
LAZY = ProcessRole(loads_at_start=False, loads_at_first_use=True, follows_deployments=True)
COMMAND = ProcessRole(loads_at_start=False, loads_at_first_use=True, follows_deployments=False)
NEVER = ProcessRole(loads_at_start=False, loads_at_first_use=False, follows_deployments=False)


def process_role(argv: Sequence[str], environ: Mapping[str, str]) -> ProcessRole:
    """Return what a process started as ``argv`` does with the model.

    In this order: ``TRIAGE_LOAD=always`` is ``EAGER`` and ``never`` is ``NEVER``, whatever runs;
    a web server, and ``runserver`` in the child of its reloader or without one, are ``EAGER``, or
    ``LAZY`` with ``TRIAGE_LOAD=lazy``; a Celery worker is ``LAZY``; all else is a ``COMMAND``.
    """
    wish = environ.get(LOAD_VARIABLE, "")
    if wish == "always":
        return EAGER
    if wish == "never":
        return NEVER
    if _is_web_server(argv, environ):
        return LAZY if wish == "lazy" else EAGER
    return LAZY if _is_celery_worker(argv) else COMMAND


def _is_web_server(argv: Sequence[str], environ: Mapping[str, str]) -> bool:
    if _runs(argv, *_SERVERS):
        return True
    if "runserver" in argv[1:2]:
        return environ.get("RUN_MAIN") == "true" or "--noreload" in argv
    return False


def _is_celery_worker(argv: Sequence[str]) -> bool:
    return _runs(argv, "celery") and "worker" in argv[1:]


def _runs(argv: Sequence[str], *programs: str) -> bool:
    program = Path(argv[0] if argv else "")
    # "python -m gunicorn" runs gunicorn/__main__.py.
    return program.name in programs or program.parent.name in programs
