"""Temperature: RF43."""

from __future__ import annotations

from datetime import date

from triage_rules.patient import Evidence, Patient
from triage_rules.rule import Flag, both

SINCE = date(2025, 1, 1)

EXTREME_TEMPERATURE = Flag(
    id="RF43",
    name="Extreme temperature",
    source="Local policy; CTAS 2: severe hypothermia",
    since=SINCE,
)


@EXTREME_TEMPERATURE.emergency(needs=("temperature_c",))
def too_cold_or_too_hot(patient: Patient) -> Evidence:
    """A temperature beyond the outer limits, at any age."""
    cold = patient.below("temperature_c", "extreme_cold")
    return cold or patient.above("temperature_c", "extreme_heat")


@EXTREME_TEMPERATURE.emergency(needs=("temperature_c",))
def hot_and_confused(patient: Patient) -> Evidence:
    """A temperature from the heatstroke limit on, with an altered mind."""
    return both(patient.at_least("temperature_c", "heatstroke"), patient.altered_mind)


@EXTREME_TEMPERATURE.emergency()
def says_heatstroke_or_hypothermia(patient: Patient) -> Evidence:
    """Heatstroke or hypothermia, named as such."""
    return patient.says("heatstroke_word", "hypothermia_word")


@EXTREME_TEMPERATURE.emergency()
def exposed_with_an_altered_mind(patient: Patient) -> Evidence:
    """Heat or cold, with confusion, drowsiness, collapse or a seizure."""
    signs = (*patient.altered_mind, *patient.says("syncope", "seizure", "seizure_now"))
    return both(patient.says("heat_exposure", "cold_exposure"), signs)
