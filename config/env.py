"""Reading the environment: every value is checked, an odd one stops the start with a sentence."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from celery.schedules import crontab
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ml.signing import SigningKeyError, public_keys, signing_key

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}
_HOST = r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?"
_ORIGIN = re.compile(rf"https?://{_HOST}")
_ORIGIN_OR_ANY_BELOW = re.compile(rf"https?://(\*\.)?{_HOST}")


class SettingError(SystemExit):
    """A setting that cannot be used. It ends the process with one sentence, without a traceback."""

    def __init__(self, sentence: str) -> None:
        super().__init__(f"Cannot start: {sentence}")


def env_text(name: str, default: str = "") -> str:
    """Return the variable, or the default where it is unset or empty."""
    return os.environ.get(name, "").strip() or default


def env_bool(name: str, *, default: bool) -> bool:
    """Return true or false; any other word is refused."""
    value = env_text(name).lower()
    if not value:
        return default
    if value not in _TRUE | _FALSE:
        raise SettingError(f"{name} must be true or false.")
    return value in _TRUE


def env_number(name: str, default: float, *, low: float, high: float) -> float:
    """Return a number between low and high, both included."""
    value = env_text(name, str(default))
    try:
        number = float(value)
    except ValueError:
        raise SettingError(f"{name} must be a number from {low:g} to {high:g}.") from None
    if not low <= number <= high:
        raise SettingError(f"{name} must be a number from {low:g} to {high:g}.")
    return number


def env_whole(name: str, default: int, *, low: int, high: int) -> int:
    """Return a whole number between low and high, both included."""
    number = env_number(name, default, low=low, high=high)
    if not number.is_integer():
        raise SettingError(f"{name} must be a whole number from {low} to {high}.")
    return int(number)


def env_list(name: str, default: str = "") -> list[str]:
    """Return the comma-separated entries, without empty ones."""
    return [entry.strip() for entry in env_text(name, default).split(",") if entry.strip()]


def env_origins(name: str, *, wildcard: bool = False) -> list[str]:
    """Return comma-separated origins: a scheme, a host, perhaps a port, and nothing behind.

    With ``wildcard`` the host may begin with ``*.``, which stands for all names below the rest.
    """
    origins = env_list(name)
    shape = _ORIGIN_OR_ANY_BELOW if wildcard else _ORIGIN
    if not all(shape.fullmatch(origin) for origin in origins):
        raise SettingError(
            f"{name} must be comma-separated addresses without a path, such as "
            "https://triage.example."
        )
    return origins


def env_word(name: str, default: str, words: Collection[str]) -> str:
    """Return one of the words; any other is refused."""
    word = env_text(name, default)
    if word not in words:
        raise SettingError(f"{name} must be one of {', '.join(words)}.")
    return word


def env_url(name: str, default: str, *, schemes: Collection[str]) -> str:
    """Return an address that begins with one of the schemes, or an empty default.

    It may hold a password, so it may lie in the file that ``NAME_FILE`` points to.
    """
    url = env_text(name) or _read_secret_file(name) or default
    if url and url.partition("://")[0] not in schemes:
        raise SettingError(f"{name} must begin with {' or '.join(f'{s}://' for s in schemes)}.")
    try:
        # Reading the port is the check; a path of SQLite, such as :memory:, has none.
        _ = url.startswith("sqlite:") or urlsplit(url).port
    except ValueError:
        raise SettingError(
            f"{name} must be an address; special characters in a password are written as %XX."
        ) from None
    return url


def env_zone(name: str, default: str) -> ZoneInfo:
    """Return a time zone of the IANA database."""
    key = env_text(name, default)
    try:
        return ZoneInfo(key)
    except (KeyError, ValueError, OSError):
        raise SettingError(f"{name} must name an IANA time zone, such as Europe/Paris.") from None


def env_cron(name: str, default: str = "") -> crontab | None:
    """Return a schedule in UTC; None where it is unset and has no default."""
    line = env_text(name, default)
    try:
        return crontab.from_string(line) if line else None
    except ValueError:
        raise SettingError(f"{name} must be a cron line, such as 15 5 * * *.") from None


def env_secret(name: str, *, at_least: int = 32) -> str:
    """Return a secret from ``NAME`` or from the file that ``NAME_FILE`` points to.

    A missing or short secret stops the start: there is no default that would let a hospital run
    with a key that everybody knows.
    """
    value = env_text(name) or _read_secret_file(name)
    if not value:
        raise SettingError(f"{name} is not set (give it as {name} or in a file as {name}_FILE).")
    if len(value) < at_least:
        raise SettingError(f"{name} must have at least {at_least} characters.")
    return value


def env_secrets(name: str, *, at_least: int = 32) -> list[str]:
    """Return comma-separated secrets, possibly none, from ``NAME`` or ``NAME_FILE``."""
    text = env_text(name) or _read_secret_file(name)
    values = [value.strip() for value in text.split(",") if value.strip()]
    if any(len(value) < at_least for value in values):
        raise SettingError(f"Each of {name} must have at least {at_least} characters.")
    return values


def env_signing_key(name: str) -> Ed25519PrivateKey | None:
    """Return the key that signs model versions, or None in a process that trains no model."""
    text = env_text(name) or _read_secret_file(name)
    try:
        return signing_key(text) if text else None
    except SigningKeyError as error:
        raise SettingError(f"{name} cannot be used: {error}.") from None


def env_public_keys(name: str) -> list[Ed25519PublicKey]:
    """Return the keys whose signatures are believed, possibly none."""
    try:
        return public_keys(env_text(name) or _read_secret_file(name))
    except SigningKeyError as error:
        raise SettingError(f"{name} cannot be used: {error}.") from None


def _read_secret_file(name: str) -> str:
    path = env_text(f"{name}_FILE")
    if not path:
        return ""
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise SettingError(f"{name}_FILE names a file that cannot be read.") from None
