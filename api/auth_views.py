"""Logging in and out, and the pages of those who are refused."""

from __future__ import annotations

import math
from http import HTTPStatus
from typing import Any, TypedDict, cast

from django.conf import settings
from django.contrib import admin
from django.contrib.auth import authenticate
from django.contrib.auth.signals import user_logged_in
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_view
from knox.views import LogoutAllView as KnoxLogoutAllView
from knox.views import LogoutView as KnoxLogoutView
from rest_framework.exceptions import APIException, AuthenticationFailed
from rest_framework.request import Request
from rest_framework.response import Response

from api.answers import Moment
from api.authentication import TokenAuthentication, token_create
from api.limits import LoginRateThrottle
from api.schema import problems
from api.serializers import LoginSerializer
from api.views import JSONView

LOCKED_FOR_S = int(settings.AXES_COOLOFF_TIME.total_seconds())


class LockedOutError(APIException):
    """Too many wrong passwords. It ends by itself, which 403 would not say."""

    status_code = HTTPStatus.TOO_MANY_REQUESTS
    default_detail = (
        "There were too many wrong passwords for this name from this address. Try again later; "
        "until then a right one is not taken either."
    )
    wait = LOCKED_FOR_S


class TokenBody(TypedDict):
    """A token, which is shown this once, and when it ends."""

    token: str
    expiry: Moment


class LoginView(JSONView):
    """A token for a name and a password."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = (LoginRateThrottle,)

    def get_authenticate_header(self, request: Request) -> str:
        """Name the scheme, so that a refusal is a 401."""
        return "Token"

    @extend_schema(
        summary="Log in",
        request=LoginSerializer,
        responses={200: TokenBody, **problems(body=True)},
    )
    def post(self, request: Request) -> Response:
        """Return a new token and when it ends; an older one may end with this."""
        serializer = LoginSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        # An unknown name takes as long as a wrong password: Django hashes in vain.
        user = authenticate(request, **serializer.validated_data)
        if getattr(request, "axes_locked_out", False):
            raise LockedOutError
        if user is None:
            raise AuthenticationFailed("The name or the password is wrong.")
        row, token = token_create(user)
        user_logged_in.send(sender=type(user), request=request, user=user)
        return Response({"token": token, "expiry": row.expiry.isoformat()})


_ENDED = {204: OpenApiResponse(description="It has ended."), **problems()}


@extend_schema_view(post=extend_schema(summary="Log out", request=None, responses=_ENDED))
class LogoutView(JSONView, KnoxLogoutView):  # type: ignore[misc]
    """The end of the token that asks for it; any account may."""

    authentication_classes = (TokenAuthentication,)


@extend_schema_view(
    post=extend_schema(summary="Log out everywhere", request=None, responses=_ENDED)
)
class LogoutAllView(JSONView, KnoxLogoutAllView):  # type: ignore[misc]
    """The end of all tokens of the account that asks for it; any account may."""

    authentication_classes = (TokenAuthentication,)


def login_page(request: HttpRequest) -> HttpResponse:
    """Show the form of the admin pages, and judge passwords as seldom as the API does."""
    throttle = LoginRateThrottle()
    is_try = request.method == "POST"
    if is_try and not throttle.allow_request(cast("Request", request), LoginView()):
        return _too_often(request, wait_s=throttle.wait() or 0)
    return admin.site.login(request)


def _too_often(request: HttpRequest, *, wait_s: float) -> HttpResponse:
    words = "There were too many tries to log in from here. Try again in a minute."
    status = HTTPStatus.TOO_MANY_REQUESTS
    response = _notice(request, "Too many tries", words, status=status)
    response["Retry-After"] = str(max(1, math.ceil(wait_s)))
    return response


def locked_out(request: HttpRequest, *_: Any) -> HttpResponse:
    """Show who is locked out of the admin pages that they are, and that it passes."""
    response = _notice(
        request,
        "Locked for now",
        "There were too many wrong passwords for this name from here. Try again in a quarter of "
        "an hour; until then the right password is not taken either.",
        status=HTTPStatus.TOO_MANY_REQUESTS,
    )
    response["Retry-After"] = str(LOCKED_FOR_S)
    return response


def form_refused(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Show who sent a form that did not come from a page of ours that nothing was done."""
    return _notice(
        request,
        "Nothing was done",
        "The form did not come from a page of this service, or the page is too old. Open it anew "
        "and send it again.",
        status=HTTPStatus.FORBIDDEN,
    )


def _notice(request: HttpRequest, title: str, words: str, *, status: HTTPStatus) -> HttpResponse:
    context = {**admin.site.each_context(request), "title": title, "words": words}
    return render(request, "admin/monitoring/notice.html", context, status=status)
