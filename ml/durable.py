"""Files and folders that appear whole or not at all, whenever the power goes."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

# What an interrupted write left behind is swept when no write can still be at it.
LEFTOVER_AGE_S = 3600
_WORKPLACE = ".new-"
_TAKEN = {errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR}


def publish_folder(target: Path, contents: Mapping[str, bytes]) -> None:
    """Write a folder of read-only files aside, and let it appear in one rename.

    Raises
    ------
    FileExistsError
        When something of that name is there already; it stays as it is.
    """
    workplace = Path(tempfile.mkdtemp(prefix=_WORKPLACE, dir=target.parent))
    try:
        for name, data in contents.items():
            _write(workplace / name, data, mode=0o444)
        workplace.chmod(0o755)
        _sync_folder(workplace)
        _rename(workplace, target)
        _sync_folder(target.parent)
    finally:
        shutil.rmtree(workplace, ignore_errors=True)


def replace_file(path: Path, data: bytes) -> None:
    """Give a file its new content in one rename."""
    descriptor, name = tempfile.mkstemp(prefix=_WORKPLACE, dir=path.parent)
    os.close(descriptor)
    _write(Path(name), data, mode=0o644)
    Path(name).replace(path)
    _sync_folder(path.parent)


def sweep(folder: Path) -> None:
    """Remove what interrupted writes left behind, where it can be removed."""
    for leftover in folder.glob(f"{_WORKPLACE}*"):
        with suppress(OSError):
            if time.time() - leftover.lstat().st_mtime > LEFTOVER_AGE_S:
                _remove(leftover)


def read_regular(path: Path, *, at_most: int) -> bytes:
    """Read a file, never through a link, and never more than one byte above its limit.

    Raises
    ------
    OSError
        When it cannot be read or is a link, a pipe or a device.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(path, flags)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        return file.read(at_most + 1)


def _rename(workplace: Path, target: Path) -> None:
    try:
        workplace.rename(target)
    except OSError as error:
        if error.errno in _TAKEN:
            raise FileExistsError(errno.EEXIST, "already there", str(target)) from error
        raise


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink()


def _write(path: Path, data: bytes, *, mode: int) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    path.chmod(mode)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
