"""The counts of all serving processes, in files of one folder: added up, and kept when one ends.

Each process writes files of its own, named by its id. Readers and the master, which folds the
files of ended processes into one, take turns by a lock, so that a sum never falls.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client.metrics_core import Metric
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
# No process has this id, so these files are those of all that have ended.
ENDED = 0
_LOCK = "lock"
_COUNTS = re.compile(r"(?P<kind>counter|histogram)_(?P<pid>\d+)\.db")


def counts_folder() -> Path | None:
    """Return the folder of the counts; None where one process counts for itself."""
    named = os.environ.get(FOLDER_VARIABLE, "")
    return Path(named) if named else None


def counts_read(folder: Path) -> list[Metric]:
    """Return the counts of all processes, those that have ended too, added up."""
    with _lock(folder, fcntl.LOCK_SH):
        return list(MultiProcessCollector(None, path=str(folder)).collect())


def counts_empty(folder: Path) -> None:
    """Remove what an earlier start has counted."""
    for file in folder.glob("*.db"):
        file.unlink(missing_ok=True)


def counts_keep(folder: Path, *, pid: int, alive: Collection[int]) -> None:
    """Note that a process has ended: what it said of now is gone, what it counted stays counted.

    While somebody reads, the files stay as they are; the end of the next process folds them too.
    """
    mark_process_dead(pid, str(folder))
    try:
        with _lock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB):
            for file in list(folder.glob("*.db")):
                found = _COUNTS.fullmatch(file.name)
                if found and int(found["pid"]) not in {ENDED, *alive}:
                    _fold(file, into=folder / f"{found['kind']}_{ENDED}.db")
    except BlockingIOError:
        return


def _fold(file: Path, *, into: Path) -> None:
    kept = MmapedDict(str(into))
    for key, value, _, _ in MmapedDict.read_all_values_from_file(str(file)):
        kept.write_value(key, kept.read_value(key)[0] + value, 0.0)
    kept.close()
    file.unlink()


@contextmanager
def _lock(folder: Path, kind: int) -> Iterator[None]:
    with (folder / _LOCK).open("a") as file:
        # The end of the process that holds it, or of this block, gives it back.
        fcntl.flock(file, kind)
        yield
