"""Who is asking: knox tokens, checked for their form before the database is asked."""

from __future__ import annotations

import string
from typing import Any

from knox.auth import TokenAuthentication as KnoxTokenAuthentication
from rest_framework.exceptions import AuthenticationFailed

_HEX_DIGITS = frozenset(string.hexdigits.encode())


class TokenAuthentication(KnoxTokenAuthentication):
    """``Authorization: Token <token>``, a hexadecimal token."""

    def authenticate_credentials(self, token: bytes) -> Any:
        """Return the account and its token row.

        knox would decode any bytes as UTF-8 and fail on others with a server error.
        """
        if not _HEX_DIGITS.issuperset(token):
            raise AuthenticationFailed("The token is not valid.")
        return super().authenticate_credentials(token)
