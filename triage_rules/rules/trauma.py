"""Injuries: RF33, RF34 and RF35."""

from __future__ import annotations

from datetime import date

from triage_rules.patient import NOTHING, Evidence, Patient
from triage_rules.rule import Flag, both
from triage_rules.rules.bleeding import anticoagulant

SINCE = date(2025, 1, 1)

HEAD_INJURY = Flag(
    id="RF33",
    name="Dangerous head injury",
    source="NICE NG232, 2023",
    since=SINCE,
)
HEAD_INJURY_ON_ANTICOAGULANT = Flag(
    id="RF34",
    name="Head injury on an anticoagulant",
    source="NICE NG232, 2023",
    since=SINCE,
    certain=True,
)
MAJOR_TRAUMA = Flag(
    id="RF35",
    name="Major trauma",
    source="ESI-informed, edition 5; SATS",
    since=SINCE,
)

BRAIN_SIGNS = (
    "seizure", "seizure_now", "fit_after_injury", "more_than_one_vomit", "skull_base_sign",
    "skull_base_alone", "skull_fracture", "focal_after_head_injury", "limb_weakness",
    "one_side_numb", "speech_trouble", "vision_loss", "face_droop", "sleepy_after_head_injury",
)  # fmt: skip
DANGEROUS_ACCIDENTS = (
    "dangerous_fall", "dangerous_crash", "thrown_at_speed", "road_crash", "trapped_or_thrown",
)  # fmt: skip
ACCIDENTS = ("fall_word", *DANGEROUS_ACCIDENTS)


def _head_injury(patient: Patient) -> Evidence:
    """A head injury as said; in a recorded injury, pain of the head is one as well."""
    pain = patient.says("headache")
    of_injury = pain if pain and patient.case.injury else NOTHING
    return patient.says("head_injury", "skull_fracture") or of_injury


def _is_head_injury(patient: Patient) -> bool:
    return bool(_head_injury(patient))


@HEAD_INJURY.emergency()
def head_injury_with_a_sign(patient: Patient) -> Evidence:
    """A head injury with repeated vomiting, a seizure, a focal deficit or a sign of fracture."""
    return both(_head_injury(patient), patient.says(*BRAIN_SIGNS))


@HEAD_INJURY.emergency()
def skull_base_sign_after_an_accident(patient: Patient) -> Evidence:
    """After a fall or a crash, clear fluid from nose or ear, or bruises of eyes or behind ears."""
    return both(patient.says(*ACCIDENTS), patient.says("skull_base_alone"))


@HEAD_INJURY.emergency()
def head_injury_and_not_alert(patient: Patient) -> Evidence:
    """A head injury in a patient who is confused, drowsy or less than alert."""
    return both(_head_injury(patient), patient.altered_mind)


@HEAD_INJURY.emergency(needs=("gcs",), only_if=_is_head_injury)
def head_injury_with_a_low_coma_score(patient: Patient) -> Evidence:
    """A head injury with a coma score of 12 or less, or below 15 two hours after it."""
    low = patient.at_most("gcs", "low_gcs")
    late = NOTHING if _is_fresh(patient) else patient.below("gcs", "alert_gcs")
    return both(_head_injury(patient), low or late)


@HEAD_INJURY.emergency()
def unconscious_or_forgetful_at_risk(patient: Patient) -> Evidence:
    """Loss of consciousness or memory with age, a clotting disorder or a dangerous mechanism."""
    lapse = both(_head_injury(patient), patient.says("knocked_out", "amnesia"))
    return both(lapse, _risk(patient)) if lapse else NOTHING


@HEAD_INJURY.emergency()
def long_loss_of_memory(patient: Patient) -> Evidence:
    """A head injury and a memory lost of more than half an hour."""
    return both(_head_injury(patient), patient.says("long_amnesia"))


@HEAD_INJURY_ON_ANTICOAGULANT.urgent()
def head_injury_on_an_anticoagulant(patient: Patient) -> Evidence:
    """A head injury on an anticoagulant or an antiplatelet, and none of the danger signs."""
    injury = _head_injury(patient)
    if not injury or any(line(patient) for line in DANGERS):
        return NOTHING
    return both(injury, anticoagulant(patient))


@MAJOR_TRAUMA.emergency()
def penetrating_wound(patient: Patient) -> Evidence:
    """Stabbed, shot or impaled, and not in a limb alone."""
    return patient.says("penetrating_wound")


@MAJOR_TRAUMA.emergency()
def fall_from_a_great_height(patient: Patient) -> Evidence:
    """A fall of six metres or more, or of unknown height from a high place."""
    if "fall_m" in patient.reading.numbers:
        return patient.at_least("fall_m", "major_fall_height")
    return patient.says("fall_from_high_place")


@MAJOR_TRAUMA.emergency()
def thrown_out_or_trapped(patient: Patient) -> Evidence:
    """Thrown out of a vehicle, trapped or cut free."""
    return patient.says("trapped_or_thrown")


@MAJOR_TRAUMA.emergency()
def amputation_or_open_fracture(patient: Patient) -> Evidence:
    """A part of the body cut off, an open fracture, or several long bones broken."""
    return patient.says("amputation", "open_fracture", "many_long_bones")


@MAJOR_TRAUMA.emergency()
def fracture_without_circulation(patient: Patient) -> Evidence:
    """A broken or crushed limb that is cold, white or without a pulse."""
    return both(patient.says("broken_bone"), patient.says("limb_without_blood"))


@MAJOR_TRAUMA.urgent()
def high_energy_mechanism(patient: Patient) -> Evidence:
    """Today hit or run over by a vehicle, in a high-speed crash, or thrown off at speed."""
    found = patient.said("dangerous_crash", "thrown_at_speed")
    return tuple(one.evidence for one in found if _is_of_today(patient, one.hours_ago))


DANGERS = (
    head_injury_with_a_sign,
    skull_base_sign_after_an_accident,
    head_injury_and_not_alert,
    head_injury_with_a_low_coma_score,
    unconscious_or_forgetful_at_risk,
    long_loss_of_memory,
)


def _is_fresh(patient: Patient) -> bool:
    """Whether the injury is said to be too fresh for the coma score to have recovered."""
    hours = [found.hours_ago for found in patient.said("head_injury")]
    known = [since for since in hours if since is not None]
    return bool(known) and max(known) < patient.limit("hours_to_be_alert")


def _is_of_today(patient: Patient, hours_ago: float | None) -> bool:
    """Whether an accident is of today, or nothing is said of when it was."""
    return hours_ago is None or hours_ago < patient.limit("hours_of_an_accident")


def _risk(patient: Patient) -> Evidence:
    of_age = patient.age >= patient.limit("head_injury_age")
    age = (f"age {int(patient.age)}",) if of_age else NOTHING
    clotting = (*patient.knows("bleeding_disorder"), *anticoagulant(patient))
    return (*age, *clotting, *_dangerous_mechanism(patient))


def _dangerous_mechanism(patient: Patient) -> Evidence:
    said = patient.says(*DANGEROUS_ACCIDENTS)
    return (*patient.above("fall_m", "dangerous_fall_height"), *said)
