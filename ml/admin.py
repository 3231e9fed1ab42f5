"""The trial in the admin: terms can be read, only the kill switch can be turned."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest

from ml.models import Experiment, Phase


class PhaseInline(admin.TabularInline):
    """The phases of an experiment, frozen."""

    model = Phase
    extra = 0
    readonly_fields = (
        "number", "ramp", "ml_share", "default_decider", "started_at", "ended_at",
    )  # fmt: skip

    def has_add_permission(self, request: HttpRequest, obj: Experiment | None = None) -> bool:
        """Phases are opened by a service, not typed in."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Experiment | None = None) -> bool:
        """History stays."""
        return False


@admin.register(Experiment)
class ExperimentAdmin(admin.ModelAdmin):
    """The experiment and its kill switch."""

    list_display = ("name", "kill_switch", "created_at")
    readonly_fields = ("name", "created_at")
    inlines = (PhaseInline,)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Experiments are opened by a service."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Experiment | None = None) -> bool:
        """History stays."""
        return False
