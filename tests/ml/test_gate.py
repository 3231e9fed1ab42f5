"""A candidate may serve when it is not worse for anybody and better for all together."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ml.comparison import Judged
from ml.gate import GateReport, GateTerms, Paired, assess, evidence
from ml.labelled import LabelledCase
from triage_rules.level import Abstention, Level, Opinion

ROUTINE, SOON, URGENT, EMERGENCY = Level
TRUTHS = [ROUTINE, SOON, URGENT, EMERGENCY] * 100


def judged(truth: Level, answer: Level, *, sex: str, alone: Level | None) -> Judged:
    request = {"patient_age": 40, "sex": sex, "symptoms_data": {"chief_complaint": "pain"}}
    opinion = Opinion.abstain(Abstention.OUT_OF_RANGE)
    if alone is not None:
        opinion = Opinion(
            level=alone,
            probabilities=tuple(float(level is alone) for level in Level),
            plausible_levels=(alone,),
            threshold=0.6,
            version="v",
            digest="d",
        )
    case = LabelledCase(request=request, level=truth, row_id="1", scale="simulated")
    return Judged(case=case, opinion=opinion, rules=answer, hybrid=answer)


def sex_of(row: int) -> str:
    return "female" if row % 8 < 4 else "male"


def answers_with(wrong: dict[int, Level]) -> list[Judged]:
    """Return right answers, but for the rows named."""
    return [
        judged(truth, wrong.get(row, truth), sex=sex_of(row), alone=wrong.get(row, truth))
        for row, truth in enumerate(TRUTHS)
    ]


def gate(serving: list[Judged], candidate: list[Judged], **terms: Any) -> GateReport:
    found = evidence(serving, candidate, against="old", source="tests")
    # As it comes back from the database.
    kept = json.loads(json.dumps(found))
    return assess(kept, candidate="new", serving="old", terms=GateTerms(**terms))


def rows_of(level: Level, *, sex: str | None = None) -> list[int]:
    return [r for r, truth in enumerate(TRUTHS) if truth is level and sex in (None, sex_of(r))]


# The version that serves overdoes it for a tenth of the patients, and misses eight emergencies.
SERVING = dict.fromkeys(rows_of(ROUTINE)[:40], SOON) | dict.fromkeys(rows_of(EMERGENCY)[:8], URGENT)


def test_a_better_one_passes() -> None:
    report = gate(answers_with(SERVING), answers_with({}))

    assert report.passed
    assert report.refusals == ()
    assert json.loads(json.dumps(report.as_dict()))["passed"] is True


def test_an_equal_one_is_refused_for_the_margin_alone() -> None:
    report = gate(answers_with(SERVING), answers_with(SERVING))

    assert report.refusals == (
        "Quadratic kappa of all patients (n=400), the answers patients would get: "
        "0.947 now, 0.947 with the candidate, and 0.005 more is asked for.",
    )


def test_without_a_margin_an_equal_one_passes() -> None:
    assert gate(answers_with(SERVING), answers_with(SERVING), margin=0).passed


def test_one_that_misses_emergencies_is_refused_however_good_its_kappa() -> None:
    missed = dict.fromkeys(rows_of(EMERGENCY)[:20], URGENT)

    report = gate(answers_with(SERVING), answers_with(missed))

    assert (
        "Emergency recall of all patients (n=100), the answers patients would get: "
        "92.0 % now, 80.0 % with the candidate "
        "(95 % interval of the difference -19.5 to -5.5 points)."
    ) in report.refusals
    assert not any("kappa" in sentence for sentence in report.refusals)


def test_one_that_is_worse_in_one_group_only_is_refused_for_that_group() -> None:
    missed = {row: level for row, level in SERVING.items() if level is URGENT}
    serving = SERVING | dict.fromkeys(rows_of(URGENT, sex="male")[:14], SOON)
    candidate = missed | dict.fromkeys(rows_of(URGENT, sex="female")[:14], SOON)

    report = gate(answers_with(serving), answers_with(candidate))

    assert report.refusals
    assert all("Under-triage of sex female" in sentence for sentence in report.refusals)


def test_the_model_alone_must_not_be_worse_behind_rules_that_save_it() -> None:
    def behind_rules(alone: dict[int, Level], *, final: dict[int, Level]) -> list[Judged]:
        return [
            judged(truth, final.get(r, truth), sex=sex_of(r), alone=alone.get(r, truth))
            for r, truth in enumerate(TRUTHS)
        ]

    serving = behind_rules({}, final=SERVING)
    candidate = behind_rules(dict.fromkeys(rows_of(EMERGENCY)[:30], SOON), final={})

    report = gate(serving, candidate)

    assert report.refusals
    assert all("the model alone" in sentence for sentence in report.refusals)


def test_a_harm_that_few_rows_hide_is_refused_for_all_patients() -> None:
    # Of a hundred emergencies five are missed now, and eight then: the interval still holds 0.
    serving = dict.fromkeys(rows_of(EMERGENCY)[:5], URGENT)
    candidate = dict.fromkeys(rows_of(EMERGENCY)[3:11], URGENT)

    refusals = gate(answers_with(serving), answers_with(candidate), margin=-1).refusals
    allowed = gate(answers_with(serving), answers_with(candidate), margin=-1, allowance=0.05)

    assert [sentence.split(",")[0] for sentence in refusals] == [
        "Emergency recall of all patients (n=100)",
    ] * 2
    assert allowed.passed


def test_the_model_alone_is_counted_where_both_answered() -> None:
    silent = [judged(URGENT, URGENT, sex="male", alone=None) for _ in range(50)]
    found = evidence(answers_with({}) + silent, answers_with({}) + silent, against="o", source="t")

    def rows(decider: str) -> int:
        counts = found["counts"][decider]["all patients"]
        return sum(sum(sum(row) for row in plane) for plane in counts)

    assert (found["rows"], rows("hybrid"), rows("model")) == (450, 450, 400)


def test_a_group_of_fewer_than_thirty_rows_is_not_judged() -> None:
    few = [judged(URGENT, URGENT, sex="other", alone=URGENT) for _ in range(29)]
    enough = [judged(URGENT, URGENT, sex="unknown", alone=URGENT) for _ in range(30)]

    found = evidence(few + enough, few + enough, against="o", source="t")

    assert set(found["counts"]["hybrid"]) == {"all patients", "age 16 to 64", "sex unknown"}


def test_too_few_rows_are_no_comparison() -> None:
    few = answers_with({})[:60]

    report = gate(few, few, margin=-1)

    assert report.refusals == (
        "For the answers patients would get only 60 rows were compared; "
        "at least 100 are needed.",
        "For the model alone only 60 rows were compared; at least 100 are needed.",
    )  # fmt: skip


def test_rows_without_an_emergency_are_no_comparison() -> None:
    calm = [one for one in answers_with({}) if one.case.level is not EMERGENCY]

    report = gate(calm, calm, margin=-1)

    assert report.refusals[0] == (
        "For the answers patients would get only 0 emergencies were compared; "
        "at least 10 are needed."
    )


@pytest.mark.parametrize("against", [None, "an older one"])
def test_without_evidence_against_what_serves_it_says_how_to_get_it(against: str | None) -> None:
    rows = answers_with({})
    found = against and evidence(rows, rows, against=against, source="tests")

    report = assess(found or None, candidate="new", serving="old", terms=GateTerms())

    assert report.refusals == (
        "new was never compared with old, which serves: "
        "promote_model new --dataset D [--path F] compares both on labelled rows now.",
    )


def test_simulated_patients_do_not_replace_real_ones() -> None:
    found = evidence(answers_with(SERVING), answers_with({}), against="old", source="tests")

    report = assess(
        found, candidate="new", serving="old", from_synthetic=True, terms=GateTerms()
    )  # fmt: skip

    assert report.refusals == (
        "new is trained on simulated patients and does not replace old, which is not.",
    )


def test_the_interval_is_the_published_one() -> None:
    # Newcombe 1998, Improved confidence intervals for the difference between binomial proportions
    # based on paired data, method 10, counts 36, 12, 2, 0.
    low, high = Paired(both=36, only_candidate=12, only_serving=2, neither=0).interval

    assert (round(low, 4), round(high, 4)) == (0.0569, 0.3404)


@pytest.mark.parametrize("counts", [(0, 0, 0, 40), (40, 0, 0, 0), (20, 0, 0, 20), (1, 0, 0, 29)])
def test_the_interval_of_equal_answers_holds_nothing(counts: tuple[int, int, int, int]) -> None:
    both, only_serving, only_candidate, neither = counts
    low, high = Paired(
        both=both, only_serving=only_serving, only_candidate=only_candidate, neither=neither
    ).interval

    assert low < 0 < high
    assert low == pytest.approx(-high)
