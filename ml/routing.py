"""Which arm of the trial a patient belongs to: a keyed hash, the same in every process.

Enrolment, arm and audit are hashed under different purposes, so that growing the ramp never moves
anybody from one arm to the other, and no arm is audited more than another.
"""

from __future__ import annotations

import hashlib
import hmac
import unicodedata
from dataclasses import dataclass

from triage_rules.level import Decider

BUCKETS = 1_000_000
_SCHEME = b"triage-ab/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseTerms:
    """The frozen terms of one phase of an experiment.

    ``ramp`` and ``ml_share`` are counted in millionths: 500_000 is one half.
    """

    experiment: str
    number: int
    ramp: int
    ml_share: int
    default_decider: Decider
    kill_switch: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """Where a call belongs: ``ab_group`` is None outside the trial, ``decider`` always decides."""

    phase: PhaseTerms
    decider: Decider
    ab_group: Decider | None = None
    bucket: int | None = None


def bucket(*, key: bytes, experiment: str, purpose: str, unit: str) -> int:
    """Return the bucket, 0 to 999,999, of one unit for one purpose.

    The first 8 bytes of HMAC-SHA256 over scheme, experiment, purpose and the NFC form of the unit,
    joined by NUL, scaled to a million (design: section 5).

    Raises
    ------
    ValueError
        When a part is empty or holds a NUL, which would let two units share a message.
    """
    parts = (experiment, purpose, unicodedata.normalize("NFC", unit))
    if not all(parts) or any("\x00" in part for part in parts):
        raise ValueError("experiment, purpose and unit must not be empty or contain NUL")
    message = b"\x00".join([_SCHEME, *(part.encode() for part in parts)])
    digest = hmac.new(key, message, hashlib.sha256).digest()
    return (int.from_bytes(digest[:8], "big") * BUCKETS) >> 64


def assign(*, unit: str | None, key: bytes, phase: PhaseTerms) -> Assignment:
    """Return the arm of one patient in one phase.

    Without a patient id, or beyond the ramp, the call belongs to no arm and the phase's default
    decides.
    """
    if unit is None or _bucket(unit, key=key, phase=phase, purpose="enrol") >= phase.ramp:
        return Assignment(phase=phase, decider=phase.default_decider)
    arm_bucket = _bucket(unit, key=key, phase=phase, purpose="arm")
    arm = Decider.ML if arm_bucket < phase.ml_share else Decider.RULES
    return Assignment(phase=phase, decider=arm, ab_group=arm, bucket=arm_bucket)


def audit_drawn(*, unit: str, key: bytes, experiment: str, share: float) -> bool:
    """Tell whether a unit is drawn for a label by somebody who has not seen the answer.

    A larger share draws the same units and more.
    """
    drawn = bucket(key=key, experiment=experiment, purpose="audit", unit=unit.strip())
    return drawn < round(share * BUCKETS)


def _bucket(unit: str, *, key: bytes, phase: PhaseTerms, purpose: str) -> int:
    return bucket(key=key, experiment=phase.experiment, purpose=purpose, unit=unit.strip())
