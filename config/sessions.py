"""Sessions of the admin pages, in the database: what a stranger writes into a cookie costs nothing.

Saving the session with every answer, as Django does to let it end by idleness, would read and write
the database for any cookie, make a row of each invented one, and break the answer while the
database is away, on addresses that have no use for a session at all.
"""

from __future__ import annotations

import re
from typing import Any

from django.contrib.sessions.backends import db

# How Django makes them; no other text reaches the database.
KEY = re.compile("[0-9a-z]{32}")


class SessionStore(db.SessionStore):
    """A session that lives on exactly where it is there and was looked at."""

    def _validate_session_key(self, key: str | None) -> bool:
        """Tell whether a text may be a key at all."""
        return bool(key and KEY.fullmatch(key))

    def load(self) -> dict[str, Any]:
        """Return what the session holds; its idle time begins anew."""
        data = super().load()
        self.modified = self.session_key is not None
        return data
