"""Many requests in one call: each is answered as by itself, or refused by itself."""

from __future__ import annotations

import json
import uuid
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from api import services
from api.bulk_views import MOST_REQUESTS
from api.instruments import PROCESS
from api.serializers import TriageRequestSerializer
from api.services import Call, triage_decide_many
from ml.experiments import phase_current
from ml.simulator import simulate
from monitoring.models import MLPredictionLog, TriageIntake
from monitoring.roles import Role
from monitoring.services import Caller
from tests.api.test_not_recorded import table_gone
from tests.api.test_promises import ABNORMAL, NORMAL, patients
from tests.conftest import account, client_of
from triage_rules.case import case_from_request
from triage_rules.level import Level

BULK_URL = "/api/v1/triage/bulk/"
SIMULATED = [one.request for one in simulate(60, seed=31)]


def bulk(api: Any, *requests: Any, **extra: Any) -> Any:
    """Send requests in one call."""
    return api.send({"requests": list(requests)}, path=BULK_URL, **extra)


def without_id(decision: dict[str, Any]) -> dict[str, Any]:
    """Return a decision as anybody would get it."""
    assert decision["prediction_id"]
    return {**decision, "prediction_id": None}


def as_column(row: MLPredictionLog) -> dict[str, Any]:
    """Return what a row says, less what is of its call alone."""
    own = {"id", "created_at", "request_id", "latency_ms", "audited"}
    return {f.attname: getattr(row, f.attname) for f in row._meta.fields if f.attname not in own}


@pytest.mark.django_db
def test_it_works(api: Any, chest_pain: Any, sore_throat: Any, with_model: Any) -> None:
    response = bulk(api, chest_pain, sore_throat)

    body = response.json()
    assert response.status_code == 200
    assert (body["answered"], body["refused"]) == (2, 0)
    assert [(one["index"], one["status"]) for one in body["results"]] == [(0, 200), (1, 200)]
    first, second = (one["decision"] for one in body["results"])
    assert first["prediction"] == "emergency"
    assert "RF07" in [flag["id"] for flag in first["red_flags"]]
    assert second["prediction"] != "emergency"
    assert first["requires_clinician_review"] is True


@pytest.mark.django_db
def test_each_decision_is_that_of_a_call_of_its_own(api: Any, with_model: Any) -> None:
    together = [one["decision"] for one in bulk(api, *SIMULATED).json()["results"]]
    alone = [api.send(request).json() for request in SIMULATED]

    assert list(map(without_id, together)) == list(map(without_id, alone))


@pytest.mark.django_db
def test_each_row_is_that_of_a_call_of_its_own(api: Any, with_model: Any) -> None:
    bulk(api, *SIMULATED)
    together = list(map(as_column, MLPredictionLog.objects.order_by("id")))
    before = set(MLPredictionLog.objects.values_list("id", flat=True))
    for request in SIMULATED:
        api.send(request)
    alone = list(map(as_column, MLPredictionLog.objects.exclude(id__in=before).order_by("id")))

    assert together == alone


@pytest.mark.django_db
def test_every_answer_is_one_row_with_its_intake(
    api: Any, chest_pain: Any, with_model: Any
) -> None:
    answers = bulk(api, *[chest_pain] * 30).json()["results"]

    ids = [one["decision"]["prediction_id"] for one in answers]
    rows = MLPredictionLog.objects.in_bulk(ids)
    assert len(rows) == MLPredictionLog.objects.count() == TriageIntake.objects.count() == 30
    assert {row.triage_log_id for row in rows.values()} == {chest_pain["triage_log_id"]}
    assert len({row.latency_ms for row in rows.values()}) == 1
    assert len({row.request_id for row in rows.values()}) == 1


