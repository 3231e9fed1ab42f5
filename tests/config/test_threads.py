"""When a request is there as a whole, as the kernel holds it before a thread is given to it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from config.threads import MOST_HELD_BYTES, OnItsWay, on_its_way

HEAD = b"POST / HTTP/1.1\r\nHost: a\r\n"
LARGE = HEAD + b"Content-Length: 9000000\r\n\r\n"


@dataclass(frozen=True)
class Connection:
    """What the worker knows of a connection that has sent no request yet."""

    sock: socket.socket
    parser: None = None


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, Connection]]:
    """Both ends of a connection: the client's, and ours."""
    client, ours = socket.socketpair()
    for one in (client, ours):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * MOST_HELD_BYTES)
    with client, ours:
        yield client, Connection(ours)


@pytest.mark.parametrize(
    ("said", "missing"),
    [
        (b"", 1),
        (b"GET / HTTP/1.1\r\nHost: a\r\n", 1),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 0),
        (b"\x16\x03\x01", 1),
        (HEAD + b"Content-Length: 2\r\n\r\n", 2),
        (HEAD + b"content-length:2\r\n\r\n{", 1),
        (HEAD + b"Content-Length: 2\r\n\r\n{}", 0),
        (HEAD + b"Content-Length: 2\r\n\r\n{}GET /", 0),
        (HEAD + b"Content-Length: two\r\n\r\n", 0),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{", 1),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 0),
        (HEAD + b"Expect: 100-continue\r\nContent-Length: 9\r\n\r\n", 0),
        (LARGE, MOST_HELD_BYTES - len(LARGE)),
        (LARGE + b"x" * (MOST_HELD_BYTES - len(LARGE)), 0),
        (b"GET /" + b"a" * MOST_HELD_BYTES, 0),
    ],
)
def test_a_request_waits_for_what_is_missing(
    said: bytes, missing: int, ends: tuple[socket.socket, Connection]
) -> None:
    client, conn = ends
    client.sendall(said)

    found = on_its_way(conn)

    assert found == (OnItsWay(len(said), len(said) + missing) if missing else None)


def test_nothing_is_taken_from_the_one_who_will_read_it(
    ends: tuple[socket.socket, Connection],
) -> None:
    client, conn = ends
    client.sendall(HEAD)

    on_its_way(conn)

    assert conn.sock.recv(1_000) == HEAD


def test_who_has_left_is_waited_for_no_longer(ends: tuple[socket.socket, Connection]) -> None:
    client, conn = ends
    client.close()

    assert on_its_way(conn) is None
