"""Model versions on disk: written once, checked byte by byte before they are believed.

A version is a directory named by its id. This is the one place in the code base that unpickles,
and it does so only from bytes whose SHA-256 stands in the version's manifest.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version as library_version
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from triage_rules.case import TriageCase, case_from_request
from triage_rules.level import Contribution, Level

if TYPE_CHECKING:
    from ml.features import TriageFeatureExtractor

FORMAT_VERSION = 1
MANIFEST = "manifest.json"
FILES = ("extractor.joblib", "golden.jsonl", "metadata.json", "model.joblib")
POINTER = "current.json"
GOLDEN_TOLERANCE = 1e-9
MAX_CONTRIBUTIONS = 5
LEVEL_LABELS = [level.label for level in Level]
LIBRARIES = ("scikit-learn", "numpy", "scipy", "joblib")

_VERSION_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

CostMatrix = tuple[tuple[float, ...], ...]


class ArtefactError(Exception):
    """A model version cannot be used; the message is one sentence saying why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedModel:
    """What training hands over to be saved.

    Attributes
    ----------
    classifier
        A fitted scikit-learn classifier whose classes are the four levels in order.
    threshold
        The least top probability at which the model may answer alone.
    cost_matrix
        Cost of an answer, truth by row and answer by column.
    conformal_quantile
        A level is plausible when its probability is at least one minus this.
    golden_requests
        Synthetic requests whose probabilities are kept as a test of every process.
    synthetic
        Whether the training rows were simulated.
    """

    extractor: TriageFeatureExtractor
    classifier: Any
    threshold: float
    cost_matrix: CostMatrix
    conformal_quantile: float
    dataset: str
    synthetic: bool
    seed: int
    training_rows: int
    training_digest: str
    metrics: Mapping[str, Any]
    golden_requests: tuple[Mapping[str, Any], ...]

    def probabilities(self, case: TriageCase) -> tuple[float, ...]:
        """Return the probability of each level, in the order of ``Level``."""
        return _probabilities(self.extractor, self.classifier, case)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedModel:
    """A version whose bytes were verified, ready to serve.

    Attributes
    ----------
    digest
        SHA-256 of the manifest, which names the digest of every other file.
    age_range_years
        Youngest and oldest patient of the training rows.
    """

    version: str
    digest: str
    extractor: TriageFeatureExtractor
    classifier: Any
    threshold: float
    cost_matrix: CostMatrix
    conformal_quantile: float
    age_range_years: tuple[float, float]
    metadata: Mapping[str, Any]
    golden: tuple[Mapping[str, Any], ...]

    def probabilities(self, case: TriageCase) -> tuple[float, ...]:
        """Return the probability of each level, in the order of ``Level``."""
        return _probabilities(self.extractor, self.classifier, case)

    def contributions(self, case: TriageCase, *, level: Level) -> tuple[Contribution, ...]:
        """Return what moved the log-odds of ``level`` most, the largest effect first."""
        effects = self.classifier.effects(self.extractor.vector(case), column=int(level)).tolist()
        named = zip(self.extractor.get_feature_names_out(), effects, strict=True)
        present = [Contribution(str(name), effect) for name, effect in named if effect]
        return tuple(sorted(present, key=lambda one: -abs(one.effect))[:MAX_CONTRIBUTIONS])


def save(model: TrainedModel, store: Path) -> str:
    """Write ``model`` as a new version of ``store`` and return the version's id.

    The files are written aside and appear in one rename, so nobody ever sees half a version.
    """
    contents = _contents(model)
    manifest = _manifest_bytes(contents)
    created = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    # The data set's name is part of the id, so that a synthetic model says so wherever it shows.
    version = f"{created}-{model.dataset}-{_sha256(manifest)[:8]}"
    store.mkdir(parents=True, exist_ok=True)
    _publish({**contents, MANIFEST: manifest}, target=store / version)
    return version


def load(directory: Path) -> LoadedModel:
    """Verify and read one version, without predicting anything.

    In this order: every entry is a regular file, none is missing or extra, every SHA-256 is the
    manifest's, format, levels, feature schema and scikit-learn version fit, then the objects
    are read from the bytes that were verified.

    Raises
    ------
    ArtefactError
        With one sentence for the first thing that is wrong.
    """
    contents, digest = _verified_contents(directory)
    metadata = _json(contents["metadata.json"], name="metadata.json")
    _check_metadata(metadata)
    extractor = _unpickle(contents["extractor.joblib"], name="extractor.joblib")
    classifier = _unpickle(contents["model.joblib"], name="model.joblib")
    _check_objects(extractor, classifier, schema=metadata["features"])
    return _loaded(
        directory.name, digest, extractor, classifier, metadata, contents["golden.jsonl"]
    )


