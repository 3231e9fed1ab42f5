"""Same patient, same arm: in every process, on every machine, while the ramp grows."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import replace

import pytest

from ml.routing import PhaseTerms, assign, bucket
from triage_rules.level import Decider

KEY = b"test-key"
HALF = PhaseTerms(
    experiment="ml-vs-rules-2026",
    number=1,
    ramp=1_000_000,
    ml_share=500_000,
    default_decider=Decider.ML,
)
# Published vectors; every implementation of the assignment must reproduce them.
VECTORS = [
    ("test-key", "ml-vs-rules-2026", "enrol", "patient-1", 849385),
    ("test-key", "ml-vs-rules-2026", "arm", "patient-1", 869760),
    ("test-key", "ml-vs-rules-2026", "arm", "patient-2", 77736),
    ("test-key", "ml-vs-rules-2027", "arm", "patient-1", 801077),
    ("other-key", "ml-vs-rules-2026", "arm", "patient-1", 542140),
    ("test-key", "ml-vs-rules-2026", "arm", "Jos\u00e9", 992899),
    ("test-key", "ml-vs-rules-2026", "arm", "Jose\u0301", 992899),
]


@pytest.mark.parametrize(("key", "experiment", "purpose", "unit", "expected"), VECTORS)
def test_the_published_vectors_are_reproduced(
    key: str, experiment: str, purpose: str, unit: str, expected: int
) -> None:
    assert bucket(key=key.encode(), experiment=experiment, purpose=purpose, unit=unit) == expected


@pytest.mark.parametrize("unit", ["", "a\x00b"])
def test_an_empty_id_or_one_with_nul_is_refused(unit: str) -> None:
    with pytest.raises(ValueError, match="must not be empty or contain NUL"):
        bucket(key=KEY, experiment="e", purpose="arm", unit=unit)


def test_ten_thousand_patients_split_in_half_within_chance() -> None:
    n = 10_000
    in_ml = sum(assign(unit=f"p-{i}", key=KEY, phase=HALF).ab_group is Decider.ML for i in range(n))

    assert abs(in_ml - n / 2) < 3.3 * math.sqrt(n) / 2


def test_growing_the_ramp_moves_nobody_between_arms() -> None:
    small = replace(HALF, ramp=100_000)
    before = {i: assign(unit=f"p-{i}", key=KEY, phase=small).ab_group for i in range(2_000)}
    after = {i: assign(unit=f"p-{i}", key=KEY, phase=HALF).ab_group for i in range(2_000)}

    enrolled = {i for i, arm in before.items() if arm is not None}
    assert 100 < len(enrolled) < 300
    assert all(before[i] == after[i] for i in enrolled)


def test_enrolment_and_arm_are_independent() -> None:
    tenth = replace(HALF, ramp=100_000)
    arms = [assign(unit=f"p-{i}", key=KEY, phase=tenth).ab_group for i in range(5_000)]

    share = arms.count(Decider.ML) / (len(arms) - arms.count(None))
    assert 0.4 < share < 0.6


@pytest.mark.parametrize(("unit", "ramp"), [(None, 1_000_000), ("p-1", 0)])
def test_outside_the_trial_the_phases_default_decides(unit: str | None, ramp: int) -> None:
    phase = replace(HALF, ramp=ramp, default_decider=Decider.RULES)

    assignment = assign(unit=unit, key=KEY, phase=phase)

    assert (assignment.ab_group, assignment.bucket) == (None, None)
    assert assignment.decider is Decider.RULES


@pytest.mark.parametrize(("ml_share", "arm"), [(0, Decider.RULES), (1_000_000, Decider.ML)])
def test_a_share_of_nothing_and_of_all_are_exact(ml_share: int, arm: Decider) -> None:
    phase = replace(HALF, ml_share=ml_share)

    arms = {assign(unit=f"p-{i}", key=KEY, phase=phase).ab_group for i in range(500)}

    assert arms == {arm}


def test_another_process_gives_the_same_buckets() -> None:
    units = [f"patient-{i}" for i in range(200)]
    code = (
        "import json, sys; from ml.routing import bucket; "
        "print(json.dumps([bucket(key=b'test-key', experiment='e', purpose='arm', unit=u)"
        " for u in json.load(sys.stdin)]))"
    )

    there = subprocess.run(
        [sys.executable, "-c", code], input=json.dumps(units), capture_output=True, text=True,
        check=True, env={"PYTHONHASHSEED": "7", "PYTHONPATH": "."},
    )  # fmt: skip

    here = [bucket(key=KEY, experiment="e", purpose="arm", unit=unit) for unit in units]
    assert json.loads(there.stdout) == here
