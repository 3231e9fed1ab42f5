"""The record in the admin: to be read, filtered and labelled, never edited."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import URLPattern, path, reverse

from ml.admin import ReadOnlyInline
from ml.models import ModelVersion
from monitoring.access import Door, denial_record
from monitoring.admin.keyset import ColumnFilter, KeysetAdmin, KeysetChangeList, PeriodFilter
from monitoring.admin.pages import check_may
from monitoring.admin.seen import case_seen, cases_seen
from monitoring.forms import LabelForm
from monitoring.labelling import ground_truth_review
from monitoring.models import AccessEvent, GroundTruth, MLPredictionLog
from monitoring.review import awaiting_audit, in_conflict, out_of_audit
from monitoring.roles import Action, reaches_all
from triage_rules.level import Decider, Level
from triage_rules.outcome import Method

LIST = "admin:monitoring_mlpredictionlog_changelist"
ROW = "admin:monitoring_mlpredictionlog_change"
VERSIONS_OFFERED = 50
HIDDEN = "(audit)"
NOT_AN_ID = "A prediction is found by its id alone, as in 01990000-0000-7000-8000-000000000000."
NO_SUCH_ID = "There is no prediction with this id."


class AnswerFilter(ColumnFilter):
    """A filter that would tell of the answer to whoever is to judge a drawn case blind."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Find no drawn case before it was judged."""
        rows = super().queryset(request, queryset)
        return rows if self.value() is None else out_of_audit(rows)


class LevelFilter(AnswerFilter):
    """The level that was answered."""

    title, parameter_name, column = "level", "level", "prediction"
    words = [(str(level.value), level.label) for level in reversed(Level)]


class MethodFilter(AnswerFilter):
    """What settled the answer."""

    title = parameter_name = column = "method"
    words = [(one.value, one.value.replace("_", " ")) for one in Method]


