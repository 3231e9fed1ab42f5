"""The first load of a version, in a process of its own that may crash, hang or be killed.

``python -m ml.trial DIRECTORY < KEYS`` verifies and loads a version, predicts its golden rows, and
prints ``passed`` or one sentence. It needs no Django, no database and no secret.
"""

from __future__ import annotations

import math
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ml.artefacts import ArtefactError, check_golden, load
from ml.signing import SigningKeyError, public_keys, public_text

PASSED = "passed"
MAX_MEMORY_BYTES = 4 * 1024**3
# A trial whose parent is gone ends by itself, a little after the parent would have ended it.
_GRACE_S = 5
_ROOT = Path(__file__).resolve().parent.parent
# No secret of the service is among them.
_VARIABLES = ("HOME", "LANG", "LD_LIBRARY_PATH", "PATH", "PYTHONPATH", "TMPDIR")
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def try_out(
    directory: Path, *, public_keys: Sequence[Ed25519PublicKey], timeout_s: float = 60
) -> None:
    """Load a version and predict its golden rows in a process that is killed when it takes long.

    Raises
    ------
    ArtefactError
        With the sentence of the refusal, or one saying that the process hung or died, and how.
    """
    status, verdict = _run(directory, public_keys=public_keys, timeout_s=timeout_s)
    if status < 0:
        raise ArtefactError(
            f"The trial of model version {directory.name} was ended by a signal "
            f"({signal.strsignal(-status)})."
        )
    if status > 0 or not verdict:
        raise ArtefactError(
            f"The trial of model version {directory.name} stopped halfway with status {status}."
        )
    if verdict != PASSED:
        raise ArtefactError(verdict)


def _run(
    directory: Path, *, public_keys: Sequence[Ed25519PublicKey], timeout_s: float
) -> tuple[int, str]:
    """Return the status of the trial, negative for a signal, and its verdict."""
    with _started(directory, timeout_s=timeout_s) as trial:
        try:
            output, _ = trial.communicate("\n".join(map(public_text, public_keys)), timeout_s)
        except subprocess.TimeoutExpired:
            # The whole group: whatever the trial started itself goes too.
            os.killpg(trial.pid, signal.SIGKILL)
            raise ArtefactError(
                f"The trial of model version {directory.name} took longer than {timeout_s:g} s."
            ) from None
    lines = output.splitlines()
    return trial.returncode, lines[-1] if lines else ""


def _started(directory: Path, *, timeout_s: float) -> subprocess.Popen[str]:
    seconds = math.ceil(timeout_s) + _GRACE_S
    try:
        return subprocess.Popen(  # noqa: S603 - our own module, under our own Python
            [sys.executable, "-m", "ml.trial", str(directory.absolute()), str(seconds)],
            cwd=_ROOT,
            env={name: os.environ[name] for name in _VARIABLES if name in os.environ} | _ONE_THREAD,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise ArtefactError(
            f"The trial of model version {directory.name} could not start ({type(error).__name__})."
        ) from error


def _verdict(directory: Path, keys: str) -> str:
    try:
        check_golden(load(directory, public_keys=public_keys(keys)))
    except ArtefactError as error:
        return str(error)
    except SigningKeyError as error:
        return f"The trial of model version {directory.name} got a key it cannot use: {error}."
    except Exception as error:  # noqa: BLE001 - whatever a version does, its trial has a verdict
        return f"Model version {directory.name} broke its trial ({type(error).__name__})."
    return PASSED


def _limit(*, seconds: int) -> None:
    signal.alarm(seconds)
    # Not every system can limit the memory of a process.
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))


def main() -> None:
    """Try the version of the first argument, for as many seconds as the second says."""
    directory, *seconds = sys.argv[1:]
    _limit(seconds=int(seconds[0]) if seconds else 60)
    sys.stdout.write(_verdict(Path(directory), sys.stdin.read()) + "\n")


if __name__ == "__main__":
    main()
