"""A fixed share of patients is drawn for a blind label, and nobody who answers can tell whom."""

from __future__ import annotations

import math
from typing import Any

import pytest

from ml.routing import PhaseTerms, assign, audit_drawn, bucket
from monitoring.models import MLPredictionLog
from triage_rules.level import Decider

KEY = b"test-key"
EXPERIMENT = "ml-vs-rules-2026"
PATIENTS = [f"p-{n}" for n in range(10_000)]
# HMAC-SHA256 of the message that ml.routing.bucket documents, computed apart from it.
VECTORS = [
    ("test-key", "ml-vs-rules-2026", "patient-1", 440463),
    ("test-key", "ml-vs-rules-2026", "patient-2", 846274),
    ("other-key", "ml-vs-rules-2026", "patient-1", 804291),
    ("test-key", "ml-vs-rules-2026", "Jos\u00e9", 884218),
    ("test-key", "ml-vs-rules-2026", "Jose\u0301", 884218),
]


def drawn(share: float, *, key: bytes = KEY) -> set[str]:
    """Return who is drawn of the patients."""
    return {
        unit
        for unit in PATIENTS
        if audit_drawn(unit=unit, key=key, experiment=EXPERIMENT, share=share)
    }


@pytest.mark.parametrize(("key", "experiment", "unit", "expected"), VECTORS)
def test_the_draw_has_a_hash_of_its_own(
    key: str, experiment: str, unit: str, expected: int
) -> None:
    found = bucket(key=key.encode(), experiment=experiment, purpose="audit", unit=unit)

    assert found == expected


@pytest.mark.parametrize(("share", "is_drawn"), [(0.440464, True), (0.440463, False)])
def test_who_is_below_the_share_is_drawn(share: float, is_drawn: bool) -> None:
    found = audit_drawn(unit=" patient-1 ", key=KEY, experiment=EXPERIMENT, share=share)

    assert found is is_drawn


def test_as_many_are_drawn_as_the_share_says_within_chance() -> None:
    n, share = len(PATIENTS), 0.02

    assert abs(len(drawn(share)) - n * share) < 3.3 * math.sqrt(n * share * (1 - share))


def test_a_larger_share_draws_the_same_and_more() -> None:
    assert drawn(0.01) < drawn(0.02) < drawn(0.5)


def test_no_arm_is_drawn_more_than_the_other() -> None:
    phase = PhaseTerms(
        experiment=EXPERIMENT, number=1, ramp=500_000, ml_share=500_000,
        default_decider=Decider.RULES,
    )  # fmt: skip
    arms = {unit: assign(unit=unit, key=KEY, phase=phase).ab_group for unit in PATIENTS}

    for arm in (Decider.ML, Decider.RULES, None):
        of_arm = [unit for unit in PATIENTS if arms[unit] is arm]
        share = len(drawn(0.1) & set(of_arm)) / len(of_arm)
        assert abs(share - 0.1) < 3.3 * math.sqrt(0.09 / len(of_arm))


# --- on record ---------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(("share", "audited"), [(0.0, False), (1.0, True)])
def test_the_row_says_whether_it_was_drawn(
    api: Any, sore_throat: dict[str, Any], settings: Any, share: float, audited: bool
) -> None:
    settings.AUDIT_SHARE = share

    api.send(sore_throat)

    assert MLPredictionLog.objects.get().audited is audited


@pytest.mark.django_db
def test_a_patient_is_drawn_at_every_visit_or_at_none(
    api: Any, sore_throat: dict[str, Any], settings: Any
) -> None:
    settings.AUDIT_SHARE = 0.5
    for number in range(12):
        for patient in (f"p-{number}", f" p-{number} "):
            api.send(sore_throat | {"patient_id": patient})

    rows = list(MLPredictionLog.objects.order_by("id").values_list("audited", flat=True))

    assert rows[::2] == rows[1::2]
    assert set(rows) == {True, False}


@pytest.mark.django_db
def test_a_call_that_names_no_patient_is_drawn_by_its_own_id(
    api: Any, sore_throat: dict[str, Any], settings: Any
) -> None:
    settings.AUDIT_SHARE = 0.5
    for _ in range(20):
        api.send(sore_throat | {"patient_id": None})

    for row in MLPredictionLog.objects.all():
        number = bucket(
            key=settings.ASSIGNMENT_KEY, experiment=row.experiment, purpose="audit",
            unit=str(row.id),
        )  # fmt: skip
        assert row.audited is (number < 500_000)


@pytest.mark.django_db
def test_the_answer_does_not_tell_who_was_drawn(
    api: Any, sore_throat: dict[str, Any], settings: Any
) -> None:
    answers = []
    for share in (0.0, 1.0):
        settings.AUDIT_SHARE = share
        answers.append(api.send(sore_throat).json())

    for answer in answers:
        del answer["prediction_id"]
    assert answers[0] == answers[1]
    assert "audit" not in str(answers)
