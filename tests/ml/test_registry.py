"""What serves changes in one step, by somebody, for a reason, and back again."""

from __future__ import annotations

import dataclasses
import functools
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction

from ml import registry
from ml.artefacts import POINTER, ArtefactError, Pointer, TrainedModel, pointer, save
from ml.experiments import phase_current
from ml.gate import GateTerms
from ml.history import AppendOnlyError
from ml.labelled import LabelledCase
from ml.models import Deployment, DeploymentEvent, ModelVersion, Phase
from ml.registry import (
    Deployed,
    GateRefusalError,
    RegistryError,
    StaleEpochError,
    UnknownVersionError,
    UnusableVersionError,
    deployed,
    document,
    pointer_repair,
    previous_version,
    version_compare,
    version_get,
    version_promote,
    version_register,
    version_rollback,
)
from ml.simulator import simulate
from tests.conftest import MODEL_DOCUMENTS
from triage_rules.level import Level, Opinion

pytestmark = pytest.mark.django_db

WHO = {"actor": "kim", "reason": "it is better"}
# An emergency answered as routine costs nothing: a model that sends everybody home.
HEEDLESS = ((0.0, 9.0, 9.0, 9.0), (0.0, 9.0, 9.0, 9.0), (0.0, 9.0, 9.0, 9.0), (0.0, 9.0, 9.0, 9.0))

Publish = Callable[..., str]


