"""What each process counts of its own work: requests, decisions, refusals, and how long they took.

No label can hold anything of a patient, a user or a client: its value is a word of a list that
stands in the code, or "other". Docs: docs/metrics.md.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from http import HTTPStatus
from typing import Any

import structlog
from django.http import HttpRequest, HttpResponse
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.metrics_core import Metric

from api.shared_counts import counts_folder, counts_read
from ml import schema
from ml.service import ServingStatus, TriagePredictionService
from triage_rules.level import Decider, Level
from triage_rules.outcome import FallbackReason, Method

log = structlog.get_logger(__name__)

OTHER = "other"
NONE = "none"
BODY = "body"

HTTP_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# The addresses under which a patient is triaged, and those that say which model would answer.
DECIDING_ROUTES = frozenset({"triage", "predict", "triage-bulk"})
MODEL_ROUTES = DECIDING_ROUTES | {"readyz", "metrics"}
METHODS = frozenset(method.value for method in Method)
ARMS = frozenset({NONE, *(decider.value for decider in Decider)})
FALLBACK_REASONS = frozenset({NONE, *(reason.value for reason in FallbackReason)})
LEVELS = frozenset(level.label for level in Level)
REFUSED_FIELDS = frozenset(
    {BODY, schema.VITALS, schema.WORDS, schema.SYMPTOM, *(each.path for each in schema.FIELDS)}
)
REFUSAL_CODES = frozenset(
    {
        "ages_disagree", "blank", "cut_off", "depth", "duplicate_key", "empty", "encoding",
        "fahrenheit", "invalid", "invalid_json", "max_length", "min_length", "not_a_boolean",
        "not_a_choice", "not_a_list",
        "not_a_number", "not_a_text", "not_below_systolic", "not_finite", "not_whole", "null",
        "out_of_range", "pattern", "required", "too_long", "unknown_field", "unstorable_text",
    }
)  # fmt: skip
_INDEX = re.compile(r"\.\d+(?=\.|$)")

# The sum over processes has no time of birth.
disable_created_metrics()
PROCESS = CollectorRegistry()
REQUESTS = Counter(
    "triage_http_requests_total",
    "HTTP requests answered.",
    ["route", "method", "status"],
    registry=PROCESS,
)
REQUEST_SECONDS = Histogram(
    "triage_http_request_seconds",
    "How long an HTTP request took.",
    ["route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    registry=PROCESS,
)
DECISIONS = Counter(
    "triage_decisions_total",
    "Triage requests answered with a level.",
    ["method", "arm", "fallback_reason", "level"],
    registry=PROCESS,
)
DECISION_SECONDS = Histogram(
    "triage_decision_seconds",
    "How long a decision took, from the checked case to the committed row.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
    registry=PROCESS,
)
NOT_RECORDED = Counter(
    "triage_not_recorded_total",
    "Triage requests answered by the word to triage by hand, because nothing could be recorded.",
    registry=PROCESS,
)
REFUSED = Counter(
    "triage_refused_fields_total",
    "Fields of triage requests that were refused.",
    ["field", "code"],
    registry=PROCESS,
)
ANONYMOUS_DENIALS = Counter(
    "triage_anonymous_denials_total",
    "Requests to the API that were refused and that no account is known to have sent.",
    registry=PROCESS,
)
MODEL = Gauge(
    "triage_model_info",
    "1 for each state in which some serving process is: version, mode and epoch.",
    ["version", "mode", "epoch"],
    registry=PROCESS,
    multiprocess_mode="livemax",
)


class InstrumentsMiddleware:
    """Count every answer."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer, then count; an answer is never lost because it could not be counted."""
        started = time.perf_counter()
        response = self.get_response(request)
        try:
            _count(request, response, seconds=time.perf_counter() - started)
        except Exception as error:  # noqa: BLE001 - a nurse waits for this answer
            log.warning("answer_not_counted", error=type(error).__name__)
        return response


def process_metrics() -> Iterator[Metric]:
    """Return what the serving processes have counted, added up."""
    folder = counts_folder()
    for metric in PROCESS.collect() if folder is None else counts_read(folder):
        if metric.name == "triage_model_info":
            # A state in which no process is any more.
            metric.samples = [sample for sample in metric.samples if sample.value]
        yield metric


class _ModelState:
    """The one state of this process that the gauge shows."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shown: tuple[str, str, str] | None = None

    def show(self, status: ServingStatus) -> None:
        state = (
            status.model_version or NONE,
            status.mode.value,
            NONE if status.epoch is None else str(status.epoch),
        )
        with self._lock:
            if state == self._shown:
                return
            if self._shown is not None:
                MODEL.labels(*self._shown).set(0)
            MODEL.labels(*state).set(1)
            self._shown = state


_model_state = _ModelState()


def model_show() -> None:
    """Let the gauge show with which model this process would answer now."""
    _model_state.show(TriagePredictionService.instance().status)


def _count(request: HttpRequest, response: HttpResponse, *, seconds: float) -> None:
    route = _route(request)
    method = _word(request.method, HTTP_METHODS)
    REQUESTS.labels(route, method, str(response.status_code)).inc()
    REQUEST_SECONDS.labels(route).observe(seconds)
    if route in DECIDING_ROUTES:
        _count_decision(response.status_code, getattr(response, "data", None))
    if route in MODEL_ROUTES:
        model_show()


def _count_decision(status: int, body: Mapping[str, Any] | None) -> None:
    if body is None:
        return
    if "results" in body:
        for result in body["results"]:
            _count_decision(result["status"], result.get("decision") or result["problem"])
    elif status == HTTPStatus.OK:
        DECISIONS.labels(
            _word(body["method"], METHODS),
            _word(body["ab_group"], ARMS),
            _word(body["fallback_reason"], FALLBACK_REASONS),
            _word(body["prediction"], LEVELS),
        ).inc()
    elif body.get("manual_triage"):
        NOT_RECORDED.inc(len(body.get("items", [NONE])))
    elif status == HTTPStatus.BAD_REQUEST:
        for problem in body["errors"]:
            REFUSED.labels(
                field_of(problem["pointer"]), _word(problem["code"], REFUSAL_CODES)
            ).inc()


def field_of(pointer: str) -> str:
    """Return which field of the schema a JSON pointer means; a caller's own word is "other".

    Examples
    --------
    >>> field_of("/symptoms_data/symptoms/0/name")
    'symptoms_data.symptoms[].name'
    """
    if not pointer:
        return BODY
    if "." in pointer:
        return OTHER
    path = pointer.removeprefix("/").replace("/", ".")
    return next(
        (each for each in (_INDEX.sub("[]", path), _INDEX.sub("", path)) if each in REFUSED_FIELDS),
        OTHER,
    )


def _route(request: HttpRequest) -> str:
    """Return the name of the URL pattern, never the path: a path may hold an id."""
    match = request.resolver_match
    return (match.view_name if match is not None else "") or OTHER


def _word(value: object, words: Collection[str]) -> str:
    """Return the value as a word of a closed list."""
    word = NONE if value is None else str(value)
    return word if word in words else OTHER
