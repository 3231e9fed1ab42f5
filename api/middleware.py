"""Every request has an id, in its answer, its errors, its row and its log lines; and no copy is
kept of an answer."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed

PERMISSIONS_POLICY = (
    "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"
)


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
        return response


class HardeningMiddleware:
    """What Django and its packages leave open: nobody keeps a copy, nobody uses a camera."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Refuse TRACE, which has no use, and add to every answer what a browser must know."""
        refused = request.method == "TRACE"
        response = HttpResponseNotAllowed(()) if refused else self.get_response(request)
        response.headers.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
        if not request.path.startswith(settings.STATIC_URL):
            response.headers.setdefault("Cache-Control", "no-store")
        return response


def request_id_of(request: HttpRequest) -> uuid.UUID:
    """Return the id of a request; one that never met the middleware gets a new one."""
    return getattr(request, "request_id", None) or uuid.uuid4()
