"""Real servers that take what the service sends: mail, and calls over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

from aiosmtpd.controller import Controller

from tests.functional.conftest import free_port


class Inbox:
    """A mail server that keeps what it takes, and answers what it is told to."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.reply = "250 OK"
        self.port = free_port()

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        """Answer, and keep what was taken."""
        if self.reply.startswith("250"):
            self.messages.append(message_from_bytes(envelope.content))
        return self.reply

    @property
    def subjects(self) -> list[str]:
        """What the messages are about."""
        return [str(message["Subject"]) for message in self.messages]


@dataclass(frozen=True, slots=True)
class Call:
    """One call over HTTP."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """The body, parsed."""
        return dict(json.loads(self.body))


class Receiver(ThreadingHTTPServer):
    """An HTTP server that keeps each call, and answers once ``may_answer`` is set."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/triage"
        self.calls: list[Call] = []
        self.status = 204
        self.may_answer = Event()
        self.may_answer.set()


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.calls.append(Call(self.path, dict(self.headers), body))
        self.server.may_answer.wait(30)
        self.send_response(self.server.status)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST  # noqa: N815 - the names are the library's

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""


@contextmanager
def mail_server() -> Iterator[Inbox]:
    """Run a mail server."""
    inbox = Inbox()
    controller = Controller(inbox, hostname="127.0.0.1", port=inbox.port)
    controller.start()
    try:
        yield inbox
    finally:
        controller.stop()


@contextmanager
def http_server() -> Iterator[Receiver]:
    """Run an HTTP server."""
    with Receiver() as receiver:
        Thread(target=receiver.serve_forever, args=[0.01], daemon=True).start()
        try:
            yield receiver
        finally:
            receiver.shutdown()
