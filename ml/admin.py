"""Versions, deployments and the trial in the admin: to be read; what serves changes by a form."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, Model, OuterRef, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from ml.models import Deployment, DeploymentEvent, Experiment, ModelVersion, Phase
from ml.registry import (
    MAX_REASON_CHARACTERS,
    Deployed,
    RegistryError,
    UnusableVersionError,
    deployed,
    document,
    previous_version,
    version_promote,
    version_rollback,
)

VERSIONS = "admin:ml_modelversion_changelist"


class ReadOnlyAdmin(admin.ModelAdmin):
    """Rows can be looked at by those who may, and that is all."""

    actions: Any = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        """A service writes them."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """History is not edited."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """History stays."""
        return False


class ReadOnlyInline(admin.TabularInline):
    """Rows of another table can be looked at on the page they belong to, and that is all."""

    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A service writes them."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """History is not edited."""
        return False


class ReasonForm(forms.Form):
    """Why what serves should change; it goes with the state that the person saw."""

    reason = forms.CharField(
        max_length=MAX_REASON_CHARACTERS,
        widget=forms.Textarea(attrs={"rows": 3, "autofocus": True}),
        help_text="It is kept with the change. Nothing about a patient belongs here.",
    )
    expected_epoch = forms.IntegerField(min_value=1, widget=forms.HiddenInput)


@admin.register(ModelVersion)
class ModelVersionAdmin(ReadOnlyAdmin):
    """The registered versions, their cards, and the doors to promotion and rollback."""

    list_display = (
        "version", "serves", "dataset", "synthetic", "kappa", "emergency_recall", "under_triage",
    )  # fmt: skip
    list_filter = ("dataset", "synthetic")
    list_per_page = 50
    actions = ("promote", "roll_back")
    change_form_template = "admin/ml/modelversion/change_form.html"
    fieldsets = (
        (None, {"fields": ("version", "serves", "digest")}),
        ("Origin", {"fields": (
            "dataset", "synthetic", "scikit_learn", "created_at", "registered_at",
            "registered_by",
        )}),
        ("Figures of the model alone, on rows it did not learn from", {"fields": (
            "kappa", "emergency_recall", "under_triage",
        )}),
        ("Card", {"fields": ("card",)}),
    )  # fmt: skip

    class Media:
        """How the card stands in the page."""

        css = {"all": ["ml/version.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Know of each version whether it serves, without its evidence, which is large."""
        is_deployed = Deployment.objects.filter(current=OuterRef("pk"))
        rows = super().get_queryset(request).defer("evidence")
        return cast("QuerySet[Any]", rows.annotate(serves=Exists(is_deployed)))

    @admin.display(boolean=True)
    def serves(self, row: Any) -> bool:
        """Whether it is deployed."""
        return bool(row.serves)

    @admin.display(description="kappa")
    def kappa(self, row: ModelVersion) -> str:
        """The quadratic kappa."""
        return _figure(row, "qwk")

    @admin.display(description="emergency recall")
    def emergency_recall(self, row: ModelVersion) -> str:
        """The share of the emergencies that were found."""
        return _figure(row, "emergency_recall")

    @admin.display(description="under-triage")
    def under_triage(self, row: ModelVersion) -> str:
        """The share of the answers that were not urgent enough."""
        return _figure(row, "under_triage")

    @admin.display(description="model card")
    def card(self, row: ModelVersion) -> str:
        """The card as it stands in the verified files, or why it cannot be shown."""
        try:
            text = document(row, "card.md")
        except UnusableVersionError as error:
            return str(error)
        return format_html('<pre class="card">{}</pre>', text)

    def has_promote_permission(self, request: HttpRequest) -> bool:
        """Whether the person may let another version serve; the action asks for it too."""
        return request.user.has_perm("ml.change_deployment")

    def has_rollback_permission(self, request: HttpRequest) -> bool:
        """Whether the person may go back to the version before; the action asks for it too."""
        return request.user.has_perm("ml.rollback_deployment")

    @admin.action(description="Promote", permissions=["promote"])
    def promote(self, request: HttpRequest, chosen: QuerySet[Any]) -> HttpResponse | None:
        """Ask for the reason to promote the one version that was chosen."""
        if chosen.count() != 1:
            messages.error(request, "Choose one version to promote.")
            return None
        return HttpResponseRedirect(
            reverse("admin:ml_modelversion_promote", args=[chosen.get().pk])
        )

    @admin.action(description="Roll back what serves", permissions=["rollback"])
    def roll_back(self, request: HttpRequest, chosen: QuerySet[Any]) -> HttpResponse:
        """Ask for the reason to go back to the version before."""
        return HttpResponseRedirect(reverse("admin:ml_modelversion_rollback"))

    def get_urls(self) -> list[URLPattern]:
        """Add the two forms."""
        view = self.admin_site.admin_view
        return [
            path("<int:pk>/promote/", view(self.promote_view), name="ml_modelversion_promote"),
            path("roll-back/", view(self.rollback_view), name="ml_modelversion_rollback"),
            *super().get_urls(),
        ]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show the version, with the button to promote it for those who may."""
        may_promote = self.has_promote_permission(request)
        return super().change_view(
            request, object_id, form_url, {**(extra_context or {}), "may_promote": may_promote}
        )

    def promote_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Take the reason and promote one version."""
        if not self.has_promote_permission(request):
            raise PermissionDenied
        row = ModelVersion.objects.filter(pk=pk).first()
        if row is None:
            raise Http404
        return self._change_form(request, "Promote", row, partial(version_promote, row.version))

    def rollback_view(self, request: HttpRequest) -> HttpResponse:
        """Take the reason and go back to the version before."""
        if not self.has_rollback_permission(request):
            raise PermissionDenied
        return self._change_form(request, "Roll back", previous_version(), version_rollback)

    def _change_form(
        self,
        request: HttpRequest,
        title: str,
        target: ModelVersion | None,
        change: Callable[..., Deployed],
    ) -> HttpResponse:
        now = deployed()
        form = ReasonForm(request.POST or None, initial={"expected_epoch": now and now.epoch})
        if form.is_valid():
            try:
                after = change(actor=request.user.get_username(), **form.cleaned_data)
            except RegistryError as error:
                form.add_error(None, list(error.sentences))
            else:
                messages.success(request, f"Model version {after.version} serves now.")
                return HttpResponseRedirect(reverse(VERSIONS))
        context = {
            **self.admin_site.each_context(request),
            "form": form,
            "now": now,
            "opts": self.opts,
            "target": target,
            "title": title,
        }
        return render(request, "admin/ml/modelversion/change_deployment.html", context)


