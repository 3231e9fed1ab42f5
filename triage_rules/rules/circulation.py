"""Heart and circulation: RF07, RF08, RF18, RF19 and RF46."""

from __future__ import annotations

from datetime import date

from triage_rules.patient import NOTHING, Evidence, Patient
from triage_rules.rule import Flag, both

SINCE = date(2025, 1, 1)

CORONARY_SYNDROME = Flag(
    id="RF07",
    name="Acute coronary syndrome",
    source="ESI-informed step B; CTAS 2; SATS; ages: local policy",
    since=SINCE,
)
OTHER_CHEST_PAIN = Flag(
    id="RF08",
    name="Chest pain of another kind",
    source="ESI-informed step B",
    since=SINCE,
    certain=True,
)
SHOCK = Flag(
    id="RF18",
    name="Shock",
    source="ESI-informed step A; CTAS 1; PALS 2015; numbers of adults: local policy",
    since=SINCE,
)
DANGEROUS_RATE = Flag(
    id="RF19",
    name="Dangerous heart rate",
    source="ESI-informed step A; NEWS2, 2017; 150: local policy",
    since=SINCE,
    certain=True,
)
HIGH_SHOCK_INDEX = Flag(
    id="RF46",
    name="High shock index",
    source="Koch et al. 2019, review; local policy",
    since=SINCE,
    certain=True,
)

COMPANIONS = (
    "pain_spreading", "sweating", "breathless", "cannot_breathe", "not_breathing_well", "gasping",
    "vomiting", "syncope", "exertional",
)  # fmt: skip
SHOCK_SYMPTOMS = (
    "dizzy", "syncope", "pale", "clammy", "cold_and_clammy", "mottled", "chest_pain", "breathless",
    "cannot_breathe", "bleeding", "vomiting_blood", "black_stool", "rectal_bleeding",
    "vaginal_bleeding", "uncontrolled_bleeding", "spurting", "nosebleed",
)  # fmt: skip
RATE_SYMPTOMS = ("chest_pain", "syncope", "breathless", "cannot_breathe", "dizzy")


def _is_adult(patient: Patient) -> bool:
    return patient.is_adult


# RF07 and RF08


@CORONARY_SYNDROME.emergency()
def chest_pain_with_companions(patient: Patient) -> Evidence:
    """Chest pain that spreads, or comes with sweat, breathlessness, vomiting, fainting, effort."""
    return both(patient.says("chest_pain"), _companions(patient))


@CORONARY_SYNDROME.emergency()
def chest_pain_at_risk(patient: Patient) -> Evidence:
    """Chest pain at the coronary age, with known coronary disease or with abnormal vitals."""
    pain = patient.says("chest_pain")
    if not pain or _is_only_sore_when_pressed(patient):
        return NOTHING
    return both(pain, _coronary_risk(patient))


@CORONARY_SYNDROME.urgent()
def chest_wall_pain(patient: Patient) -> Evidence:
    """Chest pain that is only sore when pressed, at any age."""
    return both(patient.says("chest_pain"), patient.says("tender_when_pressed"))


@CORONARY_SYNDROME.emergency()
def equivalent_at_risk(patient: Patient) -> Evidence:
    """Jaw, arm or upper stomach pain, or sudden weakness with sweat, in the old or diabetic."""
    if not _is_at_equivalent_risk(patient):
        return NOTHING
    with_sweat = patient.says("sudden_weakness", "upper_abdominal_pain")
    return _equivalent_pain(patient) or both(with_sweat, patient.says("sweating"))


@CORONARY_SYNDROME.emergency()
def equivalent_with_sweat(patient: Patient) -> Evidence:
    """Jaw, arm or upper stomach pain, or heartburn, with sweating."""
    pain = patient.says("jaw_or_arm_pain", "epigastric_pain", "heartburn")
    return both(pain, patient.says("sweating"))


@OTHER_CHEST_PAIN.urgent()
def other_chest_pain(patient: Patient) -> Evidence:
    """Chest pain of now with nothing that makes it a possible coronary syndrome."""
    pain = patient.says("chest_pain")
    if not pain or any(line(patient) for line in CORONARY_LINES):
        return NOTHING
    return pain


CORONARY_LINES = (chest_pain_with_companions, chest_pain_at_risk, chest_wall_pain)


def _companions(patient: Patient) -> Evidence:
    return patient.says(*COMPANIONS)


def _coronary_risk(patient: Patient) -> Evidence:
    of_age = patient.age >= patient.limit("coronary_age")
    age = (f"age {int(patient.age)}",) if of_age else NOTHING
    return (*age, *_known_disease(patient), *patient.abnormal_vitals)


def _known_disease(patient: Patient) -> Evidence:
    """Coronary disease that is known of: not the words that already say the pain of now."""
    now = patient.says("chest_pain")
    return tuple(words for words in patient.knows("coronary_disease") if words not in now)


def _is_only_sore_when_pressed(patient: Patient) -> bool:
    return bool(patient.says("tender_when_pressed")) and not _companions(patient)


def _is_at_equivalent_risk(patient: Patient) -> bool:
    old = patient.age >= patient.limit("coronary_equivalent_age")
    return old or bool(patient.knows("diabetes"))


