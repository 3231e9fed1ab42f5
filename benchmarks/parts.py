"""The two deciders in one process, beside a search for bare keywords: microseconds a case.

The floor is what a keyword engine does: each word looked up, with no idea of "no", "last year" or
"my mother". The ratio is the price of understanding them.
"""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

from tqdm import tqdm

from ml.service import TriagePredictionService
from ml.simulator import simulate
from triage_rules import evaluate
from triage_rules.case import TriageCase, case_from_request
from triage_rules.text.phrases import phrase_book

ROUNDS = 5
CALLS = 200
SIMULATED = 1_000
_WORD = re.compile(r"\w+")
SHORT = {
    "patient_age": 57,
    "symptoms_data": {
        "chief_complaint": "chest pain radiating to left arm",
        "description": "since an hour, sweating and sick, no cough or fever, never had it before, "
        "took one aspirin at home, wife drove",
    },
    "vitals": {"heart_rate": 104, "respiratory_rate": 20, "spo2": 96, "systolic_bp": 142},
}
LONG = {
    "patient_age": 57,
    "symptoms_data": {
        "chief_complaint": ("no chest pain but short of breath, denies fever. " * 50)[:2_000],
        "description": ("was unwell yesterday, vomited twice, now dizzy and weak. " * 80)[:4_000],
        "symptoms": [{"name": ("pain in the left arm and jaw " * 8)[:200]}] * 50,
    },
}


def different(request: dict[str, Any]) -> list[TriageCase]:
    """Return patients who say the same and differ in age: nobody was read a moment before."""
    ages = (40 + number / 10 for number in range(CALLS))
    return [case_from_request(request | {"patient_age": age}) for age in ages]


def main() -> None:
    """Measure and print one line a length and a contender."""
    simulated = [case_from_request(case.request) for case in simulate(SIMULATED, seed=0)]
    sets = {
        "25 words": different(SHORT),
        "longest legal text": different(LONG),
        f"{SIMULATED} simulated visits": simulated,
    }
    predict = TriagePredictionService.instance().predict
    contenders: dict[str, Callable[[TriageCase], object]] = {
        "rules": evaluate,
        "model": predict,
        "rules and model": lambda case: (evaluate(case), predict(case)),
        "keywords alone": keyword_search(),
    }
    print(f"\n{'one case, microseconds':42}{'median':>9}{'p90':>9}{'p99':>9}{'max':>9}")
    for name, cases in sets.items():
        for contender, judge in contenders.items():
            median, p90, p99, most = distribution(judge, cases)
            line = f"{f'{contender}, {name}':42}"
            print(f"{line}{median:>9.0f}{p90:>9.0f}{p99:>9.0f}{most:>9.0f}")


def keyword_search() -> Callable[[TriageCase], object]:
    """Return a look-up of every word that the phrases know, with no scope."""
    known = phrase_book().vocabulary

    def search(case: TriageCase) -> object:
        text = " ".join((case.chief_complaint, case.description, *(s.name for s in case.symptoms)))
        return known.intersection(_WORD.findall(text.lower()))

    return search


def distribution(
    judge: Callable[[TriageCase], object], cases: Sequence[TriageCase]
) -> tuple[float, float, float, float]:
    """Return median, 90th and 99th percentile and maximum, in microseconds, once warm."""
    judge(cases[0])
    times: list[float] = []
    for _ in tqdm(range(ROUNDS), leave=False, unit="round"):
        for case in cases:
            start = time.perf_counter()
            judge(case)
            times.append((time.perf_counter() - start) * 1e6)
    percentiles = statistics.quantiles(times, n=100)
    return statistics.median(times), percentiles[89], percentiles[98], max(times)
