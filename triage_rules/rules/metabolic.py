"""Sugar and steroids: RF28, RF29 and RF41."""

from __future__ import annotations

from datetime import date

from triage_rules.patient import Evidence, Patient
from triage_rules.rule import Flag, both

SINCE = date(2025, 1, 1)

DIABETIC_EMERGENCY = Flag(
    id="RF28",
    name="Diabetic ketoacidosis or hyperosmolar state",
    source="Joint British Diabetes Societies; BMJ Best Practice",
    since=SINCE,
)
HYPOGLYCAEMIA = Flag(
    id="RF29",
    name="Hypoglycaemia",
    source="ESI-informed step A; SATS",
    since=SINCE,
    certain=True,
)
ADRENAL_CRISIS = Flag(
    id="RF41",
    name="Adrenal crisis",
    source="Local policy",
    since=SINCE,
)


def _may_have_high_sugar(patient: Patient) -> bool:
    """A sugar that is known, a diabetes, words of high sugar or ketones, or a sign of them."""
    known = patient.values("glucose_mmol_l") or patient.knows("diabetes", "gliflozin")
    said = patient.says("high_sugar", "signs_of_high_sugar")
    return bool(known or said or _signs_of_ketoacidosis(patient))


def _is_steroid_dependent(patient: Patient) -> bool:
    return bool(_steroid_dependence(patient))


@DIABETIC_EMERGENCY.emergency()
def says_ketoacidosis(patient: Patient) -> Evidence:
    """Named as such, breath that smells of fruit, or a meter that reads "HI"."""
    return patient.says("ketoacidosis", "fruity_breath", "sugar_off_the_scale")


@DIABETIC_EMERGENCY.emergency(needs=("glucose_mmol_l",), only_if=_may_have_high_sugar)
def extreme_sugar(patient: Patient) -> Evidence:
    """A sugar from the extreme limit on."""
    return patient.at_least("glucose_mmol_l", "extreme_glucose")


@DIABETIC_EMERGENCY.emergency()
def diabetic_with_signs(patient: Patient) -> Evidence:
    """A known diabetes, or a sugar said to be high, with a sign of ketoacidosis."""
    known = (*patient.knows("diabetes"), *patient.says("high_sugar"))
    return both(known, _signs_of_ketoacidosis(patient))


@DIABETIC_EMERGENCY.emergency(needs=("glucose_mmol_l",), only_if=_may_have_high_sugar)
def high_sugar_with_signs(patient: Patient) -> Evidence:
    """A sugar above the limit with a sign of ketoacidosis."""
    high = patient.above("glucose_mmol_l", "high_glucose")
    return both(high, _signs_of_ketoacidosis(patient))


@DIABETIC_EMERGENCY.emergency()
def high_ketones_with_signs(patient: Patient) -> Evidence:
    """High ketones in a patient who vomits, has belly pain, breathes deeply or is drowsy."""
    return both(patient.at_least("ketones_mmol_l", "high_ketones"), _signs_of_illness(patient))


@DIABETIC_EMERGENCY.emergency()
def gliflozin_and_vomiting(patient: Patient) -> Evidence:
    """Vomiting on a gliflozin, whatever the sugar."""
    return both(patient.knows("gliflozin"), patient.says("throwing_up"))


@HYPOGLYCAEMIA.emergency(needs=("glucose_mmol_l",), immediate=True)
def measured_low(patient: Patient) -> Evidence:
    """A sugar below the limit, or below the higher limit with signs of the brain."""
    return _low(patient)


@HYPOGLYCAEMIA.emergency(immediate=True)
def said_to_be_low(patient: Patient) -> Evidence:
    """Said to be low, with signs of the brain."""
    return both(patient.says("low_sugar"), _signs_of_the_brain(patient))


@HYPOGLYCAEMIA.emergency(immediate=True)
def too_low_to_read(patient: Patient) -> Evidence:
    """A severe hypo, one that does not come up, or a meter that reads "LO"."""
    return patient.says("severe_low_sugar")


@ADRENAL_CRISIS.emergency()
def says_adrenal_crisis(patient: Patient) -> Evidence:
    """Named as such."""
    return patient.says("adrenal_crisis")


@ADRENAL_CRISIS.emergency()
def steroid_dependent_with_signs(patient: Patient) -> Evidence:
    """Adrenal insufficiency or a long-term steroid, with vomiting, collapse or low pressure."""
    signs = patient.says(
        "throwing_up", "syncope", "unresponsive", "drowsy", "confused", "low_pressure_words"
    )
    return both(_steroid_dependence(patient), signs)


@ADRENAL_CRISIS.emergency(needs=("systolic_bp",), only_if=_is_steroid_dependent)
def steroid_dependent_with_low_pressure(patient: Patient) -> Evidence:
    """Adrenal insufficiency or a long-term steroid, with a pressure below the limit."""
    low = patient.below("systolic_bp", "adrenal_pressure")
    return both(_steroid_dependence(patient), low)


def _signs_of_ketoacidosis(patient: Patient) -> Evidence:
    ketones = patient.at_least("ketones_mmol_l", "high_ketones")
    return (*ketones, *patient.says("high_ketones"), *_signs_of_illness(patient))


def _signs_of_illness(patient: Patient) -> Evidence:
    said = patient.says("throwing_up", "belly_pain", "deep_fast_breathing")
    return (*said, *patient.altered_mind)


def _low(patient: Patient) -> Evidence:
    """Every sugar that is known counts; the lowest may not be the one that was measured."""
    low = patient.below("glucose_mmol_l", "low_glucose_with_signs")
    with_signs = both(low, _signs_of_the_brain(patient))
    return patient.below("glucose_mmol_l", "low_glucose") or with_signs


def _signs_of_the_brain(patient: Patient) -> Evidence:
    return (*patient.altered_mind, *patient.says("syncope", "seizure", "seizure_now"))


def _steroid_dependence(patient: Patient) -> Evidence:
    return patient.knows("adrenal_insufficiency", "long_term_steroid")
