"""What a request may hold. Ranges come from ``triage_rules.case``; the medicine does not."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from api.fields import (
    CodeField,
    FlagField,
    NumberField,
    StrictSerializer,
    TemperatureField,
    TextField,
    WordField,
)
from monitoring.labels import Label, LabelScale, LabelSource
from triage_rules.case import (
    AGE_DAYS_RANGE,
    AGE_YEARS_RANGE,
    DAYS_PER_YEAR,
    MAX_COMPLAINT_CHARACTERS,
    MAX_DESCRIPTION_CHARACTERS,
    MAX_ENTRY_CHARACTERS,
    MAX_LIST_ENTRIES,
    MAX_SYMPTOMS,
    SEVERITY_SCORE_RANGE,
    VITAL_RANGES,
    ArrivalMode,
    Consciousness,
    Pregnancy,
    Range,
    ReportedBy,
    Sex,
    SymptomSeverity,
)
from triage_rules.level import Level

LEVEL_WORDS = [level.label for level in Level]
OPTIONAL: dict[str, Any] = {"required": False, "allow_null": True}
MAX_CODE_CHARACTERS = 64
MAX_ID_CHARACTERS = 255
DURATION_RANGE = Range(0, 125 * 366 * 24, "hours")
SPO2_SCALES = Range(1, 2, "(scale 1 or scale 2)", whole=True)
FIVE_LEVELS = Range(1, 5, "(1 is the most urgent)", whole=True)
MAX_NOTE_CHARACTERS = 2_000


def _vital(name: str) -> NumberField:
    return NumberField(VITAL_RANGES[name], **OPTIONAL)


def _entries() -> serializers.ListField:
    return serializers.ListField(
        child=TextField(longest=MAX_ENTRY_CHARACTERS), max_length=MAX_LIST_ENTRIES, **OPTIONAL
    )


def _field_error(field: str, code: str, detail: str) -> serializers.ValidationError:
    return serializers.ValidationError({field: [serializers.ErrorDetail(detail, code=code)]})


class SymptomSerializer(StrictSerializer):
    """One structured finding."""

    name = TextField(longest=MAX_ENTRY_CHARACTERS)
    present = FlagField(**OPTIONAL)
    severity = WordField(SymptomSeverity, **OPTIONAL)
    duration_hours = NumberField(DURATION_RANGE, **OPTIONAL)


class SymptomsDataSerializer(StrictSerializer):
    """What the patient says."""

    chief_complaint = TextField(longest=MAX_COMPLAINT_CHARACTERS)
    description = TextField(longest=MAX_DESCRIPTION_CHARACTERS, blank=True, **OPTIONAL)
    symptoms = serializers.ListField(child=SymptomSerializer(), max_length=MAX_SYMPTOMS, **OPTIONAL)


class VitalsSerializer(StrictSerializer):
    """What was measured; hard accept ranges of clinical.md 1.8."""

    heart_rate = _vital("heart_rate")
    respiratory_rate = _vital("respiratory_rate")
    spo2 = _vital("spo2")
    spo2_scale = NumberField(SPO2_SCALES, **OPTIONAL)
    on_oxygen = FlagField(**OPTIONAL)
    systolic_bp = _vital("systolic_bp")
    diastolic_bp = _vital("diastolic_bp")
    temperature_c = TemperatureField(VITAL_RANGES["temperature_c"], **OPTIONAL)
    consciousness = WordField(Consciousness, **OPTIONAL)
    gcs = _vital("gcs")
    pain_score = _vital("pain_score")
    glucose_mmol_l = _vital("glucose_mmol_l")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse pressures that were swapped."""
        systolic, diastolic = attrs.get("systolic_bp"), attrs.get("diastolic_bp")
        if systolic is not None and diastolic is not None and diastolic >= systolic:
            raise _field_error("diastolic_bp", "not_below_systolic", "Must be below systolic_bp.")
        return attrs


class TriageRequestSerializer(StrictSerializer):
    """The body of a triage request."""

    patient_id = TextField(longest=MAX_ID_CHARACTERS, **OPTIONAL)
    encounter_id = TextField(longest=MAX_ID_CHARACTERS, **OPTIONAL)
    triage_log_id = CodeField(longest=MAX_CODE_CHARACTERS, **OPTIONAL)
    site = CodeField(longest=MAX_CODE_CHARACTERS, **OPTIONAL)
    patient_age = NumberField(AGE_YEARS_RANGE, **OPTIONAL)
    patient_age_days = NumberField(AGE_DAYS_RANGE, **OPTIONAL)
    sex = WordField(Sex, **OPTIONAL)
    pregnancy = WordField(Pregnancy, **OPTIONAL)
    urgency = WordField(LEVEL_WORDS, **OPTIONAL)
    severity_score = NumberField(SEVERITY_SCORE_RANGE, **OPTIONAL)
    arrival_mode = WordField(ArrivalMode, **OPTIONAL)
    injury = FlagField(**OPTIONAL)
    reported_by = WordField(ReportedBy, **OPTIONAL)
    symptoms_data = SymptomsDataSerializer()
    vitals = VitalsSerializer(**OPTIONAL)
    medical_history = _entries()
    medications = _entries()
    allergies = _entries()

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Ask for an age, and for two that agree where two were sent."""
        years, days = attrs.get("patient_age"), attrs.get("patient_age_days")
        if years is None and days is None:
            raise _field_error(
                "patient_age", "required", "Either patient_age or patient_age_days is needed."
            )
        if years is not None and days is not None and abs(days / DAYS_PER_YEAR - years) > 1:
            raise _field_error(
                "patient_age_days", "ages_disagree", "Must agree with patient_age within a year."
            )
        return attrs


class GroundTruthSerializer(StrictSerializer):
    """What was right, as a clinician, an outcome or an audit says."""

    level = WordField(LEVEL_WORDS, **OPTIONAL)
    scale = WordField(LabelScale.values, **OPTIONAL)
    original_level = NumberField(FIVE_LEVELS, **OPTIONAL)
    source = WordField(LabelSource.values)  # type: ignore[assignment]
    saw_prediction = FlagField(**OPTIONAL)
    note = TextField(longest=MAX_NOTE_CHARACTERS, blank=True, **OPTIONAL)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Ask for a level on our scale or a five-level one with its scale; two must agree."""
        level, scale, original = (attrs.get(k) for k in ("level", "scale", "original_level"))
        if (scale is None) != (original is None):
            missing = "scale" if scale is None else "original_level"
            raise _field_error(missing, "required", "scale and original_level go together.")
        if level is None and original is None:
            raise _field_error(
                "level", "required", "Either level or scale and original_level is needed."
            )
        if level and original and Level.from_five_level(original).label != level:
            raise _field_error("level", "levels_disagree", "Must agree with original_level.")
        return attrs

    def reported(self) -> Label:
        """Return the checked label on our own scale."""
        values = self.validated_data
        original = values.get("original_level")
        return Label(
            level=(
                Level.from_label(values["level"])
                if values.get("level")
                else Level.from_five_level(original)
            ),
            source=LabelSource(values["source"]),
            saw_prediction=values.get("saw_prediction"),
            scale=values.get("scale") or "",
            original_level=original,
            note=values.get("note") or "",
        )


class LoginSerializer(StrictSerializer):
    """A name and a password."""

    username = TextField(longest=150)
    password = TextField(longest=1_000)
