"""The record in the admin: to be read, filtered and labelled, never edited."""

from __future__ import annotations

import uuid
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import URLPattern, path, reverse

from ml.admin import ReadOnlyAdmin
from monitoring.forms import LabelForm
from monitoring.labels import LabelState
from monitoring.models import Alert, GroundTruth, MLPredictionLog, MonitoringRun, RetrainingRun
from monitoring.services import ground_truth_review
from triage_rules.level import Level


class LabelledFilter(admin.SimpleListFilter):
    """Labelled or not."""

    title = "labelled"
    parameter_name = "labelled"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Offer the two answers."""
        return [("yes", "Yes"), ("no", "No"), ("conflict", "Labels disagree")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the rows with, or without, a resolved label."""
        if self.value() == "conflict":
            return queryset.filter(labels__state=LabelState.CONFLICT).distinct()
        if self.value() in {"yes", "no"}:
            return queryset.filter(ground_truth__isnull=self.value() == "no")
        return queryset


class LabelInline(admin.TabularInline):
    """Who said what would have been right, and when."""

    model = GroundTruth
    extra = 0
    can_delete = False
    fields = readonly_fields = (
        "created_at", "author", "level", "scale", "original_level", "source", "saw_prediction",
        "state",
    )  # fmt: skip

    def has_add_permission(self, request: HttpRequest, obj: MLPredictionLog | None = None) -> bool:
        """Labels are added by the label form."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Labels are not edited."""
        return False


@admin.register(MLPredictionLog)
class MLPredictionLogAdmin(ReadOnlyAdmin):
    """The prediction log and the door to its label form."""

    list_display = (
        "created_at", "prediction", "ground_truth", "method", "arm", "model_level", "rules_level",
        "fallback_reason", "model_version",
    )  # fmt: skip
    list_filter = ("prediction", "method", "ab_group", LabelledFilter, "model_version")
    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    inlines = (LabelInline,)
    change_form_template = "admin/monitoring/mlpredictionlog/change_form.html"
    fieldsets = (
        ("Answer", {"fields": (
            "created_at", "prediction", "method", "confidence", "fallback_reason", "needs_human",
            "immediate", "ground_truth", "ground_truth_at",
        )}),
        ("Model", {"fields": (
            "model_level", "model_probabilities", "model_plausible_levels", "threshold",
            "model_abstained", "model_version", "model_digest",
        )}),
        ("Rules", {"fields": (
            "rules_level", "rules_floor", "rules_red_flags", "hard_flag", "rules_needs_human",
            "rules_severity_score", "news2", "rules_version",
        )}),
        ("Patient", {"fields": (
            "age_years", "heart_rate", "respiratory_rate", "spo2", "spo2_scale", "on_oxygen",
            "systolic_bp", "diastolic_bp", "temperature_c", "consciousness", "gcs", "pain_score",
            "glucose_mmol_l",
        )}),
        ("Trial", {"fields": ("experiment", "phase", "ab_group", "bucket")}),
        ("Call", {"fields": (
            "client", "actor", "site", "triage_log_id", "subject", "encounter", "subject_key_id",
            "request_id", "latency_ms", "durability",
        )}),
    )  # fmt: skip

    @admin.display(description="arm", ordering="ab_group")
    def arm(self, row: MLPredictionLog) -> str:
        """The arm, or a dash outside the trial."""
        return row.ab_group or "–"

    @admin.display(description="probabilities")
    def model_probabilities(self, row: MLPredictionLog) -> str:
        """The model's probability of each level, in words."""
        shares = zip(Level, row.probabilities or (), strict=False)
        return ", ".join(f"{level.label} {share:.0%}" for level, share in shares) or "–"

    @admin.display(description="plausible levels")
    def model_plausible_levels(self, row: MLPredictionLog) -> str:
        """The levels the model thinks possible, in words."""
        return ", ".join(Level(level).label for level in row.plausible_levels) or "–"

    @admin.display(description="red flags")
    def rules_red_flags(self, row: MLPredictionLog) -> str:
        """The ids of the red flags that fired."""
        return ", ".join(row.red_flags) or "none"

    def get_urls(self) -> list[URLPattern]:
        """Add the label form to the row's pages."""
        label = path(
            "<uuid:prediction_id>/label/",
            self.admin_site.admin_view(self.label_view),
            name="monitoring_mlpredictionlog_label",
        )
        return [label, *super().get_urls()]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show the row, with the button to label it for those who may."""
        may_label = request.user.has_perm("monitoring.add_groundtruth")
        return super().change_view(
            request, object_id, form_url, {**(extra_context or {}), "may_label": may_label}
        )

    def label_view(self, request: HttpRequest, prediction_id: uuid.UUID) -> HttpResponse:
        """Take a reviewer's label for one prediction."""
        if not request.user.has_perm("monitoring.add_groundtruth"):
            raise PermissionDenied
        row = MLPredictionLog.objects.filter(pk=prediction_id).first()
        if row is None:
            raise Http404
        form = LabelForm(request.POST or None)
        if form.is_valid():
            reviewer = cast("User", request.user)
            ground_truth_review(prediction_id=prediction_id, reviewer=reviewer, label=form.label())
            messages.success(request, "The label is on record.")
            return HttpResponseRedirect(_row_url(prediction_id))
        context = {
            **self.admin_site.each_context(request),
            "form": form,
            "row": row,
            "row_url": _row_url(prediction_id),
            "opts": self.opts,
            "title": "Set ground truth",
        }
        return render(request, "admin/monitoring/mlpredictionlog/label.html", context)


def _row_url(prediction_id: uuid.UUID) -> str:
    return reverse("admin:monitoring_mlpredictionlog_change", args=[prediction_id])


@admin.register(MonitoringRun)
class MonitoringRunAdmin(ReadOnlyAdmin):
    """What the daily checks found."""

    list_display = ("day", "job", "status", "accuracy", "labelled", "ran_at")
    list_filter = ("job", "status")

    @admin.display(description="accuracy")
    def accuracy(self, run: MonitoringRun) -> str:
        """The share of right answers of the day."""
        share = run.result.get("accuracy")
        return "–" if share is None else f"{share:.1%}"

    @admin.display(description="labelled")
    def labelled(self, run: MonitoringRun) -> int:
        """How many of the day's answers have a label."""
        return int(run.result.get("labelled", 0))


@admin.register(Alert)
class AlertAdmin(ReadOnlyAdmin):
    """What people were told."""

    list_display = ("day", "policy", "severity", "created_at", "delivered_at")
    list_filter = ("policy", "severity")


@admin.register(RetrainingRun)
class RetrainingRunAdmin(ReadOnlyAdmin):
    """What was trained from the log, and why."""

    list_display = ("started_at", "reason", "status", "version", "error")
    list_filter = ("status",)
