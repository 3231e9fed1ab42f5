"""The API's description of itself, for programs and, as a page, for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from csp.decorators import csp_update
from django.conf import settings
from django.utils.decorators import method_decorator
from drf_spectacular.renderers import OpenApiJsonRenderer2
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.renderers import JSONRenderer, TemplateHTMLRenderer
from rest_framework.request import Request
from rest_framework.response import Response


class SignedInView:
    """Shown to any account; on a development machine to anybody."""

    def get_permissions(self) -> Sequence[BasePermission]:
        """Ask for an account, whatever its role."""
        return [] if settings.DEBUG else [IsAuthenticated()]

    def finalize_response(
        self, request: Request, response: Response, *args: Any, **kwargs: Any
    ) -> Response:
        """Write a problem as JSON, also where the page itself would be HTML."""
        if response.exception:
            request.accepted_renderer = JSONRenderer()
        final: Response = super().finalize_response(request, response, *args, **kwargs)  # type: ignore[misc]
        return final


class SchemaView(SignedInView, SpectacularAPIView):
    """The OpenAPI description, as JSON."""

    renderer_classes = [OpenApiJsonRenderer2]


# The library sets styles from its script; nothing else of the policy is given up for it.
@method_decorator(csp_update({"style-src": ["'unsafe-inline'"]}), name="dispatch")
class DocsView(SignedInView, SpectacularSwaggerSplitView):
    """The description as a page on which calls can be tried."""

    renderer_classes = [TemplateHTMLRenderer]
    url_name = "schema"
