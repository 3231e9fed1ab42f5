"""Free text at rest is encrypted: with the first of ``INTAKE_KEYS``, readable with any of them."""

from __future__ import annotations

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


def encrypt(text: str) -> bytes:
    """Return the text as an encrypted token; an empty text stays empty."""
    return _cipher().encrypt(text.encode()) if text else b""


def decrypt(token: bytes) -> str:
    """Return the text of a token made by ``encrypt``."""
    return _cipher().decrypt(token).decode() if token else ""


def encrypt_anew(token: bytes) -> bytes:
    """Return the same text under the first of ``INTAKE_KEYS``; the time it was written stays."""
    return _cipher().rotate(token)


def is_current(token: bytes) -> bool:
    """Tell whether the first of ``INTAKE_KEYS`` wrote a token."""
    try:
        Fernet(settings.INTAKE_KEYS[0]).decrypt(token)
    except InvalidToken:
        return False
    return True


def _cipher() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.INTAKE_KEYS])
