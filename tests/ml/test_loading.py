"""A version is tried once per host, and what came of it is believed for a while."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from ml.artefacts import ArtefactError
from ml.loading import fingerprint, load_tried, remember_passed, try_once

SENTENCE = "This version is no good."


@pytest.fixture(autouse=True)
def own_marks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What this host remembers, apart from other tests."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path / f"triage-trials-{os.getuid()}"


@pytest.fixture
def trials(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The versions tried, in place of the trial."""
    tried: list[Path] = []
    monkeypatch.setattr("ml.loading.try_out", lambda directory, **_: tried.append(directory))
    return tried


@pytest.fixture
def failed_trials(trials: list[Path], monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The same for a version that fails."""

    def fail(directory: Path, **_: Any) -> None:
        trials.append(directory)
        raise ArtefactError(SENTENCE)

    monkeypatch.setattr("ml.loading.try_out", fail)
    return trials


def attempt(directory: Path) -> str | None:
    try:
        try_once(directory, public_keys=settings.MODEL_PUBLIC_KEYS, timeout_s=60)
    except ArtefactError as error:
        return str(error)
    return None


def test_it_works(own_version: Path) -> None:
    loaded = load_tried(
        own_version, digest=None, public_keys=settings.MODEL_PUBLIC_KEYS, timeout_s=60
    )

    assert loaded.version == own_version.name


def test_another_digest_than_expected_is_refused(own_version: Path, trials: list[Path]) -> None:
    with pytest.raises(ArtefactError, match="digest"):
        load_tried(
            own_version, digest="0" * 64, public_keys=settings.MODEL_PUBLIC_KEYS, timeout_s=60
        )


def test_a_version_is_tried_once(own_version: Path, trials: list[Path]) -> None:
    assert [attempt(own_version) for _ in range(3)] == [None] * 3

    assert trials == [own_version]


def test_processes_that_come_together_try_it_once(
    own_version: Path, trials: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    together = threading.Barrier(4)

    def take_a_while(directory: Path, **_: Any) -> None:
        trials.append(directory)
        time.sleep(0.2)

    def come(_: int) -> str | None:
        together.wait(10)
        return attempt(own_version)

    monkeypatch.setattr("ml.loading.try_out", take_a_while)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(come, range(4))) == [None] * 4

    assert len(trials) == 1


def test_a_failure_is_remembered_for_a_while(
    own_version: Path, failed_trials: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [attempt(own_version) for _ in range(3)] == [SENTENCE] * 3
    assert len(failed_trials) == 1
    monkeypatch.setattr("ml.loading.RETRY_AFTER_S", 0)

    assert attempt(own_version) == SENTENCE

    assert len(failed_trials) == 2


def test_a_trial_passed_elsewhere_on_the_host_counts(
    own_version: Path, failed_trials: list[Path]
) -> None:
    attempt(own_version)

    remember_passed(own_version)

    assert attempt(own_version) is None
    assert len(failed_trials) == 1


def test_changed_files_are_tried_anew(own_version: Path, trials: list[Path]) -> None:
    attempt(own_version)
    before = fingerprint(own_version)
    (own_version / "card.md").write_bytes((own_version / "card.md").read_bytes())

    attempt(own_version)

    assert fingerprint(own_version) != before
    assert len(trials) == 2


def test_a_folder_that_others_may_write_is_not_believed(
    own_marks: Path, own_version: Path, trials: list[Path]
) -> None:
    own_marks.mkdir()
    own_marks.chmod(0o777)

    assert [attempt(own_version) for _ in range(2)] == [None, None]

    assert len(trials) == 2
    assert not list(own_marks.iterdir())


def test_a_version_that_is_not_there_has_no_files(tmp_path: Path) -> None:
    assert fingerprint(tmp_path / "nothing") == ()
