"""Vessels: RF09, RF22, RF37 and RF40."""

from __future__ import annotations

from datetime import date

from triage_rules.patient import NOTHING, Evidence, Patient
from triage_rules.rule import Flag, both
from triage_rules.rules.neurology import came_suddenly

SINCE = date(2025, 1, 1)

AORTIC_DISSECTION = Flag(
    id="RF09",
    name="Aortic dissection",
    source="CTAS 2; Royal College of Emergency Medicine; ADD risk score",
    since=SINCE,
)
RUPTURED_ANEURYSM = Flag(
    id="RF22",
    name="Ruptured aneurysm of the abdominal aorta",
    source="Local policy",
    since=SINCE,
)
LIMB_WITHOUT_BLOOD = Flag(
    id="RF37",
    name="Limb ischaemia or compartment syndrome",
    source="ESI-informed, edition 5; CTAS 2",
    since=SINCE,
)
PULMONARY_EMBOLISM = Flag(
    id="RF40",
    name="Pulmonary embolism",
    source="Local policy; oxygen: NEWS2, 2017",
    since=SINCE,
)

BACK_OR_BELLY = ("abdominal_pain", "upper_abdominal_pain", "loin_pain", "back_or_flank_pain")
COLLAPSE = ("syncope", "unresponsive")
NERVE_SIGNS = (
    "face_droop", "limb_weakness", "limbs_weak", "limb_unused", "leg_weakness", "legs_lost",
    "one_side_numb", "numb_leg", "speech_trouble", "vision_loss",
)  # fmt: skip


def _has_pain_at_aneurysm_age(patient: Patient) -> bool:
    return _is_of_aneurysm_age(patient) and bool(_back_or_belly_pain(patient))


def _is_breathless_adult(patient: Patient) -> bool:
    return patient.is_adult and bool(patient.says("pleuritic_pain") or _breathless(patient))


# RF09


@AORTIC_DISSECTION.emergency()
def tearing_pain(patient: Patient) -> Evidence:
    """Tearing or ripping pain in chest, back or abdomen, also when it has eased since."""
    elsewhere = patient.says("torn_elsewhere")
    torn = (words for words in patient.says("tearing_pain") if words not in elsewhere)
    return (*torn, *patient.says("dissection_word"))


@AORTIC_DISSECTION.emergency()
def pain_worst_at_onset(patient: Patient) -> Evidence:
    """Chest, back or abdominal pain that was worst at the moment it began."""
    return both(_pain_of_trunk(patient), patient.says("worst_at_onset"))


@AORTIC_DISSECTION.emergency()
def sudden_pain_with_failing_vessel(patient: Patient) -> Evidence:
    """Sudden or severe chest, back or abdominal pain with fainting, a nerve sign or known risk."""
    sign = (*patient.says("syncope", *NERVE_SIGNS), *patient.knows("aortic_risk"))
    return both(_pain_of_trunk(patient), _sudden_or_severe(patient), sign)


@AORTIC_DISSECTION.emergency()
def sudden_severe_pain_through_to_back(patient: Patient) -> Evidence:
    """Sudden and severe pain between the shoulder blades, or from the chest through to the back."""
    severe = patient.says("severe_word", "very_bad")
    return both(patient.says("pain_through_to_back"), came_suddenly(patient), severe)


@AORTIC_DISSECTION.emergency()
def chest_pain_with_known_risk(patient: Patient) -> Evidence:
    """Chest pain in a person whose aorta is known to be weak or widened."""
    return both(patient.says("chest_pain"), patient.knows("aortic_risk"))


def _pain_of_trunk(patient: Patient) -> Evidence:
    return patient.says("chest_pain", *BACK_OR_BELLY)


def _sudden_or_severe(patient: Patient) -> Evidence:
    return (*came_suddenly(patient), *patient.says("severe_word"))


# RF22


@RUPTURED_ANEURYSM.emergency()
def sudden_pain_and_collapse(patient: Patient) -> Evidence:
    """Sudden abdominal, back or flank pain with collapse, at the age of aneurysms."""
    if not _is_of_aneurysm_age(patient):
        return NOTHING
    return both(_new_back_or_belly_pain(patient), patient.says(*COLLAPSE))


@RUPTURED_ANEURYSM.emergency(needs=("systolic_bp",), only_if=_has_pain_at_aneurysm_age)
def sudden_pain_and_low_pressure(patient: Patient) -> Evidence:
    """Sudden abdominal, back or flank pain with a low pressure, at the age of aneurysms."""
    low = patient.below("systolic_bp", "aneurysm_pressure")
    return both(_new_back_or_belly_pain(patient), low)


@RUPTURED_ANEURYSM.emergency()
def known_aneurysm_in_trouble(patient: Patient) -> Evidence:
    """A known aneurysm of the aorta with abdominal, back or flank pain or with collapse."""
    trouble = (*_back_or_belly_pain(patient), *patient.says(*COLLAPSE))
    return both(patient.knows("aneurysm"), trouble)


@RUPTURED_ANEURYSM.emergency()
def aneurysm_said_to_be_ruptured(patient: Patient) -> Evidence:
    """An aneurysm that is said to be leaking or ruptured."""
    return patient.says("ruptured_aneurysm")


def _is_of_aneurysm_age(patient: Patient) -> bool:
    return patient.age >= patient.limit("aneurysm_age")


