"""What makes a patient ``soon`` without a floor: the signs between routine and urgent."""

from __future__ import annotations

from datetime import date

from triage_rules.case import Pregnancy, SymptomSeverity
from triage_rules.patient import NOTHING, Evidence, Patient
from triage_rules.rule import both, sign
from triage_rules.scores.bands import NICE_MODERATE
from triage_rules.text.finding import Assertion
from triage_rules.thresholds import load

SINCE = date(2025, 1, 1)
POLICY = "Local policy"
_OF_NOW = frozenset({Assertion.PRESENT, Assertion.POSSIBLE})
_NO_COMPLAINTS = frozenset({"errand", "pregnant_word", "late_pregnancy", "early_pregnancy"})


@sign(source="Royal College of Physicians, NEWS2, 2017; local policy", since=SINCE)
def raised_early_warning_score(patient: Patient) -> Evidence:
    """Raised early warning score."""
    total = patient.news2.total
    if total is None or total < load("news2")["bands"]["soon_from"]:
        return NOTHING
    return (f"NEWS2 {total}",)


@sign(source=POLICY, since=SINCE)
def moderate_pain(patient: Patient) -> Evidence:
    """Moderate pain or more."""
    return patient.at_least("pain_score", "moderate_pain")


@sign(source=POLICY, since=SINCE)
def fever_in_an_adult(patient: Patient) -> Evidence:
    """Fever in an adult, measured or said."""
    if not patient.is_adult:
        return NOTHING
    return (*patient.at_least("temperature_c", "fever_adult"), *patient.says("fever"))


@sign(source=POLICY, since=SINCE)
def severe_symptom(patient: Patient) -> Evidence:
    """A symptom marked or described as severe."""
    marked = tuple(
        symptom.name
        for symptom in patient.case.symptoms
        if symptom.present and symptom.severity is SymptomSeverity.SEVERE
    )
    return (*marked, *patient.says("severe_word", "very_bad"))


@sign(source=POLICY, since=SINCE)
def injury_with_damage(patient: Patient) -> Evidence:
    """An injury with swelling, deformity, a wound or loss of use."""
    injured = ("injury",) if patient.case.injury else patient.says("injury_word", "after_sport")
    return both(injured, patient.says("injury_damage"))


@sign(source=POLICY, since=SINCE)
def vomiting_or_diarrhoea(patient: Patient) -> Evidence:
    """Vomiting or diarrhoea."""
    return patient.says("diarrhoea_vomiting")


@sign(source=POLICY, since=SINCE)
def urinary_with_fever_or_flank_pain(patient: Patient) -> Evidence:
    """Urinary symptoms with fever or flank pain."""
    flank = patient.says("flank_pain", "loin_pain", "side_ache")
    return both(patient.says("urinary", "urine_trouble"), (*patient.fever, *flank))


@sign(source=POLICY, since=SINCE)
def wheeze_or_worsening_cough(patient: Patient) -> Evidence:
    """Wheeze or a worsening cough."""
    cough = both(patient.says("cough"), patient.says("worsening"))
    return (*patient.says("wheeze", "worsening_cough"), *cough)


@sign(source=POLICY, since=SINCE)
def infected_skin(patient: Patient) -> Evidence:
    """Spreading or infected skin."""
    return patient.says("skin_infection", "spreading_skin")


@sign(source=POLICY, since=SINCE)
def breathless_or_fainted(patient: Patient) -> Evidence:
    """Breathless, unless of long standing or on effort, or has fainted."""
    if patient.says("breathless_on_effort"):
        return patient.says("syncope")
    breathless = (found for found in patient.said("breathless") if not found.longstanding)
    return (*(found.evidence for found in breathless), *patient.says("syncope"))


@sign(source=POLICY, since=SINCE)
def pregnant_with_a_complaint(patient: Patient) -> Evidence:
    """Pregnant or lately delivered, with an acute complaint."""
    if _came_for_an_errand(patient):
        return NOTHING
    if patient.case.pregnancy in (Pregnancy.PREGNANT, Pregnancy.POSTPARTUM):
        return (str(patient.case.pregnancy),)
    return patient.says("pregnant_word")


@sign(source=POLICY, since=SINCE)
def very_young_or_old_with_a_complaint(patient: Patient) -> Evidence:
    """An infant or of great age, with an acute complaint."""
    infant = patient.age < patient.limit("infant_age")
    old = patient.age >= patient.limit("old_age")
    if not (infant or old) or _came_for_an_errand(patient):
        return NOTHING
    return (f"age {int(patient.age)}",)


@sign(source="NICE NG51 and NG143", since=SINCE)
def amber_child(patient: Patient) -> Evidence:
    """A child's vital sign in the moderate risk band."""
    return NOTHING if patient.is_adult else patient.outside(NICE_MODERATE)


@sign(source=POLICY, since=SINCE)
def new_and_worsening(patient: Patient) -> Evidence:
    """Began within a day and is worsening."""
    limit = patient.limit("recent_hours")
    durations = [s.duration_hours for s in patient.case.symptoms if s.present]
    brief = any(hours is not None and hours <= limit for hours in durations)
    recent = ("began within a day",) if brief else patient.says("recent_onset")
    return both(recent, patient.says("worsening"))


def _came_for_an_errand(patient: Patient) -> bool:
    """Whether all that is said of now is a prescription, a letter or the like."""
    errands = patient.says("errand")
    said = (found for found in patient.reading.findings if found.assertion in _OF_NOW)
    other = (found for found in said if found.concept not in _NO_COMPLAINTS)
    return bool(errands) and all(found.evidence in errands for found in other)
