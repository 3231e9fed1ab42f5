"""``manage.py check_model`` says whether a version would serve here, and why not."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command


def check_model(store: Path, settings: Any, *arguments: str) -> str:
    settings.MODEL_STORE = store
    output = StringIO()
    call_command("check_model", *arguments, stdout=output)
    return output.getvalue()


def test_it_works(own_store: Path, own_version: Path, settings: Any) -> None:
    assert check_model(own_store, settings) == f"{own_version.name}\n"
    assert check_model(own_store, settings, f"--version={own_version.name}") != ""


def test_a_version_that_would_not_serve_is_refused_with_its_sentence(
    own_store: Path, own_version: Path, settings: Any
) -> None:
    (own_version / "card.md").unlink()

    with pytest.raises(CommandError, match=r"lacks card\.md\.$"):
        check_model(own_store, settings)


def test_a_store_without_a_pointer_is_refused(tmp_path: Path, settings: Any) -> None:
    with pytest.raises(CommandError, match="names no current version"):
        check_model(tmp_path, settings)
