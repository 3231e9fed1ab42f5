"""Every request has an id, in its answer, its errors, its row and its log lines."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import structlog
from django.http import HttpRequest, HttpResponse


class RequestIdMiddleware:
    """Give each request an id of our own; the caller's header is never trusted with it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Bind the id to the request and to the log context, and send it back."""
        request.request_id = uuid.uuid4()  # type: ignore[attr-defined]
        with structlog.contextvars.bound_contextvars(request_id=str(request.request_id)):  # type: ignore[attr-defined]
            response = self.get_response(request)
        response["X-Request-ID"] = str(request.request_id)  # type: ignore[attr-defined]
        if request.path.startswith("/api/"):
            response["Cache-Control"] = "no-store"
        return response


def request_id_of(request: HttpRequest) -> uuid.UUID:
    """Return the id of a request; one that never met the middleware gets a new one."""
    return getattr(request, "request_id", None) or uuid.uuid4()
