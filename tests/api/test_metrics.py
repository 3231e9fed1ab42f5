"""``/metrics``: what is counted, in words of closed lists, and never at the cost of an answer."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.mmap_dict import MmapedDict, mmap_key
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as plain_text

from api import instruments
from api.instruments import ARMS, FALLBACK_REASONS, LEVELS, METHODS, REFUSAL_CODES, REFUSED_FIELDS
from api.shared_counts import counts_empty, counts_keep, counts_read
from ml.service import TriagePredictionService
from monitoring.roles import Role
from tests.api.test_not_recorded import table_gone
from tests.conftest import account, client_of

CANARY = "CANARY"
# One way into each refusal that a triage request can meet.
BAD_VALUES = [
    ("vitals/spo2", 0.97, "vitals.spo2", "out_of_range"),
    ("vitals/temperature_c", 98.6, "vitals.temperature_c", "fahrenheit"),
    ("vitals/heart_rate", "CANARY", "vitals.heart_rate", "not_a_number"),
    ("vitals/systolic_bp", 60, "vitals.diastolic_bp", "not_below_systolic"),
    ("vitals", "CANARY", "vitals", "invalid"),
    ("sex", "CANARY", "sex", "not_a_choice"),
    ("injury", "CANARY", "injury", "not_a_boolean"),
    ("site", "CANARY CANARY", "site", "pattern"),
    ("medications", "CANARY", "medications", "not_a_list"),
    ("medications", [1], "medications", "not_a_text"),
    ("medications", ["CANARY"] * 500, "medications", "max_length"),
    ("symptoms_data/symptoms/0/name", "", "symptoms_data.symptoms[].name", "blank"),
    ("symptoms_data/symptoms/0", "CANARY", "symptoms_data.symptoms[]", "invalid"),
    ("symptoms_data/chief_complaint", ..., "symptoms_data.chief_complaint", "required"),
    ("symptoms_data", None, "symptoms_data", "null"),
    ("symptoms_data/chief_complaint", "C" * 50_000, "symptoms_data.chief_complaint", "too_long"),
    ("patient_age_days", 1, "patient_age_days", "ages_disagree"),
    ("patient_age_days", 1.5, "patient_age_days", "not_whole"),
    ("CANARY", 1, "other", "unknown_field"),
    ("vitals.spo2", 1, "other", "unknown_field"),
]
BAD_BODIES = [
    (b"CANARY", "invalid_json"),
    (b"[" * 20, "depth"),
    (b"\xff", "encoding"),
]


def counts() -> Counter[tuple[str, ...]]:
    """Return each count of this process by its name and the values of its labels."""
    return Counter(
        {
            (sample.name, *sample.labels.values()): sample.value
            for metric in instruments.process_metrics()
            for sample in metric.samples
        }
    )


@pytest.fixture
def engineer(db: None) -> Any:
    """Somebody who may read the figures."""
    return client_of(account("engineer", Role.ML_ENGINEER))


@pytest.fixture
def counted() -> Any:
    """Return a function that says what was counted since the test began."""
    before = counts()
    return lambda *key: counts()[key] - before[key]


@pytest.mark.django_db
def test_it_works(api: Any, sore_throat: dict[str, Any], with_model: Any, counted: Any) -> None:
    answer = api.send(sore_throat).json()

    reason = answer["fallback_reason"] or "none"
    said = (answer["method"], answer["ab_group"] or "none", reason, answer["prediction"])
    assert counted("triage_decisions_total", *said) == 1
    assert counted("triage_http_requests_total", "triage", "POST", "200") == 1
    assert counted("triage_http_request_seconds_count", "triage") == 1
    assert counted("triage_decision_seconds_count") == 1
    status = with_model.status
    assert counts()["triage_model_info", status.model_version, "full", "1"] == 1


@pytest.mark.django_db
def test_without_the_model_the_reason_is_counted(
    api: Any, sore_throat: dict[str, Any], counted: Any
) -> None:
    answer = api.send(sore_throat | {"patient_id": None}).json()

    said = ("rules", "none", answer["fallback_reason"] or "none", answer["prediction"])
    assert counted("triage_decisions_total", *said) == 1
    assert counts()["triage_model_info", "none", "rules_only", "none"] == 1


@pytest.mark.django_db
@pytest.mark.parametrize(("path", "value", "field", "code"), BAD_VALUES)
def test_a_refused_field_is_counted(
    path: str,
    value: Any,
    field: str,
    code: str,
    api: Any,
    chest_pain: dict[str, Any],
    changed: Any,
    counted: Any,
) -> None:
    body = changed(chest_pain, path, value)

    assert api.send(body).status_code == 400

    assert counted("triage_refused_fields_total", field, code) >= 1
    assert CANARY not in str(counts())


@pytest.mark.django_db
@pytest.mark.parametrize(("body", "code"), BAD_BODIES)
def test_a_body_that_cannot_be_read_is_counted(
    body: bytes, code: str, api: Any, counted: Any
) -> None:
    api.send_raw(body)

    assert counted("triage_refused_fields_total", "body", code) == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("table", ["monitoring_mlpredictionlog", "knox_authtoken"])
def test_what_could_not_be_recorded_is_counted(
    table: str, api: Any, sore_throat: dict[str, Any], counted: Any
) -> None:
    with table_gone(table):
        api.send(sore_throat)

    assert counted("triage_not_recorded_total") == 1
    assert counted("triage_http_requests_total", "triage", "POST", "503") == 1


@pytest.mark.django_db
def test_a_route_is_a_name_and_never_a_path(api: Any, counted: Any) -> None:
    api.get("/api/v1/models/CANARY/")
    api.get("/CANARY")
    api.generic("CANARY", "/livez")

    assert counted("triage_http_requests_total", "model", "GET", "404") == 1
    assert counted("triage_http_requests_total", "other", "GET", "404") == 1
    assert counted("triage_http_requests_total", "livez", "other", "200") == 1
    assert CANARY not in str(counts())


@pytest.mark.django_db
def test_nothing_of_a_request_is_in_a_scrape(
    api: Any, engineer: Any, chest_pain: dict[str, Any]
) -> None:
    chest_pain |= {"patient_id": CANARY, "site": CANARY, "triage_log_id": CANARY, CANARY: 1}
    api.send(chest_pain)
    del chest_pain[CANARY]
    chest_pain["symptoms_data"]["chief_complaint"] = CANARY
    assert api.send(chest_pain, path=f"/api/v1/triage/?{CANARY}={CANARY}").status_code == 200

    text = engineer.get("/metrics").content.decode()

    assert CANARY not in text
    assert "frontend" not in text


words = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=20))


@given(
    said=st.fixed_dictionaries(
        dict.fromkeys(["method", "ab_group", "fallback_reason", "prediction"], words)
    ),
    status=st.sampled_from([200, 400]),
    problems=st.lists(st.fixed_dictionaries({"pointer": st.text(max_size=30), "code": words})),
)
def test_whatever_stands_in_an_answer_labels_are_words_of_closed_lists(
    said: dict[str, Any], status: int, problems: list[dict[str, Any]]
) -> None:
    instruments._count_decision(status, said | {"errors": problems})

    lists = {"method": METHODS, "arm": ARMS, "fallback_reason": FALLBACK_REASONS, "level": LEVELS}
    lists |= {"field": REFUSED_FIELDS, "code": REFUSAL_CODES}
    for metric in (instruments.DECISIONS, instruments.REFUSED):
        for sample in _samples(metric.collect()):
            assert all(v == "other" or v in lists[k] for k, v in sample.labels.items())


def _samples(metrics: Iterable[Any]) -> list[Any]:
    return [sample for metric in metrics for sample in metric.samples]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("accept", "read"), [("text/plain", plain_text), ("application/openmetrics-text", open_metrics)]
)
def test_it_speaks_both_languages(accept: str, read: Any, engineer: Any) -> None:
    engineer.get("/livez")

    response = engineer.get("/metrics", headers={"accept": f"{accept};version=1.0.0,*/*;q=0.1"})

    names = {family.name for family in read(response.content.decode())}
    assert response["Content-Type"].startswith(accept)
    assert response["Cache-Control"] == "no-store"
    assert {"triage_http_request_seconds", "triage_database_up", "triage_alerts_open"} <= names


@pytest.mark.django_db(transaction=True)
@override_settings(SECURE_SSL_REDIRECT=True)
def test_it_is_read_without_tls(engineer: Any) -> None:
    assert engineer.get("/metrics").status_code == 200
    assert engineer.head("/metrics").content == b""
    assert engineer.post("/metrics").status_code == 405
    assert engineer.get("/metrics/p-1").status_code == 301


@pytest.mark.django_db
def test_an_answer_is_given_though_it_cannot_be_counted(
    api: Any, sore_throat: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(instruments, "_count", broken)

    assert api.send(sore_throat).status_code == 200


def test_a_state_that_is_over_is_not_told(with_model: TriagePredictionService) -> None:
    instruments.model_show()
    with_model._snapshot = None
    instruments.model_show()

    states = {key[2] for key, value in counts().items() if key[0] == "triage_model_info" and value}
    assert states == {"rules_only"}


# --- the files of several processes --------------------------------------------------------------

KEY = mmap_key("triage_not_recorded", "triage_not_recorded_total", [], [], "Help.")


def count_as(folder: Path, pid: int, n: float) -> None:
    """Write the file of a process that has counted to n."""
    file = MmapedDict(str(folder / f"counter_{pid}.db"))
    file.write_value(KEY, n, 0.0)
    file.close()


def total(folder: Path) -> float:
    """Return the sum over the processes."""
    return sum(sample.value for sample in _samples(counts_read(folder)))


def test_what_an_ended_process_counted_stays_counted(tmp_path: Path) -> None:
    for pid in range(1, 21):
        count_as(tmp_path, pid, pid)
        counts_keep(tmp_path, pid=pid, alive={500})
    count_as(tmp_path, 500, 0.5)

    assert total(tmp_path) == 210.5
    assert {file.name for file in tmp_path.glob("*.db")} == {"counter_0.db", "counter_500.db"}


def test_while_somebody_reads_the_files_stay_as_they_are(tmp_path: Path) -> None:
    from fcntl import LOCK_SH

    from api.shared_counts import _lock

    count_as(tmp_path, 7, 1)
    with _lock(tmp_path, LOCK_SH):
        counts_keep(tmp_path, pid=7, alive=())
        assert (tmp_path / "counter_7.db").exists()

    counts_keep(tmp_path, pid=8, alive=())
    assert not (tmp_path / "counter_7.db").exists()
    assert total(tmp_path) == 1


def test_the_state_of_an_ended_process_goes_at_once(tmp_path: Path) -> None:
    gone, live = tmp_path / "gauge_livemax_7.db", tmp_path / "gauge_livemax_8.db"
    gone.touch()
    live.touch()

    counts_keep(tmp_path, pid=7, alive={8})

    assert (gone.exists(), live.exists()) == (False, True)


def test_a_start_counts_from_zero(tmp_path: Path) -> None:
    count_as(tmp_path, 7, 1)

    counts_empty(tmp_path)

    assert total(tmp_path) == 0


def test_every_code_of_a_field_has_a_word() -> None:
    from api import fields

    kinds = [kind for kind in vars(fields).values() if isinstance(kind, type)]
    codes = {code for kind in kinds for code in getattr(kind, "default_error_messages", ())}

    assert codes - REFUSAL_CODES == set(), json.dumps(sorted(codes))
