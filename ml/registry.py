"""The registry: which model versions there are, which one serves, and how that changes.

What serves stands in the database. A change is one transaction that finds the deployment as it was
when the change was asked for, or is refused. The pointer file of the model store follows after the
commit; whoever finds it behind brings it up to date.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from django.conf import settings
from django.db import DatabaseError, transaction
from django.db.models import QuerySet

from ml.artefacts import (
    MANIFEST,
    ArtefactError,
    LoadedModel,
    Pointer,
    check_golden,
    load,
    point_to,
    pointer,
)
from ml.experiments import phase_reopen
from ml.labelled import LabelledCase
from ml.loading import remember_passed
from ml.models import Deployment, DeploymentEvent, HeldOutAnswers, ModelVersion
from ml.trial import try_out
from triage_rules.level import Opinion

if TYPE_CHECKING:
    from ml.gate import GateReport, GateTerms
    from ml.held_out import Answerer

log = structlog.get_logger(__name__)

CHAMPION = Deployment.Slot.CHAMPION
HELD_OUT = "the candidate's own rows, held out"
MAX_COMPARED = 10_000
MAX_REASON_CHARACTERS = 500
_DECIDERS = ("model", "hybrid", "rules", "nurse", "baseline")
_FIGURES = (
    "n", "accuracy", "qwk", "under_triage", "over_triage", "two_level_under_triage",
    "emergency_recall", "brier", "ece",
)  # fmt: skip


class RegistryError(Exception):
    """A change of the registry is refused; ``sentences`` say why."""

    def __init__(self, *sentences: str) -> None:
        super().__init__(" ".join(sentences))
        self.sentences = sentences


class UnknownVersionError(RegistryError):
    """No such version is registered."""


class StaleEpochError(RegistryError):
    """Another change came first."""


class UnusableVersionError(RegistryError):
    """The version's files are gone, are not those that were registered, or fail their trial."""


class GateRefusalError(RegistryError):
    """The gate speaks against the candidate; ``report`` holds every figure."""

    def __init__(self, report: GateReport) -> None:
        super().__init__(*report.refusals)
        self.report = report


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """The version that serves. Every change of it raises ``epoch``."""

    version: str
    digest: str
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """A change of what serves, as it was asked for."""

    kind: DeploymentEvent.Kind
    actor: str
    reason: str
    report: GateReport | None = None
    overridden: bool = False


# --- reading ---------------------------------------------------------------------------------


def deployed() -> Deployed | None:
    """Return what serves, by one small query; None before the first version is registered."""
    row = (
        Deployment.objects.filter(slot=CHAMPION)
        .values_list("current__version", "current__digest", "epoch")
        .first()
    )
    return None if row is None else Deployed(version=row[0], digest=row[1], epoch=row[2])


def versions() -> QuerySet[ModelVersion]:
    """Return every registered version, the newest first."""
    return ModelVersion.objects.all()


def version_get(version: str) -> ModelVersion:
    """Return the registered version of this id.

    Raises
    ------
    UnknownVersionError
        When there is none.
    """
    row: ModelVersion | None = ModelVersion.objects.filter(version=version).first()
    if row is None:
        raise UnknownVersionError(
            "No such model version is registered; list_models shows those that are."
        )
    return row


