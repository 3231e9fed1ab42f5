"""No Content-Type breaks the service: Django would read addresses by the charset in it."""

from __future__ import annotations

from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest

from config.wsgi import application

# No query is made; but Django looks after its connections around a request.
pytestmark = pytest.mark.django_db


def status_of(content_type: str, *, query: str = "") -> str:
    """Return what the service answers to a request, as gunicorn would hear it."""
    said: list[str] = []
    environ: dict[str, Any] = {
        "PATH_INFO": "/livez",
        "QUERY_STRING": query,
        "CONTENT_TYPE": content_type,
    }
    setup_testing_defaults(environ)
    application(environ, lambda status, _headers: said.append(status))
    return said[0]


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json; charset=hex",
        "application/json; charset=undefined",
        "application/json; charset=bz2_codec",
        "application/json; a*=bogus''%41",
        "application/json; charset*=bogus''%41",
        "application/json; charset=\xff",
        "application/json; charset=utf-8",
        "; ; =",
        "",
    ],
)
def test_a_charset_that_is_none_is_no_server_error(content_type: str) -> None:
    assert status_of(content_type, query="site=a") == "200 OK"


def test_as_many_parameters_as_a_line_holds_are_no_server_error() -> None:
    assert status_of("application/json; charset=utf-8", query="&" * 4_090) == "200 OK"
