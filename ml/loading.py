"""A version on its way into a process: tried elsewhere, verified, loaded, and compared.

The first load on a host happens in a process that may be killed, so a file that crashes or hangs
its reader takes nobody's answers with it. What came of it is remembered for the host.
"""

from __future__ import annotations

import hashlib
import os
import platform
import stat
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from fcntl import LOCK_EX, LOCK_NB, flock
from importlib.metadata import version as library_version
from pathlib import Path
from typing import IO

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ml.artefacts import LIBRARIES, ArtefactError, LoadedModel, load
from ml.trial import try_out

RETRY_AFTER_S = 300
MARK_WAIT_S = 5.0
MARK_POLL_S = 0.1
_FORGET_AFTER_S = 30 * 24 * 3600
_PASSED = "passed"


def load_tried(
    directory: Path,
    *,
    digest: str | None,
    public_keys: Sequence[Ed25519PublicKey],
    timeout_s: float,
) -> LoadedModel:
    """Try a version once per host, then verify and load it here, without predicting anything.

    Parameters
    ----------
    directory
        The version in the model store.
    digest
        SHA-256 of the manifest that was deployed; None where nobody recorded it.
    public_keys
        The keys whose signature is believed.
    timeout_s
        How long the trial may take before it is killed.

    Raises
    ------
    ArtefactError
        With one sentence for the first thing that is wrong.
    """
    try_once(directory, public_keys=public_keys, timeout_s=timeout_s)
    model = load(directory, public_keys=public_keys)
    if digest is not None and model.digest != digest:
        raise ArtefactError(
            f"Model version {model.version} of the store is not the one that was deployed "
            "(its digest differs)."
        )
    return model


def try_once(directory: Path, *, public_keys: Sequence[Ed25519PublicKey], timeout_s: float) -> None:
    """Load a version in a process of its own, unless this host knows what comes of it.

    A failure is believed for five minutes, because it may have been the host's: too little
    memory, too much to do.

    Raises
    ------
    ArtefactError
        When the trial fails, hangs or dies, now or on this host before.
    """
    try:
        with _mark(directory, within_s=timeout_s) as mark:
            outcome = _known(mark) or _tried(directory, public_keys, timeout_s)
            _remember(mark, outcome)
    except TimeoutError:
        raise ArtefactError(
            f"Another process of this host still tries model version {directory.name}."
        ) from None
    except OSError:
        # A host without a place for marks tries each time.
        outcome = _tried(directory, public_keys, timeout_s)
    if outcome != _PASSED:
        raise ArtefactError(outcome)


def remember_passed(directory: Path) -> None:
    """Tell the other processes of this host that a version has just passed its trial."""
    # Without a place for marks, each of them tries it.
    with suppress(OSError), _mark(directory, within_s=MARK_WAIT_S) as mark:
        _remember(mark, _PASSED)


def fingerprint(directory: Path) -> tuple[tuple[str | int, ...], ...]:
    """Return what changes when a file of the version is written, without reading any of them."""
    try:
        entries = sorted(directory.iterdir())
        return tuple(_state_of(entry) for entry in entries)
    except OSError:
        return ()


def _state_of(entry: Path) -> tuple[str | int, ...]:
    state = entry.lstat()
    return entry.name, state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino


def _tried(directory: Path, public_keys: Sequence[Ed25519PublicKey], timeout_s: float) -> str:
    try:
        try_out(directory, public_keys=public_keys, timeout_s=timeout_s)
    except ArtefactError as error:
        return str(error)
    return _PASSED


# --- what this host remembers ------------------------------------------------------------------


@contextmanager
def _mark(directory: Path, *, within_s: float) -> Iterator[IO[str]]:
    """Open the host's mark of a version, alone: the processes of a host try it one by one.

    Raises
    ------
    TimeoutError
        When another process holds it for longer.
    """
    name = hashlib.sha256(repr(_circumstances(directory)).encode()).hexdigest()
    with (_own_folder() / name).open("a+", encoding="utf-8") as mark:
        deadline = time.monotonic() + within_s
        while not _locked(mark):
            if time.monotonic() > deadline:
                raise TimeoutError
            time.sleep(MARK_POLL_S)
        yield mark


def _locked(mark: IO[str]) -> bool:
    try:
        flock(mark, LOCK_EX | LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _circumstances(directory: Path) -> tuple[object, ...]:
    libraries = [library_version(name) for name in LIBRARIES]
    return platform.python_version(), libraries, str(directory.resolve()), fingerprint(directory)


def _own_folder() -> Path:
    folder = Path(tempfile.gettempdir()) / f"triage-trials-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    state = folder.lstat()
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.getuid() or state.st_mode & 0o077:
        raise PermissionError
    return folder


def _known(mark: IO[str]) -> str:
    mark.seek(0)
    outcome = mark.read()
    age_s = time.time() - os.fstat(mark.fileno()).st_mtime
    return outcome if outcome == _PASSED or age_s < RETRY_AFTER_S else ""


def _remember(mark: IO[str], outcome: str) -> None:
    if _known(mark) != outcome:
        mark.seek(0)
        mark.truncate()
        mark.write(outcome)
        _forget_old_ones(Path(mark.name).parent)


def _forget_old_ones(folder: Path) -> None:
    for mark in folder.iterdir():
        if time.time() - mark.stat().st_mtime > _FORGET_AFTER_S:
            mark.unlink(missing_ok=True)
