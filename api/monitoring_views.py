"""How the service is doing, over HTTP: the figures of the monitoring page."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Annotated, Any, TypedDict

from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.http import conditional_page
from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import Direction, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.answers import Moment, Share
from api.fields import StrictSerializer
from api.schema import ETAG, IF_NONE_MATCH, NOT_MODIFIED, Schema, problems
from api.views import JSONView
from monitoring.roles import Action
from monitoring.selectors import DEFAULT_DAYS, MOST_DAYS

Day = Annotated[str, ("format", "date")]
Interval = Annotated[list[Share], ("minItems", 2), ("maxItems", 2)]
# What an older check stored may lack some keys; docs/summary.md says what each of them is.
Stored = dict[str, Any]
# What tells two answers apart only by when they were given.
_CLOCKS = {"as_of", "age_hours"}


class WindowBody(TypedDict):
    """The days that are looked at."""

    days: int
    start: Day
    end: Day


class VerdictBody(TypedDict):
    """How the newest checked day was, in a word and in a sentence."""

    status: str | None
    sentence: str


class ServingBody(TypedDict):
    """The version that serves; `synthetic` has only seen simulated patients."""

    version: str
    epoch: int
    synthetic: bool | None


class DatedChangeBody(TypedDict):
    """The day on which another version or another phase began."""

    day: Day
    kind: str
    name: str


class TallyBody(TypedDict):
    """The figures of a group of labelled answers, with Wilson's 95 % intervals."""

    labelled: int
    correct: int
    under: int
    over: int
    accuracy: Share | None
    interval: Interval | None
    under_triage: Share | None
    under_interval: Interval | None
    over_triage: Share | None
    over_interval: Interval | None


class VersionTallyBody(TallyBody):
    """The tally of a model version."""

    synthetic: bool | None


class PooledTallyBody(TallyBody, total=False):
    """The tally of a day of few labels together with the days before it."""

    days: int
    first: Day


class DayTallyBody(TallyBody):
    """The tally of one checked day."""

    day: Day
    status: str
    provisional: bool
    predictions: int
    coverage: Share | None
    versions: list[str]
    pooled: PooledTallyBody | None


class AccuracyBody(TypedDict):
    """How often answers were right."""

    threshold: float
    min_labels: int
    latest: DayTallyBody | None
    window: TallyBody
    series: list[DayTallyBody]
    by_version: dict[str, VersionTallyBody]
    by_arm: dict[str, TallyBody]
    by_level: dict[str, TallyBody]
    by_saw_prediction: dict[str, TallyBody]
    audited: TallyBody | None


class WrongShareBody(TypedDict):
    """How many of the labelled answers were wrong in one direction."""

    n: int
    cases: int
    share: Share | None
    interval: Interval | None


class OverTriageBody(TypedDict):
    """Answers that were too urgent."""

    latest: WrongShareBody | None
    window: WrongShareBody


class UnderTriageBody(OverTriageBody):
    """Answers that were not urgent enough."""

    missed_emergencies: int


class CusumDayBody(TypedDict):
    """The watch over each label, at the end of one day."""

    day: Day
    value: float | None
    limit: float | None
    expected: float | None
    labels: int
    crossed: bool


class CusumBody(TypedDict):
    """The watch over each label."""

    latest: CusumDayBody | None
    series: list[CusumDayBody]


class LevelCountsBody(TypedDict):
    """A count of each level."""

    routine: int
    soon: int
    urgent: int
    emergency: int


class ConfusionBody(TypedDict):
    """Counts by the right level, then by the level answered."""

    routine: LevelCountsBody
    soon: LevelCountsBody
    urgent: LevelCountsBody
    emergency: LevelCountsBody


class GroupTallyBody(TallyBody):
    """The tally of a group of patients, and whether it has enough labels to be judged."""

    value: str
    enough: bool


class GroupsBody(TypedDict):
    """Groups of patients, the worst first; `left_out` counts those that are not listed."""

    values: list[GroupTallyBody]
    left_out: int


class SlicesBody(TypedDict):
    """Groups of patients by what they have in common."""

    sex: GroupsBody
    age_band: GroupsBody
    site: GroupsBody
    worse: list[Stored]


class LevelsBody(TypedDict):
    """How often each level was given, said by either decider, and right."""

    given: LevelCountsBody
    rules: LevelCountsBody
    model: LevelCountsBody
    labels: LevelCountsBody


class LatencyDayBody(TypedDict):
    """How long the answers of a day took, in milliseconds."""

    day: Day
    p50: float | None
    p95: float | None
    p99: float | None
    slow: int


class LatencyBody(TypedDict):
    """How long answers took."""

    limit_ms: float
    latest: LatencyDayBody | None
    series: list[LatencyDayBody]


