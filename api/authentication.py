"""Who is asking: tokens, how many of them live, and how wrong passwords are counted."""

from __future__ import annotations

import string
from typing import Any

from axes.handlers.database import AxesDatabaseHandler
from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest
from django.utils.crypto import salted_hmac
from knox.auth import TokenAuthentication as KnoxTokenAuthentication
from knox.models import AuthToken
from rest_framework.authentication import SessionAuthentication as DjangoSessionAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.request import Request

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


class SessionAuthentication(DjangoSessionAuthentication):
    """The session of somebody who uses the pages, with the token of a page for what is posted."""

    def enforce_csrf(self, request: Request) -> None:
        """Refuse what does not come from a page of ours; the reason would repeat what was sent."""
        try:
            super().enforce_csrf(request)
        except PermissionDenied:
            raise PermissionDenied(
                "With a session, a call that changes something needs the header X-CSRFToken and "
                "must come from a page of this service."
            ) from None


@transaction.atomic
def token_create(user: User) -> tuple[AuthToken, str]:
    """Make a token, and end the oldest of those that are now more than ``LIVE_TOKENS``.

    Returns
    -------
    tuple
        The row, and the token itself, which is stored nowhere.
    """
    # One login of an account after the other: two at once would not count each other's token.
    User.objects.select_for_update().get(pk=user.pk)
    row, token = AuthToken.objects.create(user)
    others = AuthToken.objects.filter(user=user).exclude(pk=row.pk).order_by("-created")
    ended = others.values_list("pk", flat=True)[settings.LIVE_TOKENS - 1 :]
    AuthToken.objects.filter(pk__in=list(ended)).delete()
    return row, token


class TokensEndWithPassword:
    """Hears of a new password: whoever knew the old one may hold a token that it gave."""

    def validate(self, password: str, user: User | None = None) -> None:
        """Demand nothing."""

    def get_help_text(self) -> str:
        """Say what follows from a new password."""
        return "The tokens of the account end with its old password."

    def password_changed(self, password: str, user: User | None = None) -> None:
        """End the tokens of the account."""
        AuthToken.objects.filter(user=user).delete()


class LoginAttempts(AxesDatabaseHandler):
    """Counts wrong passwords, and keeps nothing of what was sent but a hash and an address.

    People type passwords, and names of patients, into whatever box has the focus.
    """

    def user_login_failed(
        self,
        sender: Any,
        credentials: dict[str, Any],
        request: HttpRequest | None = None,
        **kwargs: Any,
    ) -> None:
        """Count a wrong password by a request that holds no form and no words of its browser."""
        if request is None:
            return
        bare: Any = HttpRequest()
        for name in ("ip_address", "path_info", "attempt_time", "locked_out"):
            setattr(bare, f"axes_{name}", getattr(request, f"axes_{name}"))
        bare.axes_user_agent = bare.axes_http_accept = ""
        super().user_login_failed(sender, credentials, bare, **kwargs)
        request.axes_locked_out = bare.axes_locked_out  # type: ignore[attr-defined]


def name_hashed(_request: HttpRequest | None, credentials: dict[str, Any] | None) -> str:
    """Return what wrong passwords are counted by: a name as it was typed goes on no record."""
    name = str((credentials or {}).get("username", ""))
    return salted_hmac("triage.login", name, algorithm="sha256").hexdigest()