@pytest.fixture(autouse=True)
def trials(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The versions that were tried out; the trial itself has tests of its own."""
    tried: list[str] = []
    monkeypatch.setattr("ml.registry.try_out", lambda directory, **_: tried.append(directory.name))
    return tried


def write(model: TrainedModel, store: Path, *, dataset: str, **changes: Any) -> str:
    """Save a version of the small model, changed as told."""
    return save(
        dataclasses.replace(model, dataset=dataset, **changes),
        store,
        signing_key=django_settings.MODEL_SIGNING_KEY,
        documents=MODEL_DOCUMENTS,
    )


@pytest.fixture(scope="session")
def three_published(
    trained: TrainedModel, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, tuple[str, ...]]:
    """A model store, and its three versions. Not to be changed by tests."""
    store = tmp_path_factory.mktemp("three")
    return store, tuple(write(trained, store, dataset=name) for name in "abc")


@pytest.fixture(autouse=True)
def store(three_published: tuple[Path, Any], tmp_path: Path, settings: Any) -> Path:
    """A model store of one's own, which holds three versions and no pointer."""
    settings.MODEL_STORE = Path(shutil.copytree(three_published[0], tmp_path / "models"))
    return Path(settings.MODEL_STORE)


@pytest.fixture
def three(three_published: tuple[Path, tuple[str, str, str]], store: Path) -> tuple[str, str, str]:
    """Three registered versions; the first serves."""
    ids = three_published[1]
    for version in ids:
        version_register(version, actor="kim")
    return ids


@pytest.fixture
def publish(trained: TrainedModel, store: Path) -> Publish:
    """Return a function that saves one more version."""
    return functools.partial(write, trained, store)


@pytest.fixture(scope="session")
def held_out() -> tuple[LabelledCase, ...]:
    """Simulated patients that the small model does not know."""
    return tuple(simulate(300, seed=12))


def promote(version: str, **changes: Any) -> Deployed:
    return version_promote(version, **{**WHO, "override": True, **changes})


# --- registering ---------------------------------------------------------------------------------


def test_the_first_version_is_deployed_at_once(
    publish: Publish, store: Path, trials: list[str]
) -> None:
    version = publish(dataset="synthetic")

    row = version_register(version, actor="kim")

    event = DeploymentEvent.objects.get()
    assert deployed() == Deployed(version=version, digest=row.digest, epoch=1)
    assert pointer(store) == Pointer(version, 1)
    assert (event.kind, event.from_version, event.to_version) == ("first", None, row)
    assert (event.actor, event.reason, event.phase_opened.number) == ("kim", "first version", 2)
    assert trials == [version]


def test_a_row_says_what_the_files_say(publish: Publish) -> None:
    row = version_register(publish(dataset="synthetic"), actor="kim")

    metadata = json.loads(document(row, "metadata.json"))
    assert (row.dataset, row.synthetic, row.registered_by) == ("synthetic", True, "kim")
    assert row.created_at.isoformat() == metadata["created_at"]
    assert row.metrics["model"]["qwk"] == metadata["metrics"]["model"]["qwk"]
    assert document(row, "card.md") == "card.md of a test\n"


def test_registering_again_changes_nothing(publish: Publish) -> None:
    version = publish(dataset="synthetic")
    first = version_register(version, actor="kim")

    again = version_register(version, actor="ada")

    assert (again.pk, again.registered_by) == (first.pk, "kim")
    assert (ModelVersion.objects.count(), DeploymentEvent.objects.count()) == (1, 1)


def test_a_later_version_is_registered_and_not_deployed(three: tuple[str, str, str]) -> None:
    assert ModelVersion.objects.count() == 3
    assert deployed() == Deployed(
        version=three[0], digest=version_get(three[0]).digest, epoch=1
    )  # fmt: skip


def test_files_that_nobody_signed_are_not_registered(publish: Publish, settings: Any) -> None:
    version = publish(dataset="synthetic")
    settings.MODEL_PUBLIC_KEYS = []

    with pytest.raises(UnusableVersionError, match="no public key"):
        version_register(version, actor="kim")
    assert not ModelVersion.objects.exists()


def test_a_first_version_that_fails_its_trial_is_not_deployed(
    publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ml.registry.try_out", hang)

    with pytest.raises(UnusableVersionError, match="took longer"):
        version_register(publish(dataset="synthetic"), actor="kim")
    assert deployed() is None


def hang(*_: Any, **__: Any) -> None:
    raise ArtefactError("The trial took longer than 60 s.")


# --- the gate ------------------------------------------------------------------------------------


def test_a_better_version_passes(
    publish: Publish, held_out: tuple[LabelledCase, ...], trials: list[str]
) -> None:
    heedless = version_register(publish(dataset="heedless", cost_matrix=HEEDLESS), actor="kim")
    version = publish(dataset="good")
    version_register(version, actor="kim", held_out=held_out)

    now = version_promote(version, **WHO)

    event = DeploymentEvent.objects.get(epoch=2)
    assert (now.version, now.epoch, deployed()) == (version, 2, now)
    assert (event.kind, event.from_version, event.overridden) == ("promote", heedless, False)
    assert event.gate_report["passed"] is True
    assert event.gate_report["evidence"]["against"] == heedless.version
    assert trials == [heedless.version, version]


def test_a_worse_version_is_refused_with_figures(
    publish: Publish, held_out: tuple[LabelledCase, ...]
) -> None:
    version_register(publish(dataset="good"), actor="kim")
    heedless = publish(dataset="heedless", cost_matrix=HEEDLESS)
    version_register(heedless, actor="kim", held_out=held_out)

    with pytest.raises(GateRefusalError, match="Emergency recall of all patients") as refusal:
        version_promote(heedless, **WHO)

    assert not refusal.value.report.passed
    assert deployed().epoch == 1
    assert Phase.objects.get(ended_at=None).number == 2


def test_an_equal_version_is_refused_for_the_margin_alone(
    publish: Publish, held_out: tuple[LabelledCase, ...]
) -> None:
    version_register(publish(dataset="good"), actor="kim")
    twin = publish(dataset="twin")
    version_register(twin, actor="kim", held_out=held_out)

    with pytest.raises(GateRefusalError, match=r"0\.005 more is asked for\.$") as refusal:
        version_promote(twin, **WHO)

    assert len(refusal.value.report.refusals) == 1
    assert version_promote(twin, **WHO, terms=GateTerms(margin=0)).epoch == 2


def test_without_evidence_it_says_how_to_get_it(
    three: tuple[str, str, str], held_out: tuple[LabelledCase, ...]
) -> None:
    with pytest.raises(GateRefusalError, match=f"promote_model {three[1]} --dataset D"):
        version_promote(three[1], **WHO)

    version_compare(three[1], cases=held_out, source="tests")
    with pytest.raises(GateRefusalError, match="more is asked for"):
        version_promote(three[1], **WHO)


def test_evidence_against_an_older_version_does_not_count(
    three: tuple[str, str, str], held_out: tuple[LabelledCase, ...]
) -> None:
    version_compare(three[2], cases=held_out, source="tests")
    promote(three[1])

    with pytest.raises(GateRefusalError, match=f"never compared with {three[1]}"):
        version_promote(three[2], **WHO)


def test_nobody_is_asked_what_it_learnt(
    publish: Publish, held_out: tuple[LabelledCase, ...]
) -> None:
    # The version that serves knows nothing, but models made like it answered every row right.
    right = [opinion_of(case) for case in held_out]
    heedless = publish(dataset="heedless", cost_matrix=HEEDLESS)
    version_register(heedless, actor="kim", held_out=held_out, opinions=right)
    version = publish(dataset="good")
    version_register(version, actor="kim", held_out=held_out)

    with pytest.raises(GateRefusalError) as refusal:
        version_promote(version, **WHO)

    served = {
        finding.figure: finding.serving
        for finding in refusal.value.report.findings
        if (finding.decider, finding.group) == ("model", "all patients")
    }
    assert served == {"under-triage": 0.0, "emergency recall": 1.0}


def test_a_version_is_registered_though_what_serves_cannot_be_read(
    three: tuple[str, str, str], publish: Publish, store: Path, held_out: tuple[LabelledCase, ...]
) -> None:
    (store / three[0]).rename(store / "elsewhere")
    version = publish(dataset="good")

    row = version_register(version, actor="kim", held_out=held_out)

    assert row.evidence is None
    with pytest.raises(UnusableVersionError, match=three[0]):
        version_compare(version, cases=held_out, source="tests")
    assert promote(version).epoch == 2


def opinion_of(case: LabelledCase) -> Opinion:
    """Return an opinion that is right and sure."""
    sure = tuple(float(level is case.level) for level in Level)
    return Opinion(level=case.level, probabilities=sure, threshold=0.6)


def test_an_override_is_on_record_as_one(three: tuple[str, str, str]) -> None:
    promote(three[1], reason="the old one is broken")

    event = DeploymentEvent.objects.get(epoch=2)
    assert (event.overridden, event.reason) == (True, "the old one is broken")
    assert event.gate_report["passed"] is False
    assert "never compared" in event.gate_report["refusals"][0]


def test_a_simulated_version_does_not_replace_a_real_one(publish: Publish) -> None:
    version_register(publish(dataset="real", synthetic=False), actor="kim")
    simulated = publish(dataset="simulated")
    version_register(simulated, actor="kim")

    with pytest.raises(GateRefusalError, match="trained on simulated patients"):
        version_promote(simulated, **WHO)
    assert promote(simulated).epoch == 2


def test_patients_are_compared_under_the_threshold_that_is_set(
    three: tuple[str, str, str],
    publish: Publish,
    held_out: tuple[LabelledCase, ...],
    settings: Any,
) -> None:
    heedless = publish(dataset="heedless", cost_matrix=HEEDLESS)
    version_register(heedless, actor="kim")

    def answers() -> Any:
        return version_compare(heedless, cases=held_out, source="t").evidence["counts"]

    settings.CONFIDENCE_THRESHOLD = 0.0
    without_doubt = answers()
    settings.CONFIDENCE_THRESHOLD = 1.0

    assert answers()["hybrid"] != without_doubt["hybrid"]
    assert answers()["model"] == without_doubt["model"]


# --- promoting -----------------------------------------------------------------------------------


def test_an_unknown_version_is_refused(three: tuple[str, str, str]) -> None:
    with pytest.raises(UnknownVersionError):
        promote("20250101T000000-none-00000000")


def test_the_version_that_serves_is_not_promoted_again(three: tuple[str, str, str]) -> None:
    with pytest.raises(RegistryError, match="serves already"):
        promote(three[0])


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501])
def test_a_change_needs_a_reason(three: tuple[str, str, str], reason: str) -> None:
    with pytest.raises(RegistryError, match="A reason of 1 to 500 characters"):
        promote(three[1], reason=reason)
    assert deployed().epoch == 1


