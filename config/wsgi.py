"""The WSGI entry that gunicorn serves."""

import os
from collections.abc import Iterable
from typing import Any

from django.core.wsgi import get_wsgi_application
from django.utils.http import parse_header_parameters

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

UTF_8 = {"utf-8", "utf8"}
# Nothing here takes a body of this type.
UNREADABLE = "application/octet-stream"

_serve = get_wsgi_application()


def application(request: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Serve a request, whatever its Content-Type says.

    Django reads addresses too by the charset that is named there, before anything of ours could
    refuse one; one that does not exist, or is no text, would be a server error on every address.
    """
    if not _is_readable(request.get("CONTENT_TYPE", "")):
        request = request | {"CONTENT_TYPE": UNREADABLE}
    return _serve(request, start_response)


def _is_readable(content_type: str) -> bool:
    """Tell whether Django could read a Content-Type, and would then read UTF-8."""
    try:
        _, parameters = parse_header_parameters(content_type)
    except ValueError:
        return False
    return parameters.get("charset", "utf-8").lower() in UTF_8
