"""How often the alarms are false, and how long they take: years of simulated labels.

``make bench ARGS=alarms``. Labels are drawn, the decisions are those of the service: the day's
judgement with its pooling and its four weeks, the CUSUM label by label, and the gap to what the
probabilities promise. A label is either right, too low or too high; the probabilities are
calibrated until the shift. Days count from the shift to the check's day, without the days that
labels need to come in.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ml.reference import PerformanceSummary
from monitoring.accuracy.cusum import Cusum
from monitoring.accuracy.judgement import Judgement, anytime_upper, judgement
from monitoring.accuracy.measuring import POOLED_DAYS, TRAILING_DAYS
from monitoring.drift.performance import Labelled, concept_measure
from monitoring.models import Alert, MonitoringRun
from monitoring.statistics import CUSUM_LIMIT

Bools = NDArray[np.bool_]
Counts = NDArray[np.int64]
Floats = NDArray[np.float64]

SEED = 2026
RUNS = 100
DAYS = 365
SHIFT = 100
VOLUMES = (20, 50, 200)
THRESHOLD = 0.75
MIN_JUDGED = 30
DRIFT_WINDOW = 7
USUAL_ACCURACY = 0.80
USUAL_UNDER = 0.05
# How sure the model is of its answers: a mean of 0.80, calibrated, with a spread like that of the
# committed model on simulated visits.
SURENESS = (8.0, 2.0)
REFERENCE_ROWS = 5_000

WARNING = "accuracy: a day below 75 %"
DAY_SURELY = "… surely so, by its own interval"
WEEKS_SURELY = "… surely so, by the 28 days"
CRITICAL = "accuracy, critical: by either"
CUSUM = "under-triage: the sum over the labels"
CONCEPT = "concept: one window"
CONCEPT_TWICE = "concept, critical: two windows in a row"
ALARMS = (WARNING, DAY_SURELY, WEEKS_SURELY, CRITICAL, CUSUM, CONCEPT, CONCEPT_TWICE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What is true from the day of the shift on."""

    name: str
    accuracy: float = USUAL_ACCURACY
    under: float = USUAL_UNDER


