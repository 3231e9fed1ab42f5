"""The running sum that finds a rise of under-triage label by label, rather than day by day.

Of each case the sum asks how much likelier its answer is when twice the expected share of answers
is too low. It forgets good news (it never falls below 0) and remembers bad: it alarms when it
reaches its limit, and starts again at 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from typing import Any

import numpy as np
from django.conf import settings
from django.db.models import QuerySet

from ml.registry import deployed, version_get
from monitoring.accuracy.days import final_runs, horizon, runs
from monitoring.accuracy.queries import under_triaged
from monitoring.models import MonitoringRun
from monitoring.selectors import LocalDay
from monitoring.statistics import CUSUM_LIMIT, bernoulli_cusum_weights

# What trauma care takes to be acceptable; used until a version or the site says better.
USUAL_SHARE = 0.05
_LOWEST, _HIGHEST = 0.005, 0.45
# Had the share stayed doubled, the sum would most likely have crossed again by then.
QUIET_LABELS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Cusum:
    """The sum after the labels up to ``watermark``.

    ``labels`` and ``under`` count what this check added, ``since_alarm`` the labels since the sum
    last started at 0 after an alarm. Without a watermark the check took no part: its day was not
    mature, or a later day had been checked before it.
    """

    value: float
    limit: float
    expected: float
    crossed: bool = False
    labels: int = 0
    under: int = 0
    since_alarm: int | None = None
    watermark: datetime | None = None

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Cusum:
        """Return what ``as_dict`` gave."""
        mark = stored["watermark"]
        return cls(**stored | {"watermark": datetime.fromisoformat(mark) if mark else None})

    def as_dict(self) -> dict[str, Any]:
        """Return it for the result row."""
        return asdict(self) | {"watermark": self.watermark.isoformat() if self.watermark else None}

    @property
    def is_quiet(self) -> bool:
        """Whether so many labels have passed since an alarm that it may be taken to be over."""
        return not self.crossed and (self.since_alarm is None or self.since_alarm >= QUIET_LABELS)

    def after(self, events: Sequence[bool], *, watermark: datetime) -> Cusum:
        """Return the sum after more labels, each of them an answer that was too low or not."""
        weights = bernoulli_cusum_weights(self.expected, 2 * self.expected)
        steps = np.where(np.asarray(events, dtype=bool), *weights)
        value, since, crossed = self.value, self.since_alarm, False
        while steps.size:
            path = _path(value, steps)
            place = int(np.argmax(path >= self.limit))
            if path[place] < self.limit:
                value, since = float(path[-1]), None if since is None else since + steps.size
                break
            value, since, crossed, steps = 0.0, 0, True, steps[place + 1 :]
        return replace(
            self,
            value=value,
            crossed=crossed,
            labels=len(events),
            under=sum(events),
            since_alarm=since,
            watermark=watermark,
        )


def _path(start: float, steps: np.ndarray) -> np.ndarray:
    """Return the sum after each step: what was added up, less its lowest point below 0."""
    total = start + np.cumsum(steps)
    path: np.ndarray = total - np.minimum(np.minimum.accumulate(total), 0.0)
    return path


def cusum_of(day: date, *, provisional: bool) -> Cusum:
    """Return the sum after the check of a day.

    In the order taken:

    1. The day took part before: what it found then. So no label counts twice, and none is lost to
       what was said later.
    2. The day is not mature, or a later one is on record: it takes no part.
    3. Otherwise: the sum of the newest day before it, and all labels since then; of the first day
       ever checked, 0 and all labels since it began.
    """
    # A key that is not there, and one that holds null, are two things to the database.
    marked = runs().filter(result__cusum__watermark__isnull=False)
    taking_part = marked.exclude(result__cusum__watermark=None)
    stored = taking_part.filter(day=day).first()
    if stored is not None:
        return Cusum.from_dict(stored.result["cusum"])
    fresh = Cusum(value=0.0, limit=CUSUM_LIMIT, expected=expected_share())
    if provisional or final_runs().filter(day__gt=day).exists():
        return fresh
    return _continued(fresh, taking_part.filter(day__lt=day), day=day)


def took_part(run: MonitoringRun) -> bool:
    """Tell whether a run on record has moved the sum; what it found is never overwritten."""
    return bool(run.result.get("cusum", {}).get("watermark"))


def expected_share() -> float:
    """Return the share of answers too low that is usual.

    The site's setting; else what the serving version showed on its held-out cases, together with
    the rules; else ``USUAL_SHARE``. Never so near 0 or one half that its double means nothing.
    """
    share = settings.UNDER_TRIAGE_EXPECTED
    if share is None:
        share = _held_out_share()
    return min(max(USUAL_SHARE if share is None else share, _LOWEST), _HIGHEST)


def _held_out_share() -> float | None:
    serving = deployed()
    if serving is None:
        return None
    share: float | None = version_get(serving.version).metrics.get("hybrid", {}).get("under_triage")
    return share


def _continued(fresh: Cusum, earlier: QuerySet[MonitoringRun], *, day: date) -> Cusum:
    previous = earlier.first()
    start = LocalDay.of(day, zone=settings.SITE_TIME_ZONE).start
    if previous is not None:
        stored = Cusum.from_dict(previous.result["cusum"])
        fresh = replace(fresh, value=stored.value, since_alarm=stored.since_alarm)
        start = stored.watermark or start
    # A change of time zone or maturity may have moved the horizon; it never goes back.
    end = max(start, horizon(day))
    marks = earlier.values_list("result__cusum__watermark", flat=True)
    looks = [start, *map(datetime.fromisoformat, marks)]
    return fresh.after(under_triaged(looks, end), watermark=end)