def _new_back_or_belly_pain(patient: Patient) -> Evidence:
    """With a word for a sudden onset, or for one of the last hours."""
    return both(_back_or_belly_pain(patient), patient.says("sudden", "recent_onset"))


def _back_or_belly_pain(patient: Patient) -> Evidence:
    return patient.says_newly(*BACK_OR_BELLY)


# RF37


@LIMB_WITHOUT_BLOOD.emergency()
def limb_without_pulse(patient: Patient) -> Evidence:
    """A limb without a pulse, or named as without blood."""
    return patient.says("limb_without_pulse", "limb_ischaemia_word")


@LIMB_WITHOUT_BLOOD.emergency()
def cold_pale_or_numb_limb(patient: Patient) -> Evidence:
    """A limb that is cold and without colour, or one of the two and numb."""
    if patient.says("cold_outside"):
        return NOTHING
    cold, white = patient.says("limb_cold"), patient.says("limb_white")
    discoloured = both(cold, (*white, *patient.says("limb_blue")))
    return discoloured or both((*cold, *white), patient.says("limb_without_feeling"))


@LIMB_WITHOUT_BLOOD.emergency()
def limb_suddenly_cold_and_painful(patient: Patient) -> Evidence:
    """A limb that is suddenly both cold and painful."""
    if patient.says("cold_outside"):
        return NOTHING
    return both(patient.says("limb_cold"), patient.says("limb_painful"), came_suddenly(patient))


@LIMB_WITHOUT_BLOOD.emergency()
def pain_out_of_proportion_after_injury(patient: Patient) -> Evidence:
    """Pain out of proportion in a limb after an injury or in a cast."""
    return both(patient.says("out_of_proportion", "tense_compartment"), _injury_or_cast(patient))


@LIMB_WITHOUT_BLOOD.emergency()
def cast_that_harms(patient: Patient) -> Evidence:
    """A cast with pain that nothing relieves, or fingers or toes that are numb, white or cold."""
    sign = patient.says(
        "limb_without_feeling", "limb_white", "limb_blue", "limb_cold", "unrelieved_pain"
    )
    return both(patient.says("cast"), sign)


@LIMB_WITHOUT_BLOOD.emergency()
def compartment_syndrome_named(patient: Patient) -> Evidence:
    """A compartment syndrome by name."""
    return patient.says("compartment_syndrome")


def _injury_or_cast(patient: Patient) -> Evidence:
    recorded = ("injury recorded",) if patient.case.injury else NOTHING
    return (*patient.says("injury_word", "limb_injury", "cast"), *recorded)


# RF40


@PULMONARY_EMBOLISM.emergency()
def sudden_trouble_with_sign_of_clot(patient: Patient) -> Evidence:
    """Sudden breathlessness or pain on breathing, with a sign of a clot or a risk for one."""
    trouble = _sudden_trouble(patient)
    if not trouble:
        return NOTHING
    pregnant = ("pregnant",) if patient.is_pregnant else NOTHING
    risks = (*patient.says("syncope"), *patient.knows("oestrogen", "earlier_clot"), *pregnant)
    return both(trouble, (*_sign_of_clot(patient), *risks))


@PULMONARY_EMBOLISM.emergency(needs=("heart_rate",), only_if=_is_breathless_adult)
def sudden_trouble_with_fast_heart(patient: Patient) -> Evidence:
    """Sudden breathlessness or pain on breathing, in an adult with a fast heart."""
    return both(_sudden_trouble(patient), patient.at_least("heart_rate", "embolism_heart"))


@PULMONARY_EMBOLISM.emergency()
def new_trouble_with_sign_of_clot(patient: Patient) -> Evidence:
    """Breathlessness not said to be long, with leg swelling, bloody sputum, surgery or cancer."""
    return both(_new_trouble(patient), _sign_of_clot(patient))


@PULMONARY_EMBOLISM.emergency(needs=("spo2",), only_if=_is_breathless_adult)
def new_trouble_with_low_oxygen(patient: Patient) -> Evidence:
    """Breathlessness not said to be long, in an adult with low oxygen."""
    return both(_new_trouble(patient), patient.below("spo2", "embolism_spo2"))


@PULMONARY_EMBOLISM.emergency()
def embolism_named(patient: Patient) -> Evidence:
    """A pulmonary embolism of now by name."""
    return patient.says("embolism_word")


def _sudden_trouble(patient: Patient) -> Evidence:
    onset = patient.says("sudden", "recent_onset", "now_breathless")
    return (*both(_breathless(patient), onset), *patient.says("pleuritic_pain"))


def _new_trouble(patient: Patient) -> Evidence:
    """Where no time is told, breathlessness is taken as new; on effort only, as old."""
    told_new = patient.says("sudden", "recent_onset", "recent_days", "one_leg_clot_sign")
    on_effort_only = patient.says("breathless_on_effort") and not told_new
    is_old = on_effort_only or patient.says("long_breathless", "longstanding")
    return patient.says("pleuritic_pain") or (NOTHING if is_old else _breathless(patient))


def _breathless(patient: Patient) -> Evidence:
    return patient.says_newly("breathless", "cannot_breathe", "not_breathing_well", "gasping")


def _sign_of_clot(patient: Patient) -> Evidence:
    words = patient.says("leg_clot_sign", "haemoptysis", "recent_immobility")
    return (*words, *patient.knows("cancer"))