def _equivalent_pain(patient: Patient) -> Evidence:
    """The pain itself, unless of long standing; after an injury it is the injury's."""
    if patient.case.injury or patient.says("injury_word"):
        return NOTHING
    innocent = patient.says("jaw_or_arm_trouble")
    names = ("epigastric_pain",) if innocent else ("epigastric_pain", "jaw_or_arm_pain")
    return patient.says_newly(*names)


# RF18 and RF46


@SHOCK.emergency(needs=("systolic_bp",), immediate=True)
def pressure_far_too_low(patient: Patient) -> Evidence:
    """A systolic pressure far too low in an adult, or below the limit of a child's age."""
    limit = "shock_pressure" if patient.is_adult else "low_pressure"
    return patient.below("systolic_bp", limit)


@SHOCK.emergency(needs=("systolic_bp",), only_if=_is_adult)
def low_pressure_with_symptom(patient: Patient) -> Evidence:
    """A low pressure in an adult who is dizzy, faint, confused, pale, clammy, bleeding or ill."""
    return both(_low_pressure(patient), _shock_symptom(patient))


@SHOCK.emergency(needs=("systolic_bp", "heart_rate"), only_if=_is_adult)
def heart_rate_above_low_pressure(patient: Patient) -> Evidence:
    """A low pressure in an adult whose heart rate is the higher number of the two."""
    return both(_low_pressure(patient), _heart_above_pressure(patient))


@SHOCK.emergency(needs=("systolic_bp", "heart_rate"), only_if=_is_adult)
def extreme_shock_index(patient: Patient) -> Evidence:
    """A shock index of an adult so high that it alone is an emergency."""
    return _index_from(patient, "shock_index_emergency")


@SHOCK.emergency()
def looks_shocked(patient: Patient) -> Evidence:
    """Cold and clammy, mottled, in shock, or faints each time when upright."""
    signs = patient.says("cold_and_clammy", "shock_word", "faints_upright")
    return (*signs, *patient.says_newly("mottled"))


@SHOCK.emergency(needs=("systolic_bp", "heart_rate"), only_if=_is_adult, immediate=True)
def looks_shocked_with_heart_above_pressure(patient: Patient) -> Evidence:
    """Cold, clammy or mottled, and in an adult the heart rate is above the pressure."""
    signs = patient.says("cold_and_clammy", "clammy", "mottled")
    return both(signs, _heart_above_pressure(patient)) if signs else NOTHING


@SHOCK.urgent()
def said_to_have_low_pressure(patient: Patient) -> Evidence:
    """A pressure of now that is called low, where a person feels ill of it or a clinician says."""
    low = patient.says("low_pressure_words")
    felt = both(low, _shock_symptom(patient)) if low else NOTHING
    return felt or patient.says("hypotensive")


@HIGH_SHOCK_INDEX.urgent(needs=("systolic_bp", "heart_rate"), only_if=_is_adult)
def high_shock_index(patient: Patient) -> Evidence:
    """A high shock index of an adult, below the one that is an emergency."""
    if _index_from(patient, "shock_index_emergency"):
        return NOTHING
    return _index_from(patient, "shock_index_urgent")


def _low_pressure(patient: Patient) -> Evidence:
    return patient.below("systolic_bp", "shock_pressure_with_symptom")


def _shock_symptom(patient: Patient) -> Evidence:
    score = patient.news2_from("shock_news2")
    return (*patient.says(*SHOCK_SYMPTOMS), *patient.altered_mind, *score)


def _heart_above_pressure(patient: Patient) -> Evidence:
    """The worst of each that is known."""
    heart = max(patient.values("heart_rate"), default=None)
    pressure = min(patient.values("systolic_bp"), default=None)
    if heart is None or pressure is None or heart <= pressure:
        return NOTHING
    return (f"heart rate {heart:g} above systolic pressure {pressure:g}",)


def _index_from(patient: Patient, limit: str) -> Evidence:
    index = patient.shock_index
    if index is None or index < patient.limit(limit):
        return NOTHING
    return (f"shock index {index:.2f}",)


# RF19: a child's rates belong to RF17 and RF45.


@DANGEROUS_RATE.emergency(needs=("heart_rate",), only_if=_is_adult)
def dangerous_rate_with_symptom(patient: Patient) -> Evidence:
    """A heart far too fast or slow in an adult with chest pain, faint, breathless or dizzy."""
    symptom = patient.says(*RATE_SYMPTOMS)
    if not symptom:
        return NOTHING
    rate = patient.at_least("heart_rate", "dangerous_heart_fast") or _slow_heart(patient)
    return both(rate, symptom)


@DANGEROUS_RATE.urgent(needs=("heart_rate",), only_if=_is_adult)
def dangerous_rate(patient: Patient) -> Evidence:
    """A heart that is too fast or too slow in an adult, without a symptom."""
    return patient.at_least("heart_rate", "fast_heart_adult") or _slow_heart(patient)


@DANGEROUS_RATE.emergency()
def dangerous_rhythm_with_symptom(patient: Patient) -> Evidence:
    """A rhythm of now that is named as dangerous, with chest pain, faint, breathless or dizzy."""
    return both(patient.says("dangerous_rhythm"), patient.says(*RATE_SYMPTOMS))


@DANGEROUS_RATE.urgent()
def dangerous_rhythm(patient: Patient) -> Evidence:
    """A rhythm of now that is named as dangerous, without a symptom."""
    return patient.says("dangerous_rhythm")


def _slow_heart(patient: Patient) -> Evidence:
    return patient.at_most("heart_rate", "dangerous_heart_slow")
