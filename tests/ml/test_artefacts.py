"""A version is saved once, loads as it was saved, and is refused when a byte is not as written."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import pytest

from ml import artefacts
from ml.artefacts import (
    FILES,
    MANIFEST,
    ArtefactError,
    LoadedModel,
    TrainedModel,
    check_golden,
    current_version,
    load,
    point_to,
    save,
)
from ml.simulator import simulate
from triage_rules.case import case_from_request

Reseal = Callable[[Path, str, bytes], None]


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
    assert len(model.golden) == 20


def test_the_files_cannot_be_written_to(model_store: Path, model: LoadedModel) -> None:
    modes = {file.stat().st_mode & 0o777 for file in (model_store / model.version).iterdir()}

    assert modes == {0o444}


def test_an_interrupted_save_leaves_no_version(
    trained: TrainedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*_: Any, **__: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(artefacts, "_sync_directory", full_disk)
    monkeypatch.setattr(artefacts, "_write_durably", full_disk)

    with pytest.raises(OSError, match="no space"):
        save(trained, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [*FILES, MANIFEST])
def test_a_missing_file_is_refused(own_version: Path, name: str) -> None:
    (own_version / name).unlink()

    with pytest.raises(ArtefactError, match=f"lacks {name}"):
        load(own_version)


@pytest.mark.parametrize("name", FILES)
def test_a_truncated_file_is_refused(own_version: Path, name: str) -> None:
    path = own_version / name
    path.write_bytes(path.read_bytes()[:-1])

    with pytest.raises(ArtefactError, match=f"{name} has .* bytes"):
        load(own_version)


@pytest.mark.parametrize("name", FILES)
def test_one_changed_byte_is_refused(own_version: Path, name: str) -> None:
    data = bytearray((own_version / name).read_bytes())
    data[len(data) // 2] ^= 1
    (own_version / name).write_bytes(data)

    with pytest.raises(ArtefactError, match=f"content of {name} is not"):
        load(own_version)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"files": {}}', b"\x80"], ids=repr)
def test_a_spoilt_manifest_is_refused(own_version: Path, content: bytes) -> None:
    (own_version / MANIFEST).write_bytes(content)

    with pytest.raises(ArtefactError, match=MANIFEST):
        load(own_version)


@pytest.mark.parametrize("name", [*FILES, MANIFEST])
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
        ({"libraries": {"scikit-learn": "1.8.0"}}, "trained with scikit-learn 1.8.0"),
        ({"levels": ["emergency", "urgent", "soon", "routine"]}, "levels are"),
        ({"format": 99}, "format 99"),
        ({"threshold": None}, "lacks a field"),
        ({"features": {}}, "features are not those"),
    ],
    ids=["another scikit-learn", "levels upside down", "a later format", "no threshold", "schema"],
)
def test_metadata_that_does_not_fit_is_refused(
    own_version: Path, reseal: Reseal, fields: dict[str, Any], sentence: str
) -> None:
    reseal(own_version, "metadata.json", edited(own_version / "metadata.json", **fields))

    with pytest.raises(ArtefactError, match=sentence):
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


def test_the_pointer_names_only_what_the_store_holds(own_store: Path) -> None:
    before = current_version(own_store)

    with pytest.raises(ArtefactError, match="no version"):
        point_to(own_store, "20200101T000000-00000000")
    assert current_version(own_store) == before


def test_without_a_pointer_there_is_no_current_version(tmp_path: Path) -> None:
    assert current_version(tmp_path) is None


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"version": "../../etc"}', '{"version": 1}'])
def test_a_pointer_that_leads_nowhere_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "current.json").write_text(content)

    with pytest.raises(ArtefactError, match=r"current\.json"):
        current_version(tmp_path)
