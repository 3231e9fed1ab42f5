"""The small model of the suite, loaded, and copies of it that a test may spoil."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from ml.artefacts import MANIFEST, SIGNATURE, LoadedModel, load, pointer


@pytest.fixture(scope="session")
def model(model_store: Path) -> LoadedModel:
    """The version of the store, loaded."""
    current = pointer(model_store)
    assert current is not None
    return load(model_store / current.version, public_keys=settings.MODEL_PUBLIC_KEYS)


@pytest.fixture
def own_store(model_store: Path, tmp_path: Path) -> Path:
    """A copy of the store that a test may spoil."""
    return Path(shutil.copytree(model_store, tmp_path / "models"))


@pytest.fixture
def own_version(own_store: Path) -> Path:
    """The directory of the version in the copy."""
    current = pointer(own_store)
    assert current is not None
    for file in (own_store / current.version).iterdir():
        file.chmod(0o644)
    return own_store / current.version


@pytest.fixture
def reseal() -> Callable[[Path, str, bytes], None]:
    """Return a function that writes a file, makes the manifest agree with it, and signs that."""

    def write(directory: Path, name: str, data: bytes) -> None:
        (directory / name).write_bytes(data)
        manifest = json.loads((directory / MANIFEST).read_bytes())
        manifest["files"][name] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
        content = json.dumps(manifest).encode()
        (directory / MANIFEST).write_bytes(content)
        (directory / SIGNATURE).write_bytes(settings.MODEL_SIGNING_KEY.sign(content))

    return write


@pytest.fixture
def request_body() -> dict[str, Any]:
    """A man of 57 with chest pain and a fast pulse."""
    return {
        "patient_id": "p-123",
        "patient_age": 57,
        "sex": "male",
        "arrival_mode": "ambulance",
        "injury": False,
        "symptoms_data": {
            "chief_complaint": "chest pain",
            "description": "since an hour, sweating",
            "symptoms": [
                {"name": "nausea", "present": True},
                {"name": "fever", "present": False},
            ],
        },
        "vitals": {
            "heart_rate": 104,
            "respiratory_rate": 20,
            "spo2": 95,
            "systolic_bp": 142,
            "diastolic_bp": 88,
            "temperature_c": 36.9,
            "consciousness": "A",
            "pain_score": 7,
        },
    }
