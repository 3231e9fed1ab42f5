"""``manage.py triage``: the same answer as the API's, on no record."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from monitoring.models import MLPredictionLog

SHARED = (
    "prediction", "method", "ab_group", "fallback", "fallback_reason", "immediate", "needs_human",
    "care_level", "target_minutes", "red_flags", "rules", "model", "reasons", "probabilities",
)  # fmt: skip


@pytest.fixture
def run(tmp_path, capsys):
    """Write the lines to a file, run the command on it, and return its answers."""

    def run(*lines: Any, options: tuple[str, ...] = ()) -> list[dict[str, Any]]:
        path = tmp_path / "cases.ndjson"
        written = (line if isinstance(line, str) else json.dumps(line) for line in lines)
        path.write_text("\n".join(written), encoding="utf-8")
        call_command("triage", str(path), *options)
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return run


@pytest.mark.django_db
def test_it_answers_as_the_api_does_and_records_nothing(run, api, chest_pain, with_model):
    over_http = api.send(chest_pain).json()
    rows = MLPredictionLog.objects.count()

    [answer] = run(chest_pain)

    assert {name: answer[name] for name in SHARED} == {name: over_http[name] for name in SHARED}
    assert answer["prediction_id"] is None
    assert answer["log_durability"] == "none"
    assert MLPredictionLog.objects.count() == rows


def test_with_rules_only_it_needs_no_database_and_no_model(run, chest_pain):
    [answer] = run(chest_pain, options=("--rules-only",))

    assert answer["prediction"] == answer["rules"]["prediction"] == "emergency"
    assert answer["model"] is None
    assert answer["fallback"] is False


def test_a_bad_line_is_an_error_object_and_the_others_are_answered(run, chest_pain):
    no_age = {"symptoms_data": {"chief_complaint": "CANARY-73219"}}

    answers = run(chest_pain, "{cut off", "", no_age, chest_pain, options=("--rules-only",))

    assert [answer.get("status", 200) for answer in answers] == [200, 400, 400, 200]
    assert [answer["instance"] for answer in answers[1:3]] == ["line:2", "line:4"]
    assert answers[2]["errors"][0]["pointer"] == "/patient_age"
    assert "CANARY" not in json.dumps(answers)


def test_a_line_over_the_limit_is_refused_by_its_size(run):
    [answer] = run(json.dumps({"note": "x" * 70_000}), options=("--rules-only",))

    assert answer["status"] == 413


def test_a_past_day_is_judged_by_its_rules(run, chest_pain):
    before = ("--rules-only", "--as-of", "2024-12-31")

    [then], [now] = run(chest_pain, options=before), run(chest_pain, options=("--rules-only",))

    assert then["red_flags"] == []
    assert then["rules"]["version"] != now["rules"]["version"]


def test_a_past_day_has_no_model(run, chest_pain):
    with pytest.raises(CommandError, match="--as-of needs --rules-only"):
        run(chest_pain, options=("--as-of", "2025-06-30"))


def test_a_file_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(CommandError, match=r"No such file or directory\.$"):
        call_command("triage", str(tmp_path / "none.ndjson"))
