"""Model versions on disk: written once, checked byte by byte before they are believed.

A version is a directory named by its id. This is the one place in the code base that unpickles,
and it does so only from bytes whose SHA-256 stands in a manifest that a trusted key has signed.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version as library_version
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ml.durable import publish_folder, read_regular, replace_file, sweep
from ml.labelled import LabelledCase
from ml.signing import is_signed
from triage_rules.case import TriageCase, case_from_request
from triage_rules.level import Contribution, Level, Opinion

if TYPE_CHECKING:
    from ml.features import Observation, TriageFeatureExtractor

FORMAT_VERSION = 2
MANIFEST = "manifest.json"
SIGNATURE = "manifest.sig"
DOCUMENTS = ("card.md", "confusion.svg", "reliability.svg", "under_triage.svg")
FILES = ("extractor.joblib", "golden.jsonl", "metadata.json", "model.joblib", *DOCUMENTS)
POINTER = "current.json"
GOLDEN_TOLERANCE = 1e-9
MAX_CONTRIBUTIONS = 8
LEVEL_LABELS = [level.label for level in Level]
LIBRARIES = ("scikit-learn", "numpy", "scipy", "joblib")
# Many times what each has, so that a spoilt one cannot fill the memory.
MAX_MANIFEST_BYTES = 32 * 1024
SIGNATURE_BYTES = 64
MAX_FILE_BYTES = 1024**3

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
        A fitted classifier whose classes are the four levels in order.
    threshold
        The least top probability at which the model may answer alone.
    cost_matrix
        Cost of an answer, truth by row and answer by column.
    conformal_quantiles
        A level is plausible when its probability is at least one minus its quantile.
    golden_requests
        Synthetic requests whose probabilities are kept as a test of every process.
    synthetic
        Whether the training rows were simulated.
    held_out, held_out_opinions
        Labelled cases, and what models that had not learnt from them said of each. Never saved.
    reference
        Summary statistics of those cases, which later patients are compared with.
    """

    extractor: TriageFeatureExtractor
    classifier: Any
    threshold: float
    cost_matrix: CostMatrix
    conformal_quantiles: tuple[float, ...]
    dataset: str
    synthetic: bool
    seed: int
    training_rows: int
    training_digest: str
    metrics: Mapping[str, Any]
    golden_requests: tuple[Mapping[str, Any], ...]
    held_out: tuple[LabelledCase, ...] = ()
    held_out_opinions: tuple[Opinion, ...] = ()
    reference: Mapping[str, Any] = field(default_factory=dict)

    def probabilities(self, case: TriageCase) -> tuple[float, ...]:
        """Return the probability of each level, in the order of ``Level``."""
        return _probabilities(self.extractor, self.classifier, case)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedModel:
    """A version whose bytes were verified, ready to serve.

    Attributes
    ----------
    digest
        SHA-256 of the signed manifest, which names the digest of every other file.
    age_range_years
        Youngest and oldest patient of the training rows.
    """

    version: str
    digest: str
    extractor: TriageFeatureExtractor
    classifier: Any
    threshold: float
    cost_matrix: CostMatrix
    conformal_quantiles: tuple[float, ...]
    age_range_years: tuple[float, float]
    metadata: Mapping[str, Any]
    golden: tuple[Mapping[str, Any], ...]

    def probabilities(self, case: TriageCase) -> tuple[float, ...]:
        """Return the probability of each level, in the order of ``Level``."""
        return _probabilities(self.extractor, self.classifier, case)

    def probabilities_of(self, observations: Sequence[Observation]) -> list[tuple[float, ...]]:
        """Return the probabilities of many cases, each as ``probabilities`` gives them."""
        if not observations:
            return []
        rows = self.classifier.predict_proba(self.extractor.transform(observations))
        return [tuple(row) for row in rows.tolist()]

    def contributions(self, case: TriageCase, *, level: Level) -> tuple[Contribution, ...]:
        """Return what makes up the model's score of ``level``; the effects add up to it.

        The features that moved it most come first, the largest effect first; then all others
        together, and last where the score starts for everybody.
        """
        row = self.extractor.vector(case)[0]
        start, effects = self.classifier.explain(row, level=int(level))
        named = zip(self.extractor.get_feature_names_out(), effects.tolist(), strict=True)
        present = [Contribution(str(name), effect) for name, effect in named if effect]
        present.sort(key=lambda one: -abs(one.effect))
        rest = sum(one.effect for one in present[MAX_CONTRIBUTIONS:])
        return (
            *present[:MAX_CONTRIBUTIONS],
            Contribution("all other features", rest),
            Contribution("start", start),
        )


