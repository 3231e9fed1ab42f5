"""The monitoring page: how the service is doing, on one screen, for those who may see the runs."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.safestring import mark_safe
from django.views.decorators.http import require_safe

from monitoring.admin.pages import check_may
from monitoring.figures import Figure, figures
from monitoring.roles import Action, reaches_all
from monitoring.selectors import DEFAULT_DAYS
from monitoring.summary import summary

CHOICES = (7, DEFAULT_DAYS, 90, 366)


@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    """Show the summary of the chosen days as words, figures and tables."""
    check_may(request, Action.READ_REPORTS)
    days = _days(request)
    body = summary(days=days, now=timezone.now())
    context = {
        **admin.site.each_context(request),
        "title": "Monitoring",
        "is_nav_sidebar_enabled": False,
        "summary": body,
        "figures": [_shown(figure) for figure in figures(body)],
        "days": days,
        "choices": CHOICES,
        "may_see_alerts": reaches_all(request.user, Action.SEE_ALERTS),
    }
    return render(request, "admin/monitoring/overview.html", context)


def _days(request: HttpRequest) -> int:
    """Return the chosen number of days; whatever is not offered is the usual one."""
    chosen = request.GET.get("days", "")
    return next((days for days in CHOICES if chosen == str(days)), DEFAULT_DAYS)


def _shown(figure: Figure) -> dict[str, Any]:
    # Drawings are written by an XML writer, which has escaped every word in them.
    return {
        "figure": figure,
        "drawing": mark_safe(figure.drawing),  # noqa: S308
        "wide": mark_safe(figure.wide),  # noqa: S308
    }
