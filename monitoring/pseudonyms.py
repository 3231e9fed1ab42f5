"""Patient ids as the record keeps them: a keyed hash that nobody can turn back without the key."""

from __future__ import annotations

import hashlib
import hmac
import unicodedata


def pseudonym(identifier: str | None, *, kind: str, key: bytes) -> str:
    """Return the HMAC-SHA256 of an identifier in hexadecimal; empty where there is none.

    ``kind`` ("subject" or "encounter") is hashed along, so that the same text under two kinds
    cannot be recognised.
    """
    if identifier is None:
        return ""
    message = f"{kind}\x00{unicodedata.normalize('NFC', identifier.strip())}"
    return hmac.new(key, message.encode(), hashlib.sha256).hexdigest()


def key_id(key: bytes) -> str:
    """Return a short public name of a key, so that rows say which key hashed them."""
    return hmac.new(key, b"key-id", hashlib.sha256).hexdigest()[:8]
