"""Nobody is judged by a model that met him, or his double."""

from __future__ import annotations

import json
from collections.abc import Sequence
from io import StringIO
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from ml.artefacts import TrainedModel
from ml.labelled import LabelledCase
from ml.simulator import simulate
from ml.training import train
from ml.validation import SplitError, folds, holdout, near_duplicates, pooled, validate
from triage_rules.level import Level


def patient(name: str, complaint: str = "wart", **given: Any) -> LabelledCase:
    request = {"patient_id": name, "patient_age": 50, "symptoms_data": {}, **given}
    request["symptoms_data"] = {"chief_complaint": complaint}
    return LabelledCase(request=request, level=Level.SOON, row_id=name, scale="simulated")


def together(*cases: LabelledCase) -> list[int]:
    return near_duplicates(cases).tolist()


def test_visits_of_one_patient_belong_together() -> None:
    first, other, again = together(patient("a"), patient("b", "cough"), patient("a", "fever"))

    assert first == again != other


def test_so_do_patients_described_alike_wherever_they_came_from() -> None:
    first, again, older = together(
        patient("a", "Chest  pain", site="north"),
        patient("b", "chest pain", site="south", arrival_mode="ambulance"),
        patient("c", "chest pain", patient_age=51),
    )

    assert first == again != older


def test_and_those_who_belong_with_the_same_third() -> None:
    groups = together(patient("a", "wart"), patient("a", "cough"), patient("b", "cough"))

    assert len({*groups}) == 1


def test_patients_without_an_id_are_strangers() -> None:
    one, other = together(patient("", "wart"), patient("", "cough"))

    assert one != other


CASES = simulate(400, seed=11)


def test_each_row_is_left_out_once_and_doubles_never_apart() -> None:
    cases = [*CASES, *CASES[:100]]

    left_out = folds(cases, k=4, seed=1)

    assert sorted(np.concatenate(left_out).tolist()) == list(range(500))
    sides = np.empty(500, dtype=int)
    for number, rows in enumerate(left_out):
        sides[rows] = number
    assert (sides[:100] == sides[400:]).all()


def test_the_seed_decides_the_split() -> None:
    first, again, other = (holdout(CASES, share=0.3, seed=s).tolist() for s in (1, 1, 2))

    assert first == again != other
    assert len(first) == pytest.approx(120, abs=10)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.99, 1.5])
def test_a_share_that_leaves_one_side_empty_is_refused(share: float) -> None:
    with pytest.raises(SplitError, match=r"from 0\.1 to 0\.9"):
        holdout(CASES, share=share, seed=1)


@pytest.mark.parametrize(("k", "rows"), [(1, 10), (11, 10), (2, 0)])
def test_folds_that_cannot_be_are_refused(k: int, rows: int) -> None:
    with pytest.raises(SplitError, match="expected from 2 to one per case"):
        folds(CASES[:rows], k=k, seed=1)


@pytest.fixture(scope="module")
def trained() -> TrainedModel:
    """What stands for the model of every round, since training takes its time."""
    return train(simulate(300, seed=3), seed=3, dataset="synthetic", synthetic=True)


def test_the_model_never_learns_from_those_it_is_judged_on(trained: TrainedModel) -> None:
    learnt: list[set[str]] = []

    def remember(cases: Sequence[LabelledCase]) -> TrainedModel:
        learnt.append({case.row_id for case in cases})
        return trained

    rounds = list(validate(CASES, splits=folds(CASES, k=2, seed=1), train=remember))

    everybody = {case.row_id for case in CASES}
    for met, one in zip(learnt, rounds, strict=True):
        judged = {each.case.row_id for each in one.judged}
        assert not met & judged
        assert met | judged == everybody


def test_all_rounds_are_pooled_and_each_is_told(trained: TrainedModel) -> None:
    splits = folds(CASES, k=2, seed=1)

    result = pooled(list(validate(CASES, splits=splits, train=lambda cases: trained)))

    assert result["n"] == len(CASES)
    assert [one["rules"]["n"] for one in result["rounds"]] == [len(rows) for rows in splits]
    right = sum(one["rules"]["n"] * one["rules"]["accuracy"] for one in result["rounds"])
    assert right / len(CASES) == pytest.approx(result["rules"]["accuracy"])
    assert result["model"]["expected_cost"] is not None


def cross_validate(*arguments: str) -> str:
    output = StringIO()
    call_command("cross_validate", "--dataset=synthetic", *arguments, stdout=output)
    return output.getvalue()


@pytest.fixture
def learns_at_once(trained: TrainedModel, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Let the command take the trained model for every round; collects what it trained on."""
    seen: list[dict[str, Any]] = []

    def train_at_once(cases: Sequence[LabelledCase], **given: Any) -> TrainedModel:
        seen.append({"n": len(cases), **given})
        return trained

    monkeypatch.setattr("ml.management.commands.cross_validate.train", train_at_once)
    return seen


def test_the_command_prints_the_pooled_table_and_each_round(
    learns_at_once: list[dict[str, Any]],
) -> None:
    text = cross_validate("--rows=300", "--folds=3", "--seed=8")

    assert "| Patients answered " in text
    assert "## Round by round" in text
    assert [one["seed"] for one in learns_at_once] == [8, 8, 8]
    assert all(one["synthetic"] and one["dataset"] == "synthetic" for one in learns_at_once)


def test_one_split_judges_the_share_held_out(learns_at_once: list[dict[str, Any]]) -> None:
    result = json.loads(cross_validate("--rows=300", "--holdout=0.3", "--json"))

    [one] = learns_at_once
    assert result["n"] == pytest.approx(90, abs=10)
    assert one["n"] == 300 - result["n"]
    assert len(result["rounds"]) == 1


@pytest.mark.parametrize("wrong", ["--folds=1", "--holdout=2"])
def test_a_split_that_cannot_be_is_one_sentence(wrong: str) -> None:
    with pytest.raises(CommandError, match=r"; expected .*\.$"):
        cross_validate("--rows=40", wrong)


def test_too_few_rows_to_learn_from_are_one_sentence() -> None:
    with pytest.raises(CommandError, match="too few"):
        cross_validate("--rows=40", "--folds=2")
