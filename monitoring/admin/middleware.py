"""Around the pages of the admin: who was refused is on record, and no case is shown unrecorded."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from http import HTTPStatus

import structlog
from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import render
from django.urls import reverse

from monitoring.access import Door, denial_record
from monitoring.admin.pages import PAGES
from monitoring.admin.seen import NotSeenError
from monitoring.roles import BY_ID, Action

log = structlog.get_logger(__name__)

NOT_SHOWN = (
    "This is not shown: it could not be put on record that you see it. Try again in a minute."
)


class AdminAuditMiddleware:
    """Watch over the admin: each refusal of a known person is written down, in this one place."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer, then write down what was refused."""
        if _holds_nul(request):
            return HttpResponseBadRequest()
        response = self.get_response(request)
        if _is_refusal(request, response):
            denial_record(
                actor=request.user.get_username(),
                refused=_action(request),
                door=Door.ADMIN,
                prediction_id=_prediction_id(request),
            )
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Show a sentence where a case is not shown because its reader is on no record."""
        if not isinstance(exception, NotSeenError):
            return None
        log.error("access_not_recorded", error=type(exception.__cause__).__name__)
        around = {**admin.site.each_context(request), "is_nav_sidebar_enabled": False}
        context = around | {"title": "Not shown", "words": NOT_SHOWN}
        return render(
            request,
            "admin/monitoring/not_shown.html",
            context,
            status=HTTPStatus.SERVICE_UNAVAILABLE,
        )


def _holds_nul(request: HttpRequest) -> bool:
    """Tell whether an address of the admin holds a NUL, which PostgreSQL would not look for."""
    has_one = "\x00" in request.path or "%00" in request.META.get("QUERY_STRING", "")
    return has_one and _is_admin(request)


def _is_refusal(request: HttpRequest, response: HttpResponse) -> bool:
    """Tell whether a known person was refused a page, or asked for the id of a case in vain."""
    status = response.status_code
    is_probe = status == HTTPStatus.NOT_FOUND and _action(request) in BY_ID
    # Who is of the staff no more is sent to the login, as a stranger is.
    is_sent_away = response.get("Location", "").startswith(reverse("admin:login"))
    if status != HTTPStatus.FORBIDDEN and not is_probe and not is_sent_away:
        return False
    return _is_admin(request) and bool(request.user.is_authenticated)


def _is_admin(request: HttpRequest) -> bool:
    return request.path.startswith(reverse("admin:index"))


def _action(request: HttpRequest) -> Action | None:
    match = request.resolver_match
    return None if match is None else PAGES.get(match.view_name)


def _prediction_id(request: HttpRequest) -> uuid.UUID | None:
    """Return the id in the address, where the page is of a case; it may be anything."""
    if _action(request) not in BY_ID or request.resolver_match is None:
        return None
    names = request.resolver_match.kwargs
    try:
        return uuid.UUID(str(names.get("prediction_id") or names.get("object_id")))
    except ValueError:
        return None
