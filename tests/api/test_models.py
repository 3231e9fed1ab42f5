"""Everybody with a token may read the registry; some accounts may change what serves."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings

from ml.artefacts import TrainedModel, save
from ml.models import DeploymentEvent, ModelVersion
from ml.registry import deployed, version_promote, version_register
from ml.simulator import simulate
from monitoring.roles import Role
from tests.conftest import MODEL_DOCUMENTS, account, client_of

pytestmark = pytest.mark.django_db

MODELS = "/api/v1/models/"
ROLLBACK = "/api/v1/models/rollback/"
REASON = {"reason": "it is better"}
CARD = "# Card\nMade from simulated patients.\n"
# It costs nothing to send everybody home.
HEEDLESS = ((0.0, 9.0, 9.0, 9.0),) * 4


@dataclasses.dataclass(frozen=True)
class Registered:
    """Three versions: one that serves, a better one, and one that was never compared."""

    serving: str
    better: str
    unknown: str


@pytest.fixture(scope="module")
def published(
    trained: TrainedModel, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Registered]:
    """A model store and its versions."""
    store = tmp_path_factory.mktemp("models")

    def write(dataset: str, **changes: Any) -> str:
        return save(
            dataclasses.replace(trained, dataset=dataset, **changes),
            store,
            signing_key=django_settings.MODEL_SIGNING_KEY,
            documents=MODEL_DOCUMENTS | {"card.md": CARD.encode()},
        )

    return store, Registered(
        serving=write("heedless", cost_matrix=HEEDLESS),
        better=write("better"),
        unknown=write("unknown"),
    )


@pytest.fixture
def models(
    published: tuple[Path, Registered], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Registered:
    """The versions, registered. Their trial has tests of its own."""
    settings.MODEL_STORE, registered = published
    (settings.MODEL_STORE / "current.json").unlink(missing_ok=True)
    monkeypatch.setattr("ml.registry.try_out", lambda *_, **__: None)
    version_register(registered.serving, actor="kim")
    version_register(registered.better, actor="kim", held_out=tuple(simulate(150, seed=12)))
    version_register(registered.unknown, actor="kim")
    return registered


@pytest.fixture
def operator() -> Any:
    """Somebody who may change what serves."""
    return client_of(account("operator", Role.ML_ENGINEER))


def promote_url(version: str) -> str:
    return f"{MODELS}{version}/promote/"


def without_gate(version: str) -> None:
    version_promote(version, actor="kim", reason="by hand", override=True)


def test_it_works(api: Any, models: Registered) -> None:
    body = api.get(MODELS).json()

    assert body["deployed"]["version"] == models.serving
    assert body["deployed"]["epoch"] == 1
    assert {row["version"]: row["deployed"] for row in body["results"]} == {
        models.serving: True,
        models.better: False,
        models.unknown: False,
    }
    assert body["results"][0]["metrics"]["model"]["qwk"] > 0


def test_a_version_has_its_card_and_its_history(api: Any, models: Registered) -> None:
    body = api.get(f"{MODELS}{models.serving}/").json()

    assert (body["card"], body["card_error"]) == (CARD, None)
    assert (body["dataset"], body["synthetic"]) == ("heedless", True)
    [first] = body["deployments"]
    assert (first["kind"], first["from"], first["actor"]) == ("first", None, "kim")


def test_a_version_without_its_files_says_so(api: Any, models: Registered, settings: Any) -> None:
    settings.MODEL_STORE = Path("/nonexistent")

    response = api.get(f"{MODELS}{models.serving}/")

    assert (response.status_code, response.json()["card"]) == (200, None)
    assert "gone from the model store" in response.json()["card_error"]


def test_an_empty_registry_is_an_empty_list(api: Any) -> None:
    assert api.get(MODELS).json() == {"deployed": None, "results": []}


@pytest.mark.parametrize("version", ["20250101T000000-x-00000000", "..", "%00", "a" * 300])
def test_an_unknown_version_is_a_404(api: Any, operator: Any, version: str) -> None:
    read = api.get(f"{MODELS}{version}/")
    promoted = operator.send(REASON, path=promote_url(version))

    for response in (read, promoted):
        assert response.status_code == 404
        assert response["Content-Type"] == "application/problem+json"


def test_a_refusal_of_the_gate_is_a_409_with_its_sentences(
    operator: Any, models: Registered
) -> None:
    response = operator.send(REASON, path=promote_url(models.unknown))

    assert (response.status_code, response["Content-Type"]) == (409, "application/problem+json")
    assert f"never compared with {models.serving}" in response.json()["detail"]
    assert deployed().epoch == 1


def test_a_promotion_answers_what_serves_now(operator: Any, models: Registered) -> None:
    response = operator.send(REASON | {"expected_epoch": 1}, path=promote_url(models.better))

    event = DeploymentEvent.objects.get(epoch=2)
    assert response.status_code == 200
    assert response.json() == {
        "version": models.better,
        "digest": ModelVersion.objects.get(version=models.better).digest,
        "epoch": 2,
    }
    assert (event.actor, event.reason) == ("operator", "it is better")


def test_a_rollback_answers_what_serves_again(operator: Any, models: Registered) -> None:
    without_gate(models.better)

    response = operator.send({"reason": "too many alarms"}, path=ROLLBACK)

    assert (response.status_code, response.json()["version"]) == (200, models.serving)
    assert response.json()["epoch"] == 3


def test_a_stale_epoch_is_a_409(operator: Any, models: Registered) -> None:
    without_gate(models.better)

    response = operator.send(REASON | {"expected_epoch": 1}, path=ROLLBACK)

    assert response.status_code == 409
    assert "is at epoch 2, not 1" in response.json()["detail"]


def test_nothing_to_go_back_to_is_a_409(operator: Any, models: Registered) -> None:
    response = operator.send(REASON, path=ROLLBACK)

    assert response.status_code == 409
    assert "nothing to go back to" in response.json()["detail"]


@pytest.mark.parametrize("path", [ROLLBACK, promote_url("any")])
def test_who_may_not_deploy_is_refused(api: Any, path: str, models: Registered) -> None:
    response = api.send(REASON, path=path)

    assert (response.status_code, response["Content-Type"]) == (403, "application/problem+json")
    assert deployed().epoch == 1


@pytest.mark.parametrize("path", [MODELS, f"{MODELS}any/", ROLLBACK, promote_url("any")])
def test_without_a_token_nothing_is_shown(anonymous: Any, path: str) -> None:
    assert anonymous.get(path).status_code == 401
    assert anonymous.send(REASON, path=path).status_code == 401


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/reason"),
        ({"reason": ""}, "/reason"),
        ({"reason": 7}, "/reason"),
        ({"reason": "x" * 501}, "/reason"),
        ({"reason": "r", "expected_epoch": "1"}, "/expected_epoch"),
        ({"reason": "r", "expected_epoch": 0}, "/expected_epoch"),
        ({"reason": "r", "expected_epoch": 1.5}, "/expected_epoch"),
        ({"reason": "r", "override": True}, "/override"),
        (["reason"], ""),
    ],
)
@pytest.mark.parametrize("change", ["promote", "rollback"])
def test_a_body_that_cannot_be_used_is_named(
    change: str, body: Any, pointer: str, operator: Any, models: Registered
) -> None:
    path = ROLLBACK if change == "rollback" else promote_url(models.better)

    response = operator.send(body, path=path)

    assert response.status_code == 400
    assert [error["pointer"] for error in response.json()["errors"]] == [pointer]
    assert deployed().epoch == 1
