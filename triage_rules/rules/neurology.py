"""Brain and nerves: RF02, RF10 and RF13."""

from __future__ import annotations

from datetime import date

from triage_rules.case import Consciousness
from triage_rules.level import Level
from triage_rules.rule import NOTHING, Evidence, Patient, measured, rule
from triage_rules.thresholds import limit

SINCE = date(2025, 1, 1)


DEPRESSED = (Consciousness.PAIN, Consciousness.UNRESPONSIVE)
ALTERED = (Consciousness.VOICE, Consciousness.CONFUSED)
STROKE_SIGNS = (
    "stroke_word",
    "face_droop",
    "limb_weakness",
    "one_side_numb",
    "speech_trouble",
)
SUDDEN_SIGNS = ("vision_loss", "gait_trouble")
CONSCIOUSNESS_SOURCE = "ESI-informed steps A and B; CTAS"
STROKE_SOURCE = "ESI-informed step B; CTAS; BE-FAST"
SEIZURE_SOURCE = "ESI-informed step A; SATS; MTS"


@rule(
    id="RF02",
    name="Reduced consciousness",
    floor=Level.EMERGENCY,
    immediate=True,
    source=CONSCIOUSNESS_SOURCE,
    since=SINCE,
    possible=False,
)
def unresponsive(patient: Patient) -> Evidence:
    """Cannot be woken, by words."""
    return patient.says("unresponsive")


@rule(
    id="RF02",
    name="Reduced consciousness",
    floor=Level.EMERGENCY,
    immediate=True,
    source=CONSCIOUSNESS_SOURCE,
    since=SINCE,
    needs=("consciousness|gcs",),
    possible=False,
)
def responds_to_pain_at_best(patient: Patient) -> Evidence:
    """Responds to pain or not at all, or a coma score of 8 or less."""
    return (*_letter_among(patient, DEPRESSED), *_gcs_up_to(patient, "coma"))


@rule(
    id="RF02",
    name="Reduced consciousness",
    floor=Level.EMERGENCY,
    source=CONSCIOUSNESS_SOURCE,
    since=SINCE,
    needs=("consciousness|gcs",),
    possible=False,
)
def newly_altered(patient: Patient) -> Evidence:
    """Newly confused or responds to voice only, or a coma score below the full 15."""
    return (*_letter_among(patient, ALTERED), *_gcs_up_to(patient, "reduced_gcs"))


@rule(
    id="RF02",
    name="Reduced consciousness",
    floor=Level.EMERGENCY,
    source=CONSCIOUSNESS_SOURCE,
    since=SINCE,
    possible=False,
)
def drowsy_or_confused(patient: Patient) -> Evidence:
    """Drowsy or confused, by words, and not as always."""
    return patient.says("drowsy", "confused")


@rule(
    id="RF02",
    name="Reduced consciousness",
    floor=Level.URGENT,
    source=CONSCIOUSNESS_SOURCE,
    since=SINCE,
    possible=False,
)
def confused_as_always(patient: Patient) -> Evidence:
    """Confused as always, by words."""
    return patient.says("usual_confusion")


@rule(id="RF10", name="Stroke", floor=Level.EMERGENCY, source=STROKE_SOURCE, since=SINCE)
def stroke_signs(patient: Patient) -> Evidence:
    """A sign of stroke that is not of long standing, even if it has resolved."""
    return NOTHING if _is_longstanding(patient) else _stroke_evidence(patient, recent=True)


@rule(id="RF10", name="Stroke", floor=Level.URGENT, source=STROKE_SOURCE, since=SINCE)
def stroke_signs_days_ago(patient: Patient) -> Evidence:
    """A sign of stroke that is said to have been more than a day ago."""
    return _stroke_evidence(patient, recent=False)


@rule(
    id="RF13",
    name="Seizure",
    floor=Level.EMERGENCY,
    immediate=True,
    source=SEIZURE_SOURCE,
    since=SINCE,
)
def seizing_or_just_seized(patient: Patient) -> Evidence:
    """Seizing, not recovered, or a seizure within a day or at no given time."""
    window = limit("rules", "seizure_window_hours")
    found = patient.said("seizure_now", "seizure")
    return tuple(
        dict.fromkeys(f.evidence for f in found if f.hours_ago is None or f.hours_ago <= window)
    )


def _letter_among(patient: Patient, letters: tuple[Consciousness, ...]) -> Evidence:
    letter = patient.vitals.consciousness
    return (f"consciousness {letter}",) if letter in letters else NOTHING


def _gcs_up_to(patient: Patient, name: str) -> Evidence:
    gcs = patient.vitals.gcs
    if gcs is None or gcs > limit("rules", name):
        return NOTHING
    return measured("GCS", gcs)


def _is_longstanding(patient: Patient) -> bool:
    return bool(patient.says("longstanding")) and not patient.says("sudden", "worsening")


def _stroke_evidence(patient: Patient, *, recent: bool) -> Evidence:
    signs = (*STROKE_SIGNS, *SUDDEN_SIGNS) if patient.says("sudden") else STROKE_SIGNS
    window = limit("rules", "stroke_window_hours")
    found = patient.said(*signs)
    return tuple(
        dict.fromkeys(
            f.evidence for f in found if (f.hours_ago is None or f.hours_ago <= window) is recent
        )
    )
