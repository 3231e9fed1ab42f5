"""A folder or file appears whole or not at all, and only regular files are read."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ml.durable import publish_folder, read_regular, replace_file

# It forks once for each line of Python that replacing a file runs; the child kills itself there.
REPLACE_KILLED_AT_EVERY_LINE = """
import os, signal, sys
from pathlib import Path
from ml.durable import replace_file

path = Path(sys.argv[1])

def replace_until(line):
    left = line
    def count(frame, event, argument):
        nonlocal left
        left -= event == "line"
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return count
    sys.settrace(count)
    replace_file(path, b"new")
    sys.settrace(None)
    os._exit(0)

def was_killed(line):
    child = os.fork()
    if child == 0:
        replace_until(line)
    return os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL

line = 1
path.write_bytes(b"old")
while was_killed(line):
    assert path.read_bytes() in (b"old", b"new")
    path.write_bytes(b"old")
    line += 1
assert path.read_bytes() == b"new"
print(line)
"""


def test_it_works(tmp_path: Path) -> None:
    publish_folder(tmp_path / "folder", {"one": b"1", "two": b"2"})
    replace_file(tmp_path / "file", b"first")
    replace_file(tmp_path / "file", b"second")

    assert read_regular(tmp_path / "folder" / "two", at_most=1) == b"2"
    assert (tmp_path / "file").read_bytes() == b"second"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "folder"]


def test_readers_of_another_account_can_read_and_nobody_can_write(tmp_path: Path) -> None:
    publish_folder(tmp_path / "folder", {"one": b"1"})
    replace_file(tmp_path / "file", b"")

    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "folder" / "one").stat().st_mode & 0o777 == 0o444
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_is_there_already_stays(tmp_path: Path, kind: str) -> None:
    there = tmp_path / "there"
    if kind == "folder":
        publish_folder(there, {"one": b"1"})
    else:
        there.write_bytes(b"1")

    with pytest.raises(FileExistsError):
        publish_folder(there, {"two": b"2"})
    assert [entry.name for entry in tmp_path.iterdir()] == ["there"]
    assert not (there / "two").exists()


def test_a_kill_at_any_line_leaves_the_old_content_or_the_new(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", REPLACE_KILLED_AT_EVERY_LINE, tmp_path / "file"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 10


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"secret")
    (tmp_path / "link").symlink_to(tmp_path / "file")

    with pytest.raises(OSError, match="symbolic links"):
        read_regular(tmp_path / "link", at_most=10)


def test_a_pipe_without_a_writer_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(OSError, match="not a regular file"):
        read_regular(tmp_path / "pipe", at_most=10)


def test_a_file_that_is_too_long_is_not_read_whole(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(1000))

    assert len(read_regular(tmp_path / "file", at_most=10)) == 11
