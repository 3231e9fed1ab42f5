"""A Redis of a test's own, which may be stopped and killed."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from socket import create_connection

import pytest

from tests.functional.conftest import free_port

BINARY = shutil.which("redis-server")


class StoppableRedis:
    """A Redis on a port of its own, which keeps nothing."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it and wait until it listens."""
        command = [str(BINARY), "--port", str(self.port), "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        while self._process.poll() is None:
            with suppress(OSError), create_connection(("127.0.0.1", self.port)):
                return

    def hang(self) -> None:
        """Let it take connections and answer none."""
        self._process.send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()


@contextmanager
def own_redis() -> Iterator[StoppableRedis]:
    """Yield a running Redis; where none is installed, the test is skipped."""
    if BINARY is None:
        pytest.skip("there is no redis-server here")
    redis = StoppableRedis()
    redis.start()
    try:
        yield redis
    finally:
        redis.kill()
