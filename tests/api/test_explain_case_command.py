"""``manage.py explain_case``: one case from a file, explained by the rules of a day."""

from __future__ import annotations

import json

import pytest
from django.core.management import CommandError, call_command


@pytest.fixture
def explained(tmp_path, capsys):
    """Write the case to a file and return what the command prints about it."""

    def explained(body, *options):
        path = tmp_path / "case.json"
        path.write_text(json.dumps(body), encoding="utf-8")
        call_command("explain_case", str(path), *options)
        return capsys.readouterr().out

    return explained


def case(complaint, **given):
    return {"patient_age": 57, "symptoms_data": {"chief_complaint": complaint}, **given}


def test_it_names_the_rule_and_the_words_that_fired_it(explained):
    text = explained(case("Chest pain radiating to left arm, no fever"))

    assert text.startswith("EMERGENCY (floor emergency")
    assert "RF07 Acute coronary syndrome" in text
    assert "on: Chest pain, radiating to left arm" in text
    assert '"fever" in chief_complaint: fever, negated' in text


def test_a_past_day_is_explained_by_its_rules(explained):
    text = explained(case("not breathing"), "--as-of", "2024-12-31")

    assert text.startswith("ROUTINE")
    assert "Which rules fired, and on what\n------------------------------\nnothing" in text


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"symptoms_data": {"chief_complaint": "CANARY-73219"}}, "/patient_age: Either"),
        (["CANARY-73219"], "the body: "),
    ],
)
def test_a_case_that_cannot_be_read_is_one_sentence(explained, body, message):
    with pytest.raises(CommandError, match=f"^{message}") as error:
        explained(body)
    assert "CANARY" not in str(error.value)


def test_a_file_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(CommandError, match="No such file or directory"):
        call_command("explain_case", str(tmp_path / "none.json"))
