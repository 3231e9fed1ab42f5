"""Ask the server in this container whether it lives; the exit code is the answer."""

from __future__ import annotations

import http.client
import os
import sys


def host_header() -> str:
    """Return a name that the server accepts: the first of ``ALLOWED_HOSTS``."""
    first = os.environ.get("ALLOWED_HOSTS", "").split(",")[0].strip().lstrip(".*")
    return first or "localhost"


def main() -> int:
    """Return 0 when ``/livez`` answers 200 within three seconds."""
    port = int(os.environ.get("BIND", "127.0.0.1:8000").rpartition(":")[2])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=3)
    try:
        connection.request("GET", "/livez", headers={"Host": host_header()})
        return 0 if connection.getresponse().status == 200 else 1
    except (OSError, http.client.HTTPException):
        return 1


if __name__ == "__main__":
    sys.exit(main())
