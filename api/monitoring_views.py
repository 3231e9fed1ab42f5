"""How the service is doing, over HTTP: the figures of the monitoring page."""

from __future__ import annotations

import re
from typing import Any

from django.utils import timezone
from rest_framework import serializers
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from api.fields import StrictSerializer
from api.views import JSONView
from monitoring.selectors import DEFAULT_DAYS, MOST_DAYS


class DaysField(serializers.Field[Any, Any, Any, Any]):
    """A number of days as it stands in an address: plain digits, given once."""

    default_error_messages = {"out_of_range": f"Must be one whole number from 1 to {MOST_DAYS}."}

    def to_internal_value(self, data: Any) -> int:
        """Return the number."""
        given = data[0] if len(data) == 1 else ""
        if not re.fullmatch(r"[1-9][0-9]{0,2}", given) or int(given) > MOST_DAYS:
            self.fail("out_of_range")
        return int(given)


class SummaryQuery(StrictSerializer):
    """How far back to look."""

    days = DaysField(default=DEFAULT_DAYS)


class MaySeeRuns(BasePermission):
    """Whether an account may see what the daily checks found."""

    message = "This account may not see how the service is doing."

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Ask for Django's permission to see the runs."""
        return bool(request.user and request.user.has_perm("monitoring.view_monitoringrun"))


class SummaryView(JSONView):
    """Accuracy, under-triage, drift, label coverage, alerts: all of it without a patient."""

    permission_classes = (IsAuthenticated, MaySeeRuns)

    def get(self, request: Request) -> Response:
        """Return the figures of the last days."""
        # Only here: a numerical library that cannot be loaded must not keep the API from answering.
        from monitoring.summary import summary

        query = SummaryQuery(data=dict(request.query_params.lists()))
        query.is_valid(raise_exception=True)
        return Response(summary(days=query.validated_data["days"], now=timezone.now()))