def _figure(row: ModelVersion, name: str) -> str:
    value = row.metrics.get("model", {}).get(name)
    return "–" if value is None else f"{value:.3f}"


@admin.register(DeploymentEvent)
class DeploymentEventAdmin(ReadOnlyAdmin):
    """What served, since when, and who decided it."""

    list_display = (
        "epoch", "kind", "from_version", "to_version", "actor", "reason", "overridden",
        "created_at",
    )  # fmt: skip
    list_filter = ("kind", "overridden")
    list_select_related = ("from_version", "to_version")
    fields = (*list_display, "phase_opened", "refusals", "findings")

    @admin.display(description="what the gate had against it")
    def refusals(self, event: DeploymentEvent) -> str:
        """The sentences of the gate."""
        sentences = (event.gate_report or {}).get("refusals", [])
        return format_html_join("", "<p>{}</p>", ([one] for one in sentences)) or "nothing"

    @admin.display(description="what was compared")
    def findings(self, event: DeploymentEvent) -> str:
        """Both versions' figures, group by group."""
        found = (event.gate_report or {}).get("findings", [])
        if not found:
            return "nothing"
        return format_html(
            "<table><tr><th>Of</th><th>Group</th><th>Rows</th><th>Figure</th><th>Served</th>"
            "<th>Candidate</th><th>95 % interval of the difference</th></tr>{}</table>",
            format_html_join("", _FINDING, map(_cells, found)),
        )


_FINDING = SafeString("<tr>" + "<td>{}</td>" * 7 + "</tr>")


def _cells(finding: dict[str, Any]) -> list[str]:
    low, high = finding["interval"] or (None, None)
    interval = "" if low is None else f"{low:+.3f} to {high:+.3f}"
    figures = [f"{finding[name]:.3f}" for name in ("serving", "candidate")]
    words = [str(finding[name]) for name in ("decider", "group", "n", "figure")]
    return [*words, *figures, interval]


class PhaseInline(ReadOnlyInline):
    """The phases of an experiment, frozen."""

    model = Phase
    readonly_fields = (
        "number", "ramp", "ml_share", "default_decider", "model_version", "started_at",
        "ended_at",
    )  # fmt: skip


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
