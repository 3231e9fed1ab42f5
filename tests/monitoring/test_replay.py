"""Promise 5: any logged decision can be decided again bit for bit, and what cannot says why."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from django.db.models import F, QuerySet
from hypothesis import given
from hypothesis import strategies as st

from ml.artefacts import TrainedModel, point_to, save
from ml.models import Experiment
from ml.service import TriagePredictionService
from monitoring.models import MLPredictionLog, TriageIntake
from monitoring.replay import CONTRADICTION, InstalledModels, Replayed, ReplayReport, replayed
from tests.api.test_promises import ABNORMAL, COMPLAINTS, patients
from tests.conftest import MODEL_DOCUMENTS
from triage_rules.level import Level
from triage_rules.ruleset import Ruleset, ruleset_as_of

pytestmark = pytest.mark.django_db
Decide = Callable[..., None]


@pytest.fixture(scope="session")
def trained_anew(trained: TrainedModel) -> TrainedModel:
    """The same model, less sure of itself."""
    temperature = trained.classifier.inverse_temperature * 0.9
    classifier = replace(trained.classifier, inverse_temperature=temperature)
    return replace(trained, classifier=classifier)


@pytest.fixture(scope="session")
def installed(
    trained: TrainedModel, trained_anew: TrainedModel, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[str]]:
    """A store and the names of its two versions. Tests change nothing but its pointer."""
    store, key = tmp_path_factory.mktemp("two-versions"), django_settings.MODEL_SIGNING_KEY
    versions = [
        save(model, store, signing_key=key, documents=MODEL_DOCUMENTS)
        for model in (trained, trained_anew)
    ]
    return store, versions


@pytest.fixture
def store(installed: tuple[Path, list[str]], settings: Any) -> Path:
    """That store, as the settings name it."""
    settings.MODEL_STORE = installed[0]
    return installed[0]


@pytest.fixture
def versions(installed: tuple[Path, list[str]]) -> list[str]:
    """The names of its versions."""
    return installed[1]


@pytest.fixture
def decide(api: Any, service: TriagePredictionService, store: Path) -> Decide:
    """Return a function that answers patients of every kind with one version, or with none."""

    def answer(version: str | None = None, *, epoch: int = 1) -> None:
        if version is not None:
            point_to(store, version, epoch=epoch)
            service.boot(store)
            assert service.mode == "full", service.load_error
        for number, complaint in enumerate(COMPLAINTS):
            vitals = {"heart_rate": 70 + 9 * number, "temperature_c": 36.1 + number / 3}
            body = {
                "patient_id": f"p-{number}",
                "patient_age": 17.3 + 7 * number,
                "symptoms_data": {"chief_complaint": complaint},
                "vitals": vitals | ({"spo2": 99 - 2 * number} if number % 3 else {}),
            }
            assert api.send(body).status_code == 200

    return answer


def replay_all(store: Path) -> ReplayReport:
    models = InstalledModels(store, public_keys=django_settings.MODEL_PUBLIC_KEYS)
    report = ReplayReport()
    for row in MLPredictionLog.objects.order_by("id"):
        report.add(replayed(row, models=models))
    return report


def forge(**values: Any) -> None:
    """Rewrite history, as somebody with access to the database could."""
    QuerySet.update(MLPredictionLog.objects.all(), **values)


def forget_intakes() -> None:
    rows = TriageIntake.objects.all()
    rows._raw_delete(rows.db)


def columns_found(store: Path) -> set[str]:
    return {name for one in replay_all(store).differing for name in one.differing}


def test_it_works(decide: Decide, versions: list[str], store: Path) -> None:
    decide(versions[0])

    report = replay_all(store)

    assert (report.rows, report.in_full) == (len(COMPLAINTS), len(COMPLAINTS))
    assert not report.differing


def test_every_way_of_deciding_is_decided_again_after_promotions(
    decide: Decide, versions: list[str], store: Path, settings: Any
) -> None:
    decide()
    decide(versions[0], epoch=1)
    decide(versions[1], epoch=2)
    settings.CONFIDENCE_THRESHOLD = 0.99
    decide(versions[0], epoch=3)
    settings.CONFIDENCE_THRESHOLD = None
    Experiment.objects.update(kill_switch=True)
    decide(versions[1], epoch=4)

    report = replay_all(store)

    rows = MLPredictionLog.objects
    assert set(rows.values_list("model_version", flat=True)) == {"", *versions}
    assert {"model_unavailable", "low_confidence", "kill_switch", ""} <= set(
        rows.values_list("fallback_reason", flat=True)
    )
    assert set(rows.values_list("ab_group", flat=True)) == {"ml", "rules"}
    assert report.in_full == report.rows == 5 * len(COMPLAINTS)
    assert not report.differing


@given(patient=patients, vitals=st.fixed_dictionaries({}, optional=ABNORMAL))
def test_whatever_was_decided_is_decided_again(
    patient: dict[str, Any], vitals: dict[str, Any], api: Any, with_model: Any, model_store: Path
) -> None:
    answer = api.send(patient | {"vitals": vitals}).json()

    row = MLPredictionLog.objects.select_related("intake").get(pk=answer["prediction_id"])
    models = InstalledModels(model_store, public_keys=django_settings.MODEL_PUBLIC_KEYS)
    assert replayed(row, models=models) == Replayed(prediction_id=row.pk)


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"prediction": Level.EMERGENCY}, {"prediction"}),
        ({"confidence": F("confidence") + 1e-15}, {"confidence"}),
        ({"probabilities": [0.25, 0.25, 0.25, 0.25]}, {"probabilities"}),
        ({"plausible_levels": []}, {"plausible_levels"}),
        ({"model_confidence": 0.5}, {"model_confidence"}),
        ({"model_digest": "0" * 64}, {"model_digest"}),
        ({"rules_severity_score": 1}, {"rules_severity_score"}),
        ({"rules_needs_human": True, "needs_human": True}, {"rules_needs_human", "needs_human"}),
        ({"red_flags": ["RF99"]}, {"red_flags"}),
        ({"news2": 20}, {"news2"}),
        ({"immediate": True}, {"immediate"}),
        ({"heart_rate": F("heart_rate") + 1}, {"heart_rate"}),
        ({"site": "elsewhere"}, {"site"}),
        ({"ab_group": "rules"}, {"ab_group"}),
        ({"age_years": 50.5}, {"age_years"}),
        ({"fallback_reason": "timeout"}, {"fallback_reason"}),
    ],
)
def test_a_column_that_was_changed_is_found(
    values: dict[str, Any], found: set[str], decide: Decide, versions: list[str], store: Path
) -> None:
    decide(versions[0])
    forge(**values)

    assert columns_found(store) == found


def test_another_decider_is_found(decide: Decide, versions: list[str], store: Path) -> None:
    decide(versions[0])
    forge(decider="rules")

    assert {"method", "prediction"} <= columns_found(store)


def test_another_threshold_is_found(
    decide: Decide, versions: list[str], store: Path, settings: Any
) -> None:
    settings.CONFIDENCE_THRESHOLD = 0.0
    decide(versions[0])
    forge(threshold=1.0)

    assert {"fallback_reason", "needs_human"} <= columns_found(store)


def test_another_request_is_found(decide: Decide, versions: list[str], store: Path) -> None:
    decide(versions[0])
    first, last = TriageIntake.objects.order_by("pk")[:: len(COMPLAINTS) - 1]
    QuerySet.update(TriageIntake.objects.filter(pk=first.pk), token=last.token)

    assert {"age_years", "heart_rate"} <= columns_found(store)
    assert len(replay_all(store).differing) == 1


def test_another_model_under_the_same_name_is_found(
    decide: Decide, versions: list[str], trained_anew: TrainedModel, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    decide(versions[0])
    monkeypatch.setattr("ml.artefacts._version_id", lambda *_, **__: versions[0])
    key = django_settings.MODEL_SIGNING_KEY
    save(trained_anew, tmp_path, signing_key=key, documents=MODEL_DOCUMENTS)

    assert {"model_digest", "probabilities"} <= columns_found(tmp_path)


def test_a_model_that_was_tampered_with_is_refused_and_named(
    decide: Decide, versions: list[str], store: Path, tmp_path: Path
) -> None:
    decide(versions[0])
    shutil.copytree(store, tmp_path, dirs_exist_ok=True)
    file = tmp_path / versions[0] / "model.joblib"
    file.chmod(0o644)
    file.write_bytes(file.read_bytes() + b"x")

    report = replay_all(tmp_path)

    assert report.reasons == {"model_refused": len(COMPLAINTS)}
    assert (report.in_full, report.in_part, report.differing) == (0, len(COMPLAINTS), [])


def test_a_model_that_is_gone_is_named_and_the_rules_are_still_asked(
    decide: Decide, versions: list[str], tmp_path: Path
) -> None:
    decide(versions[0])

    assert replay_all(tmp_path).reasons == {"model_not_installed": len(COMPLAINTS)}
    forge(rules_severity_score=1)
    assert columns_found(tmp_path) == {"rules_severity_score"}


@pytest.mark.parametrize("name", ["../elsewhere", "..", "/etc"])
def test_a_version_is_looked_for_in_the_store_only(
    name: str, decide: Decide, versions: list[str], store: Path
) -> None:
    decide(versions[0])
    forge(model_version=name)

    assert replay_all(store).reasons.keys() <= {"model_not_installed", "model_refused"}


def test_rules_that_are_not_installed_are_named_and_the_model_is_still_asked(
    decide: Decide, versions: list[str], store: Path
) -> None:
    decide(versions[0])
    forge(rules_version="another")

    report = replay_all(store)
    assert report.reasons == {"rules_version_not_installed": len(COMPLAINTS)}
    assert not report.differing

    forge(model_confidence=0.5)
    assert columns_found(store) == {"model_confidence"}


def test_yesterdays_rules_judged_a_row_that_was_written_after_midnight(
    decide: Decide, versions: list[str], store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decide(versions[0])
    today = MLPredictionLog.objects.first().created_at.date()

    def changes_today(day: date) -> Ruleset:
        rules = ruleset_as_of(day)
        return rules if day < today else replace(rules, version="todays")

    monkeypatch.setattr("monitoring.replay.ruleset_as_of", changes_today)

    assert replay_all(store).in_full == len(COMPLAINTS)


@pytest.mark.parametrize(
    ("abstained", "reason"),
    [("timeout", "model_timed_out"), ("prediction_failed", "model_failed")],
)
def test_what_befell_the_model_at_that_moment_is_named(
    abstained: str, reason: str, decide: Decide, store: Path
) -> None:
    decide()
    forge(model_abstained=abstained)
    QuerySet.update(MLPredictionLog.objects.exclude(fallback_reason=""), fallback_reason=abstained)

    report = replay_all(store)

    assert report.reasons == {reason: len(COMPLAINTS)}
    assert (report.in_part, report.differing) == (len(COMPLAINTS), [])


def test_without_an_intake_the_combination_is_decided_again_from_the_row(
    decide: Decide, versions: list[str], store: Path
) -> None:
    decide(versions[0])
    decide()
    forget_intakes()

    report = replay_all(store / "no-store")

    assert report.reasons == {"intake_gone": 2 * len(COMPLAINTS)}
    assert (report.from_the_row, report.in_full) == (2 * len(COMPLAINTS), 0)
    assert not report.differing


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"prediction": Level.EMERGENCY}, {"prediction"}),
        ({"confidence": F("confidence") + 1e-15}, {"confidence"}),
        ({"decider": "rules"}, {"prediction", "method"}),
        ({"method": "red_flag"}, {"method"}),
        ({"hard_flag": True}, {"hard_flag", "method"}),
        ({"needs_human": False, "rules_needs_human": True}, {"needs_human"}),
        ({"threshold": 1.0}, {"fallback_reason"}),
        ({"model_level": None}, {CONTRADICTION}),
        ({"probabilities": [1.0]}, {CONTRADICTION}),
        ({"decider": "nobody"}, {CONTRADICTION}),
        ({"rules_level": 0, "rules_floor": 1, "prediction": 3}, {CONTRADICTION}),
    ],
)
def test_without_an_intake_a_combination_that_cannot_be_is_found(
    values: dict[str, Any],
    found: set[str],
    decide: Decide,
    versions: list[str],
    store: Path,
    settings: Any,
) -> None:
    settings.CONFIDENCE_THRESHOLD = 0.0
    decide(versions[0])
    forget_intakes()
    forge(**values)

    assert found <= columns_found(store)


def test_a_lost_key_and_a_damaged_intake_are_named_apart(
    decide: Decide, store: Path, settings: Any
) -> None:
    decide()
    QuerySet.update(TriageIntake.objects.filter(pk=TriageIntake.objects.first().pk), token=b"x")
    assert replay_all(store).reasons == {"intake_damaged": 1}

    settings.INTAKE_KEYS = [Fernet.generate_key().decode()]
    report = replay_all(store)

    assert report.reasons == {"intake_key_not_installed": len(COMPLAINTS)}
    assert report.from_the_row == len(COMPLAINTS)


def test_a_word_that_this_version_does_not_know_is_named(
    decide: Decide, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decide()
    monkeypatch.setattr(TriageIntake, "request", lambda _: {"sex": "a word of another time"})

    assert replay_all(store).reasons == {"intake_not_understood": len(COMPLAINTS)}


# --- the command -------------------------------------------------------------------------------


def run(*options: str) -> str:
    out = StringIO()
    call_command("replay_decisions", *options, stdout=out)
    return out.getvalue()


def test_the_command_counts(decide: Decide, versions: list[str], store: Path) -> None:
    decide(versions[0])
    forget_intakes()
    decide(versions[1], epoch=2)

    report = json.loads(run("--json"))

    n = len(COMPLAINTS)
    assert report == {
        "rows": 2 * n, "in_full": n, "in_part": 0, "from_the_row": n,
        "not_replayed": {"intake_gone": n}, "differing": [],
    }  # fmt: skip
    assert "intake_gone" in run()


def test_the_command_names_rows_and_columns_and_no_value_of_the_patient(
    decide: Decide, versions: list[str], store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    decide(versions[0])
    row = MLPredictionLog.objects.order_by("id").first()
    QuerySet.update(MLPredictionLog.objects.filter(pk=row.pk), heart_rate=222.5)

    out = StringIO()
    with pytest.raises(CommandError, match=f"1 of {len(COMPLAINTS)} decisions differ") as error:
        call_command("replay_decisions", stdout=out)

    assert error.value.returncode == 1
    assert f"{row.pk} differs: heart_rate" in out.getvalue()
    said = out.getvalue() + str(error.value) + "".join(capsys.readouterr())
    assert "222.5" not in said
    assert COMPLAINTS[0] not in said


def test_the_command_takes_days_and_a_number_of_rows(
    decide: Decide, versions: list[str], store: Path
) -> None:
    decide(versions[0])
    today = str(MLPredictionLog.objects.first().created_at.date())

    assert json.loads(run("--json", "--limit", "3"))["rows"] == 3
    assert json.loads(run("--json", f"--since={today}", f"--until={today}"))["rows"] == 10
    assert json.loads(run("--json", "--until", "2020-01-01"))["rows"] == 0
    assert json.loads(run("--json", "--since", "2100-01-01"))["rows"] == 0
    with pytest.raises(CommandError, match="--limit"):
        run("--limit", "0")