@dataclass(frozen=True, slots=True)
class Pointer:
    """What ``current.json`` says: the version that serves, and the deployment's rising number."""

    version: str
    epoch: int


def save(
    model: TrainedModel,
    store: Path,
    *,
    signing_key: Ed25519PrivateKey | None,
    documents: Mapping[str, bytes],
) -> str:
    """Write ``model`` as a new, signed version of ``store`` and return the version's id.

    The files are written aside and appear in one rename, so nobody ever sees half a version.

    Parameters
    ----------
    signing_key
        The trainer's key; None, which is refused, in a process that only serves.
    documents
        The content of each of ``DOCUMENTS``.

    Raises
    ------
    ArtefactError
        When there is no key, a document is missing or one too many, or the id is taken by another
        content.
    """
    if signing_key is None:
        raise ArtefactError("There is no signing key; only a trainer holds one.")
    contents = _contents(model, documents)
    version = _version_id(model, contents)
    manifest = _manifest_bytes(version, contents)
    sealed = {**contents, MANIFEST: manifest, SIGNATURE: signing_key.sign(manifest)}
    store.mkdir(parents=True, exist_ok=True)
    sweep(store)
    _publish(store / version, sealed)
    return version


def load(directory: Path, *, public_keys: Sequence[Ed25519PublicKey]) -> LoadedModel:
    """Verify and read one version, without predicting anything.

    In this order: every entry is a regular file, none is missing or extra; one of the keys signed
    the manifest, which is read first; it names this directory; every size and SHA-256 is the
    manifest's; format, levels, libraries and feature schema fit; then the objects are read from
    the bytes that were verified.

    Raises
    ------
    ArtefactError
        With one sentence for the first thing that is wrong.
    """
    contents, digest = _verified_contents(directory, public_keys=public_keys)
    metadata = _json(contents["metadata.json"], name="metadata.json")
    _check_metadata(metadata)
    extractor = _unpickle(contents["extractor.joblib"], name="extractor.joblib")
    classifier = _unpickle(contents["model.joblib"], name="model.joblib")
    _check_objects(extractor, classifier, schema=metadata.get("features"))
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
        When a row gives other probabilities than on the machine that trained, or none.
    """
    for number, row in enumerate(model.golden, start=1):
        try:
            found = model.probabilities(case_from_request(row["request"]))
        except Exception as error:
            raise ArtefactError(
                f"Model version {model.version} breaks on golden row {number} "
                f"({type(error).__name__}); this code may be newer or older than its own."
            ) from error
        if not _close(found, row["probabilities"]):
            raise ArtefactError(
                f"Model version {model.version} gives other probabilities for golden row {number} "
                "than when it was trained."
            )


def point_to(store: Path, version: str, *, epoch: int) -> None:
    """Let ``current.json`` name ``version`` and its epoch, in one rename.

    Raises
    ------
    ArtefactError
        When the store holds no such version.
    """
    if not _VERSION_NAME.fullmatch(version) or not (store / version / MANIFEST).is_file():
        raise ArtefactError(f"The model store holds no version {version!r}.")
    replace_file(store / POINTER, _json_bytes({"version": version, "epoch": epoch}))


def pointer(store: Path) -> Pointer | None:
    """Return what ``current.json`` says; None when there is no such file.

    Raises
    ------
    ArtefactError
        When it is there but names no version, or was written before epochs were.
    """
    if not (store / POINTER).exists():
        return None
    fields = _json(_read(store / POINTER, at_most=MAX_MANIFEST_BYTES), name=POINTER)
    version, epoch = fields.get("version"), fields.get("epoch")
    # A name with a separator would lead out of the store; a longer one would not fit its row.
    if not isinstance(version, str) or not _VERSION_NAME.fullmatch(version):
        raise ArtefactError(f"{POINTER} names no model version.")
    if epoch is None:
        raise ArtefactError(f"{POINTER} is of an older format, without an epoch.")
    if type(epoch) is not int or epoch < 0:
        raise ArtefactError(f"The epoch of {POINTER} is not a whole number.")
    return Pointer(version, epoch)


def _probabilities(
    extractor: TriageFeatureExtractor, classifier: Any, case: TriageCase
) -> tuple[float, ...]:
    return tuple(classifier.predict_proba(extractor.vector(case))[0].tolist())


# --- writing ---------------------------------------------------------------------------------


def _contents(model: TrainedModel, documents: Mapping[str, bytes]) -> dict[str, bytes]:
    if sorted(documents) != sorted(DOCUMENTS):
        raise ArtefactError(
            f"A version's documents are {', '.join(DOCUMENTS)}; "
            f"received {', '.join(sorted(documents)) or 'none'}."
        )
    return {
        **documents,
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
        "conformal_quantiles": list(model.conformal_quantiles),
        "libraries": _libraries(),
        "metrics": model.metrics,
        "reference": model.reference,
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


def _version_id(model: TrainedModel, contents: Mapping[str, bytes]) -> str:
    created = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    digests = "".join(_sha256(contents[name]) for name in sorted(contents))
    # The data set's name is part of the id, so that a synthetic model says so wherever it shows.
    return f"{created}-{model.dataset}-{_sha256(digests.encode())[:8]}"


def _manifest_bytes(version: str, contents: Mapping[str, bytes]) -> bytes:
    files = {name: {"sha256": _sha256(data), "bytes": len(data)} for name, data in contents.items()}
    return _json_bytes({"format": FORMAT_VERSION, "version": version, "files": files})


def _publish(target: Path, contents: Mapping[str, bytes]) -> None:
    """Write a version; one of the same id that is there already must be this very version."""
    try:
        publish_folder(target, contents)
    except FileExistsError as error:
        if not (target / MANIFEST).is_file() or _read(target / MANIFEST) != contents[MANIFEST]:
            raise ArtefactError(
                f"The model store holds another version {target.name} already."
            ) from error


# --- reading ---------------------------------------------------------------------------------


def _verified_contents(
    directory: Path, *, public_keys: Sequence[Ed25519PublicKey]
) -> tuple[dict[str, bytes], str]:
    """Read every file once and return the bytes that matched the manifest, and its digest."""
    _check_entries(directory)
    manifest_bytes = _signed_manifest(directory, public_keys=public_keys)
    listed = _listed_files(_json(manifest_bytes, name=MANIFEST), version=directory.name)
    contents = {name: _verified_bytes(directory / name, listed[name]) for name in FILES}
    return contents, _sha256(manifest_bytes)


def _check_entries(directory: Path) -> None:
    if directory.is_symlink() or not directory.is_dir():
        raise ArtefactError(f"Model version {directory.name} is not a directory of the store.")
    found = {entry.name: entry for entry in _entries(directory)}
    expected = (MANIFEST, SIGNATURE, *FILES)
    for name in expected:
        if name not in found:
            raise ArtefactError(f"Model version {directory.name} lacks {name}.")
    for name, entry in sorted(found.items()):
        if name not in expected:
            raise ArtefactError(f"Model version {directory.name} holds a file too many: {name}.")
        if entry.is_symlink() or not entry.is_file():
            raise ArtefactError(f"{name} is not a regular file.")


def _entries(directory: Path) -> list[Path]:
    try:
        return list(directory.iterdir())
    except OSError as error:
        raise ArtefactError(
            f"Model version {directory.name} cannot be read ({type(error).__name__})."
        ) from error


def _signed_manifest(directory: Path, *, public_keys: Sequence[Ed25519PublicKey]) -> bytes:
    if not public_keys:
        raise ArtefactError("There is no public key to verify model versions with.")
    manifest = _read(directory / MANIFEST, at_most=MAX_MANIFEST_BYTES)
    signature = _read(directory / SIGNATURE, at_most=SIGNATURE_BYTES)
    if not is_signed(manifest, signature, by=public_keys):
        raise ArtefactError(f"{SIGNATURE} is not a trusted key's signature of {MANIFEST}.")
    return manifest


def _listed_files(manifest: Mapping[str, Any], *, version: str) -> Mapping[str, Any]:
    files = manifest.get("files")
    if manifest.get("format") != FORMAT_VERSION:
        raise ArtefactError(
            f"{MANIFEST} has format {manifest.get('format')!r}; expected {FORMAT_VERSION}."
        )
    if manifest.get("version") != version:
        raise ArtefactError(
            f"{MANIFEST} is of version {manifest.get('version')!r}, not of {version!r}."
        )
    if not isinstance(files, dict) or sorted(files) != sorted(FILES):
        raise ArtefactError(f"{MANIFEST} does not list exactly {', '.join(FILES)}.")
    return files


def _verified_bytes(path: Path, listed: Any) -> bytes:
    expected = listed if isinstance(listed, dict) else {}
    size = expected.get("bytes")
    if type(size) is not int or not 0 <= size <= MAX_FILE_BYTES:
        raise ArtefactError(f"{MANIFEST} gives {path.name} a size that no file of a version has.")
    data = _read(path, at_most=size)
    if len(data) != size:
        raise ArtefactError(f"{path.name} does not have the {size} bytes that its manifest says.")
    if _sha256(data) != expected.get("sha256"):
        raise ArtefactError(f"The content of {path.name} is not what its manifest says (SHA-256).")
    return data


def _read(path: Path, *, at_most: int = MAX_FILE_BYTES) -> bytes:
    try:
        return read_regular(path, at_most=at_most)
    except OSError as error:
        raise ArtefactError(f"{path.name} cannot be read ({type(error).__name__}).") from error


def _check_metadata(metadata: Mapping[str, Any]) -> None:
    if metadata.get("levels") != LEVEL_LABELS:
        raise ArtefactError(
            f"The model's levels are {metadata.get('levels')!r}; expected {LEVEL_LABELS!r}."
        )
    _check_library(metadata, "scikit-learn", parts=2, same="minor")
    _check_library(metadata, "numpy", parts=1, same="major")


def _check_library(metadata: Mapping[str, Any], name: str, *, parts: int, same: str) -> None:
    """Refuse another version: it may read the file and compute something else."""
    libraries = metadata.get("libraries")
    trained_with = str(libraries.get(name)) if isinstance(libraries, dict) else "no known version"
    installed = library_version(name)
    if trained_with.split(".")[:parts] != installed.split(".")[:parts]:
        raise ArtefactError(
            f"The model was trained with {name} {trained_with}; "
            f"{installed} is installed, and only the same {same} version may serve it."
        )


def _check_objects(extractor: Any, classifier: Any, *, schema: Any) -> None:
    classes = [int(label) for label in getattr(classifier, "classes_", [])]
    if classes != [int(level) for level in Level]:
        raise ArtefactError(f"The model's classes are {classes}; expected 0, 1, 2, 3 in order.")
    own = extractor.schema()
    if own == schema:
        return
    if isinstance(schema, dict) and _is_permutation(schema.get("features"), own["features"]):
        raise ArtefactError("The extractor's features stand in another order than metadata.json's.")
    raise ArtefactError("The extractor's features are not those of metadata.json.")


def _is_permutation(listed: Any, names: Sequence[str]) -> bool:
    return (
        isinstance(listed, list) and listed != names and sorted(map(str, listed)) == sorted(names)
    )


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
            conformal_quantiles=tuple(map(float, metadata["conformal_quantiles"])),
            age_range_years=(float(youngest), float(oldest)),
            metadata=metadata,
            golden=_golden_rows(golden),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ArtefactError("metadata.json lacks a field or holds one of another kind.") from error


def _golden_rows(content: bytes) -> tuple[Mapping[str, Any], ...]:
    rows = tuple(_json(line, name="golden.jsonl") for line in content.splitlines())
    if not rows or any({"request", "probabilities"} - set(row) for row in rows):
        raise ArtefactError("golden.jsonl holds no rows, or one without request or probabilities.")
    return rows


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
    except MemoryError as error:
        raise ArtefactError(f"There is not enough memory to load {name}.") from error
    except Exception as error:
        raise ArtefactError(f"{name} cannot be read with the installed libraries.") from error


def _json(content: bytes, *, name: str) -> dict[str, Any]:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
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


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
