"""How often the drift check alarms where nothing has drifted, at the sizes it is used at.

Each test alone, at a stated level of 0.05, on columns drawn twice from one distribution; then the
whole check, on two samples of the same simulated visits. Takes some minutes.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ml.comparison import unsaved
from ml.predictor import predict
from ml.reference import (
    CATEGORIES,
    STEPS,
    CategorySummary,
    NumericSummary,
    Reference,
    WordSummary,
    category,
    on_grid,
    plausible_range,
)
from ml.simulator import simulate
from ml.training import train
from monitoring.drift import columns
from monitoring.drift.columns import Chance
from monitoring.drift.findings import compare
from monitoring.drift.rows import CategoryCounts, NumericCounts, WindowCounts
from monitoring.services import case_columns, decision_columns
from triage_rules import combine, evaluate
from triage_rules.case import case_from_request
from triage_rules.level import Decider, WordCount

RUNS = 2_000
SEED = 20250101
LEVEL = 0.05
SIZES = ((200, 200), (1_000, 500), (5_000, 200))
# As few as give a p-value of exactly 0.05, so that all of it takes minutes.
DRAWS = 499
WHOLE_RUNS = 200
VISITS = 8_000
MIN_ROWS = 200

Random = np.random.Generator
Test = Callable[[Random, int, int], float]
Column = NDArray[Any]


def numeric(random: Random, n: int, m: int) -> float:
    """Compare temperatures, to a tenth of a degree."""
    return _numeric("temperature_c", *(random.normal(36.8, 0.7, k).round(1) for k in (n, m)))


def tied(random: Random, n: int, m: int) -> float:
    """Compare oxygen saturations: few values, and many rows with each."""
    return _numeric("spo2", *(random.normal(97, 2, k).round().clip(max=100) for k in (n, m)))


def two_levels(random: Random, n: int, m: int) -> float:
    """Compare a column of two words."""
    return _levels(random, n, m, [0.7, 0.3])


def five_levels(random: Random, n: int, m: int) -> float:
    """Compare a column of five words."""
    return _levels(random, n, m, [0.4, 0.25, 0.2, 0.1, 0.05])


def rare_level(random: Random, n: int, m: int) -> float:
    """Compare a column with a word of which fewer than five are expected."""
    return _levels(random, n, m, [0.9, 0.09, 0.01])


def missing(random: Random, n: int, m: int) -> float:
    """Compare how often a value is missing."""
    before, now = (int(random.binomial(k, 0.12)) for k in (n, m))
    return columns.shares((before, n), (now, m), limit=columns.MISSING_LIMIT).p


def words(random: Random, n: int, m: int) -> float:
    """Compare the shares of unknown words; some complaints have many, most have none."""
    return columns.words(_complaints(random, n), _complaints(random, m)).p


TESTS: tuple[Test, ...] = (
    numeric,
    tied,
    two_levels,
    five_levels,
    rare_level,
    missing,
    words,
)


def main() -> None:
    """Print the share of false alarms of each test and size, and of the whole check."""
    reach = 2.33 * math.sqrt(LEVEL * (1 - LEVEL) / RUNS)
    print(f"false alarms at a stated {LEVEL}: {RUNS} runs, seed {SEED}")
    print(f"within 2.33 standard errors: {LEVEL - reach:.4f} to {LEVEL + reach:.4f}")
    print(f"{'test':16}" + "".join(f"{n}/{m}".rjust(12) for n, m in SIZES))
    for test in TESTS:
        _line(test.__name__, [_share(test, n, m) for n, m in SIZES])
    pool = _pool()
    print(f"runs in which the whole check reports anything, of {WHOLE_RUNS}")
    _line("whole check", [_whole(pool, n, m) for n, m in SIZES])


def _line(name: str, shares: Sequence[float]) -> None:
    print(f"{name:16}" + "".join(f"{share:12.4f}" for share in shares), flush=True)


def _share(test: Test, n: int, m: int) -> float:
    random = np.random.default_rng([SEED, TESTS.index(test), n])
    runs = tqdm(range(RUNS), desc=f"{test.__name__} {n}/{m}", leave=False, disable=None)
    return sum(test(random, n, m) <= LEVEL for _ in runs) / RUNS


def _numeric(name: str, before: Column, now: Column) -> float:
    values, counts = np.unique(now, return_counts=True)
    summary = NumericSummary.of(before.tolist(), name=name)
    random = np.random.default_rng(SEED)
    return columns.numeric(summary, values, counts, name=name, chance=Chance(random, DRAWS)).p


def _levels(random: Random, n: int, m: int, shares: Sequence[float]) -> float:
    before, now = random.multinomial(n, shares), random.multinomial(m, shares)
    return columns.categories(before, now, chance=Chance(random, DRAWS)).p


def _complaints(random: Random, n: int) -> WordSummary:
    said = 1 + random.poisson(4, n)
    return _word_summary(said, random.binomial(said, random.beta(1, 7, n)))


def _word_summary(said: Column, unknown: Column) -> WordSummary:
    pairs, times = np.unique(
        np.column_stack([said, unknown]).astype(np.int64), axis=0, return_counts=True
    )
    counted = zip(pairs.tolist(), times.tolist(), strict=True)
    return WordSummary.of({WordCount(said=a, unknown=b): n for (a, b), n in counted})


# --- the whole check -------------------------------------------------------------------------


def _pool() -> dict[str, Column]:
    """Return simulated visits as columns, answered by one model that had not learnt from them."""
    model = unsaved(train(simulate(1_500, seed=SEED), seed=SEED, dataset="bench", synthetic=True))
    cases = simulate(VISITS, seed=SEED + 1)
    patients = [case_from_request(case.request) for case in cases]
    opinions = [predict(patient, model=model) for patient in tqdm(patients, leave=False)]
    found = _columns(patients, opinions)
    return {name: np.array(values, dtype=object) for name, values in found.items()}


def _columns(patients: Sequence[Any], opinions: Sequence[Any]) -> dict[str, list[Any]]:
    rows = [
        {
            **decision_columns(combine(evaluate(patient), opinion, Decider.ML)),
            **case_columns(patient),
            "sex": patient.sex,
            "arrival_mode": patient.arrival_mode,
            "injury": patient.injury,
            "site": patient.site,
            "said": opinion.words.said,
            "unknown": opinion.words.unknown,
        }
        for patient, opinion in zip(patients, opinions, strict=True)
    ]
    names = (*STEPS, *CATEGORIES, "said", "unknown")
    return {name: [row[name] for row in rows] for name in names}


def _whole(pool: dict[str, Column], n: int, m: int) -> float:
    random = np.random.default_rng([SEED, n, m])
    runs = tqdm(range(WHOLE_RUNS), desc=f"whole check {n}/{m}", leave=False, disable=None)
    return sum(_alarms(pool, random, n, m) for _ in runs) / WHOLE_RUNS


def _alarms(pool: dict[str, Column], random: Random, n: int, m: int) -> bool:
    drawn = random.choice(VISITS, size=n + m, replace=False)
    before, now = drawn[:n], drawn[n:]
    reference = Reference(
        rows=n,
        numeric={name: NumericSummary.of(pool[name][before], name=name) for name in STEPS},
        categories={name: CategorySummary.of(pool[name][before], name=name) for name in CATEGORIES},
        words=_word_summary(pool["said"][before], pool["unknown"][before]),
        performance=None,
    )
    found = compare(reference, _window(pool, now), min_rows=MIN_ROWS, draws=DRAWS)
    return bool(found.drifted)


def _window(pool: dict[str, Column], now: Column) -> WindowCounts:
    """Count rows as ``monitoring.drift.rows`` counts them in the database."""
    return WindowCounts(
        rows=len(now),
        numeric={name: _numbers(name, pool[name][now]) for name in STEPS},
        categories={name: _words_counted(name, pool[name][now]) for name in CATEGORIES},
        words=_word_summary(pool["said"][now], pool["unknown"][now]),
    )


def _numbers(name: str, column: Column) -> NumericCounts:
    known = np.array([value for value in column if value is not None], dtype=np.float64)
    limits = plausible_range(name)
    beyond = known[(known < limits.low) | (known > limits.high)] if limits else known[:0]
    values, counts = np.unique(on_grid(known, step=STEPS[name]), return_counts=True)
    return NumericCounts(
        values=values,
        counts=counts,
        missing=len(column) - len(known),
        outside=len(beyond),
        outside_mean=float(beyond.mean()) if len(beyond) else None,
    )


def _words_counted(name: str, column: Column) -> CategoryCounts:
    found = Counter(category(name, value) for value in column)
    missing_rows = found.pop(None, 0)
    return CategoryCounts(counts={str(w): n for w, n in found.items()}, missing=missing_rows)