NOTHING = Scenario(name="nothing changes")
SHIFTS = (
    Scenario(name="accuracy falls to 0.70", accuracy=0.70),
    Scenario(name="accuracy falls to 0.65", accuracy=0.65),
    Scenario(name="under-triage doubles to 0.10", under=2 * USUAL_UNDER),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Year:
    """A year of labels, a day by row: how sure the model was, and whether it was right or low."""

    sureness: Floats
    right: Bools
    low: Bools

    @classmethod
    def drawn(cls, scenario: Scenario, *, volume: int, random: np.random.Generator) -> Year:
        """Draw a year with a shift; what is not right is too low or too high."""
        sureness = random.beta(*SURENESS, size=(DAYS, volume))
        is_after = (np.arange(DAYS) >= SHIFT)[:, None]
        kept = np.where(is_after, scenario.accuracy / USUAL_ACCURACY, 1.0)
        right = random.random(sureness.shape) < sureness * kept
        low_of_wrong = np.where(
            is_after,
            scenario.under / (1 - scenario.accuracy),
            USUAL_UNDER / (1 - USUAL_ACCURACY),
        )
        low = ~right & (random.random(sureness.shape) < low_of_wrong)
        return cls(sureness=sureness, right=right, low=low)


def main() -> None:
    """Simulate with a progress bar, and print the tables."""
    random = np.random.default_rng(SEED)
    with tqdm(total=len(VOLUMES) * (1 + len(SHIFTS)) * RUNS, unit="year") as bar:
        tables = [_false_alarms(random, bar), *(_delays(one, random, bar) for one in SHIFTS)]
    print(f"simulated: {RUNS} years each, seed {SEED}, CUSUM limit {CUSUM_LIMIT:g}")
    for table in tables:
        print("\n" + "\n".join(table))


def _false_alarms(random: np.random.Generator, bar: tqdm[None]) -> list[str]:
    lines = [_header("nothing changes: days with an alarm a year, times somebody is told")]
    found = {volume: _years(NOTHING, volume, random, bar) for volume in VOLUMES}
    for alarm in ALARMS:
        days = {volume: np.array([year[alarm] for year in found[volume]]) for volume in VOLUMES}
        cells = [
            f"{_short(days[volume].sum() / RUNS)}, {_short(_told(days[volume]))}"
            for volume in VOLUMES
        ]
        lines.append(_row(alarm, cells))
    return lines


def _short(figure: float) -> str:
    return f"{figure:.0f}" if figure >= 10 else f"{figure:.2g}"


def _told(days: Bools) -> float:
    """Return how often a year an alarm begins: it goes on while the day before had it too."""
    starts = days[:, 0].sum() + (days[:, 1:] & ~days[:, :-1]).sum()
    return float(starts) / len(days)


def _delays(scenario: Scenario, random: np.random.Generator, bar: tqdm[None]) -> list[str]:
    lines = [_header(f"{scenario.name}: median days, labels, share found within the year")]
    found = {volume: _years(scenario, volume, random, bar) for volume in VOLUMES}
    for alarm in ALARMS:
        cells = [_delay([year[alarm] for year in found[volume]], volume) for volume in VOLUMES]
        lines.append(_row(alarm, cells))
    return lines


def _delay(years: list[Bools], volume: int) -> str:
    after = np.array(years)[:, SHIFT:]
    found = after.any(axis=1)
    # The median over all years, of which those not found take longest.
    days = np.where(found, after.argmax(axis=1) + 1, np.inf)
    median = float(np.median(days))
    if math.isinf(median):
        return f"–, –, {found.mean():.0%}"
    return f"{math.ceil(median)}, {math.ceil(median) * volume:,}, {found.mean():.0%}"


def _header(title: str) -> str:
    columns = [f"{volume} labels a day" for volume in VOLUMES]
    return f"| {title} | {' | '.join(columns)} |\n|---|{'---|' * len(VOLUMES)}"


def _row(alarm: str, cells: list[str]) -> str:
    return f"| {alarm} | {' | '.join(cells)} |"


def _years(
    scenario: Scenario, volume: int, random: np.random.Generator, bar: tqdm[None]
) -> list[dict[str, Bools]]:
    years = []
    for _ in range(RUNS):
        years.append(alarms_of(Year.drawn(scenario, volume=volume, random=random)))
        bar.update()
    return years


def alarms_of(year: Year) -> dict[str, Bools]:
    """Return of every alarm on which days of a year it comes."""
    concept = np.array(list(_concept_days(year)))
    second = concept.copy()
    second[1:] &= concept[:-1]
    second[0] = False
    return {
        **_accuracy_days(year),
        CUSUM: np.array(list(_cusum_days(year))),
        CONCEPT: concept,
        CONCEPT_TWICE: second,
    }


def _accuracy_days(year: Year) -> dict[str, Bools]:
    correct, volume = year.right.sum(axis=1), year.right.shape[1]
    pooled = min(math.ceil(MIN_JUDGED / volume), POOLED_DAYS)
    day, n = _trailing(correct, pooled), _trailing(np.full(DAYS, volume), pooled)
    weeks = _trailing(correct, TRAILING_DAYS)
    weeks_n = _trailing(np.full(DAYS, volume), TRAILING_DAYS)
    judged = [
        _judged(*counts)
        for counts in zip(day.tolist(), n.tolist(), weeks.tolist(), weeks_n.tolist(), strict=True)
    ]
    found = np.array(judged).T
    return dict(zip(ALARMS[: len(found)], found, strict=True))


def _judged(day: int, n: int, weeks: int, weeks_n: int) -> tuple[bool, bool, bool, bool]:
    """Return which of the four alarms of accuracy the service's own judgement gives a day."""
    alone = _judgement(day, n, 0, 0)
    if alone.status is not MonitoringRun.Status.BELOW_THRESHOLD:
        return False, False, False, False
    by_day = alone.severity is Alert.Severity.CRITICAL
    by_either = _judgement(day, n, weeks, weeks_n).severity is Alert.Severity.CRITICAL
    return True, by_day, _upper(weeks, weeks_n) < THRESHOLD if by_day else by_either, by_either


@cache
def _judgement(day: int, n: int, weeks: int, weeks_n: int) -> Judgement:
    return judgement(
        correct=day,
        labelled=n,
        trailing_correct=weeks,
        trailing_labelled=weeks_n,
        threshold=THRESHOLD,
        min_labels=MIN_JUDGED,
    )


@cache
def _upper(correct: int, labelled: int) -> float:
    return anytime_upper(correct, labelled)


def _cusum_days(year: Year) -> Iterator[bool]:
    chart = Cusum(value=0.0, limit=CUSUM_LIMIT, expected=USUAL_UNDER)
    for low in year.low:
        chart = chart.after(low.tolist(), watermark=None)  # type: ignore[arg-type]
        yield chart.crossed


def _concept_days(year: Year) -> Iterator[bool]:
    promised = SURENESS[0] / sum(SURENESS)
    # What chance leaves between an outcome and its calibrated probability.
    spread = math.sqrt(promised * (1 - promised) * sum(SURENESS) / (1 + sum(SURENESS)))
    reference = PerformanceSummary(
        n=REFERENCE_ROWS,
        right=round(promised * REFERENCE_ROWS),
        stated=promised,
        gap_sd=spread,
        brier=0.0,
        brier_sd=0.0,
        ece=0.0,
        bins=(),
        hybrid_n=REFERENCE_ROWS,
        hybrid_right=round(promised * REFERENCE_ROWS),
    )
    for day in range(DAYS):
        window = slice(max(0, day - DRIFT_WINDOW + 1), day + 1)
        yield concept_measure(_labelled(year, window), reference=reference).drifted


def _labelled(year: Year, window: slice) -> Labelled:
    """Return the rows of some days as the drift check reads them: answer 0, wrong where not so."""
    sureness = year.sureness[window].ravel()
    return Labelled(
        stated=sureness[:, None],
        levels=np.zeros(len(sureness), dtype=np.int64),
        truth=(~year.right[window].ravel()).astype(np.int64),
    )


def _trailing(values: Counts, days: int) -> Counts:
    """Return the sum of each day and of those before it, ``days`` together."""
    total = np.concatenate([[0], values.cumsum()])
    ends = np.arange(1, len(values) + 1)
    summed: Counts = total[ends] - total[np.maximum(ends - days, 0)]
    return summed
