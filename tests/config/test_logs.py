"""A log line is one JSON object with facts as fields, and never the text of an exception."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import pytest
import structlog
from django.test import RequestFactory
from django.urls import resolve

from config.logs import logging_config

CANARY = "Failing row contains (CANARY)"


@pytest.fixture
def lines() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Return a function that gives the lines logged so far, parsed."""
    settings = logging_config(level="INFO")["formatters"]["json"]
    formatter = settings.pop("()")
    written = StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(formatter(**settings))
    logger = logging.getLogger("a.test")
    logger.addHandler(handler)
    logger.propagate = False
    logger.setLevel(logging.INFO)
    yield lambda: [json.loads(line) for line in written.getvalue().split("\n")[:-1]]
    logger.removeHandler(handler)


def broken() -> None:
    raise ValueError(CANARY)


@pytest.mark.parametrize("log", [structlog.get_logger("a.test"), logging.getLogger("a.test")])
def test_an_exception_is_its_type_and_its_frames(log: Any, lines: Any) -> None:
    try:
        broken()
    except ValueError:
        log.error("it_broke", exc_info=True)

    (line,) = lines()
    assert (line["event"], line["error"]) == ("it_broke", "ValueError")
    assert line["frames"][-1].endswith(" broken")
    assert "CANARY" not in json.dumps(line)


def test_facts_are_fields_of_either_kind_of_logger(lines: Any) -> None:
    structlog.get_logger("a.test").info("model_promoted", version="v1")
    logging.getLogger("a.test").info("rule_failed", extra={"rule_id": "RF07"})

    first, second = lines()
    assert (first["event"], first["version"]) == ("model_promoted", "v1")
    assert (second["event"], second["rule_id"]) == ("rule_failed", "RF07")


def test_a_request_is_told_by_its_pattern_and_not_by_its_address(lines: Any) -> None:
    request = RequestFactory().get("/admin/auth/user/?CANARY=CANARY")
    request.resolver_match = resolve("/admin/auth/user/")

    logging.getLogger("a.test").error(
        "Internal Server Error: %s", "CANARY", extra={"request": request, "status_code": 500}
    )

    (line,) = lines()
    assert (line["method"], line["route"]) == ("GET", "admin/auth/user/")
    assert line["status_code"] == 500
    assert "CANARY" not in json.dumps(line)


def test_a_request_without_a_pattern_has_none(lines: Any) -> None:
    logging.getLogger("a.test").error("CANARY", extra={"request": RequestFactory().get("/CANARY")})

    (line,) = lines()
    assert line["route"] is None
    assert "CANARY" not in json.dumps(line)


def test_a_line_break_in_a_value_does_not_make_a_second_line(lines: Any) -> None:
    structlog.get_logger("a.test").info("said", word="one\r\ntwo\u2028three")

    assert len(lines()) == 1