def operator() -> str:
    """Return who acts when a command is run: the user of the operating system."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container may run as a user that has a number and no name.
        return f"uid {os.getuid()}"


def document(row: ModelVersion, name: str) -> str:
    """Return one text file of a version, from bytes that are those that were registered.

    Raises
    ------
    UnusableVersionError
        When the file is gone or was changed.
    """
    files = json.loads(_registered_manifest(row))["files"]
    data = _bytes(row, name)
    if name not in files or hashlib.sha256(data).hexdigest() != files[name]["sha256"]:
        raise UnusableVersionError(f"{name} of model version {row} is not as it was registered.")
    return data.decode()


def previous_version() -> ModelVersion | None:
    """Return the version a rollback would go to; None when there is none.

    A promotion puts a version on top of those before it, a rollback takes the top one off. So a
    second rollback goes one further back and never forth again.
    """
    history: list[int] = []
    for kind, version_id in DeploymentEvent.objects.order_by("epoch").values_list(
        "kind", "to_version"
    ):
        if kind == DeploymentEvent.Kind.ROLLBACK:
            history.pop()
        else:
            history.append(version_id)
    return ModelVersion.objects.get(pk=history[-2]) if len(history) > 1 else None


# --- registering -----------------------------------------------------------------------------


def version_register(
    version: str,
    *,
    actor: str,
    held_out: Sequence[LabelledCase] = (),
    opinions: Sequence[Opinion] = (),
) -> ModelVersion:
    """Register a version of the model store, and deploy it when nothing is deployed yet.

    To register it again changes nothing, except that a first version left undeployed by a crash
    is deployed, and evidence is taken where there is none for the version that serves.

    Parameters
    ----------
    version
        Its id.
    actor
        Who registers it.
    held_out
        Labelled cases. The version that serves answers them too; how both answered is kept as the
        gate's evidence.
    opinions
        What models that had not learnt from each of ``held_out`` said of it, where the version
        itself did; kept, so that no comparison ever asks it what it already knows.

    Raises
    ------
    UnusableVersionError
        When the version's files cannot be used, or another version of this id is registered.
    """
    model = _loaded(version)
    row, is_new = ModelVersion.objects.get_or_create(
        version=version, defaults=_facts(model, actor=actor)
    )
    if row.digest != model.digest:
        raise UnusableVersionError(f"Another model version {version} is registered already.")
    _keep_answers(row, held_out, opinions)
    if is_new:
        log.info("model_registered", version=version, digest=row.digest, actor=actor)
    serving = deployed()
    if serving is None:
        _deploy_first(row, actor=actor)
    elif held_out and serving.version != version and not _is_evidence(row, serving):
        _keep_evidence_if_possible(row, serving, held_out)
    return row


def version_compare(version: str, *, cases: Sequence[LabelledCase], source: str) -> ModelVersion:
    """Compare a version with the one that serves on labelled cases, and keep it as evidence.

    Parameters
    ----------
    cases
        Labelled cases. Of a row that a version learnt from counts what it said before.
    source
        Where they come from, in words.

    Raises
    ------
    UnknownVersionError, UnusableVersionError
        When one of the two versions is not registered or its files cannot be used.
    RegistryError
        When nothing is deployed, so that there is nothing to compare with.
    """
    row, serving = version_get(version), _serving()
    _keep_evidence(row, serving, cases, source=source)
    return row


def gate_report(
    row: ModelVersion, serving: Deployed, *, terms: GateTerms | None = None
) -> GateReport:
    """Return what the gate says to promoting ``row`` over what serves, by the evidence there is."""
    # Imported here, so that a broken wheel leaves a service that answers from the rules.
    from ml import gate

    return gate.assess(
        row.evidence,
        candidate=row.version,
        serving=serving.version,
        from_synthetic=row.synthetic and not version_get(serving.version).synthetic,
        terms=terms or gate.GateTerms(),
    )


# --- changing what serves --------------------------------------------------------------------


def version_promote(
    version: str,
    *,
    actor: str,
    reason: str,
    expected_epoch: int | None = None,
    override: bool = False,
    terms: GateTerms | None = None,
) -> Deployed:
    """Let a registered version serve.

    In this order: it is registered and does not serve yet; nobody changed the deployment since
    ``expected_epoch``, or since this call began; the gate has nothing against it, or a person
    overrides the gate, which the event says; its files are those that were registered and pass a
    trial in a process of their own. The open phase of the experiment is closed and the next opened
    with the same terms.

    Raises
    ------
    UnknownVersionError, StaleEpochError, UnusableVersionError, GateRefusalError, RegistryError
        With the sentences of the refusal; then nothing has changed.
    """
    row, seen = version_get(version), _serving()
    if row.version == seen.version:
        raise RegistryError(f"Model version {version} serves already (epoch {seen.epoch}).")
    _check_epoch(seen.epoch, expected=expected_epoch)
    report = gate_report(row, seen, terms=terms)
    if not (report.passed or override):
        raise GateRefusalError(report)
    change = _Change(
        kind=DeploymentEvent.Kind.PROMOTE,
        actor=actor,
        reason=_checked(reason),
        report=report,
        overridden=not report.passed,
    )
    _try_out(row)
    return _deploy(row, change, seen_epoch=seen.epoch)


def version_rollback(*, actor: str, reason: str, expected_epoch: int | None = None) -> Deployed:
    """Go back to the version that served before the current one was promoted.

    No gate is asked: it served before. A second rollback goes one further back, never forth.

    Raises
    ------
    StaleEpochError, UnusableVersionError, RegistryError
        With the sentence of the refusal; then nothing has changed.
    """
    seen = _serving()
    _check_epoch(seen.epoch, expected=expected_epoch)
    row = previous_version()
    if row is None:
        raise RegistryError(
            f"Nothing served before {seen.version}, so there is nothing to go back to."
        )
    _try_out(row)
    change = _Change(kind=DeploymentEvent.Kind.ROLLBACK, actor=actor, reason=_checked(reason))
    return _deploy(row, change, seen_epoch=seen.epoch)


def pointer_repair() -> bool:
    """Make the pointer file name what the database deploys; return whether it had to be written.

    A pointer of a higher epoch stays: processes never go back to a lower one, and the next
    promotion rises above it.
    """
    if not _is_behind(_pointer(), deployed()):
        return False
    with transaction.atomic():
        # The lock keeps a slow writer from putting an older epoch over a newer one.
        Deployment.objects.select_for_update().get(slot=CHAMPION)
        now = deployed()
        if now is None or not _is_behind(_pointer(), now):
            return False
        point_to(_store(), now.version, epoch=now.epoch)
    return True


def _deploy_first(row: ModelVersion, *, actor: str) -> None:
    _try_out(row)
    change = _Change(kind=DeploymentEvent.Kind.FIRST, actor=actor, reason="first version")
    with transaction.atomic(durable=True):
        slot, is_first = Deployment.objects.get_or_create(
            slot=CHAMPION, defaults={"current": row, "epoch": _next_epoch(0)}
        )
        if is_first:
            _record(change, slot=slot, before=None)
    _pointer_follow()


def _deploy(row: ModelVersion, change: _Change, *, seen_epoch: int) -> Deployed:
    with transaction.atomic(durable=True):
        slot = Deployment.objects.select_for_update().get(slot=CHAMPION)
        _check_epoch(slot.epoch, expected=seen_epoch)
        before, slot.current = slot.current, row
        slot.epoch = _next_epoch(slot.epoch)
        slot.save()
        _record(change, slot=slot, before=before)
    _pointer_follow()
    return Deployed(version=row.version, digest=row.digest, epoch=slot.epoch)


def _record(change: _Change, *, slot: Deployment, before: ModelVersion | None) -> None:
    DeploymentEvent.objects.create(
        epoch=slot.epoch,
        kind=change.kind,
        from_version=before,
        to_version=slot.current,
        actor=change.actor,
        reason=change.reason,
        overridden=change.overridden,
        gate_report=None if change.report is None else change.report.as_dict(),
        phase_opened=phase_reopen(model_version=slot.current),
    )
    log.info(
        "model_deployed",
        kind=change.kind.value,
        version=slot.current.version,
        epoch=slot.epoch,
        actor=change.actor,
        overridden=change.overridden,
    )


def _check_epoch(epoch: int, *, expected: int | None) -> None:
    if expected is not None and epoch != expected:
        raise StaleEpochError(
            f"The deployment is at epoch {epoch}, not {expected}: somebody else changed it first."
        )


def _checked(reason: str) -> str:
    text = reason.strip()
    if not 1 <= len(text) <= MAX_REASON_CHARACTERS:
        raise RegistryError(f"A reason of 1 to {MAX_REASON_CHARACTERS} characters is needed.")
    return text


def _serving() -> Deployed:
    found = deployed()
    if found is None:
        raise RegistryError("No model version is deployed; the first one registered will be.")
    return found


# --- evidence --------------------------------------------------------------------------------


def _is_evidence(row: ModelVersion, serving: Deployed) -> bool:
    return row.evidence is not None and row.evidence["against"] == serving.version


def _keep_evidence_if_possible(
    row: ModelVersion, serving: Deployed, cases: Sequence[LabelledCase]
) -> None:
    try:
        _keep_evidence(row, serving, cases, source=HELD_OUT)
    except UnusableVersionError:
        # What serves cannot be read any more, after an upgrade perhaps: a new one is needed all the
        # more.
        log.warning("model_not_compared", version=row.version, against=serving.version)


def _keep_evidence(
    row: ModelVersion, serving: Deployed, cases: Sequence[LabelledCase], *, source: str
) -> None:
    from ml import gate
    from ml.held_out import judge_each

    # More rows make no difference that matters, and nobody waits for minutes.
    chosen = random.Random(0).sample(cases, min(len(cases), MAX_COMPARED))  # noqa: S311
    both = _answerer(version_get(serving.version)), _answerer(row)
    by_serving, by_candidate = zip(*judge_each(chosen, *both), strict=True)
    row.evidence = gate.evidence(by_serving, by_candidate, against=serving.version, source=source)
    ModelVersion.objects.filter(pk=row.pk).update(evidence=row.evidence)


def _keep_answers(
    row: ModelVersion, cases: Sequence[LabelledCase], opinions: Sequence[Opinion]
) -> None:
    if opinions:
        from ml.held_out import pack

        packed = pack(cases, opinions, key=settings.PATIENT_ID_KEY)
        HeldOutAnswers.objects.get_or_create(model_version=row, defaults={"packed": packed})


def _answerer(row: ModelVersion) -> Answerer:
    """Return how a version answers patients it does not know, under the threshold set here."""
    from ml.held_out import answerer

    kept = HeldOutAnswers.objects.filter(model_version=row).first()
    return answerer(
        _loaded(row.version),
        packed=b"" if kept is None else bytes(kept.packed),
        key=settings.PATIENT_ID_KEY,
        threshold=settings.CONFIDENCE_THRESHOLD,
    )


# --- the model store -------------------------------------------------------------------------


def _store() -> Path:
    return Path(settings.MODEL_STORE)


def _loaded(version: str) -> LoadedModel:
    try:
        model = load(_store() / version, public_keys=settings.MODEL_PUBLIC_KEYS)
        check_golden(model)
    except ArtefactError as error:
        raise UnusableVersionError(str(error)) from error
    return model


def _facts(model: LoadedModel, *, actor: str) -> dict[str, Any]:
    metadata = model.metadata
    return {
        "digest": model.digest,
        "created_at": datetime.fromisoformat(metadata["created_at"]),
        "registered_by": actor,
        "dataset": metadata["dataset"],
        "synthetic": metadata["synthetic"],
        "scikit_learn": metadata["libraries"]["scikit-learn"],
        "metrics": _short(metadata["metrics"]),
    }


def _short(metrics: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the few figures of each decider that a list of versions shows."""
    return {
        decider: {name: metrics[decider].get(name) for name in _FIGURES}
        for decider in _DECIDERS
        if decider in metrics
    }


