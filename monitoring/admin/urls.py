"""The pages of the admin that are no list of one table."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import path


def _page(name: str) -> Callable[..., Any]:
    """Return a view whose module is loaded when somebody asks for it.

    These pages calculate, and a numerical library that cannot be loaded must not keep the service
    from answering by its rules.
    """
    module, _, view = name.rpartition(".")

    def page(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        answer: HttpResponse = getattr(import_module(module), view)(request, **kwargs)
        return answer

    return admin.site.admin_view(page)


urlpatterns = [
    path("overview/", _page("monitoring.admin.overview.overview"), name="monitoring_overview"),
    path("labels/import/", _page("monitoring.admin.label_import.import_view"), name="label_import"),
    path("review/", _page("monitoring.admin.review.queue_view"), name="review_queue"),
    path("review/next/", _page("monitoring.admin.review.next_view"), name="review_next"),
    path(
        "review/<uuid:prediction_id>/",
        _page("monitoring.admin.review.case_view"),
        name="review_case",
    ),
]
