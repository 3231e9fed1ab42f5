"""Keys come as base 64 or PEM, several at once; anything else is refused without being echoed."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from ml.signing import SigningKeyError, is_signed, public_keys, public_text, signing_key

KEY = Ed25519PrivateKey.generate()
OTHER = Ed25519PrivateKey.generate()
ELLIPTIC = ec.generate_private_key(ec.SECP256R1())


def private_pem(key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey, password: bytes = b"") -> str:
    lock = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock).decode()


def public_pem(key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> str:
    form = PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(Encoding.PEM, form).decode()


def base64_of(key: Ed25519PrivateKey) -> str:
    return base64.b64encode(key.private_bytes_raw()).decode()


@pytest.mark.parametrize(
    "text",
    [
        base64_of(KEY),
        base64.urlsafe_b64encode(KEY.private_bytes_raw()).decode(),
        f"  {base64_of(KEY)}\n",
        private_pem(KEY),
        f"\n{private_pem(KEY)}\n",
    ],
    ids=["base 64", "url-safe", "blanks around it", "PEM", "PEM with line ends"],
)
def test_it_works(text: str) -> None:
    signature = signing_key(text).sign(b"manifest")

    assert is_signed(b"manifest", signature, by=public_keys(public_text(KEY.public_key())))


@pytest.mark.parametrize(
    "text",
    [
        f"{public_text(KEY.public_key())},{public_text(OTHER.public_key())}",
        f"{public_text(KEY.public_key())} ,\n {public_text(OTHER.public_key())},",
        public_pem(KEY) + public_pem(OTHER),
        f"{public_pem(KEY)},{public_text(OTHER.public_key())}",
    ],
    ids=["comma", "commas and line ends", "two PEM in one file", "both forms"],
)
def test_several_public_keys_are_believed(text: str) -> None:
    keys = public_keys(text)

    assert [public_text(key) for key in keys] == [
        public_text(KEY.public_key()),
        public_text(OTHER.public_key()),
    ]
    assert is_signed(b"manifest", OTHER.sign(b"manifest"), by=keys)


def test_no_text_is_no_key() -> None:
    assert public_keys(" \n,") == []
    assert not is_signed(b"manifest", KEY.sign(b"manifest"), by=[])


@pytest.mark.parametrize("signature", [b"", b"x" * 64, OTHER.sign(b"manifest")], ids=len)
def test_another_signature_is_not_believed(signature: bytes) -> None:
    assert not is_signed(b"manifest", signature, by=[KEY.public_key()])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "secret",
        base64_of(KEY)[:-4],
        base64.b64encode(bytes(64)).decode(),
        "é" * 43,
        public_pem(KEY),
        private_pem(ELLIPTIC),
        private_pem(KEY, password=b"secret"),
        private_pem(KEY).replace("M", "N"),
    ],
    ids=[
        "nothing",
        "a word",
        "too short",
        "too long",
        "no base 64",
        "a public key",
        "another kind",
        "encrypted",
        "spoilt",
    ],
)
def test_what_is_no_signing_key_is_refused_without_being_echoed(text: str) -> None:
    with pytest.raises(SigningKeyError, match=r"a signing key .*; expected 32 bytes") as refusal:
        signing_key(text)

    assert not text or text not in str(refusal.value)
    assert refusal.value.__cause__ is None


@pytest.mark.parametrize(
    "text",
    ["secret", base64_of(KEY)[:-4], private_pem(KEY), public_pem(ELLIPTIC), "-----BEGIN"],
    ids=["a word", "too short", "a private key", "another kind", "half a PEM"],
)
def test_what_is_no_public_key_is_refused_without_being_echoed(text: str) -> None:
    with pytest.raises(SigningKeyError, match=r"a public key .*; expected 32 bytes") as refusal:
        public_keys(f"{public_text(KEY.public_key())},{text}")

    assert text not in str(refusal.value)


def test_anybody_can_verify_with_openssl(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(public_pem(KEY))
    (tmp_path / "data").write_bytes(b"manifest")
    (tmp_path / "signature").write_bytes(KEY.sign(b"manifest"))

    done = subprocess.run(
        ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "key", "-rawin", "-in", "data",
         "-sigfile", "signature"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
