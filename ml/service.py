"""The model of this process: loaded aside, checked, swapped by one assignment.

How a process gets its model, and what happens when it cannot, is told in docs/serving.md.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import ClassVar, NoReturn

import structlog

from ml.artefacts import ArtefactError, LoadedModel, check_golden
from ml.loading import fingerprint, load_tried
from ml.predictor import predict, predict_many
from ml.processes import LOAD_VARIABLE, process_role
from ml.targets import (
    Refusal,
    Snapshot,
    Target,
    deployed_target,
    newest,
    pointed_target,
    pointer_repair,
)
from triage_rules.case import TriageCase
from triage_rules.level import Opinion

log = structlog.get_logger(__name__)

POLL_S = 1.0
# A starting worker must be done before gunicorn takes it for hung.
TRIAL_AT_START_S = 20.0
TRIAL_S = 60.0
NO_POINTER = "The model store names no current version."


class Mode(StrEnum):
    """What this process can do."""

    FULL = "full"
    DEGRADED = "degraded"
    RULES_ONLY = "rules_only"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingStatus:
    """How this process would answer a patient now.

    ``mode`` is ``rules_only`` without a model, ``degraded`` with another version than the one
    deployed, else ``full``. ``model_error`` is one sentence on what went wrong, or None.
    """

    mode: Mode
    model_version: str | None
    model_digest: str | None
    epoch: int | None
    model_error: str | None


class TriagePredictionService:
    """The one model of a process and everything that may happen to it.

    Readers take ``snapshot`` once and keep it for the whole request; a writer loads and checks
    aside and then assigns, so nobody sees half a model. The golden rows are predicted at first
    use and again after a fork: a prediction in a parent would leave its children waiting for
    threads that a fork does not copy. From the first use on, a thread of the process follows the
    deployments, where the process is one that serves.
    """

    _instance: ClassVar[TriagePredictionService | None] = None
    _instance_lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._store: Path | None = None
        self._snapshot: Snapshot | None = None
        self._deployed: Target | None = None
        self._refusal: Refusal | None = None
        self._load_error: str | None = None
        self._database_error: str | None = None
        # Whether readers may take what they find, and whether this process may predict: it will
        # not fork any more.
        self._is_ready = False
        self._may_predict = False
        self._watcher: threading.Thread | None = None
        self._has_looked = threading.Event()

    @classmethod
    def instance(cls) -> TriagePredictionService:
        """Return the service of this process."""
        with cls._instance_lock:
            if cls._instance is None:
                cls._instance = cls()
                os.register_at_fork(after_in_child=cls._instance._after_fork)
            return cls._instance

    @property
    def snapshot(self) -> Snapshot | None:
        """The model that serves, loaded and checked; None when the rules answer alone."""
        if not self._is_ready:
            self._prepare()
        return self._snapshot

    @property
    def status(self) -> ServingStatus:
        """How this process would answer a patient now; neither file nor database is asked."""
        snapshot = self.snapshot
        model = None if snapshot is None else snapshot.model
        return ServingStatus(
            mode=_mode(snapshot, self._deployed),
            model_version=None if model is None else model.version,
            model_digest=None if model is None else model.digest,
            epoch=None if snapshot is None else snapshot.epoch,
            model_error=self._load_error,
        )

    @property
    def mode(self) -> Mode:
        """Whether the deployed model answers too, an older one does, or the rules alone."""
        return self.status.mode

    @property
    def load_error(self) -> str | None:
        """One sentence on what went wrong; None when nothing did."""
        return self._load_error

    def predict(self, case: TriageCase, *, explain: bool = False) -> Opinion:
        """Return the opinion of the model that serves. Never raises."""
        return predict(case, model=self._model, threshold=_threshold(), explain=explain)

    def predict_many(self, cases: Sequence[TriageCase]) -> list[Opinion]:
        """Return one model's opinion on each case, in their order. Never raises."""
        return predict_many(cases, model=self._model, threshold=_threshold())

    def boot(self, store: Path) -> None:
        """Load the version that the pointer of ``store`` names, from local disk. Never raises.

        No query, no thread and no prediction: the process may still fork. A failure keeps the
        last good model, and without one the rules answer alone.
        """
        with self._lock:
            self._store = store
            self._attempt(self._look_at_pointer)

    def start(self, *, patience_s: float) -> None:
        """Check the model, and let the watcher ask the database once, before the first patient.

        To be called after the last fork. What takes longer than ``patience_s`` goes on while the
        process answers with what it has.
        """
        self._prepare()
        if self._watcher is not None:
            self._has_looked.wait(patience_s)

    def refresh(self) -> None:
        """Take over what is deployed now, if it is newer and good. Never raises."""
        with self._lock:
            self._attempt(self._look_at_both)
        self._has_looked.set()

    # --- first use and fork ----------------------------------------------------------------------

    def _prepare(self) -> None:
        with self._lock:
            if self._is_ready:
                return
            role = process_role(sys.argv, os.environ)
            self._may_predict = True
            self._attempt(self._check)
            # At first use, or to catch up with what was deployed since the parent loaded.
            if self._store is not None or role.loads_at_first_use:
                self._attempt(self._look_at_pointer)
            else:
                self._note(f"{LOAD_VARIABLE} is never, so no model is loaded.")
            self._is_ready = True
            if role.follows_deployments:
                self._start_watcher()

    def _check(self) -> None:
        """Withdraw a model that does not reproduce its golden rows in this process."""
        snapshot = self._snapshot
        if snapshot is None:
            return
        try:
            _check_in_one_thread(snapshot.model)
        except Exception as error:  # noqa: BLE001 - whatever breaks, the rules must still answer
            self._snapshot = None
            model = snapshot.model
            self._refuse(Target(model.version, snapshot.epoch, model.digest), error)

    def _start_watcher(self) -> None:
        # A daemon, so that it never holds up the end of its process.
        self._watcher = threading.Thread(target=self._watch, name="model-watcher", daemon=True)
        self._watcher.start()

    def _watch(self) -> None:
        from django.db import close_old_connections

        while True:
            self.refresh()
            # As after a request: a connection that broke, or is old, is not used again.
            with suppress(Exception):
                close_old_connections()
            time.sleep(POLL_S)

    def _after_fork(self) -> None:
        # Another thread of the parent may have held a lock at the moment of the fork, and the
        # parent's watcher was not copied.
        type(self)._instance_lock = threading.Lock()
        self._lock, self._has_looked = threading.Lock(), threading.Event()
        self._watcher, self._is_ready, self._may_predict = None, False, False

    # --- following the deployment ----------------------------------------------------------------

    def _attempt(self, look: Callable[[], None]) -> None:
        try:
            look()
        except ArtefactError as error:
            self._note(str(error))
        except Exception as error:  # noqa: BLE001 - whatever breaks, the rules must still answer
            self._note(f"The deployment could not be followed ({type(error).__name__}).")
        else:
            self._note(None)

    def _note(self, problem: str | None) -> None:
        """Keep what is wrong now, and log it when it begins; a refusal has logged itself."""
        is_new = problem is not None and problem != self._load_error
        if is_new and (self._refusal is None or problem != self._refusal.reason):
            log.error("model_not_loaded", reason=problem, pid=os.getpid())
        self._load_error = problem

    def _look_at_pointer(self) -> None:
        pointed = pointed_target(self._folder)
        if pointed is None:
            raise ArtefactError(NO_POINTER)
        # What the database told a parent before the fork still holds.
        target = newest(self._deployed, pointed) or pointed
        self._deployed = target
        self._follow(target)

    def _look_at_both(self) -> None:
        pointed, problem = self._pointed()
        deployed = self._ask_database()
        # The truth is in the database; the pointer speaks where it does not answer.
        target = deployed or pointed
        if target is None:
            raise ArtefactError(problem or NO_POINTER)
        self._deployed = target
        self._follow(target, is_truth=deployed is not None)
        if deployed is not None:
            self._settle(deployed, pointed)

    def _pointed(self) -> tuple[Target | None, str | None]:
        try:
            return pointed_target(self._folder), None
        except ArtefactError as error:
            return None, str(error)

    def _ask_database(self) -> Target | None:
        """Return what the database deploys; None where it knows nothing or does not answer."""
        try:
            found = deployed_target()
        except Exception as error:  # noqa: BLE001 - the pointer file and the last good model remain
            self._note_database(type(error).__name__)
            return None
        self._note_database(None)
        return found

    def _note_database(self, error: str | None) -> None:
        """Log the beginning and the end of an outage, not every second of it."""
        if error is not None and self._database_error is None:
            log.warning("deployment_unreadable", error=error, pid=os.getpid())
        if error is None and self._database_error is not None:
            log.info("deployment_readable", pid=os.getpid())
        self._database_error = error

    def _follow(self, target: Target, *, is_truth: bool = False) -> None:
        """Serve ``target`` unless it is not newer, or may not serve; the truth may be older."""
        snapshot = self._snapshot
        if (
            snapshot is not None
            and target.epoch == snapshot.epoch
            and target.is_served_by(snapshot)
        ):
            return
        if snapshot is not None and target.epoch <= snapshot.epoch and not is_truth:
            return
        if snapshot is not None and target.is_served_by(snapshot):
            self._swap(Snapshot(snapshot.model, target.epoch))
        else:
            self._load(target)

    def _load(self, target: Target) -> None:
        files = fingerprint(self._folder / target.version)
        if self._refusal is not None and self._refusal.covers(target, files=files):
            raise ArtefactError(self._refusal.reason)
        try:
            model = self._loaded(target)
        except Exception as error:  # noqa: BLE001 - whatever breaks, the last good model remains
            self._refuse(target, error)
        else:
            self._swap(Snapshot(model, target.epoch))

    def _loaded(self, target: Target) -> LoadedModel:
        from django.conf import settings

        model = load_tried(
            self._folder / target.version,
            digest=target.digest,
            public_keys=settings.MODEL_PUBLIC_KEYS,
            timeout_s=TRIAL_S if self._is_ready else TRIAL_AT_START_S,
        )
        # Readers take what they find. A process that may still fork leaves it to its first use.
        if self._may_predict:
            _check_in_one_thread(model)
        return model

    def _swap(self, snapshot: Snapshot) -> None:
        self._snapshot, self._refusal = snapshot, None
        log.info(
            "model_serving",
            version=snapshot.model.version,
            digest=snapshot.model.digest,
            epoch=snapshot.epoch,
            pid=os.getpid(),
        )

    def _refuse(self, target: Target, error: Exception) -> NoReturn:
        """Remember a version that may not serve, so that it is not tried every second."""
        reason = _sentence(error)
        files = fingerprint(self._folder / target.version)
        self._refusal = Refusal(target=target, reason=reason, files=files, at_s=time.monotonic())
        log.error(
            "model_refused",
            version=target.version,
            digest=target.digest,
            epoch=target.epoch,
            reason=reason,
            pid=os.getpid(),
        )
        raise ArtefactError(reason) from error

    def _settle(self, deployed: Target, pointed: Target | None) -> None:
        """Bring a pointer that is behind up to date, once what it will name serves here."""
        snapshot = self._snapshot
        is_behind = pointed is None or pointed.epoch < deployed.epoch
        if is_behind and snapshot is not None and snapshot.epoch == deployed.epoch:
            pointer_repair(self._folder)

    @property
    def _model(self) -> LoadedModel | None:
        snapshot = self.snapshot
        return None if snapshot is None else snapshot.model

    @property
    def _folder(self) -> Path:
        return self._store or _store()


def _mode(snapshot: Snapshot | None, deployed: Target | None) -> Mode:
    if snapshot is None:
        return Mode.RULES_ONLY
    if deployed is not None and not deployed.is_served_by(snapshot):
        return Mode.DEGRADED
    return Mode.FULL


def _sentence(error: Exception) -> str:
    """Return what went wrong: in our own words, or the kind of the error alone."""
    if isinstance(error, ArtefactError):
        return str(error)
    return f"The model could not be loaded ({type(error).__name__})."


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
