"""What people were told, and who has seen to it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Case, IntegerField, Model, QuerySet, Value, When
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils.http import urlencode

from ml.admin import ReadOnlyAdmin, ReadOnlyInline
from monitoring.admin.pages import check_may
from monitoring.alerts import alert_acknowledge
from monitoring.models import Alert, AlertDelivery
from monitoring.roles import Action, reaches_all

LIST = "admin:monitoring_alert_changelist"
PAGE = "admin:monitoring_alert_change"
ACKNOWLEDGE = "admin:monitoring_alert_acknowledge"


class AcknowledgeForm(forms.Form):
    """What is being done about it."""

    note = forms.CharField(
        label="What is being done",
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 3, "autofocus": True}),
        help_text="It is kept with the alert. Nothing about a patient belongs here.",
    )


class DeliveryInline(ReadOnlyInline):
    """Over which channel it was told, when, and what went wrong."""

    model = AlertDelivery
    fields = readonly_fields = (
        "number", "channel", "created_at", "delivered_at", "attempts", "next_attempt_at", "error",
    )  # fmt: skip

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Whoever may see the alert may see how it was told."""
        return reaches_all(request.user, Action.SEE_ALERTS)


@admin.register(Alert)
class AlertAdmin(ReadOnlyAdmin):
    """What people were told, what still waits for somebody first, and the door to seeing to it."""

    list_display = (
        "cause", "last_day", "severity", "state", "day", "times_reopened", "acknowledged_by",
    )  # fmt: skip
    list_filter = ("state", "severity", "policy")
    list_per_page = 50
    show_full_result_count = False
    actions = ("acknowledge",)
    inlines = (DeliveryInline,)
    change_form_template = "admin/monitoring/alert/change_form.html"
    fieldsets = (
        (None, {"fields": ("cause", "severity", "state", "message", "provisional")}),
        ("When", {"fields": ("day", "last_day", "created_at", "times_reopened", "closed_at")}),
        ("Acknowledged last", {"fields": (
            "acknowledged_by", "acknowledged_at", "acknowledgement",
        )}),
    )  # fmt: skip

    def get_ordering(self, request: HttpRequest) -> tuple[Any, ...]:
        """Put what is open first, then what somebody sees to, then what is over."""
        places = [When(state=state, then=Value(place)) for place, state in enumerate(Alert.State)]
        # By the alphabet, critical comes before warning.
        return (Case(*places, output_field=IntegerField()), "severity", "-last_day", "-pk")

    def has_acknowledge_permission(self, request: HttpRequest) -> bool:
        """Whether the person may acknowledge; the action asks for it too."""
        return reaches_all(request.user, Action.ACKNOWLEDGE_ALERTS)

    @admin.action(description="Acknowledge", permissions=["acknowledge"])
    def acknowledge(self, request: HttpRequest, chosen: QuerySet[Any]) -> HttpResponse:
        """Ask what is being done about the alerts that were chosen."""
        ids = urlencode({"id": sorted(chosen.values_list("pk", flat=True))}, doseq=True)
        return HttpResponseRedirect(f"{reverse(ACKNOWLEDGE)}?{ids}")

    def get_urls(self) -> list[URLPattern]:
        """Add the form."""
        view = self.admin_site.admin_view(self.acknowledge_view)
        return [
            path("acknowledge/", view, name="monitoring_alert_acknowledge"),
            *super().get_urls(),
        ]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show the alert, with the button to acknowledge an open one for those who may."""
        may_acknowledge = self.has_acknowledge_permission(request)
        context = {**(extra_context or {}), "may_acknowledge": may_acknowledge}
        return super().change_view(request, object_id, form_url, context)

    def acknowledge_view(self, request: HttpRequest) -> HttpResponse:
        """Take the note and acknowledge the alerts that the address names."""
        check_may(request, Action.ACKNOWLEDGE_ALERTS)
        alerts = _named(request)
        form = AcknowledgeForm(request.POST or None)
        if form.is_valid():
            for alert in alerts:
                _acknowledge(request, alert, note=form.cleaned_data["note"])
            return HttpResponseRedirect(_after(alerts))
        context = {
            **self.admin_site.each_context(request),
            "alerts": alerts,
            "form": form,
            "opts": self.opts,
            "title": "Acknowledge",
        }
        return render(request, "admin/monitoring/alert/acknowledge.html", context)


def _named(request: HttpRequest) -> list[Alert]:
    ids = [text for text in request.GET.getlist("id") if text.isdecimal() and len(text) < 19]
    alerts = list(Alert.objects.filter(pk__in=ids))
    if not alerts:
        raise Http404
    return alerts


def _acknowledge(request: HttpRequest, alert: Alert, *, note: str) -> None:
    if alert_acknowledge(alert.pk, actor=request.user.get_username(), note=note):
        messages.success(request, f"{alert} is acknowledged.")
    else:
        messages.warning(request, f"{alert} was not open any more; somebody else saw to it.")


def _after(alerts: list[Alert]) -> str:
    return reverse(PAGE, args=[alerts[0].pk]) if len(alerts) == 1 else reverse(LIST)
