"""Abdomen: RF21, RF25 and RF26."""

from __future__ import annotations

from datetime import date

from triage_rules.case import Sex
from triage_rules.patient import NOTHING, Evidence, Patient
from triage_rules.rule import Flag, both
from triage_rules.scores.bands import HIGH_RISK

SINCE = date(2025, 1, 1)

GUT_BLEEDING = Flag(
    id="RF21",
    name="Bleeding from the gut",
    source="SATS; vital signs: local policy",
    since=SINCE,
    certain=True,
)
TESTICULAR_TORSION = Flag(
    id="RF25",
    name="Testicular torsion",
    source="ESI-informed, edition 5",
    since=SINCE,
)
ACUTE_ABDOMEN = Flag(
    id="RF26",
    name="Ovarian torsion or acute abdomen",
    source="ESI-informed, edition 5; grading: local policy",
    since=SINCE,
)


@GUT_BLEEDING.emergency()
def vomits_blood(patient: Patient) -> Evidence:
    """Vomiting blood, or what looks like coffee grounds, that was not swallowed from the nose."""
    return NOTHING if patient.says("blood_from_nose") else patient.says("vomiting_blood")


@GUT_BLEEDING.urgent()
def bleeds_from_the_gut(patient: Patient) -> Evidence:
    """Black tarry stool, or bleeding from the back passage that is more than a streak."""
    return _bleeding_below(patient)


@GUT_BLEEDING.emergency()
def bleeds_from_the_gut_and_fainted_or_bleeds_easily(patient: Patient) -> Evidence:
    """The same with fainting, an anticoagulant or liver disease."""
    danger = (*patient.says("syncope"), *patient.knows("anticoagulant", "liver_disease"))
    return both(_bleeding_below(patient), danger)


@GUT_BLEEDING.emergency()
def bleeds_from_the_gut_with_signs_of_loss(patient: Patient) -> Evidence:
    """The same with a fast heart or a low pressure; in a child those of high risk at the age."""
    bleeding = _bleeding_below(patient)
    return both(bleeding, _signs_of_loss(patient)) if bleeding else NOTHING


@TESTICULAR_TORSION.emergency()
def acute_testicular_pain(patient: Patient) -> Evidence:
    """Pain in a testicle that began within a day or at a time not told, at any age."""
    return NOTHING if _began_long_ago(patient) else patient.says("testicular_pain")


@TESTICULAR_TORSION.urgent()
def lasting_testicular_pain(patient: Patient) -> Evidence:
    """Pain in a testicle for longer than a day."""
    return patient.says("testicular_pain")


@TESTICULAR_TORSION.emergency()
def testicular_and_abdominal_pain_with_vomiting(patient: Patient) -> Evidence:
    """Pain in a testicle with abdominal pain and vomiting, however long it has lasted."""
    belly = patient.says("abdominal_pain")
    return both(patient.says("testicular_pain"), belly, patient.says("vomiting"))


@TESTICULAR_TORSION.emergency()
def sudden_groin_pain(patient: Patient) -> Evidence:
    """Groin pain that came suddenly or with sport, unless the patient is female."""
    if patient.case.sex is Sex.FEMALE or _began_long_ago(patient):
        return NOTHING
    return both(patient.says("groin_pain"), patient.says("sudden", "after_sport"))


@ACUTE_ABDOMEN.urgent()
def acute_abdomen(patient: Patient) -> Evidence:
    """A rigid abdomen, sudden severe pain low in the abdomen, or severe flank pain."""
    return _acute_abdomen(patient)


@ACUTE_ABDOMEN.emergency()
def acute_abdomen_and_ill(patient: Patient) -> Evidence:
    """The same with a high early warning score or a low pressure; in a child high-risk vitals."""
    acute = _acute_abdomen(patient)
    return both(acute, _illness(patient)) if acute else NOTHING


@ACUTE_ABDOMEN.emergency()
def abdominal_pain_in_an_ill_old_patient(patient: Patient) -> Evidence:
    """Abdominal, pelvic or flank pain in an older patient with an abnormal vital sign."""
    if patient.age < patient.limit("acute_abdomen_age"):
        return NOTHING
    return both((*_belly_pain(patient), *_acute_abdomen(patient)), patient.abnormal_vitals)


def _bleeding_below(patient: Patient) -> Evidence:
    return patient.says("black_stool", "rectal_bleeding")


def _signs_of_loss(patient: Patient) -> Evidence:
    if not patient.is_adult:
        return patient.outside(HIGH_RISK)
    fast = patient.at_least("heart_rate", "gut_bleed_heart")
    return (*fast, *patient.below("systolic_bp", "gut_bleed_pressure"))


def _began_long_ago(patient: Patient) -> bool:
    """Whether the pain is told to be older than a day, and not to have come or grown suddenly."""
    window = patient.limit("torsion_window_hours")
    pains = patient.said("testicular_pain", "groin_pain")
    old = any(pain.is_older_than(window) for pain in pains) or _lasted(patient, window)
    told = bool(patient.says("longstanding", "over_a_day"))
    return (old or told) and not patient.says("flared_up")


def _lasted(patient: Patient, hours: float) -> bool:
    """Whether every duration that was given with the symptoms is longer."""
    given = [s.duration_hours for s in patient.case.symptoms if s.present]
    known = [duration for duration in given if duration is not None]
    return bool(known) and min(known) > hours


def _acute_abdomen(patient: Patient) -> Evidence:
    return (*_rigid(patient), *_one_sided_pain(patient), *_severe_flank_pain(patient))


def _rigid(patient: Patient) -> Evidence:
    belly = patient.says("abdominal_pain", "upper_abdominal_pain", "pelvic_pain")
    guarded = both(belly, patient.says("hurts_to_move"))
    return (*patient.says("rigid_abdomen", "ovarian_torsion"), *guarded)


def _one_sided_pain(patient: Patient) -> Evidence:
    """Sudden severe pain in the pelvis, or on one side of the abdomen, with vomiting."""
    one_side = both(patient.says("abdominal_pain"), patient.says("one_sided"))
    pain = (*patient.says("pelvic_pain"), *one_side)
    sudden = both(pain, patient.says("sudden"))
    return both(sudden, _severe(patient), patient.says("vomiting")) if sudden else NOTHING


def _severe_flank_pain(patient: Patient) -> Evidence:
    pain = patient.says("loin_pain", "renal_colic")
    return both(pain, _severe(patient)) if pain else NOTHING


def _belly_pain(patient: Patient) -> Evidence:
    return patient.says("abdominal_pain", "upper_abdominal_pain", "pelvic_pain", "loin_pain")


def _severe(patient: Patient) -> Evidence:
    words = patient.says("severe_word", "very_bad")
    return (*words, *patient.at_least("pain_score", "severe_belly_pain"))


def _illness(patient: Patient) -> Evidence:
    if not patient.is_adult:
        return patient.outside(HIGH_RISK)
    return (
        *patient.news2_from("acute_abdomen_news2"),
        *patient.below("systolic_bp", "acute_abdomen_pressure"),
    )
