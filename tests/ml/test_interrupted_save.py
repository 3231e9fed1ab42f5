"""A save that is killed at any moment leaves whole versions and a whole pointer, or nothing."""

from __future__ import annotations

import base64
import subprocess
import sys
from pathlib import Path

import joblib
import pytest
from django.conf import settings

from ml.artefacts import TrainedModel

# It forks once for each file that a save opens, renames, protects or syncs, and the child kills
# itself right there, as a host does that loses its power.
SAVE_KILLED_EVERYWHERE = """
import os, signal, sys
from pathlib import Path
import joblib
from ml.artefacts import DOCUMENTS, check_golden, load, point_to, pointer, save
from ml.signing import signing_key

trained, store = joblib.load(sys.argv[1]), Path(sys.argv[2])
key = signing_key(sys.argv[3])
MOMENTS = {"open", "os.chmod", "os.mkdir", "os.rename", "os.remove", "fsync"}

def publish(epoch):
    documents = dict.fromkeys(DOCUMENTS, b"")
    point_to(store, save(trained, store, signing_key=key, documents=documents), epoch=epoch)

def publish_until(moment):
    left = moment
    def count(event, arguments):
        nonlocal left
        if event in MOMENTS:
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)
    sync = os.fsync
    os.fsync = lambda file: (sys.audit("fsync"), sync(file))[1]
    sys.addaudithook(count)
    publish(epoch=moment)
    os._exit(0)

def was_killed(moment):
    child = os.fork()
    if child == 0:
        publish_until(moment)
    return os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL

def check():
    visible = {p.name for p in store.iterdir() if p.is_dir() and not p.name.startswith(".")}
    for version in visible:
        check_golden(load(store / version, public_keys=[key.public_key()]))
    assert pointer(store).version in visible

publish(epoch=0)
moment = 1
while was_killed(moment):
    check()
    moment += 1
check()
assert pointer(store).epoch == moment
print(moment - 1)
"""


@pytest.fixture(scope="module")
def interrupted(
    trained: TrainedModel, tmp_path_factory: pytest.TempPathFactory
) -> tuple[int, Path]:
    """The number of kills, and the store that saw them."""
    folder = tmp_path_factory.mktemp("interrupted")
    joblib.dump(trained, folder / "trained")
    key = base64.b64encode(settings.MODEL_SIGNING_KEY.private_bytes_raw())
    done = subprocess.run(
        [sys.executable, "-c", SAVE_KILLED_EVERYWHERE, folder / "trained", folder / "store", key],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout), folder / "store"


def test_no_kill_leaves_half_a_version_or_half_a_pointer(interrupted: tuple[int, Path]) -> None:
    kills, store = interrupted

    # Ten files and the pointer, each opened, protected and synced, and two renames.
    assert kills >= 35
    assert any(entry.name.startswith(".new-") for entry in store.iterdir())
