"""Infection: RF12, RF14, RF15 and RF38."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from triage_rules.case import Vitals
from triage_rules.patient import NOTHING, Evidence, Patient, words_of
from triage_rules.rule import Flag, both
from triage_rules.scores.qsofa import qsofa
from triage_rules.text.finding import Assertion, Field, Finding

SINCE = date(2025, 1, 1)

MENINGITIS = Flag(
    id="RF12",
    name="Meningitis or meningococcal disease",
    source="NICE NG240",
    since=SINCE,
)
SEPSIS = Flag(
    id="RF14",
    name="Sepsis",
    source="NICE NG51 and NG253; Sepsis-3, 2016",
    since=SINCE,
)
WEAK_DEFENCE_FEVER = Flag(
    id="RF15",
    name="Fever with weakened defences",
    source="ESI-informed step B",
    since=SINCE,
)
NECROTISING = Flag(
    id="RF38",
    name="Necrotising infection",
    source="Clinical consensus, to be confirmed before release",
    since=SINCE,
)

STIFF_NECK = ("neck_stiffness", "neck_hurts_to_bend")
PAIN_IN_LIGHT = ("photophobia", "light_hurts")
LASTING_WEAKNESS = ("neutropenia", "transplant", "asplenia", "high_dose_steroid")
_OWN = frozenset({Assertion.PRESENT, Assertion.POSSIBLE, Assertion.RESOLVED, Assertion.HISTORICAL})


def infection_suspected(patient: Patient) -> Evidence:
    """Return what suggests an infection: a word for one, a fever, or a temperature too low."""
    words = patient.says("infection_word", "skin_infection", "low_temperature_words")
    return (*words, *patient.fever, *patient.below("temperature_c", "low_temperature"))


def _may_be_infected(patient: Patient) -> bool:
    return bool(infection_suspected(patient))


# RF12


@MENINGITIS.emergency()
def rash_that_does_not_fade(patient: Patient) -> Evidence:
    """A rash that does not fade under pressure, or meningitis or its signs by name."""
    return patient.says("nonblanching_rash", "meningitis_word", "meningism")


@MENINGITIS.emergency()
def fever_and_stiff_neck(patient: Patient) -> Evidence:
    """Fever and a stiff neck."""
    return both(patient.fever, patient.says(*STIFF_NECK))


@MENINGITIS.emergency()
def fever_headache_and_irritation(patient: Patient) -> Evidence:
    """Fever or feeling hot, headache or an altered mind, and a stiff neck or pain in the light."""
    hot = (*patient.fever, *patient.says("hot_word"))
    head = (*patient.says("headache", "bad_headache", "sore_head"), *_altered_mind(patient))
    return both(hot, patient.says(*STIFF_NECK, *PAIN_IN_LIGHT), head)


@MENINGITIS.urgent()
def fever_and_pain_in_light(patient: Patient) -> Evidence:
    """Fever and pain in the light, without more."""
    return both(patient.fever, patient.says(*PAIN_IN_LIGHT))


def _altered_mind(patient: Patient) -> Evidence:
    """Less than alert, or a coma score below the full one, measured or written."""
    return (*patient.altered_mind, *patient.below("gcs", "qsofa_coma_score"))


# RF14


@SEPSIS.emergency()
def sepsis_by_name(patient: Patient) -> Evidence:
    """Sepsis by name."""
    return patient.says("sepsis_word")


@SEPSIS.emergency()
def infection_with_a_grave_sign(patient: Patient) -> Evidence:
    """A suspected infection with new confusion, mottled, ashen or blue skin, or no urine."""
    signs = (
        *patient.says("confused", "mottled", "blue_colour", "blue_lips", "no_urine_long"),
        *patient.says("nonblanching_rash"),
    )
    return both(infection_suspected(patient), signs)


@SEPSIS.emergency()
def fever_with_rigors_or_fear_of_dying(patient: Patient) -> Evidence:
    """Fever, feeling hot or an infection, with shivering without end or a feeling of dying."""
    ill = (*patient.fever, *patient.says("hot_word", "named_infection"))
    return both(ill, patient.says("rigors", "feels_like_dying"))


@SEPSIS.urgent()
def rigors(patient: Patient) -> Evidence:
    """Shivering that cannot be stopped, without more."""
    return patient.says("rigors")


@SEPSIS.emergency(needs=("consciousness|gcs",), only_if=_may_be_infected)
def infection_with_altered_mind(patient: Patient) -> Evidence:
    """A suspected infection with less than full alertness."""
    return both(infection_suspected(patient), _altered_mind(patient))


@SEPSIS.emergency(needs=("systolic_bp",), only_if=_may_be_infected)
def infection_with_low_pressure(patient: Patient) -> Evidence:
    """A suspected infection and a low systolic pressure in an adult."""
    if not patient.is_adult:
        return NOTHING
    return both(infection_suspected(patient), patient.at_most("systolic_bp", "sepsis_pressure"))


@SEPSIS.emergency(needs=("respiratory_rate", "systolic_bp"), only_if=_may_be_infected)
def infection_with_positive_qsofa(patient: Patient) -> Evidence:
    """A suspected infection and a qSOFA score at its limit, in an adult."""
    return both(infection_suspected(patient), _qsofa_points(patient))


@SEPSIS.emergency()
def infection_with_high_news2(patient: Patient) -> Evidence:
    """A suspected infection and a NEWS2 at the emergency threshold."""
    return both(infection_suspected(patient), patient.news2_from("sepsis_news2_high"))


@SEPSIS.urgent()
def infection_with_moderate_news2(patient: Patient) -> Evidence:
    """A suspected infection and a NEWS2 at the urgent threshold."""
    return both(infection_suspected(patient), patient.news2_from("sepsis_news2_moderate"))


def _qsofa_points(patient: Patient) -> Evidence:
    score = qsofa(_worst_known(patient), age=patient.age, limits=patient.limits)
    reached = (score.total or 0) >= patient.limit("sepsis_qsofa")
    return (f"qSOFA {score.total}",) if reached else NOTHING


def _worst_known(patient: Patient) -> Vitals:
    """Return the vital signs with the worse of what was measured and what is written."""
    return replace(
        patient.vitals,
        respiratory_rate=max(patient.values("respiratory_rate"), default=None),
        systolic_bp=min(patient.values("systolic_bp"), default=None),
    )


# RF15


def _has_weak_defence(patient: Patient) -> bool:
    return bool(_weak_defence(patient))


@WEAK_DEFENCE_FEVER.emergency()
def fever_said_with_weak_defence(patient: Patient) -> Evidence:
    """Fever or sepsis by words, on chemotherapy or with lastingly weakened defences."""
    return both(_said_hot_or_cold(patient), _weak_defence(patient))


@WEAK_DEFENCE_FEVER.emergency(needs=("temperature_c",), only_if=_has_weak_defence)
def fever_measured_with_weak_defence(patient: Patient) -> Evidence:
    """A temperature too high or too low, with the same."""
    return both(_temperature(patient), _weak_defence(patient))


@WEAK_DEFENCE_FEVER.urgent()
def fever_after_treatment_long_ago(patient: Patient) -> Evidence:
    """Fever after chemotherapy long ago, or with a drug or illness that weakens defences less."""
    hot_or_cold = (
        *patient.says("fever", "rigors", "low_temperature_words"),
        *_temperature(patient),
    )
    past = _ever(patient, "past_chemotherapy", "chemotherapy", "weakened_defences")
    return both(hot_or_cold, past)


@WEAK_DEFENCE_FEVER.urgent()
def shivering_or_infection_with_weak_defence(patient: Patient) -> Evidence:
    """Shivering or an infection without a known fever, on chemotherapy or the like."""
    return both(patient.says("shivering", "infection_word"), _weak_defence(patient))


def _said_hot_or_cold(patient: Patient) -> Evidence:
    return patient.says("fever", "rigors", "low_temperature_words", "sepsis_word")


def _temperature(patient: Patient) -> Evidence:
    too_low = patient.below("temperature_c", "low_temperature")
    return (*patient.at_least("temperature_c", "fever"), *too_low)


def _weak_defence(patient: Patient) -> Evidence:
    """Chemotherapy of these weeks, or what weakens defences for good."""
    recent = (
        found for found in patient.reading.findings if _is_recent_chemotherapy(patient, found)
    )
    return (*(found.evidence for found in recent), *_ever(patient, *LASTING_WEAKNESS))


def _is_recent_chemotherapy(patient: Patient, found: Finding) -> bool:
    """Whether it is of these weeks; one of unknown time is, unless it is told as long past."""
    if found.concept != "chemotherapy" or not _is_own(found):
        return False
    if found.hours_ago is not None:
        return found.hours_ago <= patient.limit("chemotherapy_window")
    return found.assertion is not Assertion.HISTORICAL


def _ever(patient: Patient, *concepts: str) -> Evidence:
    """Return the words that say these of now or of the past; an allergy to a drug is neither."""
    found = (one for one in patient.reading.findings if one.concept in concepts and _is_own(one))
    return words_of(found)


def _is_own(found: Finding) -> bool:
    return found.assertion in _OWN and found.field is not Field.ALLERGY


# RF38


@NECROTISING.emergency()
def necrotising_by_name(patient: Patient) -> Evidence:
    """Necrotising infection or gas gangrene by name."""
    return patient.says("necrotising_word")


@NECROTISING.emergency()
def spreads_by_the_hour(patient: Patient) -> Evidence:
    """A rash or infected skin that spreads by the hour."""
    return both(patient.says("redness_word"), patient.says("spreads_by_the_hour"))


@NECROTISING.emergency()
def spreads_fast(patient: Patient) -> Evidence:
    """Red or infected skin that spreads fast; any rash that does, with severe pain or fever."""
    red = patient.says("red_or_infected")
    ill = both(patient.says("redness_word"), (*_severe_pain(patient), *patient.fever))
    return both(red or ill, patient.says("spreads_fast"))


@NECROTISING.emergency()
def skin_with_deep_signs(patient: Patient) -> Evidence:
    """Infected skin with pain out of proportion, or with gas under it."""
    return both(patient.says("skin_or_wound"), patient.says("out_of_proportion", "crepitus"))


@NECROTISING.emergency()
def blistering_and_very_ill(patient: Patient) -> Evidence:
    """Infected skin that blisters or darkens, with severe pain, fever or looking very ill."""
    dark = both(patient.says("skin_or_wound"), patient.says("blistering"))
    return both(dark, (*_severe_pain(patient), *patient.fever, *_toxic(patient)))


@NECROTISING.emergency()
def severe_pain_and_very_ill(patient: Patient) -> Evidence:
    """Infected skin with severe pain and looking very ill."""
    return both(patient.says("skin_infection"), _severe_pain(patient), _toxic(patient))


def _severe_pain(patient: Patient) -> Evidence:
    return (*patient.says("severe_word"), *patient.at_least("pain_score", "necrotising_pain"))


def _toxic(patient: Patient) -> Evidence:
    score = patient.news2_from("sepsis_news2_moderate")
    return (*patient.says("toxic_look"), *_altered_mind(patient), *score)
