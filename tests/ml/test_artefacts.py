"""A version is saved once, loads as it was saved, and is refused when a byte is not as written."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings

from ml import artefacts
from ml.artefacts import (
    DOCUMENTS,
    FILES,
    MANIFEST,
    SIGNATURE,
    ArtefactError,
    LoadedModel,
    Pointer,
    TrainedModel,
    check_golden,
    point_to,
    pointer,
)
from ml.simulator import simulate
from tests.conftest import MODEL_DOCUMENTS
from triage_rules.case import case_from_request

# Only what is checked: a patch version differs between machines.
LIBRARIES = artefacts._libraries()

Reseal = Callable[[Path, str, bytes], None]


def save(model: TrainedModel, store: Path, **changes: Any) -> str:
    wanted = {"signing_key": settings.MODEL_SIGNING_KEY, "documents": MODEL_DOCUMENTS}
    return artefacts.save(model, store, **(wanted | changes))


def load(directory: Path, **changes: Any) -> LoadedModel:
    return artefacts.load(directory, **({"public_keys": settings.MODEL_PUBLIC_KEYS} | changes))


def seal(directory: Path, manifest: bytes, *, by: Ed25519PrivateKey | None = None) -> None:
    (directory / MANIFEST).write_bytes(manifest)
    key = by or settings.MODEL_SIGNING_KEY
    (directory / SIGNATURE).write_bytes(key.sign(manifest))


def edited(path: Path, **fields: Any) -> bytes:
    return json.dumps(json.loads(path.read_bytes()) | fields).encode()


def test_it_works(trained: TrainedModel, model: LoadedModel) -> None:
    cases = [case_from_request(case.request) for case in simulate(100, seed=5)]

    assert [model.probabilities(case) for case in cases] == [
        trained.probabilities(case) for case in cases
    ]
    check_golden(model)


def test_the_metadata_says_what_the_version_is(model: LoadedModel) -> None:
    assert model.metadata["synthetic"] is True
    assert model.metadata["levels"] == ["routine", "soon", "urgent", "emergency"]
    assert set(model.metadata["libraries"]) >= {"python", "scikit-learn", "numpy"}
    assert len(model.metadata["training_digest"]) == 64
    assert len(model.golden) >= 20


def test_the_files_cannot_be_written_to(model_store: Path, model: LoadedModel) -> None:
    modes = {file.stat().st_mode & 0o777 for file in (model_store / model.version).iterdir()}

    assert modes == {0o444}


def test_an_interrupted_save_leaves_no_version(
    trained: TrainedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*_: Any, **__: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", full_disk)

    with pytest.raises(OSError, match="no space"):
        save(trained, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [*FILES, MANIFEST, SIGNATURE])
def test_a_missing_file_is_refused(own_version: Path, name: str) -> None:
    (own_version / name).unlink()

    with pytest.raises(ArtefactError, match=f"lacks {name}"):
        load(own_version)


@pytest.mark.parametrize("name", FILES)
def test_a_truncated_file_is_refused(own_version: Path, name: str) -> None:
    path = own_version / name
    path.write_bytes(path.read_bytes()[:-1])

    with pytest.raises(ArtefactError, match=f"{name} does not have the .* bytes"):
        load(own_version)


@pytest.mark.parametrize("name", FILES)
def test_one_changed_byte_is_refused(own_version: Path, name: str) -> None:
    data = bytearray((own_version / name).read_bytes())
    data[len(data) // 2] ^= 1
    (own_version / name).write_bytes(data)

    with pytest.raises(ArtefactError, match=f"content of {name} is not"):
        load(own_version)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"files": {}}', b"\x80"], ids=repr)
def test_a_spoilt_manifest_is_refused_even_when_signed(own_version: Path, content: bytes) -> None:
    seal(own_version, content)

    with pytest.raises(ArtefactError, match=f"^{MANIFEST} "):
        load(own_version)


@pytest.mark.parametrize("name", [*FILES, MANIFEST, SIGNATURE])
def test_a_symlink_is_refused(own_version: Path, name: str) -> None:
    elsewhere = own_version.parent / f"elsewhere-{name}"
    (own_version / name).rename(elsewhere)
    (own_version / name).symlink_to(elsewhere)

    with pytest.raises(ArtefactError, match=f"{name} is not a regular file"):
        load(own_version)


def test_a_version_that_is_a_symlink_is_refused(own_version: Path) -> None:
    link = own_version.parent / "link"
    link.symlink_to(own_version)

    with pytest.raises(ArtefactError, match="not a directory"):
        load(link)


def test_a_file_too_many_is_refused(own_version: Path) -> None:
    (own_version / "extra.joblib").write_bytes(b"")

    with pytest.raises(ArtefactError, match=r"a file too many: extra\.joblib"):
        load(own_version)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        (
            {"libraries": LIBRARIES | {"scikit-learn": "1.8.0"}},
            "trained with scikit-learn 1.8.0; .* only the same minor version",
        ),
        (
            {"libraries": LIBRARIES | {"numpy": "1.26.4"}},
            "trained with numpy 1.26.4; .* only the same major version",
        ),
        ({"libraries": None}, "trained with scikit-learn no known version"),
        ({"levels": ["emergency", "urgent", "soon", "routine"]}, "levels are"),
        ({"threshold": None}, "lacks a field"),
        ({"features": {}}, "features are not those"),
        ({"features": None}, "features are not those"),
    ],
    ids=[
        "another scikit-learn",
        "another numpy",
        "no libraries",
        "levels upside down",
        "no threshold",
        "empty schema",
        "no schema",
    ],
)
def test_metadata_that_does_not_fit_is_refused(
    own_version: Path, reseal: Reseal, fields: dict[str, Any], sentence: str
) -> None:
    reseal(own_version, "metadata.json", edited(own_version / "metadata.json", **fields))

    with pytest.raises(ArtefactError, match=sentence):
        load(own_version)


def test_another_patch_version_of_scikit_learn_is_taken(
    own_version: Path, reseal: Reseal, model: LoadedModel
) -> None:
    installed = model.metadata["libraries"]["scikit-learn"]
    patched = f"{installed.rpartition('.')[0]}.99"
    libraries = model.metadata["libraries"] | {"scikit-learn": patched}
    reseal(own_version, "metadata.json", edited(own_version / "metadata.json", libraries=libraries))

    check_golden(load(own_version))


def test_permuted_feature_columns_are_refused(own_version: Path, reseal: Reseal) -> None:
    schema = json.loads((own_version / "metadata.json").read_bytes())["features"]
    first, second, *rest = schema["features"]
    permuted = schema | {"features": [second, first, *rest]}
    reseal(own_version, "metadata.json", edited(own_version / "metadata.json", features=permuted))

    with pytest.raises(ArtefactError, match="features stand in another order"):
        load(own_version)


def test_classes_in_another_order_are_refused(
    own_version: Path, model: LoadedModel, reseal: Reseal, tmp_path: Path
) -> None:
    reversed_classes = dataclasses.replace(
        model.classifier, classes_=model.classifier.classes_[::-1]
    )
    joblib.dump(reversed_classes, tmp_path / "model")
    reseal(own_version, "model.joblib", (tmp_path / "model").read_bytes())

    with pytest.raises(ArtefactError, match="classes are"):
        load(own_version)


def test_a_file_that_cannot_be_unpickled_is_refused(own_version: Path, reseal: Reseal) -> None:
    reseal(own_version, "model.joblib", b"not a pickle")

    with pytest.raises(ArtefactError, match=r"model\.joblib cannot be read"):
        load(own_version)


def test_nothing_is_unpickled_before_every_byte_is_verified(
    own_version: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joblib, "load", lambda _: pytest.fail("unpickled"))
    (own_version / "golden.jsonl").write_bytes(b"")

    with pytest.raises(ArtefactError):
        load(own_version)


def test_a_golden_row_that_comes_out_otherwise_is_refused(model: LoadedModel) -> None:
    off = dict(model.golden[3], probabilities=[0.25, 0.25, 0.25, 0.25])

    changed = dataclasses.replace(model, golden=(*model.golden[:3], off))

    with pytest.raises(ArtefactError, match="golden row 4"):
        check_golden(changed)


@pytest.mark.parametrize(
    "content",
    [b"", b'{"request": {}}\n', b'{"probabilities": []}\n'],
    ids=["none", "no answer", "no request"],
)
def test_golden_rows_that_prove_nothing_are_refused(
    own_version: Path, reseal: Reseal, content: bytes
) -> None:
    reseal(own_version, "golden.jsonl", content)

    with pytest.raises(ArtefactError, match="holds no rows, or one without"):
        load(own_version)


@pytest.mark.parametrize("off", [2e-9, float("nan")], ids=["two billionths", "not a number"])
def test_the_tolerance_of_a_golden_row_is_one_billionth(model: LoadedModel, off: float) -> None:
    first, *others = model.golden[0]["probabilities"]

    def with_first(value: float) -> LoadedModel:
        row = {**model.golden[0], "probabilities": [value, *others]}
        return dataclasses.replace(model, golden=(row,))

    check_golden(with_first(first + 0.5e-9))
    with pytest.raises(ArtefactError, match="golden row 1"):
        check_golden(with_first(first + off))


class TestSignature:
    def test_a_manifest_without_a_signature_is_refused(self, own_version: Path) -> None:
        (own_version / SIGNATURE).write_bytes(b"")

        with pytest.raises(ArtefactError, match=r"manifest\.sig is not a trusted key's"):
            load(own_version)

    def test_a_changed_manifest_is_refused_before_it_is_read(
        self, own_version: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        manifest = edited(own_version / MANIFEST, files={})
        (own_version / MANIFEST).write_bytes(manifest)
        monkeypatch.setattr(json, "loads", lambda _: pytest.fail("read"))

        with pytest.raises(ArtefactError, match="is not a trusted key's signature"):
            load(own_version)

    def test_no_other_file_is_opened_before_the_signature_is_verified(
        self, own_version: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        opened: list[str] = []
        real = os.open
        monkeypatch.setattr(
            os, "open", lambda path, *rest: (opened.append(Path(path).name), real(path, *rest))[1]
        )

        with pytest.raises(ArtefactError, match="is not a trusted key's signature"):
            load(own_version, public_keys=[Ed25519PrivateKey.generate().public_key()])
        assert opened == [MANIFEST, SIGNATURE]

    def test_a_manifest_signed_again_by_another_key_is_refused(self, own_version: Path) -> None:
        seal(own_version, (own_version / MANIFEST).read_bytes(), by=Ed25519PrivateKey.generate())

        with pytest.raises(ArtefactError, match="is not a trusted key's signature"):
            load(own_version)

    def test_any_of_several_keys_may_have_signed(self, own_version: Path) -> None:
        new = Ed25519PrivateKey.generate().public_key()

        model = load(own_version, public_keys=[new, *settings.MODEL_PUBLIC_KEYS])

        assert model.version == own_version.name

    def test_without_a_key_nothing_is_believed(self, own_version: Path) -> None:
        with pytest.raises(ArtefactError, match="There is no public key"):
            load(own_version, public_keys=[])

    def test_the_id_is_signed_too(self, own_version: Path) -> None:
        renamed = own_version.rename(own_version.with_name("20300101T000000-synthetic-00000000"))

        with pytest.raises(ArtefactError, match=r"is of version '.*', not of '20300101"):
            load(renamed)

    def test_a_version_of_an_older_format_is_refused(self, own_version: Path) -> None:
        seal(own_version, edited(own_version / MANIFEST, format=1))

        with pytest.raises(ArtefactError, match=r"manifest\.json has format 1; expected 2"):
            load(own_version)

    @pytest.mark.parametrize("size", [-1, True, "12", None, 10**30], ids=repr)
    def test_a_size_that_is_none_is_refused(self, own_version: Path, size: Any) -> None:
        files = json.loads((own_version / MANIFEST).read_bytes())["files"]
        files["card.md"]["bytes"] = size
        seal(own_version, edited(own_version / MANIFEST, files=files))

        with pytest.raises(ArtefactError, match=r"gives card\.md a size that no file"):
            load(own_version)


def test_400_flipped_bits_and_not_one_version_loaded(own_version: Path) -> None:
    chosen = random.Random(20_260)  # noqa: S311 - the same bits in every run
    names = [MANIFEST, SIGNATURE, *FILES]
    for number in range(400):
        path = own_version / names[number % len(names)]
        intact = path.read_bytes()
        data = bytearray(intact)
        data[chosen.randrange(len(data))] ^= 1 << chosen.randrange(8)
        path.write_bytes(data)

        with pytest.raises(ArtefactError):
            load(own_version)
        path.write_bytes(intact)

    check_golden(load(own_version))


class TestSave:
    @pytest.mark.parametrize("name", DOCUMENTS)
    def test_every_document_is_demanded(
        self, trained: TrainedModel, tmp_path: Path, name: str
    ) -> None:
        documents = {other: data for other, data in MODEL_DOCUMENTS.items() if other != name}

        with pytest.raises(ArtefactError, match="A version's documents are"):
            save(trained, tmp_path, documents=documents)
        assert list(tmp_path.iterdir()) == []

    def test_a_process_without_the_signing_key_saves_nothing(
        self, trained: TrainedModel, tmp_path: Path
    ) -> None:
        with pytest.raises(ArtefactError, match="There is no signing key"):
            save(trained, tmp_path, signing_key=None)
        assert list(tmp_path.iterdir()) == []

    def test_a_document_too_many_is_refused(self, trained: TrainedModel, tmp_path: Path) -> None:
        with pytest.raises(ArtefactError, match=r"received .*notes\.md"):
            save(trained, tmp_path, documents={**MODEL_DOCUMENTS, "notes.md": b""})

    def test_the_same_version_saved_twice_is_one(
        self, trained: TrainedModel, tmp_path: Path, at_one_moment: None
    ) -> None:
        version = save(trained, tmp_path)
        before = (tmp_path / version / "model.joblib").stat()

        assert save(trained, tmp_path) == version
        assert [entry.name for entry in tmp_path.iterdir()] == [version]
        assert (tmp_path / version / "model.joblib").stat().st_ino == before.st_ino

    def test_an_id_that_another_content_has_is_refused(
        self, trained: TrainedModel, tmp_path: Path, at_one_moment: None
    ) -> None:
        version = save(trained, tmp_path)
        (tmp_path / version / MANIFEST).chmod(0o644)
        (tmp_path / version / MANIFEST).write_bytes(b"another")

        with pytest.raises(ArtefactError, match=f"another version {version} already"):
            save(trained, tmp_path)
        assert (tmp_path / version / MANIFEST).read_bytes() == b"another"
        assert [entry.name for entry in tmp_path.iterdir()] == [version]

    def test_leftovers_of_interrupted_saves_are_swept_after_an_hour(
        self, trained: TrainedModel, tmp_path: Path
    ) -> None:
        old, young, old_file = (tmp_path / f".new-{n}" for n in ("old", "young", "file"))
        old.mkdir()
        (old / "model.joblib").write_bytes(b"half")
        young.mkdir()
        old_file.write_bytes(b"{")
        for path in (old, old_file):
            os.utime(path, times=(time.time() - 3_700,) * 2)

        version = save(trained, tmp_path)

        assert sorted(entry.name for entry in tmp_path.iterdir()) == [".new-young", version]


@pytest.fixture
def at_one_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two saves within one second."""
    moment = artefacts.datetime.now(artefacts.UTC)

    class OneMoment(artefacts.datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return moment

    monkeypatch.setattr(artefacts, "datetime", OneMoment)


class TestPointer:
    def test_it_works(self, own_store: Path, own_version: Path) -> None:
        point_to(own_store, own_version.name, epoch=7)

        assert pointer(own_store) == Pointer(version=own_version.name, epoch=7)

    @pytest.mark.parametrize("version", ["20200101T000000-ktas-00000000", "../models", "", "."])
    def test_it_names_only_what_the_store_holds(self, own_store: Path, version: str) -> None:
        before = pointer(own_store)

        with pytest.raises(ArtefactError, match="no version"):
            point_to(own_store, version, epoch=2)
        assert pointer(own_store) == before

    def test_without_one_there_is_no_current_version(self, tmp_path: Path) -> None:
        assert pointer(tmp_path) is None

    @pytest.mark.parametrize(
        ("content", "sentence"),
        [
            ("{", "is not JSON"),
            ("[" * 100_000, "is not JSON"),
            ("[]", "is not a JSON object"),
            ("{}", "names no model version"),
            ('{"version": "../../etc", "epoch": 1}', "names no model version"),
            ('{"version": 1, "epoch": 1}', "names no model version"),
            ('{"version": "v"}', "is of an older format, without an epoch"),
            ('{"version": "v", "epoch": true}', "is not a whole number"),
            ('{"version": "v", "epoch": -1}', "is not a whole number"),
            ('{"version": "v", "epoch": 1.5}', "is not a whole number"),
        ],
        ids=lambda text: text[:40],
    )
    def test_each_spoilt_one_has_its_sentence(
        self, tmp_path: Path, content: str, sentence: str
    ) -> None:
        (tmp_path / "current.json").write_text(content)

        with pytest.raises(ArtefactError, match=rf"current\.json {sentence}|{sentence}"):
            pointer(tmp_path)

    def test_one_that_cannot_be_read_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "current.json").mkdir()

        with pytest.raises(ArtefactError, match=r"current\.json cannot be read"):
            pointer(tmp_path)


def test_a_version_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="is not a directory of the store"):
        load(tmp_path / "20200101T000000-ktas-00000000")


def test_a_pipe_in_place_of_a_file_does_not_keep_the_process_waiting(own_version: Path) -> None:
    (own_version / SIGNATURE).unlink()
    os.mkfifo(own_version / SIGNATURE)

    with pytest.raises(ArtefactError, match=r"manifest\.sig is not a regular file"):
        load(own_version)
