"""A gunicorn worker whose threads wait for nobody: a request gets one when all of it is there.

gunicorn's own gives every connection a thread at once, in which it waits for the rest of a head or
a body: eight clients that stop in the middle would hold up every patient. Here a request that is
still on its way stays with the kernel, and only the poller looks after it.
"""

from __future__ import annotations

import re
import selectors
import socket
import time
from collections import deque
from dataclasses import dataclass
from functools import partial

from gunicorn.workers.gthread import TConn, ThreadWorker

WHOLE_WITHIN_S = 10.0
# Any triage call fits. What a larger body has beyond this is read by the thread.
MOST_HELD_BYTES = 128 * 1024
_LENGTH = re.compile(rb"\r\nContent-Length:[ \t]*(\d{1,9})[ \t]*\r\n", re.IGNORECASE)
# The client sends nothing more until a thread has told it to go on.
_EXPECTS = re.compile(rb"\r\nExpect:", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\nTransfer-Encoding:", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class OnItsWay:
    """How much of a request the kernel holds, and from how many bytes on to look again."""

    held: int
    look_at: int


class WholeRequestsWorker(ThreadWorker):  # type: ignore[misc] # gunicorn ships no types
    """Threads for requests that are there."""

    pending_conns: deque[TConn]

    def enqueue_req(self, conn: TConn) -> None:
        """Give a request a thread if all of it is there, or no more will come; else let it wait."""
        before: OnItsWay | None = getattr(conn, "on_its_way", None)
        # Of TLS only a thread can read what is there.
        now = None if self.cfg.is_ssl else on_its_way(conn)
        # The poller wakes early only for the end of the stream or a full buffer.
        if now is None or (before is not None and now.held <= before.held):
            conn.on_its_way = None
            _wake_at(conn.sock, 1)
            super().enqueue_req(conn)
        else:
            conn.timeout = conn.timeout if before else time.monotonic() + WHOLE_WITHIN_S
            conn.on_its_way = now
            self._let_wait(conn, look_at=now.look_at)

    def _let_wait(self, conn: TConn, *, look_at: int) -> None:
        _wake_at(conn.sock, look_at)
        conn.sock.setblocking(False)
        self.pending_conns.append(conn)
        readable = partial(self.on_pending_socket_readable, conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, readable)

    def murder_pending(self) -> None:
        """Close whoever took too long; gunicorn expects them in the order of their time."""
        self.pending_conns = deque(sorted(self.pending_conns, key=lambda conn: conn.timeout))
        super().murder_pending()


def on_its_way(conn: TConn) -> OnItsWay | None:
    """Tell how much is there of a request of which some is missing; None where nothing is."""
    # What followed an earlier request in the same packet was read together with it.
    read = b"" if conn.parser is None else conn.parser.unreader.buf.getvalue()
    try:
        held = conn.sock.recv(MOST_HELD_BYTES, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        held = b""
    except OSError:
        return None
    else:
        if not held:
            return None
    missing = _missing(read + held)
    return OnItsWay(len(held), len(held) + missing) if missing else None


def _missing(said: bytes) -> int:
    """Return how many bytes a request still needs at least, as far as it is to be waited for."""
    head, end, body = said.partition(b"\r\n\r\n")
    if len(said) >= MOST_HELD_BYTES:
        return 0
    if not end:
        return 1
    if _EXPECTS.search(head):
        return 0
    if _CHUNKED.search(head):
        return 0 if b"0\r\n\r\n" in body else 1
    length = _LENGTH.search(head + b"\r\n")
    expected = int(length[1]) if length else 0
    return max(0, min(expected - len(body), MOST_HELD_BYTES - len(said)))


def _wake_at(connection: socket.socket, count: int) -> None:
    """Let the poller see a connection only once so many bytes are there, or no more will come."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, count)
