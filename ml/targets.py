"""What a process should serve: as the pointer file says, and as the database says."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from ml.artefacts import LoadedModel, pointer
from ml.loading import RETRY_AFTER_S


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A model and the deployment under which it serves; one request uses one of them."""

    model: LoadedModel
    epoch: int


@dataclass(frozen=True, slots=True)
class Target:
    """A version to serve; ``digest`` is None where only the pointer file names it."""

    version: str
    epoch: int
    digest: str | None = None

    def is_served_by(self, snapshot: Snapshot) -> bool:
        """Whether the snapshot holds this version, under whichever epoch."""
        model = snapshot.model
        return model.version == self.version and self.digest in (None, model.digest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A target that may not serve and why, with the state of its files at that moment."""

    target: Target
    reason: str
    files: object
    at_s: float

    def covers(self, target: Target, *, files: object) -> bool:
        """Whether to try ``target`` once more would be to hear the same once more."""
        is_same = (target.version, target.epoch) == (self.target.version, self.target.epoch)
        return is_same and files == self.files and time.monotonic() - self.at_s < RETRY_AFTER_S


def pointed_target(store: Path) -> Target | None:
    """Return what the pointer file names; None where there is none.

    Raises
    ------
    ArtefactError
        When the file is there and names nothing.
    """
    found = pointer(store)
    return None if found is None else Target(found.version, found.epoch)


def deployed_target() -> Target | None:
    """Return what the database deploys, by one small query; None where nothing ever was."""
    # Imported here, because a process must start and answer without numpy too.
    from ml.registry import deployed

    found = deployed()
    return None if found is None else Target(found.version, found.epoch, found.digest)


def pointer_repair(store: Path) -> None:
    """Bring a pointer file that is behind the database up to date, where it may be written."""
    from ml import registry

    if os.access(store, os.W_OK):
        registry.pointer_repair()


def newest(deployed: Target | None, pointed: Target | None) -> Target | None:
    """Return the target of the higher epoch, and on a tie the database's."""
    known = [target for target in (deployed, pointed) if target is not None]
    return max(known, key=lambda target: target.epoch, default=None)