class CoverageBody(TypedDict):
    """How many answers have a label, and how many still wait for theirs."""

    matured: int
    labelled: int
    never: int
    share: Share | None
    pending: int


class ArmBody(TypedDict):
    """What one arm of the trial did."""

    answered_latest_day: int
    labelled_window: int


class ExperimentBody(TypedDict):
    """The terms of the open phase, and its arms."""

    name: str
    phase: int
    enrolled_share: Share
    ml_share: Share
    kill_switch: bool
    arms: dict[str, ArmBody]


class ComparisonBody(TypedDict):
    """The newest comparison with the reference, as it was stored."""

    day: Day
    status: str
    window: Stored | None
    rows: int | None
    reference: Stored | None
    columns_tested: int | None
    not_tested: Any
    drifted: list[str] | None
    findings: list[Stored] | None
    words: Stored | None
    prediction: Stored | None
    estimated: Stored | None
    realised: Stored | None
    concept: Stored | None
    calibration: Stored | None


class DriftDayBody(TypedDict):
    """How the comparison of one day ended."""

    day: Day
    status: str
    drifted: int
    estimated: Share | None
    realised: Share | None


class DriftBody(TypedDict):
    """How today's patients differ from those the model learned from."""

    latest: ComparisonBody | None
    series: list[DriftDayBody]


class AlertCountsBody(TypedDict):
    """How many alerts are not closed."""

    open: int
    critical: int
    left_out: int


class AlertBody(TypedDict):
    """An alert that is open or acknowledged; the missed emergencies are one entry, without id."""

    id: int | None
    cause: str
    count: int
    severity: str
    state: str
    since: Day
    last_day: Day
    provisional: bool
    message: str


class JobBody(TypedDict):
    """When a check last ran, and whether a run that should be there is missing."""

    job: str
    day: Day | None
    status: str | None
    ran_at: Moment | None
    age_hours: float | None
    overdue: bool


class SummaryBody(TypedDict):
    """How the service is doing: counts and groups, nothing about a single patient."""

    as_of: Moment
    window: WindowBody
    verdict: VerdictBody
    model: ServingBody | None
    changes: list[DatedChangeBody]
    accuracy: AccuracyBody
    under_triage: UnderTriageBody
    over_triage: OverTriageBody
    cusum: CusumBody
    confusion: ConfusionBody | None
    slices: SlicesBody
    levels: LevelsBody
    latency: LatencyBody
    coverage: CoverageBody
    experiment: ExperimentBody
    drift: DriftBody
    alert_counts: AlertCountsBody
    alerts: list[AlertBody]
    jobs: list[JobBody]


class DaysField(serializers.Field[Any, Any, Any, Any]):
    """A number of days as it stands in an address: plain digits, given once."""

    default_error_messages = {"out_of_range": f"Must be one whole number from 1 to {MOST_DAYS}."}

    def to_internal_value(self, data: Any) -> int:
        """Return the number."""
        given = data[0] if len(data) == 1 else ""
        if not re.fullmatch(r"[1-9][0-9]{0,2}", given) or int(given) > MOST_DAYS:
            self.fail("out_of_range")
        return int(given)


class DaysFieldSchema(OpenApiSerializerFieldExtension):
    """A number of days."""

    target_class = DaysField

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Direction) -> Schema:
        """Return the limits."""
        return {"type": "integer", "minimum": 1, "maximum": MOST_DAYS}


class SummaryQuery(StrictSerializer):
    """How far back to look."""

    days = DaysField(default=DEFAULT_DAYS)


@method_decorator(conditional_page, name="dispatch")
class SummaryView(JSONView):
    """Accuracy, under-triage, drift, label coverage, alerts: all of it without a patient."""

    actions = {"GET": Action.READ_REPORTS}

    @extend_schema(
        summary="See how the service is doing",
        parameters=[SummaryQuery, IF_NONE_MATCH, ETAG],
        responses={200: SummaryBody, **NOT_MODIFIED, **problems(400)},
    )
    def get(self, request: Request) -> Response:
        """Return the figures of the last days."""
        # Only here: a numerical library that cannot be loaded must not keep the API from answering.
        from monitoring.summary import summary

        query = SummaryQuery(data=dict(request.query_params.lists()))
        query.is_valid(raise_exception=True)
        body = summary(days=query.validated_data["days"], now=timezone.now())
        return Response(body, headers={"ETag": _etag(body)})


def _etag(body: dict[str, Any]) -> str:
    """Return what names the figures; a weak tag, because two answers differ by the clock."""
    lasting = json.dumps(_without_clocks(body), sort_keys=True)
    return f'W/"{hashlib.sha256(lasting.encode()).hexdigest()[:32]}"'


def _without_clocks(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_clocks(part) for key, part in value.items() if key not in _CLOCKS}
    if isinstance(value, list):
        return [_without_clocks(part) for part in value]
    return value
