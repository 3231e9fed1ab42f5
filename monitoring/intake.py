"""The request as it was decided on, kept encrypted: for replay, review and learning."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from cryptography.fernet import InvalidToken
from django.conf import settings

from monitoring.encryption import decrypt, encrypt
from monitoring.pseudonyms import key_id

# Who it is about stands in the row as pseudonyms; what is kept here says only how they are.
IDENTIFYING = frozenset({"patient_id", "encounter_id", "triage_log_id"})


class Unreadable(StrEnum):
    """Why an intake that is kept cannot be read."""

    KEY_NOT_INSTALLED = "intake_key_not_installed"
    DAMAGED = "intake_damaged"


class UnreadableIntakeError(Exception):
    """An intake is kept and cannot be read; ``reason`` says why."""

    def __init__(self, reason: Unreadable) -> None:
        super().__init__(reason.value)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedIntake:
    """An encrypted request and the public name of the key that reads it."""

    token: bytes
    key_id: str


def canonical(body: Mapping[str, Any]) -> str:
    """Return a parsed request, less what names the patient or the visit, in one spelling.

    Numbers keep every digit, so a case that is built from it again is the same bit for bit.
    """
    kept = {name: value for name, value in body.items() if name not in IDENTIFYING}
    return json.dumps(
        kept, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def seal(body: Mapping[str, Any]) -> SealedIntake:
    """Encrypt a parsed request with the first of ``INTAKE_KEYS``."""
    return SealedIntake(
        token=encrypt(canonical(body)), key_id=key_id(settings.INTAKE_KEYS[0].encode())
    )


def unseal(sealed: SealedIntake) -> dict[str, Any]:
    """Return the request that ``seal`` was given, less what named the patient.

    Raises
    ------
    UnreadableIntakeError
        When its key is not among ``INTAKE_KEYS``, or the token is not what was written.
    """
    try:
        return dict(json.loads(decrypt(sealed.token)))
    except (InvalidToken, ValueError, TypeError):
        raise UnreadableIntakeError(_why_unreadable(sealed.key_id)) from None


def _why_unreadable(name: str) -> Unreadable:
    installed = {key_id(key.encode()) for key in settings.INTAKE_KEYS}
    return Unreadable.DAMAGED if name in installed else Unreadable.KEY_NOT_INSTALLED
