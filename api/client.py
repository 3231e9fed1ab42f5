"""Asking a running service over HTTP, as a frontend does."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

TRIAGE_PATH = "/api/v1/triage/"
TIMEOUT_S = 30


class ServiceError(RuntimeError):
    """The running service could not be used; the sentence says why."""


class TriageClient:
    """One kept-alive connection to a running service."""

    def __init__(self, *, url: str, token: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ServiceError("--url must look like http://127.0.0.1:8000")
        kind = (
            http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        )
        self._connection = kind(parts.hostname, parts.port, timeout=TIMEOUT_S)
        self.headers = {"Authorization": f"Token {token}", "Content-Type": "application/json"}

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Post a body and return the answer; anything but success is a ``ServiceError``.

        Where there are too many calls, it waits as long as the service says and asks again.
        """
        response, answer = self._exchange(path, body)
        while response.status == http.client.TOO_MANY_REQUESTS:
            time.sleep(int(response.headers.get("Retry-After", "1")))
            response, answer = self._exchange(path, body)
        if response.status >= http.client.BAD_REQUEST:
            raise ServiceError(_refusal(response.status, answer))
        return answer

    def _exchange(
        self, path: str, body: Mapping[str, Any]
    ) -> tuple[http.client.HTTPResponse, dict[str, Any]]:
        try:
            self._connection.request("POST", path, json.dumps(body), self.headers)
            response = self._connection.getresponse()
            return response, dict(json.loads(response.read()))
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ServiceError(f"the service did not answer ({type(error).__name__})") from error


def _refusal(status: int, answer: dict[str, Any]) -> str:
    fields = ", ".join(f"{e['pointer']} {e['code']}" for e in answer.get("errors", []))
    return f"the service answered {status}: {answer.get('detail')} {fields}".rstrip(" .")
