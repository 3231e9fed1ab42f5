"""Pregnancy and the weeks after birth: RF23 and RF24."""

from __future__ import annotations

from datetime import date

from triage_rules.case import Pregnancy, ReportedBy, Sex
from triage_rules.patient import NOTHING, Evidence, Patient, words_of
from triage_rules.rule import Flag, both

SINCE = date(2025, 1, 1)
HOURS_PER_WEEK = 7 * 24

EARLY_PREGNANCY = Flag(
    id="RF23",
    name="Ectopic pregnancy or trouble in early pregnancy",
    source="ESI-informed step B",
    since=SINCE,
)
LATE_PREGNANCY = Flag(
    id="RF24",
    name="Trouble in late pregnancy or after birth",
    source="ESI-informed, edition 5; CTAS",
    since=SINCE,
)


@EARLY_PREGNANCY.emergency()
def pain_or_bleeding_in_early_pregnancy(patient: Patient) -> Evidence:
    """Abdominal or pelvic pain, or bleeding, in a stated or likely pregnancy before late weeks."""
    if _is_late(patient):
        return NOTHING
    return both(_pregnancy(patient), _pain_or_bleeding(patient))


@EARLY_PREGNANCY.emergency()
def said_to_lose_the_pregnancy(patient: Patient) -> Evidence:
    """Said to be an ectopic pregnancy or a miscarriage."""
    barred = _is_late(patient) or not _may_bear(patient)
    return NOTHING if barred else patient.says("early_loss")


@EARLY_PREGNANCY.emergency()
def shoulder_tip_pain_in_early_pregnancy(patient: Patient) -> Evidence:
    """Pain at the tip of the shoulder in a stated or likely pregnancy before late weeks."""
    if _is_late(patient):
        return NOTHING
    return both(_pregnancy(patient), patient.says("shoulder_tip_pain"))


@EARLY_PREGNANCY.emergency()
def pain_or_bleeding_with_fainting(patient: Patient) -> Evidence:
    """Such pain or bleeding with fainting or shoulder-tip pain, and pregnancy not excluded."""
    if not _may_be_pregnant(patient):
        return NOTHING
    return both(_low_pain_or_bleeding(patient), patient.says("syncope", "shoulder_tip_pain"))


@EARLY_PREGNANCY.urgent(asks_for=("pregnancy",))
def pain_or_bleeding_and_pregnancy_not_known(patient: Patient) -> Evidence:
    """Such pain or bleeding in a woman of childbearing age, and nothing known of a pregnancy."""
    if not _may_be_pregnant(patient) or _pregnancy(patient):
        return NOTHING
    return _low_pain_or_bleeding(patient)


@LATE_PREGNANCY.emergency()
def pain_or_bleeding_in_late_pregnancy(patient: Patient) -> Evidence:
    """Abdominal or pelvic pain, or bleeding, in late pregnancy."""
    return _pain_or_bleeding(patient) if _is_late(patient) else NOTHING


@LATE_PREGNANCY.emergency()
def heavy_bleeding_in_pregnancy(patient: Patient) -> Evidence:
    """Heavy bleeding in pregnancy, at whatever week."""
    return both(_pregnancy(patient), patient.says("heavy_bleeding"))


@LATE_PREGNANCY.emergency()
def signs_of_high_pressure(patient: Patient) -> Evidence:
    """Severe headache, bad vision or pain under the right ribs, not early in pregnancy."""
    signs = _signs_of_high_pressure(patient)
    if not signs or _is_early(patient):
        return NOTHING
    return both(_pregnancy(patient) or _after_birth(patient), signs)


@LATE_PREGNANCY.emergency()
def said_to_be_eclampsia_or_abruption(patient: Patient) -> Evidence:
    """Said to be eclampsia, pre-eclampsia or a placenta that has come away."""
    return patient.says("eclampsia") if _may_bear(patient) else NOTHING


@LATE_PREGNANCY.emergency()
def seizure_in_pregnancy_or_after_birth(patient: Patient) -> Evidence:
    """A seizure in pregnancy or after birth."""
    state = _pregnancy(patient) or _after_birth(patient)
    return both(state, patient.says("seizure", "seizure_now"))


@LATE_PREGNANCY.emergency()
def cord_or_presenting_part(patient: Patient) -> Evidence:
    """The cord or a part of the baby is seen or felt, or the birth has begun."""
    return patient.says("cord_or_part") if _may_bear(patient) else NOTHING


@LATE_PREGNANCY.emergency()
def ill_after_birth(patient: Patient) -> Evidence:
    """Bleeding, chest pain or breathlessness in the weeks after birth."""
    danger = patient.says("some_bleeding", "vaginal_bleeding", "heavy_bleeding", "chest_pain")
    breathless = patient.says("breathless", "cannot_breathe", "gasping")
    ill = (*danger, *breathless)
    return both(_after_birth(patient), ill) if ill else NOTHING


