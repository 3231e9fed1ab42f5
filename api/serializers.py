"""What a request may hold, generated from the feature schema; the medicine stands elsewhere."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from api.fields import (
    CodeField,
    FlagField,
    NumberField,
    ShortListField,
    StrictSerializer,
    TemperatureField,
    TextField,
    WordField,
)
from ml import schema
from ml.schema import InputField, Kind, Presence
from monitoring.labels import (
    LEVEL_WORDS,
    MAX_NOTE_CHARACTERS,
    Label,
    LabelScale,
    LabelSource,
    level_said,
)
from triage_rules.case import DAYS_PER_YEAR, Range
from triage_rules.level import Level

OPTIONAL: dict[str, Any] = {"required": False, "allow_null": True}
FIVE_LEVELS = Range(1, 5, "(1 is the most urgent)", whole=True)


def request_field(spec: InputField) -> serializers.Field[Any, Any, Any, Any]:
    """Return the field that checks what the schema says of one value."""
    options = {} if spec.presence is Presence.REQUIRED else OPTIONAL
    if spec.range is not None:
        number = TemperatureField if spec.unit == "°C" else NumberField
        return number(spec.range, **options)
    if spec.categories:
        return WordField(spec.categories, **options)
    if spec.longest is None:
        return FlagField(**options)
    if spec.most is not None:
        entry = TextField(longest=spec.longest)
        return ShortListField(child=entry, max_length=spec.most, **options)
    if spec.kind is Kind.CODE:
        return CodeField(longest=spec.longest, **options)
    return TextField(longest=spec.longest, blank=spec.may_be_blank, **options)


def _field_error(field: str, code: str, detail: str) -> serializers.ValidationError:
    return serializers.ValidationError({field: [serializers.ErrorDetail(detail, code=code)]})


class SchemaSerializer(StrictSerializer):
    """One part of a request: the fields of the schema, and those declared here as objects."""

    part: str

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Return the fields in the order of the schema, the declared ones in their place."""
        declared = super().get_fields()
        generated = {
            spec.key: declared[spec.key] if spec.key in declared else request_field(spec)
            for spec in schema.fields_of(self.part)
        }
        return generated | declared


class SymptomSerializer(SchemaSerializer):
    """One structured finding."""

    part = schema.SYMPTOM


class SymptomsDataSerializer(SchemaSerializer):
    """What the patient says."""

    part = schema.WORDS
    symptoms = ShortListField(
        child=SymptomSerializer(), max_length=schema.field("symptoms").most, **OPTIONAL
    )


class VitalsSerializer(SchemaSerializer):
    """What was measured; the accepted ranges stand in ``triage_rules.case``."""

    part = schema.VITALS

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse pressures that were swapped."""
        systolic, diastolic = attrs.get("systolic_bp"), attrs.get("diastolic_bp")
        if systolic is not None and diastolic is not None and diastolic >= systolic:
            raise _field_error("diastolic_bp", "not_below_systolic", "Must be below systolic_bp.")
        return attrs


def _needs(name: str, kind: str) -> dict[str, Any]:
    """Say in the terms of a schema that a field must be there and not null."""
    return {"required": [name], "properties": {name: {"type": kind}}}


class TriageRequestSerializer(SchemaSerializer):
    """The body of a triage request."""

    part = schema.TOP
    schema_rules = {
        "anyOf": [_needs("patient_age", "number"), _needs("patient_age_days", "integer")]
    }
    symptoms_data = SymptomsDataSerializer()
    vitals = VitalsSerializer(**OPTIONAL)

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


_ON_OUR_LEVELS: dict[str, Any] = {
    "required": ["level"],
    "properties": {
        "level": {"type": "string"},
        "scale": {"type": "null"},
        "original_level": {"type": "null"},
    },
}


def _on_five_levels(original: int) -> dict[str, Any]:
    """Say in the terms of a schema what goes with one level of a five-level scale."""
    return {
        "required": ["scale", "original_level"],
        "properties": {
            "scale": {"type": "string"},
            "original_level": {"const": original},
            "level": {"enum": [Level.from_five_level(original).label, None]},
        },
    }


class GroundTruthSerializer(StrictSerializer):
    """What was right, as a clinician, an outcome or an audit says."""

    schema_rules = {"anyOf": [_ON_OUR_LEVELS, *map(_on_five_levels, range(1, 6))]}
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
        try:
            level_said(level, original=original)
        except ValueError:
            raise _field_error(
                "level", "levels_disagree", "Must agree with original_level."
            ) from None
        return attrs

    def reported(self) -> Label:
        """Return the checked label on our own scale."""
        values = self.validated_data
        original = values.get("original_level")
        return Label(
            level=level_said(values.get("level"), original=original),
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