def _try_out(row: ModelVersion) -> None:
    """Refuse a version that cannot serve, before anybody's answers depend on it."""
    _registered_manifest(row)
    directory = _store() / row.version
    try:
        try_out(directory, public_keys=settings.MODEL_PUBLIC_KEYS)
    except ArtefactError as error:
        raise UnusableVersionError(f"Model version {row} cannot serve: {error}") from error
    remember_passed(directory)


def _registered_manifest(row: ModelVersion) -> bytes:
    data = _bytes(row, MANIFEST)
    if hashlib.sha256(data).hexdigest() != row.digest:
        raise UnusableVersionError(f"The files of model version {row} are not as registered.")
    return data


def _bytes(row: ModelVersion, name: str) -> bytes:
    try:
        return (_store() / row.version / name).read_bytes()
    except OSError as error:
        raise UnusableVersionError(
            f"The files of model version {row} are gone from the model store or cannot be read."
        ) from error


def _pointer() -> Pointer | None:
    try:
        return pointer(_store())
    except ArtefactError:
        # Whatever is wrong with it, a new one takes its place.
        return None


def _is_behind(found: Pointer | None, now: Deployed | None) -> bool:
    if found is None or now is None:
        return now is not None
    is_other = found.version != now.version
    return found.epoch < now.epoch or (found.epoch == now.epoch and is_other)


def _next_epoch(epoch: int) -> int:
    """Return the next epoch, above the pointer's too: a restored database may be behind it."""
    found = _pointer()
    return 1 + max(epoch, 0 if found is None else found.epoch)


def _pointer_follow() -> None:
    """Bring the pointer up to date after a commit. Without it the change stands all the same."""
    try:
        pointer_repair()
    except (ArtefactError, OSError, DatabaseError) as error:
        log.error("pointer_not_written", error=type(error).__name__)
