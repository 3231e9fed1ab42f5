"""Made-up patients: repeatable, of every kind, like the tables, and accepted by the API."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from api.serializers import TriageRequestSerializer
from ml.aggregates import VARIABLES, committed
from ml.labelled import LabelledCase
from ml.simulator import simulate
from ml.simulator.groups import SOURCE_SHARES
from ml.simulator.patients import DURATIONS, NEGATED, NEGATORS, NOTHING_NAMED
from triage_rules.case import VITAL_RANGES, case_from_request
from triage_rules.level import Level

ROWS = 4_000


@pytest.fixture(scope="module")
def patients() -> list[LabelledCase]:
    return simulate(ROWS, seed=2)


def visits_of(source: str, *, level: Level) -> int:
    groups = committed()["sources"][source]["groups"]
    return sum(group["visits"] for group in groups if group["level"] == level.label)


def test_it_works(patients: list[LabelledCase]) -> None:
    assert len(patients) == ROWS
    assert {patient.level for patient in patients} == set(Level)
    assert [patient.row_id for patient in patients] == [f"sim-2-{n}" for n in range(ROWS)]


def test_every_patient_is_labelled_simulated(patients: list[LabelledCase]) -> None:
    assert {patient.scale for patient in patients} == {"simulated"}
    assert {patient.original_level for patient in patients} == {None}
    assert {patient.nurse_level for patient in patients} == {None}


def test_the_same_seed_gives_the_same_patients() -> None:
    assert simulate(50, seed=4) == simulate(50, seed=4)
    assert simulate(50, seed=4) != simulate(50, seed=5)


def test_no_patients_can_be_asked_for() -> None:
    assert simulate(0, seed=1) == []


def test_the_api_accepts_every_patient(patients: list[LabelledCase]) -> None:
    for patient in patients[:1_000]:
        request = TriageRequestSerializer(data=patient.request)
        assert request.is_valid(), request.errors


def test_every_measurement_is_one_the_api_accepts(patients: list[LabelledCase]) -> None:
    for patient in patients:
        for name, limits in VITAL_RANGES.items():
            value = patient.request["vitals"].get(name)
            assert value is None or limits.low <= value <= limits.high


def test_there_are_patients_of_every_kind(patients: list[LabelledCase]) -> None:
    cases = [case_from_request(patient.request) for patient in patients]

    assert {case.sex.value for case in cases} == {"female", "male", "other", "unknown"}
    assert {case.pregnancy.value for case in cases} >= {"pregnant", "not_pregnant", "unknown"}
    assert {case.vitals.spo2_scale for case in cases} == {1, 2}
    assert {True, False} <= {case.vitals.on_oxygen for case in cases}
    assert min(case.age for case in cases) < 1
    assert max(case.age for case in cases) > 90
    assert any(case.vitals.heart_rate is None for case in cases)
    assert any(case.symptoms for case in cases)
    assert any(case.description for case in cases)
    assert any("no chest pain" in case.chief_complaint for case in cases)


def test_a_young_child_has_an_age_in_days(patients: list[LabelledCase]) -> None:
    young = [p.request for p in patients if p.request["patient_age"] < 2]

    assert young
    assert all(request["patient_age_days"] is not None for request in young)


def test_only_women_of_an_age_to_be_are_pregnant(patients: list[LabelledCase]) -> None:
    pregnant = [p.request for p in patients if p.request["pregnancy"] == "pregnant"]

    assert {request["sex"] for request in pregnant} <= {"female", "other", "unknown"}
    assert all(16 <= request["patient_age"] <= 45 for request in pregnant)


def test_a_denied_finding_is_not_one_of_the_complaint(patients: list[LabelledCase]) -> None:
    for patient in patients:
        text = patient.request["symptoms_data"]["chief_complaint"].lower()
        denied = [f for f in NEGATED if re.search(rf"({'|'.join(NEGATORS)}) {f}$", text)]
        assert all(text.count(finding) == 1 for finding in denied)


def test_it_says_nothing_of_the_callers_own_view(patients: list[LabelledCase]) -> None:
    assert not any({"urgency", "severity_score", "site"} & set(p.request) for p in patients)


def test_a_complaint_is_made_of_phrases_that_ten_visits_share(patients: list[LabelledCase]) -> None:
    sources = committed()["sources"].values()
    phrases = {phrase for source in sources for phrase in source["phrases"]}
    own = (NOTHING_NAMED, *DURATIONS, *(f"{word} {f}" for word in NEGATORS for f in NEGATED))
    # The longest first, so that no phrase is taken for a part of another.
    known = "|".join(map(re.escape, sorted({*phrases, *own}, key=len, reverse=True)))
    complaint = re.compile(rf"(?:(?:{known})(?:; |, | |$))+")

    for patient in patients:
        assert complaint.fullmatch(patient.request["symptoms_data"]["chief_complaint"])


@pytest.mark.parametrize("level", Level)
def test_levels_are_met_as_often_as_in_the_tables(
    patients: list[LabelledCase], level: Level
) -> None:
    expected = sum(
        share * visits_of(source, level=level) / committed()["sources"][source]["visits"]
        for source, share in SOURCE_SHARES.items()
    )

    met = Counter(patient.level for patient in patients)[level] / ROWS

    assert met == pytest.approx(expected, abs=0.03)


def test_an_emergency_reads_unlike_a_routine_visit(patients: list[LabelledCase]) -> None:
    assert share_with("chest pain", Level.EMERGENCY, patients) > 0.1
    assert share_with("chest pain", Level.ROUTINE, patients) < 0.05


def share_with(words: str, level: Level, patients: Sequence[LabelledCase]) -> float:
    texts = [p.request["symptoms_data"]["chief_complaint"] for p in patients if p.level is level]
    return sum(words in text.lower() for text in texts) / len(texts)


def test_a_fever_has_a_temperature(patients: list[LabelledCase]) -> None:
    hot = [t for p in patients if (t := temperature(p)) and says(p, "fever")]
    other = [t for p in patients if (t := temperature(p)) and not says(p, "fever")]

    assert np.mean(hot) > np.mean(other) + 0.4


def says(patient: LabelledCase, word: str) -> bool:
    return str(patient.request["symptoms_data"]["chief_complaint"]).lower().startswith(word)


def temperature(patient: LabelledCase) -> float | None:
    value: float | None = patient.request["vitals"]["temperature_c"]
    return value


@pytest.fixture(scope="module")
def alike() -> tuple[dict[str, Any], list[LabelledCase]]:
    """The American table of urgent adults under 40, and patients drawn from it."""
    source = committed()["sources"]["nhamcs"]
    table = next(g for g in source["groups"] if (g["level"], g["age"][0]) == ("urgent", 16))
    # Groups on their own share no phrase block that reaches another.
    phrases = {name: {**p, "visits": []} for name, p in source["phrases"].items()}
    only = {"sources": {"nhamcs": {**source, "groups": [table], "phrases": phrases}}}
    return table, simulate(5_000, seed=6, tables=only)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("systolic_bp", "diastolic_bp"),
        ("heart_rate", "temperature_c"),
        ("heart_rate", "respiratory_rate"),
    ],
)
def test_correlations_are_those_of_the_table(
    alike: tuple[dict[str, Any], list[LabelledCase]], one: str, other: str
) -> None:
    table, patients = alike
    row, column = sorted((VARIABLES.index(one), VARIABLES.index(other)), reverse=True)
    expected = table["correlations"][row * (row - 1) // 2 + column]

    values = [(p.request["vitals"][one], p.request["vitals"][other]) for p in patients]
    measured = np.array([pair for pair in values if None not in pair], float)

    assert np.corrcoef(measured.T)[0, 1] == pytest.approx(expected, abs=0.1)


@pytest.mark.parametrize("name", ["heart_rate", "systolic_bp", "temperature_c", "spo2"])
def test_means_and_missing_shares_are_those_of_the_table(
    alike: tuple[dict[str, Any], list[LabelledCase]], name: str
) -> None:
    table, patients = alike
    number = table["numbers"][name]
    values = [p.request["vitals"][name] for p in patients]
    measured = [value for value in values if value is not None]

    assert np.mean(measured) == pytest.approx(number["mean"], abs=number["sd"] / 10)
    missing = number.get("missing", 0) / table["visits"]
    assert 1 - len(measured) / len(values) == pytest.approx(missing, abs=0.02)
