"""Many opinions at once: each is the one that its case gets by itself, to the last digit."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.artefacts import LoadedModel
from ml.predictor import predict, predict_many
from ml.service import TriagePredictionService
from ml.simulator import simulate
from ml.targets import Snapshot
from triage_rules.case import TriageCase, Vitals, case_from_request
from triage_rules.level import Abstention

SIMULATED = [case_from_request(one.request) for one in simulate(300, seed=23)]
WORDS = ["chest pain", "cannot breathe", "sore throat", "fell, hit head", "xyzzy plugh", "発熱"]
cases = st.builds(
    TriageCase,
    chief_complaint=st.sampled_from(WORDS),
    # Without an age, and at 120, there is no row to predict.
    age_years=st.one_of(st.none(), st.floats(0, 120)),
    vitals=st.builds(
        Vitals,
        heart_rate=st.one_of(st.none(), st.integers(0, 350)),
        spo2=st.one_of(st.none(), st.integers(20, 100)),
        on_oxygen=st.one_of(st.none(), st.booleans()),
        temperature_c=st.one_of(st.none(), st.floats(20, 46)),
        pain_score=st.one_of(st.none(), st.integers(0, 10)),
    ),
)


class WatchedClassifier:
    """Counts its calls, and breaks on a row whose age is the one given."""

    classes_ = (0, 1, 2, 3)

    def __init__(self, model: LoadedModel, *, breaks_at_age: float = -1) -> None:
        self.inner = model.classifier
        self.column = list(model.extractor.get_feature_names_out()).index("age")
        self.breaks_at_age = breaks_at_age
        self.calls = 0

    def predict_proba(self, rows: Any) -> Any:
        self.calls += 1
        dense = rows if isinstance(rows, np.ndarray) else rows.toarray()
        if (dense[:, self.column] == self.breaks_at_age / 100).any():
            raise RuntimeError("chest pain of p-123")
        return self.inner.predict_proba(rows)


def test_it_works(model: LoadedModel) -> None:
    one_by_one = [predict(case, model=model) for case in SIMULATED]

    assert predict_many(SIMULATED, model=model) == one_by_one


@given(mixed=st.lists(st.one_of(cases, st.sampled_from(SIMULATED)), max_size=12))
def test_each_opinion_is_that_of_its_case_alone(mixed: list[TriageCase], model: Any) -> None:
    one_by_one = [predict(case, model=model) for case in mixed]

    assert predict_many(mixed, model=model) == one_by_one


def test_the_order_and_the_company_change_nothing(model: LoadedModel) -> None:
    forth = predict_many(SIMULATED, model=model)
    back = predict_many(SIMULATED[::-1], model=model)

    assert back[::-1] == forth
    assert predict_many(SIMULATED[7:9], model=model) == forth[7:9]


def test_the_classifier_is_asked_once(model: LoadedModel) -> None:
    watched = WatchedClassifier(model)

    predict_many(SIMULATED, model=dataclasses.replace(model, classifier=watched))

    assert watched.calls == 1


def test_a_case_without_an_age_takes_no_other_with_it(model: LoadedModel) -> None:
    ageless = dataclasses.replace(SIMULATED[0], age_years=None, age_days=None)

    first, second, third = predict_many([SIMULATED[1], ageless, SIMULATED[2]], model=model)

    assert second.abstained is Abstention.PREDICTION_FAILED
    assert [first, third] == predict_many(SIMULATED[1:3], model=model)


def test_a_row_that_breaks_the_classifier_takes_no_other_with_it(
    model: LoadedModel, capfd: pytest.CaptureFixture[str]
) -> None:
    aged = [dataclasses.replace(SIMULATED[0], age_days=None, age_years=n) for n in (30, 31, 32)]
    broken = WatchedClassifier(model, breaks_at_age=31)

    opinions = predict_many(aged, model=dataclasses.replace(model, classifier=broken))

    abstained = [one.abstained for one in opinions]
    assert abstained == [None, Abstention.PREDICTION_FAILED, None]
    assert "p-123" not in "".join(capfd.readouterr())


def test_too_few_rows_are_given_to_nobody(model: LoadedModel) -> None:
    class Short:
        def predict_proba(self, rows: Any) -> Any:
            return model.classifier.predict_proba(rows)[: max(1, rows.shape[0] - 1)]

    short = dataclasses.replace(model, classifier=Short())

    assert predict_many(SIMULATED, model=short) == predict_many(SIMULATED, model=model)


def test_what_is_no_distribution_abstains_alone(model: LoadedModel) -> None:
    class OneBad:
        def predict_proba(self, rows: Any) -> Any:
            found = model.classifier.predict_proba(rows)
            if rows.shape[0] > 1:
                found[3] = np.nan
            return found

    doubtful = dataclasses.replace(model, classifier=OneBad())

    assert predict_many(SIMULATED, model=doubtful) == predict_many(SIMULATED, model=model)


def test_without_a_model_all_abstain() -> None:
    opinions = predict_many(SIMULATED[:2], model=None)

    assert [one.abstained for one in opinions] == [Abstention.MODEL_UNAVAILABLE] * 2


def test_nobody_gets_no_opinion(model: LoadedModel) -> None:
    assert predict_many([], model=model) == []


def test_only_cases_unlike_any_are_not_predicted(model: LoadedModel) -> None:
    odd = [
        dataclasses.replace(case, age_days=None, age_years=age)
        for case, age in zip(SIMULATED, (118.0, 119.0, 120.0), strict=False)
    ]

    opinions = predict_many(odd, model=model)

    assert {one.abstained for one in opinions} == {Abstention.OUT_OF_RANGE}


def test_the_sites_threshold_beats_the_versions_own(model: LoadedModel) -> None:
    opinions = predict_many(SIMULATED[:5], model=model, threshold=0.9)

    assert {one.threshold for one in opinions} == {0.9}


def test_all_opinions_are_of_one_model(
    with_model: TriagePredictionService, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving = with_model.snapshot
    assert serving is not None
    newer = Snapshot(dataclasses.replace(serving.model, version="newer"), epoch=2)
    seen = iter([serving] + [newer] * 1_000)
    monkeypatch.setattr(TriagePredictionService, "snapshot", property(lambda _: next(seen)))

    versions = {one.version for one in with_model.predict_many(SIMULATED)}

    assert versions == {serving.model.version}
