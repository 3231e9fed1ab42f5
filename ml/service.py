"""The model of this process: loaded once, checked once, swapped by one assignment."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import ClassVar

import structlog

from ml.artefacts import ArtefactError, LoadedModel, check_golden, current_version, load
from ml.predictor import predict
from triage_rules.case import TriageCase
from triage_rules.level import Opinion

log = structlog.get_logger(__name__)

LOAD_VARIABLE = "TRIAGE_LOAD"
_SERVERS = ("gunicorn", "uvicorn", "daphne", "hypercorn")


class Mode(StrEnum):
    """What this process can do."""

    FULL = "full"
    RULES_ONLY = "rules_only"


class TriagePredictionService:
    """The one model of a process and everything that may happen to it.

    Readers take ``snapshot`` once and keep it for the whole request; a writer loads and checks
    aside and then assigns, so nobody sees half a model. The golden rows are predicted at first
    use and again after a fork: a prediction in a parent would leave its children waiting for
    threads that a fork does not copy.
    """

    _instance: ClassVar[TriagePredictionService | None] = None
    _instance_lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._snapshot: LoadedModel | None = None
        self._is_booted = False
        self._is_checked = False
        self._load_error: str | None = None

    @classmethod
    def instance(cls) -> TriagePredictionService:
        """Return the service of this process."""
        with cls._instance_lock:
            if cls._instance is None:
                cls._instance = cls()
                os.register_at_fork(after_in_child=cls._instance._after_fork)
            return cls._instance

    @property
    def snapshot(self) -> LoadedModel | None:
        """The model that serves, loaded and checked; None when the rules answer alone."""
        if not self._is_checked:
            self._prepare()
        return self._snapshot

    @property
    def mode(self) -> Mode:
        """Whether the model answers too, or the rules alone."""
        return Mode.RULES_ONLY if self.snapshot is None else Mode.FULL

    @property
    def load_error(self) -> str | None:
        """One sentence on why there is no model; None when there is one."""
        return self._load_error

    def boot(self, store: Path) -> None:
        """Load the current version of ``store`` from local disk. Never raises.

        A failure keeps the last good model, and without one the rules answer alone.
        """
        with self._lock:
            self._boot(store)

    def unload(self) -> None:
        """Forget the model, as in a process that has just started."""
        with self._lock:
            self._snapshot, self._load_error = None, None
            self._is_booted = self._is_checked = False

    def predict(self, case: TriageCase, *, explain: bool = False) -> Opinion:
        """Return the opinion of the model that serves. Never raises."""
        return predict(case, model=self.snapshot, threshold=_threshold(), explain=explain)

    def _prepare(self) -> None:
        with self._lock:
            if self._is_checked:
                return
            if not self._is_booted:
                self._boot_late()
            self._check()

    def _boot_late(self) -> None:
        if os.environ.get(LOAD_VARIABLE) == "never":
            self._load_error = f"{LOAD_VARIABLE} is never, so no model is loaded."
        else:
            self._boot(_store())

    def _boot(self, store: Path) -> None:
        self._is_booted = True
        try:
            self._replace(_load_current(store))
        except ArtefactError as error:
            self._fail(str(error))
        except Exception as error:  # noqa: BLE001 - whatever breaks, the rules must still answer
            self._fail(f"The model could not be loaded ({type(error).__name__}).")

    def _replace(self, model: LoadedModel) -> None:
        # A process that has predicted checks the newcomer first, because readers take what they
        # find; one that has not leaves it to its first use, because it may still fork.
        if self._is_checked:
            _check_in_one_thread(model)
        self._snapshot, self._load_error = model, None
        log.info("model_loaded", version=model.version, digest=model.digest)

    def _check(self) -> None:
        """Withdraw a model that does not reproduce its golden rows in this process."""
        try:
            if self._snapshot is not None:
                _check_in_one_thread(self._snapshot)
        except ArtefactError as error:
            self._withdraw(str(error))
        except Exception as error:  # noqa: BLE001 - whatever breaks, the rules must still answer
            self._withdraw(f"The model could not be tried ({type(error).__name__}).")
        self._is_checked = True

    def _withdraw(self, reason: str) -> None:
        self._snapshot = None
        self._fail(reason)

    def _fail(self, reason: str) -> None:
        self._load_error = reason
        log.error("model_not_loaded", reason=reason)

    def _after_fork(self) -> None:
        # Another thread of the parent may have held the lock at the moment of the fork.
        self._lock = threading.Lock()
        self._is_checked = False


def is_serving_process(argv: Sequence[str], environ: Mapping[str, str]) -> bool:
    """Whether this process answers requests and should load the model as it starts.

    In this order: ``TRIAGE_LOAD`` (``always``, ``lazy`` or ``never``); a web server; ``runserver``
    in the child that its reloader starts, or without a reloader. Every other command loads at
    first use.
    """
    wish = environ.get(LOAD_VARIABLE, "")
    if wish:
        return wish == "always"
    program = Path(argv[0] if argv else "")
    # "python -m gunicorn" runs gunicorn/__main__.py.
    if program.name in _SERVERS or program.parent.name in _SERVERS:
        return True
    if "runserver" in argv[1:2]:
        return environ.get("RUN_MAIN") == "true" or "--noreload" in argv
    return False


def _load_current(store: Path) -> LoadedModel:
    version = current_version(store)
    if version is None:
        raise ArtefactError("The model store names no current version.")
    return load(store / version)


def _check_in_one_thread(model: LoadedModel) -> None:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        check_golden(model)


def _store() -> Path:
    from django.conf import settings

    return Path(settings.MODEL_STORE)


def _threshold() -> float | None:
    from django.conf import settings

    return getattr(settings, "CONFIDENCE_THRESHOLD", None)
