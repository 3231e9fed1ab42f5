"""A version that crashes, hangs or eats the memory does so in a process that may die of it."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings

from ml.artefacts import ArtefactError
from ml.signing import public_text
from ml.trial import MAX_MEMORY_BYTES, try_out

ROOT = Path(__file__).resolve().parents[2]
HANG = """
import subprocess
subprocess.run("echo hanging; sleep 600", shell=True, stdout=open("{pipe}", "w"))
"""


class Harm:
    """What calls a function as soon as it is unpickled."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


@pytest.fixture
def harmful(own_version: Path, reseal: Any, tmp_path: Path) -> Callable[..., Path]:
    """Return a function that makes a signed version which does something when it is read."""

    def make(function: Callable[..., Any], *arguments: Any) -> Path:
        joblib.dump(Harm(function, *arguments), tmp_path / "harm")
        reseal(own_version, "model.joblib", (tmp_path / "harm").read_bytes())
        return own_version

    return make


def tried(directory: Path, *, timeout_s: float = 60) -> str:
    """Return the sentence with which a trial refuses a version."""
    with pytest.raises(ArtefactError) as refusal:
        try_out(directory, public_keys=settings.MODEL_PUBLIC_KEYS, timeout_s=timeout_s)
    return str(refusal.value)


def test_it_works(own_version: Path) -> None:
    try_out(own_version, public_keys=settings.MODEL_PUBLIC_KEYS)


def test_a_relative_directory_is_the_callers(
    own_version: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(own_version.parent)

    try_out(Path(own_version.name), public_keys=settings.MODEL_PUBLIC_KEYS)


def test_a_refusal_keeps_its_own_sentence(own_version: Path) -> None:
    (own_version / "card.md").write_bytes(b"another")

    assert tried(own_version).startswith("card.md does not have the")


def test_any_of_several_keys_will_do_and_another_will_not(own_version: Path) -> None:
    other = Ed25519PrivateKey.generate().public_key()

    try_out(own_version, public_keys=[other, *settings.MODEL_PUBLIC_KEYS])
    with pytest.raises(ArtefactError, match="is not a trusted key's signature"):
        try_out(own_version, public_keys=[other])


def test_golden_rows_are_predicted(own_version: Path, reseal: Any) -> None:
    rows = (own_version / "golden.jsonl").read_bytes().splitlines()
    wrong = rows[0].replace(b'"probabilities": [0.', b'"probabilities": [1.')
    reseal(own_version, "golden.jsonl", b"\n".join([wrong, *rows[1:]]))

    assert "other probabilities for golden row 1" in tried(own_version)


def test_a_crash_is_named(harmful: Callable[..., Path]) -> None:
    directory = harmful(ctypes.string_at, 0)

    assert tried(directory) == (
        f"The trial of model version {directory.name} was ended by a signal (Segmentation fault)."
    )


@pytest.mark.parametrize("status", [0, 7])
def test_leaving_halfway_is_no_success(harmful: Callable[..., Path], status: int) -> None:
    directory = harmful(os._exit, status)

    assert tried(directory) == (
        f"The trial of model version {directory.name} stopped halfway with status {status}."
    )


def test_a_hang_is_ended_with_all_that_it_started(
    harmful: Callable[..., Path], tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    directory = harmful(exec, HANG.format(pipe=pipe))

    assert tried(directory, timeout_s=8) == (
        f"The trial of model version {directory.name} took longer than 8 s."
    )
    # The other end of the pipe was held by the two processes alone.
    ready, _, _ = select.select([reader], [], [], 30)
    assert ready == [reader]
    assert os.read(reader, 10) == b"hanging\n"
    assert os.read(reader, 10) == b""
    os.close(reader)


def test_more_memory_than_allowed_is_refused(harmful: Callable[..., Path]) -> None:
    directory = harmful(bytearray, MAX_MEMORY_BYTES)

    assert tried(directory) == "There is not enough memory to load model.joblib."


def test_a_trial_knows_no_secret_and_no_framework(
    harmful: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://triage:secret@db/triage")
    wanted = "import os, sys; os._exit(7 + any('KEY' in n or 'URL' in n for n in os.environ)"

    directory = harmful(exec, f"{wanted} + 2 * ('django' in sys.modules))")

    assert "with status 7" in tried(directory)


def test_a_trial_whose_parent_is_gone_ends_by_itself(harmful: Callable[..., Path]) -> None:
    directory = harmful(exec, "import time; time.sleep(600)")

    done = subprocess.run(
        [sys.executable, "-m", "ml.trial", directory, "1"],
        cwd=ROOT,
        input=public_text(settings.MODEL_PUBLIC_KEYS[0]).encode(),
        capture_output=True,
        check=False,
    )

    assert done.returncode == -signal.SIGALRM


def test_a_trial_that_cannot_start_is_a_refusal(
    own_version: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")

    assert tried(own_version).endswith("could not start (FileNotFoundError).")
