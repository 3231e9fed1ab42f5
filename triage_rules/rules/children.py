"""Infants and children: RF16, RF17 and RF45."""

from __future__ import annotations

from datetime import date

from triage_rules.patient import NOTHING, Evidence, Patient
from triage_rules.rule import Flag, both, sign
from triage_rules.rules.infection import infection_suspected
from triage_rules.scores.bands import NICE_HIGH, PALS, Band
from triage_rules.text.finding import Assertion, Field

SINCE = date(2025, 1, 1)

INFANT_FEVER = Flag(
    id="RF16",
    name="Fever in a young infant",
    source="ESI-informed, edition 5; NICE NG143 and NG51",
    since=SINCE,
    certain=True,
)
SICK_CHILD = Flag(
    id="RF17",
    name="Sick infant or child",
    source="ESI-informed step A; NICE NG143 and NG51",
    since=SINCE,
    certain=True,
)
OUTSIDE_BAND = Flag(
    id="RF45",
    name="Child's vital sign outside its age band",
    source="PALS 2015; ESI-informed, edition 5",
    since=SINCE,
    certain=True,
)

WITHOUT_FLOOR = (
    *("floppy", "limp_word", "apnoea", "grunting", "chest_indrawing", "nostril_flaring"),
    *("no_social_response", "abnormal_cry", "keeps_crying", "not_feeding", "dry_nappy"),
    *("green_vomit", "mottled", "child_mottled", "no_urine_long", "feels_like_dying"),
    *("light_hurts", "neck_hurts_to_bend", "blistering", "crepitus", "out_of_proportion"),
    *("spreads_fast", "spreads_by_the_hour", "toxic_look", "shivering", "infant_cold"),
)

_ALLERGIES_AND_LISTS = frozenset({Field.ALLERGY, Field.HISTORY, Field.MEDICATION})


def _is_child(patient: Patient) -> bool:
    return not patient.is_adult


def _is_under_five(patient: Patient) -> bool:
    return patient.age < patient.limit("small_child")


def _has_nice_row(patient: Patient) -> bool:
    return patient.limits.at_age("child_high_heart", patient.age) is not None


def _is_young_infant(patient: Patient) -> bool:
    return bool(_young_infant(patient))


# RF16


@INFANT_FEVER.emergency()
def young_infant_said_to_be_hot_or_cold(patient: Patient) -> Evidence:
    """A fever or a low temperature by words, also one that has passed, in a young infant."""
    return both(_young_infant(patient), _said_hot_or_cold(patient))


@INFANT_FEVER.emergency(needs=("temperature_c",), only_if=_is_young_infant)
def young_infant_measured_hot_or_cold(patient: Patient) -> Evidence:
    """A temperature from the fever limit on or below the lower limit, in a young infant."""
    too_low = patient.below("temperature_c", "low_temperature")
    temperature = (*patient.at_least("temperature_c", "fever"), *too_low)
    return both(_young_infant(patient), temperature)


def _young_infant(patient: Patient) -> Evidence:
    """The age in days as given, or an age of this kind in the words."""
    if patient.age_in_days < patient.limit("young_infant"):
        return (f"age {int(patient.age_in_days)} days",)
    return patient.says("young_infant_age")


def _said_hot_or_cold(patient: Patient) -> Evidence:
    words = patient.says("fever", "infant_hot", "infant_cold", "low_temperature_words")
    passed = (
        found.evidence
        for found in patient.reading.findings
        if found.concept == "fever"
        and found.assertion is Assertion.RESOLVED
        and found.field not in _ALLERGIES_AND_LISTS
    )
    return (*words, *passed)


# RF17


@SICK_CHILD.emergency(immediate=True, only_if=_is_child)
def floppy_apnoeic_or_blue(patient: Patient) -> Evidence:
    """A child who is floppy, stops breathing for moments, or is blue."""
    not_walking = patient.age < patient.limit("walking_age")
    limp = patient.says("limp_word") if not_walking else NOTHING
    blue = patient.says("blue_colour", "blue_lips", "gone_blue", "not_breathing", "child_blue")
    return (*patient.says("floppy", "apnoea"), *limp, *blue)


@SICK_CHILD.emergency(only_if=_is_child)
def grave_sign_of_a_child(patient: Patient) -> Evidence:
    """A child who grunts, is hard to rouse, has a bulging fontanelle or vomits green."""
    return patient.says("grunting", "unresponsive", "hard_to_rouse", "fontanelle", "green_vomit")


