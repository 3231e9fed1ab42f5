"""Print how many megabytes more a process takes while it reads and seals a made-up file.

``python -m tests.api.upload_memory FORMAT PIECE TIMES``: a piece of text, so many times.
"""

from __future__ import annotations

import resource
import sys
from types import SimpleNamespace

import django

django.setup()

from rest_framework.exceptions import APIException  # noqa: E402

from api.batch_files import chunks_of  # noqa: E402
from api.batch_parsers import CSVParser, NDJSONParser  # noqa: E402
from monitoring.encryption import encrypt  # noqa: E402

HEADER = b"patient_age,chief_complaint\n"
PARSERS = {"csv": CSVParser, "ndjson": NDJSONParser}


class Stream:
    """A body that is made while it is read, so that it is nowhere else in memory."""

    def __init__(self, head: bytes, piece: bytes, times: int) -> None:
        self.head, self.piece, self.left = head, piece, times

    def read(self, size: int) -> bytes:
        """Return some pieces, about as much as was asked for."""
        if self.head:
            head, self.head = self.head, b""
            return head
        count = min(self.left, max(1, size // len(self.piece)))
        self.left -= count
        return self.piece * count


def handle(format_: str, piece: bytes, times: int) -> str:
    """Read a file and encrypt its chunks; return how that ended."""
    head = HEADER if format_ == "csv" else b""
    parser = PARSERS[format_]()
    request = SimpleNamespace(
        META={"CONTENT_LENGTH": str(len(head) + len(piece) * times)},
        content_type=parser.media_type,
    )
    try:
        stream = Stream(head, piece, times)
        parsed = parser.parse(stream, None, {"request": request})  # type: ignore[arg-type]
        for chunk in chunks_of(parsed.files["file"]):
            encrypt(str(chunk))
    except APIException as error:
        return type(error).__name__
    return "accepted"


def peak_mb() -> int:
    """Return the most this process ever took."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    format_, piece, times = sys.argv[1:]
    handle(format_, b"1,x\n", 1)
    before = peak_mb()
    ended = handle(format_, piece.encode(), int(times))
    sys.stdout.write(f"{ended} {peak_mb() - before}")
