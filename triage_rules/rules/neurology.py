"""Brain and nerves: RF02, RF10 and RF13."""

from __future__ import annotations

from datetime import date

from triage_rules.case import Consciousness
from triage_rules.patient import NOTHING, Evidence, Patient
from triage_rules.rule import Flag

SINCE = date(2025, 1, 1)

REDUCED_CONSCIOUSNESS = Flag(
    id="RF02",
    name="Reduced consciousness",
    source="ESI-informed steps A and B; CTAS",
    since=SINCE,
    certain=True,
)
STROKE = Flag(
    id="RF10",
    name="Stroke",
    source="ESI-informed step B; CTAS; BE-FAST",
    since=SINCE,
)
SEIZURE = Flag(
    id="RF13",
    name="Seizure",
    source="ESI-informed step A; SATS; MTS",
    since=SINCE,
)


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


@REDUCED_CONSCIOUSNESS.emergency(immediate=True)
def unresponsive(patient: Patient) -> Evidence:
    """Cannot be woken, by words."""
    return patient.says("unresponsive")


@REDUCED_CONSCIOUSNESS.emergency(needs=("consciousness|gcs",), immediate=True)
def responds_to_pain_at_best(patient: Patient) -> Evidence:
    """Responds to pain or not at all, or a coma score of 8 or less."""
    return (*_letter_among(patient, DEPRESSED), *patient.at_most("gcs", "coma"))


@REDUCED_CONSCIOUSNESS.emergency(needs=("consciousness|gcs",))
def newly_altered(patient: Patient) -> Evidence:
    """Newly confused or responds to voice only, or a coma score below the full 15."""
    return (*_letter_among(patient, ALTERED), *patient.at_most("gcs", "reduced_gcs"))


@REDUCED_CONSCIOUSNESS.emergency()
def drowsy_or_confused(patient: Patient) -> Evidence:
    """Drowsy or confused, by words, and not as always."""
    return patient.says("drowsy", "confused")


@REDUCED_CONSCIOUSNESS.urgent()
def confused_as_always(patient: Patient) -> Evidence:
    """Confused as always, by words."""
    return patient.says("usual_confusion")


@STROKE.emergency()
def stroke_signs(patient: Patient) -> Evidence:
    """A sign of stroke that is not of long standing, even if it has resolved."""
    return NOTHING if _is_longstanding(patient) else _stroke_evidence(patient, recent=True)


@STROKE.urgent()
def stroke_signs_days_ago(patient: Patient) -> Evidence:
    """A sign of stroke that is said to have been more than a day ago."""
    return _stroke_evidence(patient, recent=False)


@SEIZURE.emergency(immediate=True)
def seizing_or_just_seized(patient: Patient) -> Evidence:
    """Seizing, not recovered, or a seizure within a day or at no given time."""
    window = patient.limit("seizure_window_hours")
    found = patient.said("seizure_now", "seizure")
    return tuple(
        dict.fromkeys(f.evidence for f in found if f.hours_ago is None or f.hours_ago <= window)
    )


def _letter_among(patient: Patient, letters: tuple[Consciousness, ...]) -> Evidence:
    letter = patient.vitals.consciousness
    return (f"consciousness {letter}",) if letter in letters else NOTHING


def _is_longstanding(patient: Patient) -> bool:
    return bool(patient.says("longstanding")) and not patient.says("sudden", "worsening")


def _stroke_evidence(patient: Patient, *, recent: bool) -> Evidence:
    signs = (*STROKE_SIGNS, *SUDDEN_SIGNS) if patient.says("sudden") else STROKE_SIGNS
    window = patient.limit("stroke_window_hours")
    found = patient.said(*signs)
    return tuple(
        dict.fromkeys(
            f.evidence for f in found if (f.hours_ago is None or f.hours_ago <= window) is recent
        )
    )