@pytest.mark.django_db
def test_the_time_is_shared_out(
    api: Any, sore_throat: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([10.0, 13.0])
    monkeypatch.setattr(services, "time", SimpleNamespace(perf_counter=lambda: next(clock)))

    bulk(api, *[sore_throat] * 4)

    assert set(MLPredictionLog.objects.values_list("latency_ms", flat=True)) == {750.0}


@pytest.mark.django_db
def test_a_call_weighs_twenty(sore_throat: Any, settings: Any) -> None:
    settings.RATE_LIMIT = 39
    ward = client_of(account("a ward with long lists", Role.FRONTEND))

    statuses = [bulk(ward, sore_throat).status_code for _ in range(2)]

    assert statuses == [200, 429]


@pytest.mark.django_db
def test_a_full_call_is_recorded_whole(api: Any, sore_throat: Any) -> None:
    response = bulk(api, *[sore_throat] * MOST_REQUESTS)

    assert response.json()["answered"] == MOST_REQUESTS
    assert MLPredictionLog.objects.count() == TriageIntake.objects.count() == MOST_REQUESTS


@pytest.mark.django_db
def test_what_is_wrong_with_one_is_said_of_it_and_the_others_are_answered(
    api: Any, chest_pain: Any, sore_throat: Any, changed: Any
) -> None:
    wrong = changed(sore_throat, "vitals/heart_rate", 900)
    response = bulk(api, chest_pain, wrong, {}, None, [], "CANARY", sore_throat | {"x": 1})

    body = response.json()
    assert response.status_code == 200
    assert (body["answered"], body["refused"]) == (1, 6)
    assert [one["status"] for one in body["results"]] == [200] + [400] * 6
    assert [one["index"] for one in body["results"]] == list(range(7))
    pointers = [
        [error["pointer"] for error in one["problem"]["errors"]] for one in body["results"][1:]
    ]
    assert pointers == [["/vitals/heart_rate"], ["/symptoms_data"], [""], [""], [""], ["/x"]]
    assert b"CANARY" not in response.content
    assert MLPredictionLog.objects.count() == 1


@pytest.mark.django_db
def test_a_problem_is_that_of_a_call_of_its_own(api: Any, sore_throat: Any, changed: Any) -> None:
    wrong = changed(sore_throat, "symptoms_data/chief_complaint", "")

    [item] = bulk(api, wrong).json()["results"]
    alone = api.send(wrong).json()

    instance = item["problem"].pop("instance")
    assert instance.startswith("urn:uuid:")
    assert instance.endswith("#/requests/0")
    del alone["instance"]
    assert item["problem"] == alone


@pytest.mark.django_db
def test_a_request_with_two_meanings_takes_no_other_with_it(api: Any, sore_throat: Any) -> None:
    good = json.dumps(sore_throat)
    bad = '{"patient_age": 5, "patient_age": 6}'
    raw = f'{{"requests": [{good}, {bad}, {{"patient_age": NaN}}, {{"a": "\\u0000"}}]}}'

    response = api.generic("POST", BULK_URL, raw, content_type="application/json")

    results = response.json()["results"]
    codes = [one["problem"]["errors"][0]["code"] for one in results[1:]]
    assert [one["status"] for one in results] == [200, 400, 400, 400]
    assert codes == ["duplicate_key", "not_finite", "unstorable_text"]


@pytest.mark.django_db
def test_where_all_are_refused_the_call_is_still_answered(api: Any) -> None:
    response = bulk(api, {}, {})

    assert response.status_code == 200
    assert (response.json()["answered"], response.json()["refused"]) == (0, 2)
    assert not MLPredictionLog.objects.exists()


BAD_LISTS = {
    "no list": (b"{}", "/requests", "required"),
    "null": (b'{"requests": null}', "/requests", "null"),
    "an object": (b'{"requests": {}}', "/requests", "not_a_list"),
    "a text": (b'{"requests": "CANARY"}', "/requests", "not_a_list"),
    "none": (b'{"requests": []}', "/requests", "empty"),
    "one too many": (b'{"requests": [' + b"1," * 1_000 + b"1]}", "/requests", "max_length"),
    "another key": (b'{"requests": [{}], "x": 1}', "/x", "unknown_field"),
    "two lists": (b'{"requests": [], "requests": [{}]}', "/requests", "duplicate_key"),
    "a bare list": (b"[{}]", "", "invalid"),
    "not JSON": (b'{"requests": [{]}', "", "invalid_json"),
    "eleven levels": (b'{"requests":' + b"[" * 10 + b"]" * 10 + b"}", "", "depth"),
}  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize(("raw", "pointer", "code"), BAD_LISTS.values(), ids=BAD_LISTS.keys())
def test_a_list_that_cannot_be_used_is_a_400(raw: bytes, pointer: str, code: str, api: Any) -> None:
    response = api.generic("POST", BULK_URL, raw, content_type="application/json")

    errors = [(one["pointer"], one["code"]) for one in response.json()["errors"]]
    assert response.status_code == 400
    assert errors == [(pointer, code)]
    assert b"CANARY" not in response.content


@pytest.mark.django_db
def test_a_request_may_be_as_deep_as_alone(api: Any) -> None:
    nested: Any = 1
    for _ in range(7):
        nested = [nested]

    [item] = bulk(api, {"x": nested}).json()["results"]

    assert "/x" in [error["pointer"] for error in item["problem"]["errors"]]


def test_half_a_million_unknown_keys_are_not_all_looked_at() -> None:
    serializer = TriageRequestSerializer(data={f"k{n}": 1 for n in range(500_000)})

    assert not serializer.is_valid()
    assert len(serializer.errors) <= 51


@pytest.mark.django_db
def test_a_list_in_a_request_is_counted_before_it_is_read(api: Any, sore_throat: Any) -> None:
    words = sore_throat["symptoms_data"] | {"symptoms": [{}] * 51}

    [item] = bulk(api, sore_throat | {"symptoms_data": words}).json()["results"]

    [error] = item["problem"]["errors"]
    assert (error["pointer"], error["code"]) == ("/symptoms_data/symptoms", "max_length")


@pytest.mark.django_db
def test_decisions_and_refusals_are_counted_one_by_one(api: Any, sore_throat: Any) -> None:
    def counted() -> dict[str, float]:
        found = {"triage_decisions_total": 0.0, "triage_refused_fields_total": 0.0}
        for metric in PROCESS.collect():
            for sample in metric.samples:
                if sample.name in found:
                    found[sample.name] += sample.value
        return found

    before = counted()
    bulk(api, sore_throat, sore_throat, sore_throat | {"sex": "?"})

    grown = {name: value - before[name] for name, value in counted().items()}
    assert grown == {"triage_decisions_total": 2, "triage_refused_fields_total": 1}


@pytest.mark.django_db
def test_a_body_over_the_limit_is_a_413(api: Any, settings: Any) -> None:
    settings.MAX_BULK_BYTES = 1_024

    response = bulk(api, {"patient_id": "x" * 1_024})

    assert response.status_code == 413
    assert response.json()["detail"] == "The body is larger than 1 KiB."


@pytest.mark.django_db
def test_a_body_larger_than_a_single_request_may_be_is_read(api: Any, sore_throat: Any) -> None:
    long = sore_throat | {"medical_history": ["x" * 200] * 50}

    assert bulk(api, *[long] * 20).json()["answered"] == 20


@pytest.mark.django_db
@pytest.mark.parametrize("parameter", ["explain=true", "explain=false", "x=1"])
def test_no_parameter_is_taken(parameter: str, api: Any, sore_throat: Any) -> None:
    response = api.send({"requests": [sore_throat]}, path=f"{BULK_URL}?{parameter}")

    assert response.status_code == 400
    assert response.json()["errors"][0]["code"] == "unknown_field"
    assert not MLPredictionLog.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("table", ["monitoring_mlpredictionlog", "monitoring_triageintake"])
def test_without_rows_there_is_no_level(
    table: str, api: Any, chest_pain: Any, sore_throat: Any, with_model: Any
) -> None:
    with table_gone(table):
        response = bulk(api, {}, sore_throat, chest_pain)

    problem = response.json()
    assert response.status_code == 503
    assert response["Retry-After"]
    assert problem["manual_triage"] is True
    assert [one["index"] for one in problem["items"]] == [1, 2]
    assert "RF07" in [flag["id"] for flag in problem["items"][1]["red_flags"]]
    assert not {"answered", "results", "red_flags"} & problem.keys()
    assert not MLPredictionLog.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("step", ["phase_current", "assign", "combine", "prediction_logs_create"])
def test_whatever_breaks_nurses_are_told_to_go_by_hand(
    step: str, api: Any, chest_pain: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("CANARY")

    monkeypatch.setattr(services, step, broken)

    response = bulk(api, chest_pain)

    assert response.status_code == 503
    assert "RF07" in [flag["id"] for flag in response.json()["items"][0]["red_flags"]]
    assert b"CANARY" not in response.content


@pytest.mark.django_db
def test_a_case_that_breaks_the_rules_hides_no_other_flag(
    api: Any, chest_pain: Any, sore_throat: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluate = services.evaluate

    def picky(case: Any) -> Any:
        if case.chief_complaint == "sore throat":
            raise RuntimeError("CANARY")
        return evaluate(case)

    monkeypatch.setattr(services, "evaluate", picky)

    response = bulk(api, sore_throat, chest_pain)

    first, second = response.json()["items"]
    assert response.status_code == 503
    assert first["red_flags"] == []
    assert "RF07" in [flag["id"] for flag in second["red_flags"]]


@pytest.mark.django_db
def test_a_case_that_breaks_the_model_takes_no_other_with_it(
    api: Any, sore_throat: Any, with_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ml import features

    observe = features.observe

    def picky(case: Any) -> Any:
        if case.age_years == 31:
            raise RuntimeError("CANARY")
        return observe(case)

    monkeypatch.setattr(features, "observe", picky)

    answers = bulk(api, sore_throat, sore_throat | {"patient_age": 31}, sore_throat).json()

    reasons = [one["decision"]["model"]["abstained"] for one in answers["results"]]
    assert reasons == [None, "prediction_failed", None]


@pytest.mark.django_db
def test_a_key_makes_a_repeat_harmless(api: Any, chest_pain: Any, with_model: Any) -> None:
    key = {"headers": {"idempotency-key": "k-1"}}

    first = bulk(api, chest_pain, {}, **key)
    again = bulk(api, chest_pain, {}, **key)
    other = bulk(api, chest_pain, **key)

    assert again.json() == first.json()
    assert other.status_code == 422
    assert MLPredictionLog.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_what_cannot_be_finished_is_on_no_record(sore_throat: Any) -> None:
    caller = Caller(client="ward", actor="ward", request_id=uuid.uuid4())
    call = Call(caller=caller, case=case_from_request(sore_throat), body=sore_throat)
    counted: list[int] = []

    def refuse(answers: Any) -> None:
        counted.append(MLPredictionLog.objects.filter(pk=answers[0].prediction_id).count())
        raise RuntimeError

    with pytest.raises(RuntimeError):
        triage_decide_many([call, call], then=refuse)
    assert counted == [1]
    assert not MLPredictionLog.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_where_nobody_is_to_be_decided_the_end_is_still_told() -> None:
    told: list[int] = []

    assert triage_decide_many([], then=lambda answers: told.append(len(answers))) == []
    assert told == [0]


@pytest.mark.django_db
def test_the_phase_and_the_model_are_asked_once(
    api: Any, sore_throat: Any, with_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    predict_many = type(with_model).predict_many

    def phase() -> Any:
        asked.append(0)
        return phase_current()

    def watched(self: Any, cases: Any) -> Any:
        asked.append(len(cases))
        return predict_many(self, cases)

    monkeypatch.setattr(services, "phase_current", phase)
    monkeypatch.setattr(type(with_model), "predict_many", watched)

    bulk(api, *[sore_throat] * 5)

    assert asked == [0, 5]


@pytest.mark.django_db
def test_only_who_may_triage_may_send_many(reviewer: Any, anonymous: Any, sore_throat: Any) -> None:
    assert bulk(anonymous, sore_throat).status_code == 401
    assert bulk(client_of(reviewer), sore_throat).status_code == 403


@pytest.mark.django_db
@hypothesis_settings(max_examples=15)
@given(
    people=st.lists(
        st.tuples(
            patients,
            st.one_of(st.fixed_dictionaries({}, optional=ABNORMAL), st.fixed_dictionaries(NORMAL)),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_the_promises_hold_for_each_of_many(people: Any, api: Any, with_model: Any) -> None:
    """The floor, the arm and the answer of each are those of a call of its own, and on record."""
    requests = [patient | {"vitals": vitals} for patient, vitals in people]

    together = [one["decision"] for one in bulk(api, *requests).json()["results"]]

    for request, decision in zip(requests, together, strict=True):
        level = Level.from_label(decision["prediction"])
        assert level >= Level.from_label(decision["rules"]["floor"])
        assert all(level >= Level.from_label(f["floor"]) for f in decision["red_flags"])
        assert without_id(decision) == without_id(api.send(request).json())
        assert MLPredictionLog.objects.get(pk=decision["prediction_id"]).prediction == level
