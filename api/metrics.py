"""``/metrics``: what the processes count and what the record says, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import exposition as openmetrics

from api.instruments import model_show, process_metrics

OPEN_METRICS = "application/openmetrics-text"


class Figures:
    """All figures of one scrape."""

    def collect(self) -> Iterator[Metric]:
        """Return the metrics of the processes, then those of the record."""
        # Only here: a numerical library that cannot be loaded must not keep the API from answering.
        from monitoring.metrics import record_metrics

        model_show()
        yield from process_metrics()
        yield from record_metrics(now=timezone.now())


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer a scrape, in OpenMetrics where it is asked for; with the database gone too."""
    if OPEN_METRICS in request.headers.get("Accept", ""):
        text, content_type = openmetrics.generate_latest(Figures()), openmetrics.CONTENT_TYPE_LATEST
    else:
        text, content_type = generate_latest(Figures()), CONTENT_TYPE_PLAIN_0_0_4
    return HttpResponse(text, content_type=content_type, headers={"Cache-Control": "no-store"})
