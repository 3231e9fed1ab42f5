"""What makes a patient ``soon`` without a floor: the signs between routine and urgent."""

from __future__ import annotations

from datetime import date

from triage_rules.case import Pregnancy, SymptomSeverity
from triage_rules.rule import NOTHING, Evidence, Patient, both, measured, sign
from triage_rules.thresholds import limit, load

SINCE = date(2025, 1, 1)
POLICY = "Local policy"


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
    scores = [score for score in (patient.vitals.pain_score, *patient.reading.pain_scores) if score]
    worst = max(scores, default=0)
    return (f"pain {worst}/10",) if worst >= limit("bands", "moderate_pain") else NOTHING


@sign(source=POLICY, since=SINCE)
def fever_in_an_adult(patient: Patient) -> Evidence:
    """Fever in an adult."""
    temperature = patient.vitals.temperature_c
    if temperature is None or not patient.is_adult or temperature < limit("bands", "fever_adult"):
        return NOTHING
    return measured("temperature", temperature, "°C")


@sign(source=POLICY, since=SINCE)
def severe_symptom(patient: Patient) -> Evidence:
    """A symptom marked or described as severe."""
    marked = tuple(
        symptom.name
        for symptom in patient.case.symptoms
        if symptom.present and symptom.severity is SymptomSeverity.SEVERE
    )
    return (*marked, *patient.says("severe_word"))


@sign(source=POLICY, since=SINCE)
def injury_with_damage(patient: Patient) -> Evidence:
    """An injury with swelling, deformity, a wound or loss of use."""
    injured = ("injury",) if patient.case.injury else patient.says("injury_word")
    return both(injured, patient.says("injury_damage"))


@sign(source=POLICY, since=SINCE)
def vomiting_or_diarrhoea(patient: Patient) -> Evidence:
    """Vomiting or diarrhoea."""
    return patient.says("diarrhoea_vomiting")


@sign(source=POLICY, since=SINCE)
def urinary_with_fever_or_flank_pain(patient: Patient) -> Evidence:
    """Urinary symptoms with fever or flank pain."""
    hot = (patient.vitals.temperature_c or 0) >= limit("bands", "fever_adult")
    fever = ("fever",) if hot else patient.says("fever")
    return both(patient.says("urinary"), (*fever, *patient.says("flank_pain")))


@sign(source=POLICY, since=SINCE)
def wheeze_or_worsening_cough(patient: Patient) -> Evidence:
    """Wheeze or a worsening cough."""
    cough = both(patient.says("cough"), patient.says("worsening"))
    return (*patient.says("wheeze", "worsening_cough"), *cough)


@sign(source=POLICY, since=SINCE)
def infected_skin(patient: Patient) -> Evidence:
    """Spreading or infected skin."""
    return patient.says("skin_infection")


@sign(source=POLICY, since=SINCE)
def vulnerable_patient(patient: Patient) -> Evidence:
    """Pregnant, an infant or of great age, with any complaint."""
    pregnant = patient.case.pregnancy in (Pregnancy.PREGNANT, Pregnancy.POSTPARTUM)
    if pregnant:
        return (str(patient.case.pregnancy),)
    infant = patient.age < limit("bands", "infant_age")
    old = patient.age >= limit("bands", "old_age")
    return (f"age {int(patient.age)}",) if infant or old else patient.says("pregnant_word")


@sign(source="NICE NG51 and NG143", since=SINCE)
def amber_child(patient: Patient) -> Evidence:
    """A child's vital sign in the moderate risk band."""
    rows = load("bands")["child_amber"]
    band = next((row for row in rows["bands"] if patient.age < row["under_years"]), None)
    return NOTHING if band is None else (*_amber_rates(patient, band), *_amber_rest(patient, band))


@sign(source=POLICY, since=SINCE)
def new_and_worsening(patient: Patient) -> Evidence:
    """Began within a day and is worsening."""
    durations = [s.duration_hours for s in patient.case.symptoms if s.present]
    brief = any(hours is not None and hours <= 24 for hours in durations)
    recent = ("began within a day",) if brief else patient.says("recent_onset")
    return both(recent, patient.says("worsening"))


def _amber_rates(patient: Patient, band: dict[str, float]) -> Evidence:
    vitals = patient.vitals
    breathing, heart = vitals.respiratory_rate, vitals.heart_rate
    fast_breathing = breathing is not None and breathing >= band["respiratory_rate"]
    fast_heart = heart is not None and heart >= band["heart_rate"]
    return (
        *(measured("breathing rate", breathing or 0, "/min") if fast_breathing else NOTHING),
        *(measured("heart rate", heart or 0, "/min") if fast_heart else NOTHING),
    )


def _amber_rest(patient: Patient, band: dict[str, float]) -> Evidence:
    rows, vitals = load("bands")["child_amber"], patient.vitals
    low = vitals.spo2 is not None and (
        vitals.spo2 < band["spo2_below"]
        or (
            patient.age < rows["amber_spo2_under_years"] and vitals.spo2 <= rows["amber_spo2_up_to"]
        )
    )
    months = patient.age * 12
    young = rows["fever_from_months"] <= months < rows["fever_under_months"]
    hot = young and (vitals.temperature_c or 0) >= rows["fever_from"]
    return (
        *(measured("SpO2", vitals.spo2 or 0, "%") if low else NOTHING),
        *(measured("temperature", vitals.temperature_c or 0, "°C") if hot else NOTHING),
    )