def check_golden(model: LoadedModel) -> None:
    """Predict the version's golden rows and refuse any difference above 1e-9.

    Call it in the process that will serve, never in one that forks later: threads that a
    prediction starts do not survive a fork.

    Raises
    ------
    ArtefactError
        When a row gives other probabilities than on the machine that trained.
    """
    for number, row in enumerate(model.golden, start=1):
        found = model.probabilities(case_from_request(row["request"]))
        if not _close(found, row["probabilities"]):
            raise ArtefactError(
                f"Model version {model.version} gives other probabilities for golden row {number} "
                "than when it was trained."
            )


def point_to(store: Path, version: str) -> None:
    """Let ``current.json`` name ``version``, in one rename."""
    if not (store / version / MANIFEST).is_file():
        raise ArtefactError(f"The model store holds no version {version!r}.")
    _write_atomically(store / POINTER, _json_bytes({"version": version}))


def current_version(store: Path) -> str | None:
    """Return the version that ``current.json`` names; None when there is no pointer.

    Raises
    ------
    ArtefactError
        When the pointer is there but names no version of this store.
    """
    try:
        content = (store / POINTER).read_bytes()
    except FileNotFoundError:
        return None
    version = _json(content, name=POINTER).get("version")
    # A name with a separator would lead out of the store; a longer one would not fit its row.
    if not isinstance(version, str) or not _VERSION_NAME.fullmatch(version):
        raise ArtefactError(f"{POINTER} names no model version.")
    return version


def _probabilities(
    extractor: TriageFeatureExtractor, classifier: Any, case: TriageCase
) -> tuple[float, ...]:
    return tuple(classifier.predict_proba(extractor.vector(case))[0].tolist())


# --- writing ---------------------------------------------------------------------------------


def _contents(model: TrainedModel) -> dict[str, bytes]:
    return {
        "extractor.joblib": _pickle(model.extractor),
        "golden.jsonl": _golden_bytes(model),
        "metadata.json": _json_bytes(_metadata(model)),
        "model.joblib": _pickle(model.classifier),
    }


def _metadata(model: TrainedModel) -> dict[str, Any]:
    return {
        "format": FORMAT_VERSION,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "dataset": model.dataset,
        "synthetic": model.synthetic,
        "seed": model.seed,
        "training_rows": model.training_rows,
        "training_digest": model.training_digest,
        "levels": LEVEL_LABELS,
        "features": model.extractor.schema(),
        "age_range_years": list(model.extractor.age_range_),
        "threshold": model.threshold,
        "cost_matrix": [list(row) for row in model.cost_matrix],
        "conformal_quantile": model.conformal_quantile,
        "libraries": _libraries(),
        "metrics": model.metrics,
    }


def _libraries() -> dict[str, str]:
    found = {name: library_version(name) for name in LIBRARIES}
    return {"python": platform.python_version(), **found}


def _golden_bytes(model: TrainedModel) -> bytes:
    rows = (_golden_row(model, request) for request in model.golden_requests)
    return b"".join(_json_bytes(row, indent=None) for row in rows)


def _golden_row(model: TrainedModel, request: Mapping[str, Any]) -> dict[str, Any]:
    probabilities = model.probabilities(case_from_request(request))
    return {"request": request, "probabilities": probabilities}


def _manifest_bytes(contents: Mapping[str, bytes]) -> bytes:
    files = {name: {"sha256": _sha256(data), "bytes": len(data)} for name, data in contents.items()}
    return _json_bytes({"format": FORMAT_VERSION, "files": files})


def _publish(contents: Mapping[str, bytes], *, target: Path) -> None:
    workplace = Path(tempfile.mkdtemp(prefix=".new-", dir=target.parent))
    try:
        for name, data in contents.items():
            _write_durably(workplace / name, data, mode=0o444)
        workplace.chmod(0o755)
        workplace.rename(target)
        _sync_directory(target.parent)
    finally:
        shutil.rmtree(workplace, ignore_errors=True)


def _write_atomically(path: Path, data: bytes) -> None:
    descriptor, name = tempfile.mkstemp(prefix=".new-", dir=path.parent)
    os.close(descriptor)
    _write_durably(Path(name), data, mode=0o644)
    Path(name).replace(path)
    _sync_directory(path.parent)


def _write_durably(path: Path, data: bytes, *, mode: int) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    path.chmod(mode)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# --- reading ---------------------------------------------------------------------------------


def _verified_contents(directory: Path) -> tuple[dict[str, bytes], str]:
    """Read every file once and return the bytes that matched the manifest, and its digest."""
    _check_entries(directory)
    manifest_bytes = (directory / MANIFEST).read_bytes()
    listed = _listed_files(_json(manifest_bytes, name=MANIFEST))
    contents = {name: (directory / name).read_bytes() for name in FILES}
    for name, data in contents.items():
        _check_bytes(name, data, listed=listed[name])
    return contents, _sha256(manifest_bytes)