class ArmFilter(AnswerFilter):
    """The arm of the trial."""

    title, parameter_name, column = "arm", "arm", "ab_group"
    words = [*((one.value, one.value) for one in Decider), ("none", "outside the trial")]

    def chosen(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        """Keep an arm; outside the trial it is blank."""
        return queryset.filter(ab_group="" if value == "none" else value)


class VersionFilter(AnswerFilter):
    """The model version, of those that are registered."""

    title, parameter_name, column = "model version", "version", "model_version"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Offer the newest versions; the log itself is not asked which it holds."""
        newest = ModelVersion.objects.order_by("-pk")[:VERSIONS_OFFERED]
        return [(name, name) for name in newest.values_list("version", flat=True)]


class LabelledFilter(ColumnFilter):
    """Labelled or not."""

    title = parameter_name = "labelled"
    words = [("yes", "Yes"), ("no", "No"), ("conflict", "Labels disagree")]

    def chosen(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        """Keep the rows with, or without, a resolved label."""
        if value == "conflict":
            return in_conflict(queryset)
        return queryset.filter(ground_truth__isnull=value == "no")


class AccessActionFilter(ColumnFilter):
    """What was done."""

    title = parameter_name = column = "action"
    words = AccessEvent.Action.choices


class ActorFilter(ColumnFilter):
    """Who did it, or was refused: the accounts there are."""

    title = "account"
    parameter_name = column = "actor"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Offer every account, closed ones too."""
        names = User.objects.order_by("username").values_list("username", flat=True)
        return [(name, name) for name in names]


class RefusedFilter(ColumnFilter):
    """What was refused."""

    title = parameter_name = "refused"
    words = [(one.value, one.value.replace("_", " ")) for one in Action]

    def chosen(self, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        """Keep the refusals of an action, among the refusals that an index finds."""
        return queryset.filter(action=AccessEvent.Action.DENY, refused=value)


class LabelInline(ReadOnlyInline):
    """Who said what would have been right, and when; the label form adds to them."""

    model = GroundTruth
    fields = readonly_fields = (
        "created_at", "author", "actor", "level", "scale", "original_level", "source",
        "saw_prediction", "state",
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Fetch the authors along."""
        return super().get_queryset(request).select_related("author")


class RecordChangeList(KeysetChangeList):
    """A page of the record that knows which of its rows still wait for a blind label."""

    def get_results(self, request: HttpRequest) -> None:
        """Fetch a page, and put on record who is about to see it."""
        super().get_results(request)
        cases_seen(request, self.result_count)

    def _show(self, page: list[Any]) -> None:
        waiting = awaiting_audit(page)
        for row in page:
            row.is_hidden = row.pk in waiting
        super()._show(page)


def _until_judged(title: str, said: Callable[[MLPredictionLog], object]) -> Callable[[Any], str]:
    """Return a column that hides what was said of a drawn case until it was judged."""

    def column(row: Any) -> str:
        return HIDDEN if row.is_hidden else str(said(row) or "–")

    # The admin names the cells of a column after its function.
    column.__name__ = title.replace(" ", "_")
    return admin.display(description=title)(column)


ANSWER_COLUMNS = (
    _until_judged("level", lambda row: row.get_prediction_display()),
    _until_judged("ground truth", lambda row: row.get_ground_truth_display()),
    _until_judged("method", lambda row: row.method),
    _until_judged("arm", lambda row: row.ab_group),
    _until_judged("model", lambda row: row.get_model_level_display()),
    _until_judged("rules", lambda row: row.get_rules_level_display()),
    _until_judged("fallback reason", lambda row: row.fallback_reason),
    _until_judged("model version", lambda row: row.model_version),
)


@admin.register(MLPredictionLog)
class MLPredictionLogAdmin(KeysetAdmin):
    """The prediction log, and the doors to its label form and to one row by its id."""

    list_display = ("created_at", *ANSWER_COLUMNS)
    list_filter = (
        PeriodFilter, LevelFilter, MethodFilter, ArmFilter, LabelledFilter, VersionFilter,
    )  # fmt: skip
    inlines = (LabelInline,)
    change_list_template = "admin/monitoring/mlpredictionlog/change_list.html"
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
            "age_years", "sex", "arrival_mode", "injury", "heart_rate", "respiratory_rate", "spo2",
            "spo2_scale", "on_oxygen", "systolic_bp", "diastolic_bp", "temperature_c",
            "consciousness", "gcs", "pain_score", "glucose_mmol_l",
        )}),
        ("Trial", {"fields": ("experiment", "phase", "ab_group", "bucket")}),
        ("Call", {"fields": (
            "client", "actor", "site", "triage_log_id", "subject", "encounter", "subject_key_id",
            "request_id", "latency_ms", "durability",
        )}),
    )  # fmt: skip

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

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Hide what was said of drawn cases; who is to judge one blind may be looking here."""
        return RecordChangeList

    def get_urls(self) -> list[URLPattern]:
        """Add the label form to the row's pages, and the way to a row by its id."""
        view = self.admin_site.admin_view
        label = path(
            "<uuid:prediction_id>/label/",
            view(self.label_view),
            name="monitoring_mlpredictionlog_label",
        )
        find = path("find/", view(self.find_view), name="monitoring_mlpredictionlog_find")
        return [label, find, *super().get_urls()]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show a page of the list; what somebody searches for does not stay in the address."""
        if "q" in request.GET:
            return self._found(request, request.GET["q"])
        return super().changelist_view(request, extra_context)

    def find_view(self, request: HttpRequest) -> HttpResponse:
        """Open the row of one id. It is posted, since people also type names into search boxes."""
        return self._found(request, request.POST.get("prediction_id", ""))

    def _found(self, request: HttpRequest, words: str) -> HttpResponse:
        """Go to the row of an id; anything else is neither looked for nor repeated."""
        check_may(request, Action.READ_PREDICTION)
        try:
            prediction_id = uuid.UUID(words.strip())
        except ValueError:
            messages.error(request, NOT_AN_ID)
            return HttpResponseRedirect(reverse(LIST))
        if not MLPredictionLog.objects.filter(pk=prediction_id).exists():
            # The middleware knows a vain id by its 404, which this answer is not.
            denial_record(
                actor=request.user.get_username(), refused=Action.READ_PREDICTION, door=Door.ADMIN
            )
            messages.error(request, NO_SUCH_ID)
            return HttpResponseRedirect(reverse(LIST))
        return HttpResponseRedirect(_row_url(prediction_id))

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the row: nobody edits it, so it has no history to be counted and read."""
        check_may(request, Action.READ_PREDICTION)
        return HttpResponseRedirect(reverse(ROW, args=[object_id]))

    def _get_obj_does_not_exist_redirect(
        self, request: HttpRequest, opts: Any, object_id: str
    ) -> HttpResponse:
        """Say 404 and not "go to the start": who asks for ids in vain shall be on record."""
        raise Http404

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show the row once it is on record who saw it, with the button to label it."""
        row = self.get_object(request, object_id)
        if row is not None and self.has_view_permission(request, row):
            case_seen(request, row.pk)
        may_label = reaches_all(request.user, Action.SETTLE_LABELS)
        return super().change_view(
            request, object_id, form_url, {**(extra_context or {}), "may_label": may_label}
        )

    def label_view(self, request: HttpRequest, prediction_id: uuid.UUID) -> HttpResponse:
        """Take a reviewer's label for one prediction."""
        check_may(request, Action.SETTLE_LABELS, Action.READ_PREDICTION)
        row = MLPredictionLog.objects.filter(pk=prediction_id).first()
        if row is None:
            raise Http404
        case_seen(request, prediction_id)
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


@admin.register(AccessEvent)
class AccessEventAdmin(KeysetAdmin):
    """Who saw, exported or erased what is kept of patients, and who was refused what."""

    list_display = ("created_at", "actor", "action", "refused", "door", "cases", "case")
    list_display_links = None
    list_filter = (PeriodFilter, AccessActionFilter, RefusedFilter, ActorFilter)
    fields = list_display

    @admin.display(description="case")
    def case(self, event: AccessEvent) -> str:
        """The id of the one case, or a dash where there were several."""
        return str(event.prediction_log_id or "–")


def _row_url(prediction_id: uuid.UUID) -> str:
    return reverse(ROW, args=[prediction_id])