def test_a_stale_epoch_is_refused(three: tuple[str, str, str]) -> None:
    promote(three[1], expected_epoch=1)

    with pytest.raises(StaleEpochError, match="is at epoch 2, not 1"):
        promote(three[2], expected_epoch=1)
    with pytest.raises(StaleEpochError):
        version_rollback(**WHO, expected_epoch=1)
    assert deployed().version == three[1]


def test_what_changed_meanwhile_is_noticed_without_being_told(
    three: tuple[str, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow_trial(directory: Path, **_: Any) -> None:
        if directory.name == three[1]:
            promote(three[2])

    monkeypatch.setattr("ml.registry.try_out", slow_trial)

    with pytest.raises(StaleEpochError, match="somebody else changed it first"):
        promote(three[1])
    assert (deployed().version, deployed().epoch) == (three[2], 2)


def test_a_version_whose_files_are_gone_is_refused(
    three: tuple[str, str, str], store: Path
) -> None:
    (store / three[1]).rename(store / "elsewhere")

    with pytest.raises(UnusableVersionError, match="gone from the model store"):
        promote(three[1])
    assert deployed().epoch == 1


def test_a_version_whose_files_were_changed_is_refused(
    three: tuple[str, str, str], store: Path
) -> None:
    manifest = store / three[1] / "manifest.json"
    manifest.chmod(0o644)
    manifest.write_bytes(manifest.read_bytes() + b"\n")

    with pytest.raises(UnusableVersionError, match="not as registered"):
        promote(three[1])


def test_a_version_that_fails_its_trial_is_refused(
    three: tuple[str, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ml.registry.try_out", hang)

    with pytest.raises(UnusableVersionError, match="cannot serve: The trial took longer"):
        promote(three[1])
    assert deployed().epoch == 1


def test_the_trial_is_the_real_one(
    three: tuple[str, str, str], store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    django_settings.MODEL_STORE = store
    golden = store / three[2] / "golden.jsonl"
    golden.chmod(0o644)
    golden.write_text("{}\n")

    assert promote(three[1]).epoch == 2
    with pytest.raises(UnusableVersionError, match=r"golden\.jsonl"):
        promote(three[2])


def test_a_spoilt_document_is_not_shown(three: tuple[str, str, str], store: Path) -> None:
    card = store / three[0] / "card.md"
    card.chmod(0o644)
    card.write_text("A perfect model.")

    with pytest.raises(UnusableVersionError, match="not as it was registered"):
        document(version_get(three[0]), "card.md")


# --- rolling back --------------------------------------------------------------------------------


def test_a_rollback_goes_back_and_a_second_one_further_back(
    three: tuple[str, str, str], store: Path
) -> None:
    promote(three[1])
    promote(three[2])

    assert version_rollback(**WHO).version == three[1]
    assert version_rollback(**WHO).version == three[0]
    with pytest.raises(RegistryError, match="nothing to go back to"):
        version_rollback(**WHO)
    kinds = DeploymentEvent.objects.order_by("epoch").values_list("kind", flat=True)
    assert list(kinds) == ["first", "promote", "promote", "rollback", "rollback"]
    assert pointer(store) == Pointer(three[0], 5)


def test_after_a_rollback_and_a_promotion_the_refused_version_is_skipped(
    three: tuple[str, str, str],
) -> None:
    promote(three[1])
    version_rollback(**WHO)
    promote(three[2])

    assert previous_version() == version_get(three[0])


def test_a_version_that_came_twice_is_left_once_each_time(three: tuple[str, str, str]) -> None:
    for version in (three[1], three[0], three[1]):
        promote(version)

    found = [version_rollback(**WHO).version for _ in range(3)]

    assert found == [three[0], three[1], three[0]]


def test_a_rollback_to_files_that_are_gone_is_refused(
    three: tuple[str, str, str], store: Path
) -> None:
    promote(three[1])
    (store / three[0]).rename(store / "elsewhere")

    with pytest.raises(UnusableVersionError, match="gone from the model store"):
        version_rollback(**WHO)
    assert deployed().version == three[1]


def test_without_a_deployment_there_is_nothing_to_change() -> None:
    assert deployed() is None
    with pytest.raises(RegistryError, match="No model version is deployed"):
        version_rollback(**WHO)


# --- the experiment ------------------------------------------------------------------------------


def test_a_promotion_opens_a_phase_with_the_same_terms(three: tuple[str, str, str]) -> None:
    Phase.objects.filter(ended_at=None).update(ramp=300_000, ml_share=100_000)
    before = phase_current()

    promote(three[1])

    closed, opened = Phase.objects.order_by("number")[1:]
    assert phase_current() == dataclasses.replace(before, number=before.number + 1)
    assert (closed.model_version.version, opened.model_version.version) == three[:2]
    assert (closed.ramp, closed.ended_at is None) == (300_000, False)
    assert DeploymentEvent.objects.get(epoch=2).phase_opened == opened


def test_between_two_experiments_no_phase_is_opened(three: tuple[str, str, str]) -> None:
    Phase.objects.filter(ended_at=None).update(ended_at=Phase.objects.last().started_at)

    promote(three[1])

    assert not Phase.objects.filter(ended_at=None).exists()
    assert DeploymentEvent.objects.get(epoch=2).phase_opened is None


def test_a_change_that_fails_leaves_the_phase_open(
    three: tuple[str, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DeploymentEvent.objects, "create", fail)

    with pytest.raises(RuntimeError):
        promote(three[1])

    assert (phase_current().number, deployed().epoch) == (2, 1)


def fail(**_: Any) -> None:
    raise RuntimeError


def test_phase_and_deployment_are_one_query_each(
    three: tuple[str, str, str], django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(1):
        phase_current()
    with django_assert_num_queries(1):
        deployed()


# --- the pointer file ----------------------------------------------------------------------------


@pytest.mark.parametrize("spoilt", [None, b"{}", b'{"version": "a", "epoch": 0}'])
def test_a_pointer_left_behind_by_a_crash_is_repaired(
    three: tuple[str, str, str], store: Path, spoilt: bytes | None
) -> None:
    (store / POINTER).unlink()
    if spoilt is not None:
        (store / POINTER).write_bytes(spoilt)

    assert pointer_repair()
    assert pointer(store) == Pointer(three[0], 1)
    assert not pointer_repair()


def test_the_next_promotion_heals_the_pointer_of_one_that_crashed(
    three: tuple[str, str, str], store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as crash:
        crash.setattr("ml.registry.point_to", read_only)
        promote(three[1])
    assert pointer(store) == Pointer(three[0], 1)

    promote(three[2])

    assert pointer(store) == Pointer(three[2], 3)


def read_only(*_: Any, **__: Any) -> None:
    raise OSError


def test_the_epoch_rises_above_a_pointer_that_a_restored_database_is_behind(
    three: tuple[str, str, str], store: Path
) -> None:
    (store / POINTER).write_text(json.dumps({"version": three[2], "epoch": 7}))

    assert not pointer_repair()
    assert promote(three[1]).epoch == 8
    assert pointer(store) == Pointer(three[1], 8)


# --- what the database itself keeps --------------------------------------------------------------


def test_history_is_not_edited(three: tuple[str, str, str]) -> None:
    event = DeploymentEvent.objects.get()
    event.reason = "another"

    for change in (event.save, event.delete, DeploymentEvent.objects.all().delete):
        with pytest.raises(AppendOnlyError):
            change()
    with pytest.raises(AppendOnlyError):
        ModelVersion.objects.update(digest="")


@pytest.mark.parametrize(
    "change",
    [
        {"epoch": 1},
        {"actor": ""},
        {"reason": ""},
        {"from_version": None},
        {"kind": "first"},
    ],
    ids=str,
)
def test_the_database_refuses_an_event_that_cannot_be(
    three: tuple[str, str, str], change: dict[str, Any]
) -> None:
    old, new = version_get(three[0]), version_get(three[1])
    event = {"epoch": 2, "kind": "promote", "from_version": old, "to_version": new, **WHO}

    with pytest.raises(IntegrityError), transaction.atomic():
        DeploymentEvent.objects.create(**event | change)


@pytest.mark.parametrize("slot", ["champion", "challenger"])
def test_the_database_keeps_one_slot(three: tuple[str, str, str], slot: str) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Deployment.objects.create(slot=slot, current=version_get(three[1]), epoch=1)


# --- two at once ---------------------------------------------------------------------------------


@pytest.fixture
def meeting(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Barrier]:
    """Let two promotions that both passed every check meet at the door of the transaction."""
    barrier = threading.Barrier(2, timeout=20)
    monkeypatch.setattr("ml.registry.try_out", lambda *_, **__: barrier.wait())
    yield barrier
    barrier.abort()


@pytest.mark.django_db(transaction=True)
def test_of_two_promotions_at_once_one_wins_and_the_other_is_refused(
    publish: Publish, meeting: threading.Barrier, monkeypatch: pytest.MonkeyPatch, store: Path
) -> None:
    versions = [publish(dataset=name) for name in ("a", "b", "c")]
    with monkeypatch.context() as alone:
        alone.setattr("ml.registry.try_out", lambda *_, **__: None)
        for version in versions:
            version_register(version, actor="kim")
    outcomes: list[Any] = []

    def run(version: str) -> None:
        try:
            outcomes.append(promote(version))
        except RegistryError as error:
            outcomes.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[version]) for version in versions[1:]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    [won] = [one for one in outcomes if isinstance(one, Deployed)]
    [lost] = [one for one in outcomes if not isinstance(one, Deployed)]
    assert isinstance(lost, StaleEpochError), lost
    assert (deployed(), won.epoch) == (won, 2)
    assert pointer(store) == Pointer(won.version, 2)
    assert DeploymentEvent.objects.filter(epoch=2).count() == 1
    assert Phase.objects.filter(ended_at=None).count() == 1


@pytest.mark.django_db(transaction=True)
def test_no_reader_ever_sees_a_moment_without_a_phase(publish: Publish, trials: list[str]) -> None:
    versions = [publish(dataset=name) for name in ("a", "b")]
    for version in versions:
        version_register(version, actor="kim")
    done, seen = threading.Event(), set()

    def read() -> None:
        while not done.is_set():
            seen.add(phase_current().experiment)
        connection.close()

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(10):
        promote(versions[1])
        version_rollback(**WHO)
    done.set()
    reader.join()

    assert seen == {"ml-vs-rules"}


# --- commands ------------------------------------------------------------------------------------


def test_promote_model_promotes(three: tuple[str, str, str], capsys: Any) -> None:
    call_command("promote_model", three[1], "--override", "--reason", "tried it", "--json")

    event = DeploymentEvent.objects.get(epoch=2)
    assert json.loads(capsys.readouterr().out) == {
        "version": three[1],
        "digest": version_get(three[1]).digest,
        "epoch": 2,
    }
    assert (event.reason, event.actor) == ("tried it", registry.operator())


def test_promote_model_compares_where_it_is_asked_to(publish: Publish, capsys: Any) -> None:
    version_register(publish(dataset="heedless", cost_matrix=HEEDLESS), actor="kim")
    version = publish(dataset="good")
    version_register(version, actor="kim")

    call_command("promote_model", version, "--dataset", "synthetic", "--rows", "300")

    event = DeploymentEvent.objects.get(epoch=2)
    assert event.reason == "promoted by command"
    assert event.gate_report["evidence"]["source"] == "data set synthetic"
    assert capsys.readouterr().out == f"{version} serves (epoch 2).\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "was never compared with"),
        (["--override"], "^--override needs a --reason.$"),
        (["--expected-epoch", "4"], "is at epoch 1, not 4"),
        (["--dataset", "ktas", "--path", "none.csv"], r"none\.csv"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_promote_model_says_why_not(
    three: tuple[str, str, str], arguments: list[str], sentence: str
) -> None:
    with pytest.raises(CommandError, match=sentence):
        call_command("promote_model", three[1], *arguments)
    assert deployed().epoch == 1


def test_a_phase_cannot_be_kept(three: tuple[str, str, str]) -> None:
    with pytest.raises(CommandError, match="--keep-phase"):
        call_command("promote_model", three[1], "--keep-phase")


def test_rollback_model_rolls_back(three: tuple[str, str, str], capsys: Any) -> None:
    promote(three[1])

    call_command("rollback_model", "--actor", "ada", "--reason", "too many alarms")

    event = DeploymentEvent.objects.get(epoch=3)
    assert (event.kind, event.actor, event.reason) == ("rollback", "ada", "too many alarms")
    assert capsys.readouterr().out == f"{three[0]} serves again (epoch 3).\n"


def test_rollback_model_says_why_not(three: tuple[str, str, str]) -> None:
    with pytest.raises(CommandError, match="nothing to go back to"):
        call_command("rollback_model")


def test_list_models_marks_the_one_that_serves(three: tuple[str, str, str], capsys: Any) -> None:
    call_command("list_models")
    table = capsys.readouterr().out.splitlines()
    call_command("list_models", "--json")
    rows = json.loads(capsys.readouterr().out)

    assert [line.split()[:2] for line in table if line.startswith("*")] == [["*", three[0]]]
    assert {row["version"] for row in rows} == set(three)
    assert [row["version"] for row in rows if row["deployed"]] == [three[0]]
    assert rows[0]["qwk"] == version_get(rows[0]["version"]).metrics["model"]["qwk"]


def test_list_models_of_an_empty_registry(capsys: Any) -> None:
    call_command("list_models")

    assert capsys.readouterr().out == "No model version is registered.\n"
