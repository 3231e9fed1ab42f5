"""Heart: RF07."""

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


COMPANIONS = ("pain_spreading", "sweating", "breathless", "vomiting", "syncope", "exertional")


@CORONARY_SYNDROME.emergency()
def chest_pain_with_companions(patient: Patient) -> Evidence:
    """Chest pain that spreads, or comes with sweat, breathlessness, vomiting, fainting, effort."""
    return both(patient.says("chest_pain"), _companions(patient))


@CORONARY_SYNDROME.emergency()
def chest_pain_at_risk(patient: Patient) -> Evidence:
    """Chest pain at the coronary age, with known coronary disease or with abnormal vitals."""
    if _is_only_sore_when_pressed(patient):
        return NOTHING
    return both(patient.says("chest_pain"), _coronary_risk(patient))


@CORONARY_SYNDROME.urgent()
def chest_wall_pain(patient: Patient) -> Evidence:
    """Chest pain that is only sore when pressed, at any age."""
    return both(patient.says("chest_pain"), patient.says("tender_when_pressed"))


@CORONARY_SYNDROME.emergency()
def equivalent_at_risk(patient: Patient) -> Evidence:
    """Jaw, arm or upper stomach pain, or sudden weakness with sweat, in the old or diabetic."""
    if not _is_at_equivalent_risk(patient):
        return NOTHING
    weak_and_sweating = both(patient.says("sudden_weakness"), patient.says("sweating"))
    return _equivalent_pain(patient) or weak_and_sweating


@CORONARY_SYNDROME.emergency()
def equivalent_with_sweat(patient: Patient) -> Evidence:
    """Jaw, arm or upper stomach pain, or heartburn, with sweating."""
    pain = patient.says("jaw_arm_epigastric_pain", "heartburn")
    return both(pain, patient.says("sweating"))


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
    """The pain itself; after an injury it is the injury's."""
    hurt = patient.case.injury or patient.says("injury_word")
    return NOTHING if hurt else patient.says("jaw_arm_epigastric_pain")
