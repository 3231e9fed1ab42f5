"""Spinal cord and cauda equina: RF27."""

from __future__ import annotations

from datetime import date

from triage_rules.patient import NOTHING, Evidence, Patient
from triage_rules.rule import Flag, both

SINCE = date(2025, 1, 1)

CORD = Flag(
    id="RF27",
    name="Cauda equina or spinal cord compression",
    source="NICE CKS; BMJ Best Practice",
    since=SINCE,
)

PELVIC_SIGNS = ("passing_urine_lost", "bowel_control_lost", "sexual_function_lost")


@CORD.emergency()
def named(patient: Patient) -> Evidence:
    """Cauda equina syndrome or compression of the cord is named or suspected."""
    return patient.says("cauda_equina_word")


@CORD.emergency()
def saddle_numbness(patient: Patient) -> Evidence:
    """New numbness between the legs, with pain or without."""
    return patient.says_newly("saddle_numbness")


@CORD.emergency()
def pain_with_pelvic_sign(patient: Patient) -> Evidence:
    """Back or leg pain with new trouble of passing urine, of the bowel or of sexual function."""
    return both(patient.says("back_pain_word", "leg_pain_word"), patient.says_newly(*PELVIC_SIGNS))


@CORD.emergency()
def back_pain_with_weak_leg(patient: Patient) -> Evidence:
    """Back pain with a new weakness of a leg or foot."""
    return both(patient.says("back_pain_word"), patient.says_newly("leg_weakness"))


@CORD.emergency()
def both_legs(patient: Patient) -> Evidence:
    """Sciatica of both legs, or back pain with pain or numbness of both legs."""
    signs = patient.says("both_legs_pain", "both_legs_numb")
    sciatica = both(patient.says("sciatica_word"), patient.says("both_legs_word"))
    with_pain = both(patient.says("back_pain_word"), signs)
    return patient.says("both_sided_sciatica") or sciatica or with_pain


@CORD.emergency()
def legs_lost(patient: Patient) -> Evidence:
    """New loss of feeling or power of the legs, even without pain."""
    return patient.says_newly("legs_lost")


@CORD.emergency()
def numb_legs_that_do_not_carry(patient: Patient) -> Evidence:
    """New numbness of both legs in a patient who cannot stand or walk."""
    return both(patient.says_newly("both_legs_numb"), patient.says("walking_lost"))


@CORD.emergency()
def spread_to_the_spine(patient: Patient) -> Evidence:
    """Cancer known in the spine or the bones, with weak legs or trouble of walking."""
    signs = (*patient.says_newly("leg_weakness"), *patient.says("off_legs", "walking_lost"))
    return both(patient.knows("spine_cancer_word"), signs)


@CORD.emergency()
def one_leg_without_feeling(patient: Patient) -> Evidence:
    """New loss of feeling of one leg that is not injured."""
    is_injured = patient.case.injury or patient.says("injury_word")
    return NOTHING if is_injured else patient.says_newly("leg_feeling_lost")
