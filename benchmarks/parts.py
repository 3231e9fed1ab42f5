"""The two deciders alone, in one process: microseconds a case."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from tqdm import tqdm

from ml.service import TriagePredictionService
from triage_rules import evaluate
from triage_rules.case import TriageCase, case_from_request

ROUNDS = 5
CALLS = 100
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


def main() -> None:
    """Measure and print one line a decider and length."""
    service = TriagePredictionService.instance()
    print(f"\n{'one case, microseconds':40}{'median':>10}{'p99':>10}")
    for name, request in (("25 words", SHORT), ("longest legal text", LONG)):
        case = case_from_request(request)
        deciders: dict[str, Callable[[TriageCase], object]] = {
            "rules": evaluate,
            "model": service.predict,
        }
        for decider, decide in deciders.items():
            median, p99 = _measure(decide, case)
            print(f"{f'{decider}, {name}':40}{median:>10.0f}{p99:>10.0f}")


def _measure(decide: Callable[[TriageCase], object], case: TriageCase) -> tuple[float, float]:
    decide(case)
    times: list[float] = []
    for _ in tqdm(range(ROUNDS), leave=False, unit="round"):
        for _ in range(CALLS):
            start = time.perf_counter()
            decide(case)
            times.append((time.perf_counter() - start) * 1e6)
    return statistics.median(times), statistics.quantiles(times, n=100)[98]
