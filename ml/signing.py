"""Ed25519 keys as text, and what they sign. The cryptography itself is the library's."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

KEY_BYTES = 32
EXPECTED = "expected 32 bytes in base 64, or an unencrypted Ed25519 key in PEM"

# A PEM block holds line ends and blanks; a key in base 64 holds neither, nor a comma.
_ONE_KEY = re.compile(r"-----BEGIN.*?-----END[^-]*-----|[^\s,]+", re.DOTALL)
_URL_SAFE = str.maketrans("-_", "+/")


class SigningKeyError(ValueError):
    """A text that is no key. The message never holds the text."""


def signing_key(text: str) -> Ed25519PrivateKey:
    """Read the key that signs model versions.

    Raises
    ------
    SigningKeyError
        When the text is anything but one private Ed25519 key.
    """
    try:
        if not _is_pem(text):
            return Ed25519PrivateKey.from_private_bytes(_raw(text))
        key = load_pem_private_key(text.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise SigningKeyError(f"a signing key cannot be read; {EXPECTED}") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise SigningKeyError(f"a signing key is of another kind; {EXPECTED}")
    return key


def public_keys(text: str) -> list[Ed25519PublicKey]:
    """Read the keys whose signatures are believed, separated by commas or line ends.

    Raises
    ------
    SigningKeyError
        When one of them is anything but a public Ed25519 key.
    """
    return [_public_key(one) for one in _ONE_KEY.findall(text)]


def public_text(key: Ed25519PublicKey) -> str:
    """Return a public key as 32 bytes in base 64."""
    return base64.b64encode(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()


def is_signed(data: bytes, signature: bytes, *, by: Iterable[Ed25519PublicKey]) -> bool:
    """Whether one of the keys signed exactly these bytes."""
    return any(_verifies(key, data, signature) for key in by)


def _public_key(text: str) -> Ed25519PublicKey:
    try:
        if not _is_pem(text):
            return Ed25519PublicKey.from_public_bytes(_raw(text))
        key = load_pem_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise SigningKeyError(f"a public key cannot be read; {EXPECTED}") from None
    if not isinstance(key, Ed25519PublicKey):
        raise SigningKeyError(f"a public key is of another kind; {EXPECTED}")
    return key


def _is_pem(text: str) -> bool:
    return text.lstrip().startswith("-----BEGIN")


def _raw(text: str) -> bytes:
    raw = base64.b64decode(text.strip().translate(_URL_SAFE), validate=True)
    if len(raw) != KEY_BYTES:
        raise ValueError(f"{len(raw)} bytes; {EXPECTED}")
    return raw


def _verifies(key: Ed25519PublicKey, data: bytes, signature: bytes) -> bool:
    try:
        key.verify(signature, data)
    except InvalidSignature:
        return False
    return True