def _check_entries(directory: Path) -> None:
    if directory.is_symlink() or not directory.is_dir():
        raise ArtefactError(f"Model version {directory.name} is not a directory of the store.")
    found = {entry.name: entry for entry in directory.iterdir()}
    for name in (MANIFEST, *FILES):
        if name not in found:
            raise ArtefactError(f"Model version {directory.name} lacks {name}.")
    for name, entry in sorted(found.items()):
        if name not in (MANIFEST, *FILES):
            raise ArtefactError(f"Model version {directory.name} holds a file too many: {name}.")
        if entry.is_symlink() or not entry.is_file():
            raise ArtefactError(f"{name} is not a regular file.")


def _listed_files(manifest: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    files = manifest.get("files")
    if not isinstance(files, dict) or sorted(files) != sorted(FILES):
        raise ArtefactError(f"{MANIFEST} does not list exactly {', '.join(FILES)}.")
    return files


def _check_bytes(name: str, data: bytes, *, listed: Any) -> None:
    expected = listed if isinstance(listed, dict) else {}
    if len(data) != expected.get("bytes"):
        raise ArtefactError(
            f"{name} has {len(data)} bytes; its manifest says {expected.get('bytes')}."
        )
    if _sha256(data) != expected.get("sha256"):
        raise ArtefactError(f"The content of {name} is not what its manifest says (SHA-256).")


def _check_metadata(metadata: Mapping[str, Any]) -> None:
    if metadata.get("format") != FORMAT_VERSION:
        raise ArtefactError(
            f"metadata.json has format {metadata.get('format')!r}; expected {FORMAT_VERSION}."
        )
    if metadata.get("levels") != LEVEL_LABELS:
        raise ArtefactError(
            f"The model's levels are {metadata.get('levels')!r}; expected {LEVEL_LABELS!r}."
        )
    _check_library(str(metadata.get("libraries", {}).get("scikit-learn")))


def _check_library(trained_with: str) -> None:
    """Refuse another scikit-learn minor version: it reads the file and computes something else."""
    installed = library_version("scikit-learn")
    if _minor(trained_with) != _minor(installed):
        raise ArtefactError(
            f"The model was trained with scikit-learn {trained_with}; "
            f"{installed} is installed, and only the same minor version may serve it."
        )


def _check_objects(extractor: Any, classifier: Any, *, schema: Mapping[str, Any]) -> None:
    classes = [int(label) for label in getattr(classifier, "classes_", [])]
    if classes != [int(level) for level in Level]:
        raise ArtefactError(f"The model's classes are {classes}; expected 0, 1, 2, 3 in order.")
    if extractor.schema() != schema:
        raise ArtefactError("The extractor's features are not those of metadata.json.")


def _loaded(
    version: str,
    digest: str,
    extractor: TriageFeatureExtractor,
    classifier: Any,
    metadata: Mapping[str, Any],
    golden: bytes,
) -> LoadedModel:
    try:
        youngest, oldest = metadata["age_range_years"]
        return LoadedModel(
            version=version,
            digest=digest,
            extractor=extractor,
            classifier=classifier,
            threshold=float(metadata["threshold"]),
            cost_matrix=tuple(tuple(map(float, row)) for row in metadata["cost_matrix"]),
            conformal_quantile=float(metadata["conformal_quantile"]),
            age_range_years=(float(youngest), float(oldest)),
            metadata=metadata,
            golden=tuple(_json(line, name="golden.jsonl") for line in golden.splitlines()),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ArtefactError("metadata.json lacks a field or holds one of another kind.") from error


def _pickle(value: object) -> bytes:
    import joblib

    buffer = BytesIO()
    joblib.dump(value, buffer)
    return buffer.getvalue()


def _unpickle(data: bytes, *, name: str) -> Any:
    """Read an object from bytes that were verified before."""
    try:
        # Imported here, so that a broken wheel leaves a process that answers from the rules.
        import joblib

        return joblib.load(BytesIO(data))
    except Exception as error:
        raise ArtefactError(f"{name} cannot be read with the installed libraries.") from error


def _json(content: bytes, *, name: str) -> dict[str, Any]:
    try:
        value = json.loads(content)
    except ValueError as error:
        raise ArtefactError(f"{name} is not JSON.") from error
    if not isinstance(value, dict):
        raise ArtefactError(f"{name} is not a JSON object.")
    return value


def _json_bytes(value: object, *, indent: int | None = 2) -> bytes:
    return (json.dumps(value, indent=indent, sort_keys=True, allow_nan=False) + "\n").encode()


def _close(found: Sequence[float], expected: Sequence[float]) -> bool:
    return len(found) == len(expected) and all(
        abs(one - other) <= GOLDEN_TOLERANCE for one, other in zip(found, expected, strict=True)
    )


def _minor(version: str) -> list[str]:
    return version.split(".")[:2]


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