@SICK_CHILD.emergency(only_if=_is_under_five)
def grave_sign_under_five(patient: Patient) -> Evidence:
    """Under five: an abnormal cry, no response, not staying awake, mottled skin, indrawing."""
    signs = ("abnormal_cry", "no_social_response", "drowsy", "mottled", "child_mottled")
    return patient.says(*signs, "chest_indrawing", "nonblanching_rash")


@SICK_CHILD.emergency(only_if=_is_under_five)
def fever_and_stiff_neck_under_five(patient: Patient) -> Evidence:
    """Under five: fever and a stiff neck."""
    return both(patient.fever, patient.says("neck_stiffness"))


@SICK_CHILD.emergency(only_if=_is_under_five)
def cold_with_infection_under_five(patient: Patient) -> Evidence:
    """Under five: a temperature below the lower limit with words for an infection."""
    words = patient.says("infection_word", "skin_infection", "fever")
    return both(words, patient.below("temperature_c", "low_temperature"))


@SICK_CHILD.urgent(needs=("temperature_c",), only_if=_is_under_five)
def cold_under_five(patient: Patient) -> Evidence:
    """Under five: a temperature below the lower limit."""
    return patient.below("temperature_c", "low_temperature")


@SICK_CHILD.urgent(only_if=_is_under_five)
def not_feeding_or_dry(patient: Patient) -> Evidence:
    """A small child who does not feed, has dry nappies, cannot be consoled or flares nostrils."""
    young = patient.age_in_days < patient.limit("young_infant")
    dry = ("dry_nappy", "dry_nappy_eight_hours") if young else ("dry_nappy",)
    return patient.says("not_feeding", "keeps_crying", "nostril_flaring", *dry)


@SICK_CHILD.emergency(needs=("heart_rate",), only_if=_has_nice_row)
def heart_rate_of_high_risk_with_infection(patient: Patient) -> Evidence:
    """A suspected infection and a heart rate of high risk for the age, too fast or too slow."""
    return _high_risk_with_infection(patient, "heart_rate")


@SICK_CHILD.emergency(needs=("respiratory_rate",), only_if=_has_nice_row)
def breathing_of_high_risk_with_infection(patient: Patient) -> Evidence:
    """A suspected infection and a breathing rate of high risk for the age."""
    return _high_risk_with_infection(patient, "respiratory_rate")


@SICK_CHILD.emergency(needs=("spo2",), only_if=_has_nice_row)
def oxygen_of_high_risk_with_infection(patient: Patient) -> Evidence:
    """A suspected infection and an oxygen saturation of high risk."""
    return _high_risk_with_infection(patient, "spo2")


@SICK_CHILD.urgent(only_if=_has_nice_row)
def vital_sign_of_high_risk(patient: Patient) -> Evidence:
    """A vital sign of high risk for the age, whatever the reason."""
    return patient.outside(NICE_HIGH)


def _high_risk_with_infection(patient: Patient, vital: str) -> Evidence:
    return both(infection_suspected(patient), patient.outside(_rows(NICE_HIGH, vital)))


def _rows(band: Band, vital: str) -> Band:
    return tuple(row for row in band if row.vital == vital)


# RF45


@OUTSIDE_BAND.urgent(needs=("heart_rate",), only_if=_is_child)
def heart_rate_outside_band(patient: Patient) -> Evidence:
    """A child's heart rate outside the band of its age."""
    return patient.outside(_rows(PALS, "heart_rate"))


@OUTSIDE_BAND.urgent(needs=("respiratory_rate",), only_if=_is_child)
def breathing_outside_band(patient: Patient) -> Evidence:
    """A child's breathing rate outside the band of its age."""
    return patient.outside(_rows(PALS, "respiratory_rate"))


@OUTSIDE_BAND.urgent(needs=("systolic_bp",), only_if=_is_child)
def pressure_outside_band(patient: Patient) -> Evidence:
    """A child's systolic pressure outside the band of its age."""
    return patient.outside(_rows(PALS, "systolic_bp"))


# Without a floor


@sign(source="Local policy", since=SINCE)
def grave_word_without_floor(patient: Patient) -> Evidence:
    """A word that is grave in a small child or with an infection."""
    return patient.says(*WITHOUT_FLOOR)
