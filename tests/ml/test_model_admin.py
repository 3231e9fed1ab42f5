"""The registry in the admin: read by those who may, changed through a form that asks why."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from ml.models import Deployment, DeploymentEvent, ModelVersion
from ml.registry import Deployed, deployed
from monitoring.roles import Role
from tests.conftest import account, browser_of

pytestmark = pytest.mark.django_db

LIST_URL = "/admin/ml/modelversion/"
EVENTS_URL = "/admin/ml/deploymentevent/"
FORM = {"reason": "it is better", "expected_epoch": 1}


def version(name: str) -> ModelVersion:
    return ModelVersion.objects.create(
        version=name,
        digest="d" * 64,
        created_at=timezone.now(),
        registered_by="kim",
        dataset="synthetic",
        synthetic=True,
        scikit_learn="1.9.1",
        metrics={"model": {"qwk": 0.61234, "emergency_recall": None}},
    )


@pytest.fixture
def old() -> ModelVersion:
    """The version that serves."""
    row = version("old")
    Deployment.objects.create(slot="champion", current=row, epoch=1)
    DeploymentEvent.objects.create(
        epoch=1, kind="first", to_version=row, actor="kim", reason="first version"
    )
    return row


@pytest.fixture
def new(old: ModelVersion) -> ModelVersion:
    """A version that waits. Neither of them has files."""
    return version("new")


@pytest.fixture
def operator() -> Client:
    """Somebody who may look and deploy."""
    return browser_of(account("ada", Role.ML_ENGINEER, is_staff=True))


@pytest.fixture
def reader() -> Client:
    """Somebody who may look."""
    return browser_of(account("ada", Role.AUDITOR, is_staff=True))


@pytest.fixture
def changes(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the registry was asked for; it says yes to everything."""
    asked: list[dict[str, Any]] = []

    def change(version: str = "back", **details: Any) -> Deployed:
        asked.append({"version": version, **details})
        return Deployed(version=version, digest="d", epoch=2)

    monkeypatch.setattr("ml.admin.version_promote", change)
    monkeypatch.setattr("ml.admin.version_rollback", change)
    return asked


def test_the_list_shows_what_serves_and_the_figures(reader: Client, new: ModelVersion) -> None:
    page = reader.get(LIST_URL)

    assert page.context["cl"].result_count == 2
    assert b"0.612" in page.content
    assert page.content.count(b'alt="True"') == 3  # both are synthetic, one serves
    assert b'value="promote"' not in page.content


def test_a_version_whose_files_are_gone_is_shown_without_its_card(
    reader: Client, old: ModelVersion
) -> None:
    page = reader.get(f"{LIST_URL}{old.pk}/change/")

    assert b"gone from the model store" in page.content
    assert b"/promote/" not in page.content


@pytest.mark.parametrize("url", [LIST_URL, EVENTS_URL])
def test_nobody_adds_changes_or_deletes(url: str, admin_client: Client, old: ModelVersion) -> None:
    for page in ("add/", f"{old.pk}/delete/", f"{old.pk}/change/"):
        assert admin_client.post(f"{url}{page}", {"reason": "x"}).status_code == 403


def test_promote_asks_why_and_for_the_state_that_was_seen(
    operator: Client, new: ModelVersion, changes: list[dict[str, Any]]
) -> None:
    chosen = operator.post(LIST_URL, {"action": "promote", "_selected_action": [new.pk]})
    form = operator.get(chosen.url)
    done = operator.post(chosen.url, FORM, follow=True)

    assert form.context["form"].initial == {"expected_epoch": 1}
    assert changes == [{"version": "new", "actor": "ada", **FORM}]
    assert b"Model version new serves now." in done.content


def test_one_version_at_a_time_is_promoted(
    operator: Client, old: ModelVersion, new: ModelVersion
) -> None:
    page = operator.post(
        LIST_URL, {"action": "promote", "_selected_action": [old.pk, new.pk]}, follow=True
    )

    assert b"Choose one version to promote." in page.content


def test_roll_back_asks_why(
    operator: Client, new: ModelVersion, changes: list[dict[str, Any]]
) -> None:
    chosen = operator.post(LIST_URL, {"action": "roll_back", "_selected_action": [new.pk]})
    operator.post(chosen.url, FORM)

    assert changes == [{"version": "back", "actor": "ada", **FORM}]


def test_a_refusal_is_shown_in_its_own_sentences(operator: Client, new: ModelVersion) -> None:
    page = operator.post(f"{LIST_URL}{new.pk}/promote/", FORM)

    assert page.status_code == 200
    assert b"new was never compared with old" in page.content
    assert deployed() == Deployed(version="old", digest=new.digest, epoch=1)


@pytest.mark.parametrize(
    "form", [{"reason": ""}, {"reason": "x" * 501}, {"reason": "r", "expected_epoch": ""}], ids=str
)
def test_without_a_reason_nothing_is_asked_for(
    operator: Client, new: ModelVersion, changes: list[dict[str, Any]], form: dict[str, Any]
) -> None:
    assert operator.post(f"{LIST_URL}{new.pk}/promote/", FORM | form).status_code == 200
    assert changes == []


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("page", ["roll-back/", "{pk}/promote/"])
def test_who_may_not_deploy_gets_no_form(
    reader: Client, new: ModelVersion, changes: list[dict[str, Any]], page: str, method: str
) -> None:
    url = LIST_URL + page.format(pk=new.pk)

    assert getattr(reader, method)(url, FORM).status_code == 403
    assert changes == []


def test_who_may_go_back_may_not_therefore_promote(
    new: ModelVersion, changes: list[dict[str, Any]]
) -> None:
    manager = browser_of(account("ada", Role.ADMIN, is_staff=True))

    listed = manager.get(LIST_URL)
    promoted = manager.post(f"{LIST_URL}{new.pk}/promote/", FORM)
    manager.post(f"{LIST_URL}roll-back/", FORM)

    assert b'value="promote"' not in listed.content
    assert b'value="roll_back"' in listed.content
    assert promoted.status_code == 403
    assert [change["version"] for change in changes] == ["back"]


def test_a_version_that_is_not_there_is_a_404(operator: Client) -> None:
    assert operator.get(f"{LIST_URL}999/promote/").status_code == 404


def test_an_event_shows_what_the_gate_had_against_it(
    reader: Client, old: ModelVersion, new: ModelVersion
) -> None:
    finding = {
        "decider": "hybrid", "group": "sex <female>", "n": 40, "figure": "under-triage",
        "serving": 0.1, "candidate": 0.2, "interval": [0.01, 0.19],
    }  # fmt: skip
    event = DeploymentEvent.objects.create(
        epoch=2, kind="promote", from_version=old, to_version=new, actor="kim", reason="r",
        overridden=True, gate_report={"refusals": ["It is worse."], "findings": [finding]},
    )  # fmt: skip

    page = reader.get(f"{EVENTS_URL}{event.pk}/change/").content

    assert b"<p>It is worse.</p>" in page
    assert b"<td>sex &lt;female&gt;</td><td>40</td>" in page
    assert b"+0.010 to +0.190" in page