def _is_pregnant_or_has_born(patient: Patient) -> bool:
    """Whether the limits of a grown woman hold; a child has those of its age."""
    is_grown = patient.age >= patient.limit("pregnancy_age_from")
    return is_grown and bool(_pregnancy(patient) or _after_birth(patient))


@LATE_PREGNANCY.emergency(needs=("systolic_bp",), only_if=_is_pregnant_or_has_born)
def pressure_in_pregnancy_or_after_birth(patient: Patient) -> Evidence:
    """A high or low blood pressure in pregnancy or after birth."""
    high = patient.above("systolic_bp", "high_pressure_in_pregnancy")
    low = patient.below("systolic_bp", "low_pressure_in_pregnancy")
    return both(_pregnancy(patient) or _after_birth(patient), (*high, *low))


@LATE_PREGNANCY.urgent()
def baby_moves_less(patient: Patient) -> Evidence:
    """The unborn baby moves less."""
    if not _may_bear(patient) or _is_early(patient):
        return NOTHING
    return patient.says("fewer_movements")


@LATE_PREGNANCY.urgent()
def labour(patient: Patient) -> Evidence:
    """In labour, or the waters have broken."""
    if not _may_bear(patient) or _is_early(patient):
        return NOTHING
    return patient.says("labour")


def _may_bear(patient: Patient) -> bool:
    """Whether the age allows a pregnancy and the sex is not recorded as male."""
    low, high = patient.limit("pregnancy_age_from"), patient.limit("pregnancy_age_to")
    return low <= int(patient.age) <= high and patient.case.sex is not Sex.MALE


def _may_be_pregnant(patient: Patient) -> bool:
    """Whether she is female, of childbearing age, and no clinician has excluded a pregnancy."""
    is_female = patient.case.sex is Sex.FEMALE
    after_birth = patient.case.pregnancy is Pregnancy.POSTPARTUM
    return is_female and _may_bear(patient) and not _is_excluded(patient) and not after_birth


def _is_excluded(patient: Patient) -> bool:
    by_clinician = patient.case.reported_by is ReportedBy.CLINICIAN
    return by_clinician and patient.case.pregnancy is Pregnancy.NOT_PREGNANT


def _pregnancy(patient: Patient) -> Evidence:
    """Return what makes a pregnancy stated or likely."""
    if patient.case.pregnancy is Pregnancy.PREGNANT:
        return ("pregnant",)
    if not _may_bear(patient):
        return NOTHING
    weeks = tuple(f"week {value:g}" for value in patient.values("weeks_pregnant"))
    stated = (*patient.says("pregnant_word", "late_pregnancy"), *weeks)
    return stated or (NOTHING if _is_excluded(patient) else _likely_pregnancy(patient))


def _likely_pregnancy(patient: Patient) -> Evidence:
    weeks = patient.says("weeks_of_pregnancy", "late_weeks")
    of_a_woman = weeks if patient.case.sex is Sex.FEMALE else NOTHING
    return (*patient.says("likely_pregnancy", "early_loss"), *of_a_woman)


def _is_late(patient: Patient) -> bool:
    """Whether the pregnancy is told to have reached the late weeks."""
    weeks = patient.values("weeks_pregnant")
    if weeks:
        return max(weeks) >= patient.limit("late_pregnancy_weeks")
    return bool(patient.says("late_pregnancy", "late_weeks")) and bool(_pregnancy(patient))


def _is_early(patient: Patient) -> bool:
    """Whether the pregnancy is told to be in its early weeks; what is not told may be late."""
    told = patient.values("weeks_pregnant") or patient.says("early_pregnancy")
    return bool(told) and not _is_late(patient)


def _pain_or_bleeding(patient: Patient) -> Evidence:
    other = patient.says("upper_abdominal_pain", "rib_margin_pain", "side_pain", "cramps")
    return (*_low_pain_or_bleeding(patient), *other, *patient.says("some_bleeding"))


def _low_pain_or_bleeding(patient: Patient) -> Evidence:
    return patient.says("abdominal_pain", "pelvic_pain", "vaginal_bleeding")


def _signs_of_high_pressure(patient: Patient) -> Evidence:
    seen = patient.says("bad_headache", "seeing_badly", "vision_loss", "rib_margin_pain")
    headache = patient.says("headache")
    if not headache:
        return seen
    measured = patient.at_least("pain_score", "severe_pain_in_pregnancy")
    return (*both(headache, (*patient.says("severe_word"), *measured)), *seen)


def _after_birth(patient: Patient) -> Evidence:
    """Return what tells that she gave birth within the weeks that count."""
    if patient.case.pregnancy is Pregnancy.POSTPARTUM:
        return ("postpartum",)
    longest = patient.limit("after_birth_weeks") * HOURS_PER_WEEK
    births = patient.said("after_birth") if _may_bear(patient) else ()
    if any(birth.is_older_than(longest) for birth in births):
        return NOTHING
    return words_of(births)
