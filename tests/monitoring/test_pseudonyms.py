"""A patient is recognised again only by who holds the key."""

from __future__ import annotations

import pytest

from monitoring.pseudonyms import key_id, pseudonym

KEY = b"k" * 32


def test_the_same_patient_is_the_same_pseudonym() -> None:
    assert pseudonym("Jos\u00e9", kind="subject", key=KEY) == pseudonym(
        " Jose\u0301 ", kind="subject", key=KEY
    )


@pytest.mark.parametrize(
    ("identifier", "kind", "key"),
    [("p-2", "subject", KEY), ("p-1", "encounter", KEY), ("p-1", "subject", b"o" * 32)],
)
def test_another_patient_kind_or_key_is_another_pseudonym(
    identifier: str, kind: str, key: bytes
) -> None:
    assert pseudonym(identifier, kind=kind, key=key) != pseudonym("p-1", kind="subject", key=KEY)


def test_nobody_has_no_pseudonym() -> None:
    assert pseudonym(None, kind="subject", key=KEY) == ""


def test_a_key_is_named_without_being_told() -> None:
    assert len(key_id(KEY)) == 8
    assert key_id(KEY) != key_id(b"o" * 32)
