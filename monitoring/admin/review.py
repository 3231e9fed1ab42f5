"""Where clinicians say what was right: queues of cases, and one case beside both its answers."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import BadRequest
from django.db.models import Prefetch, prefetch_related_objects
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_GET, require_http_methods

from monitoring.access import Door
from monitoring.admin.case import answers, case_page, past_labels
from monitoring.admin.pages import check_may
from monitoring.admin.seen import case_seen, cases_seen
from monitoring.labels import LabelState
from monitoring.models import LEVEL_CHOICES, GroundTruth, MLPredictionLog
from monitoring.review import (
    Queue,
    Reviewed,
    case_review,
    first_of,
    has_seen_answer,
    is_blind,
    queue_cases,
)
from monitoring.roles import Action
from triage_rules.level import Level

CASES_PER_PAGE = 25
# The most urgent level is 1, as on every triage scale that clinicians know.
LEVEL_KEYS = tuple((str(key), level) for key, level in enumerate(reversed(Level), start=1))
TITLES: Mapping[Queue, str] = {
    Queue.UNREVIEWED: "Unreviewed",
    Queue.LOW_CONFIDENCE: "Low confidence",
    Queue.DIFFERING: "Model against rules",
    Queue.HIGH_ACUITY: "High acuity",
    Queue.AUDIT: "Random audit",
    Queue.CONFLICTS: "Conflicts",
}
ABOUT: Mapping[Queue, str] = {
    Queue.UNREVIEWED: "Every answer that has no label yet.",
    Queue.LOW_CONFIDENCE: "The model was not sure enough, so the rules answered.",
    Queue.DIFFERING: "Model and rules said different levels.",
    Queue.HIGH_ACUITY: "The answer was emergency.",
    Queue.AUDIT: "Drawn at random. You see the case alone; the answers are hidden until its label "
    "is in, and a drawn case waits in no other queue.",
    Queue.CONFLICTS: "People said different levels; your label settles the case.",
}
NO_MORE = "That was the last case of this queue."
NO_CHOICE = "Say what would have been right, or that you cannot assess the case."
OVERTAKEN = (
    "This case was given a label while you had it open, so your answer is not on record yet. "
    "It stands below as you gave it: send it again to record it."
)


class ReviewForm(forms.Form):
    """One press of a button: the answer was right, another level is, or nobody can tell."""

    AGREE, LEVEL, CANNOT = "agree", "level", "cannot"

    level = forms.TypedChoiceField(
        choices=LEVEL_CHOICES,
        coerce=lambda value: Level(int(value)),
        empty_value=None,
        required=False,
        error_messages={"invalid_choice": "Choose one of the four levels."},
    )
    note = forms.CharField(required=False, max_length=2_000)
    newest_seen = forms.UUIDField(required=False)

    def __init__(self, *args: Any, may_agree: bool, **kwargs: Any) -> None:
        """Offer the three buttons; ``may_agree`` says whether the answer is there to agree with."""
        super().__init__(*args, **kwargs)
        choices = (self.AGREE, self.LEVEL, self.CANNOT) if may_agree else (self.LEVEL, self.CANNOT)
        self.fields["choice"] = forms.ChoiceField(
            choices=[(one, one) for one in choices],
            error_messages=dict.fromkeys(("required", "invalid_choice"), NO_CHOICE),
        )

    def clean(self) -> dict[str, Any]:
        """Ask for the level where one is to be recorded."""
        data = dict(super().clean() or self.cleaned_data)
        lacks_level = data.get("choice") == self.LEVEL and data.get("level") is None
        if lacks_level and "level" not in self.errors:
            self.add_error("level", "Choose the level that would have been right.")
        return data

    def level_for(self, row: MLPredictionLog) -> Level | None:
        """Return the level that was chosen; None where the case cannot be assessed."""
        if self.cleaned_data["choice"] == self.AGREE:
            return Level(row.prediction)
        if self.cleaned_data["choice"] == self.CANNOT:
            return None
        return cast("Level", self.cleaned_data["level"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """One line of a queue: when, what was answered, and why it waits; never who it is."""

    row: MLPredictionLog
    url: str
    why: str


@require_GET
def queue_view(request: HttpRequest) -> HttpResponse:
    """Show one queue, newest first."""
    check_may(request, Action.SETTLE_LABELS)
    queue, before = _queue(request), _id(request.GET.get("before", ""))
    found = first_of(queue_cases(queue, before=before), CASES_PER_PAGE + 1)
    if queue is Queue.CONFLICTS:
        standing = GroundTruth.objects.exclude(state=LabelState.SUPERSEDED)
        prefetch_related_objects(found, Prefetch("labels", queryset=standing))
    page = found[:CASES_PER_PAGE]
    older = _queue_url(queue, before=page[-1].pk) if len(found) > CASES_PER_PAGE else None
    cases_seen(request, len(page))
    waiting = [Waiting(row=row, url=_case_url(row.pk, queue), why=_why(row, queue)) for row in page]
    context: dict[str, Any] = {
        "queue": queue,
        "about": ABOUT[queue],
        "tabs": [(one, title, _queue_url(one)) for one, title in TITLES.items()],
        "waiting": waiting,
        "hides_levels": queue is Queue.AUDIT,
        "is_first_page": before is None,
        "newest": _queue_url(queue),
        "older": older,
    }
    return _page(request, "queue.html", title=f"Review: {TITLES[queue].lower()}", **context)


@require_GET
def next_view(request: HttpRequest) -> HttpResponse:
    """Go to the newest case of a queue that is older than the one before."""
    check_may(request, Action.SETTLE_LABELS)
    return _go_on(request, _queue(request), before=_id(request.GET.get("before", "")))


@require_http_methods(["GET", "POST"])
def case_view(request: HttpRequest, prediction_id: uuid.UUID) -> HttpResponse:
    """Show one case, once it is on record who sees it, and take what they say of it."""
    # The words of the patient stand on the page.
    check_may(request, Action.SETTLE_LABELS, Action.READ_INTAKE)
    rows = MLPredictionLog.objects.select_related("intake")
    row = get_object_or_404(rows, pk=prediction_id)
    queue, reviewer = _queue(request), cast("User", request.user)
    # Whoever does not see the answer cannot agree with it.
    hides_answer = queue is Queue.AUDIT and row.audited
    form = ReviewForm(
        request.POST if request.method == "POST" else None, may_agree=not hides_answer
    )
    taken = None
    if form.is_valid():
        taken = case_review(
            prediction_id=row.pk,
            reviewer=reviewer,
            queue=queue,
            level=form.level_for(row),
            note=form.cleaned_data["note"],
            newest_seen=form.cleaned_data["newest_seen"],
        )
        if taken is not Reviewed.OVERTAKEN:
            messages.success(request, _thanks(taken))
            return _go_on(request, queue, before=row.pk)
    # Whoever was overtaken in the audit can still give a blind label, so nothing is uncovered.
    was_blind = hides_answer and not has_seen_answer(reviewer, row=row)
    blind = is_blind(row, queue=queue) or (taken is Reviewed.OVERTAKEN and was_blind)
    case_seen(request, row.pk, door=Door.AUDIT if blind else Door.ADMIN)
    return _case(request, row, queue=queue, form=form, blind=blind, taken=taken)


def _case(
    request: HttpRequest,
    row: MLPredictionLog,
    *,
    queue: Queue,
    form: ReviewForm,
    blind: bool,
    taken: Reviewed | None,
) -> HttpResponse:
    page = case_page(row)
    newest = row.labels.order_by("-pk").first()
    context: dict[str, Any] = {
        "row": row,
        "page": page,
        "blind": blind,
        "answers": None if blind else answers(row, case=page.case),
        "labels": () if blind else past_labels(row),
        "form": form,
        "overtaken": OVERTAKEN if taken is Reviewed.OVERTAKEN else "",
        "newest_seen": "" if newest is None else newest.pk,
        "levels": LEVEL_KEYS,
        "chosen": form.data.get("level", ""),
        "queue_title": TITLES[queue],
        "queue_url": _queue_url(queue),
        "skip": _next_url(queue, before=row.pk),
        "action": _case_url(row.pk, queue),
    }
    status = 409 if taken is Reviewed.OVERTAKEN else 200
    return _page(request, "case.html", title="Review a case", status=status, **context)


def _why(row: MLPredictionLog, queue: Queue) -> str:
    """Return why a case is in its queue, in a few words."""
    match queue:
        case Queue.LOW_CONFIDENCE:
            return _how_sure(row)
        case Queue.DIFFERING:
            return _how_far(row)
        case Queue.HIGH_ACUITY:
            return "answered emergency"
        case Queue.AUDIT:
            return "drawn at random"
        case Queue.CONFLICTS:
            return "labels: " + ", ".join(sorted({_said(label) for label in row.labels.all()}))
        case _:
            return "no label yet"


def _how_far(row: MLPredictionLog) -> str:
    steps = (row.model_level or 0) - row.rules_level
    return f"model {abs(steps)} {'higher' if steps > 0 else 'lower'}"


def _how_sure(row: MLPredictionLog) -> str:
    if not row.probabilities or row.threshold is None:
        return "the model was not sure"
    return f"model {max(row.probabilities):.0%} sure, {row.threshold:.0%} needed"


def _said(label: GroundTruth) -> str:
    return "cannot be assessed" if label.level is None else Level(label.level).label


def _thanks(taken: Reviewed) -> str:
    repeated = taken is Reviewed.REPEATED
    return "Your label was on record already." if repeated else "Your label is on record."


def _go_on(request: HttpRequest, queue: Queue, *, before: uuid.UUID | None) -> HttpResponse:
    following = queue_cases(queue, before=before).values_list("pk", flat=True).first()
    if following is None:
        messages.info(request, NO_MORE)
        return HttpResponseRedirect(_queue_url(queue))
    return HttpResponseRedirect(_case_url(following, queue))


def _queue(request: HttpRequest) -> Queue:
    try:
        return Queue(request.GET.get("queue", Queue.UNREVIEWED))
    except ValueError:
        raise BadRequest("there is no such queue") from None


def _id(value: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(value) if value else None
    except ValueError:
        raise BadRequest("before is not an id") from None


def _queue_url(queue: Queue, *, before: uuid.UUID | None = None) -> str:
    query = {"queue": queue.value} | ({} if before is None else {"before": str(before)})
    return f"{reverse('review_queue')}?{urlencode(query)}"


def _next_url(queue: Queue, *, before: uuid.UUID) -> str:
    query = urlencode({"queue": queue.value, "before": str(before)})
    return f"{reverse('review_next')}?{query}"


def _case_url(prediction_id: uuid.UUID, queue: Queue) -> str:
    path = reverse("review_case", args=[prediction_id])
    return f"{path}?{urlencode({'queue': queue.value})}"


def _page(
    request: HttpRequest, template: str, *, title: str, status: int = 200, **context: Any
) -> HttpResponse:
    # The bar of all tables would leave too little room for a case.
    around = {**admin.site.each_context(request), "is_nav_sidebar_enabled": False, "title": title}
    return render(request, f"admin/monitoring/review/{template}", around | context, status=status)
