"""``/metrics``: what the processes count and what the record says, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hmac import compare_digest
from typing import Any

from django.conf import settings
from django.http import HttpResponse
from django.utils import timezone
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import exposition as openmetrics
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework.views import APIView

from api.authentication import SessionAuthentication, TokenAuthentication
from api.instruments import model_show, process_metrics
from monitoring.roles import TABLE, Action

OPEN_METRICS = "application/openmetrics-text"


@dataclass(frozen=True, slots=True)
class Scraper:
    """Whoever holds one of the ``METRICS_TOKENS``: no account, and good for nothing else."""

    is_authenticated = True

    def has_perm(self, perm: str, /) -> bool:
        """Tell whether the permission is the one to read the figures."""
        return perm in TABLE[Action.READ_METRICS].permissions.values()


class ScraperAuthentication(BaseAuthentication):
    """``Authorization: Bearer <token>``; the database is not asked, so it may be gone."""

    def authenticate(self, request: Request) -> tuple[Scraper, None] | None:
        """Return the scraper; another scheme is for somebody else to judge."""
        scheme, _, token = get_authorization_header(request).partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        # Each is compared, so that the time tells nothing of which one is nearly right.
        known = [compare_digest(token.strip(), one.encode()) for one in settings.METRICS_TOKENS]
        if not any(known):
            raise AuthenticationFailed("The token is not valid.")
        return Scraper(), None

    def authenticate_header(self, request: Request) -> str:
        """Name the scheme, so that a refusal is a 401."""
        return "Bearer"


class Figures:
    """All figures of one scrape."""

    def collect(self) -> Iterator[Metric]:
        """Return the metrics of the processes, then those of the record."""
        # Only here: a numerical library that cannot be loaded must not keep the API from answering.
        from monitoring.metrics import record_metrics

        model_show()
        yield from process_metrics()
        yield from record_metrics(now=timezone.now())


class MetricsView(APIView):
    """One scrape, in OpenMetrics where it is asked for; with the database gone too."""

    actions = {"GET": Action.READ_METRICS}
    authentication_classes = (ScraperAuthentication, TokenAuthentication, SessionAuthentication)
    throttle_classes = ()

    def get_permissions(self) -> Sequence[Any]:
        """Ask nothing of a developer."""
        return [] if settings.DEBUG else super().get_permissions()

    def get(self, request: Request) -> HttpResponse:
        """Return all figures."""
        if OPEN_METRICS in request.headers.get("Accept", ""):
            text = openmetrics.generate_latest(Figures())
            return HttpResponse(text, content_type=openmetrics.CONTENT_TYPE_LATEST)
        return HttpResponse(generate_latest(Figures()), content_type=CONTENT_TYPE_PLAIN_0_0_4)
