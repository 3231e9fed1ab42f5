"""The one list of what a case may hold: API, data sets, model and card all read it.

The accepted ranges stay in ``triage_rules.case``; here each field refers to its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import KW_ONLY, dataclass
from enum import StrEnum
from operator import attrgetter
from typing import Any

from triage_rules.case import (
    AGE_DAYS_RANGE,
    AGE_YEARS_RANGE,
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
    TriageCase,
)
from triage_rules.level import Level

SCHEMA = "triage-input"
# Raised with every change of a field: tests/ml/test_schema.py holds the digest of this version.
SCHEMA_VERSION = 1

MAX_CODE_CHARACTERS = 64
MAX_ID_CHARACTERS = 255
DURATION_RANGE = Range(0, 125 * 366 * 24, "hours")
SPO2_SCALES = Range(1, 2, "(scale 1 or scale 2)", whole=True)
LEVEL_WORDS = tuple(level.label for level in Level)

# Where in a request a field stands.
TOP = ""
VITALS = "vitals"
WORDS = "symptoms_data"
SYMPTOM = "symptoms_data.symptoms[]"


class Kind(StrEnum):
    """What a value is in JSON, and how it is checked."""

    NUMBER = "number"
    WHOLE = "whole number"
    CATEGORY = "category"
    FLAG = "flag"
    TEXT = "text"
    CODE = "code"
    LIST = "list"


class Presence(StrEnum):
    """Whether a request may leave a field out."""

    REQUIRED = "required"
    ONE_AGE = "one of patient_age and patient_age_days"
    OPTIONAL = "optional"


@dataclass(frozen=True, slots=True)
class InputField:
    """One field of a request.

    Attributes
    ----------
    name
        Its name in this schema, which no other field has; ``symptom_`` and the key in a symptom.
    label
        What people call it.
    kind
        What its value is.
    part
        The object of the request it stands in: ``VITALS``, ``WORDS``, ``SYMPTOM`` or ``TOP``.
    attribute
        Where a ``TriageCase`` keeps it; None where the case does not.
    presence
        Whether it may be left out.
    range
        Lowest and highest accepted value with the unit; None where it is not a number.
    usual
        What adults in training data may have; outside it the model abstains. None: no limit.
    categories
        The words accepted, in their order.
    longest
        Most characters of a text, or of each entry of a list.
    most
        Most entries of a list.
    may_be_blank
        Whether an empty text is accepted.
    modelled
        Whether a model may use it.
    """

    name: str
    label: str
    kind: Kind
    _: KW_ONLY
    part: str = TOP
    attribute: str | None = None
    presence: Presence = Presence.OPTIONAL
    range: Range | None = None
    usual: Range | None = None
    categories: tuple[str, ...] = ()
    longest: int | None = None
    most: int | None = None
    may_be_blank: bool = False
    modelled: bool = True

    @property
    def key(self) -> str:
        """Its key in the object it stands in."""
        return self.name.removeprefix("symptom_") if self.part == SYMPTOM else self.name

    @property
    def path(self) -> str:
        """Where it stands in the request, as ``vitals.heart_rate``."""
        return f"{self.part}.{self.key}" if self.part else self.key

    @property
    def unit(self) -> str:
        """The unit of a number, empty for everything else."""
        return self.range.unit if self.range else ""

    def as_dict(self) -> dict[str, Any]:
        """Return the field as plain data."""
        return {
            "name": self.name,
            "label": self.label,
            "kind": self.kind.value,
            "path": self.path,
            "presence": self.presence.value,
            "unit": self.unit,
            "accepted": _ends(self.range),
            "usual": _ends(self.usual),
            "categories": [str(word) for word in self.categories],
            "longest": self.longest,
            "most": self.most,
            "may_be_blank": self.may_be_blank,
            "modelled": self.modelled,
        }


def field(name: str) -> InputField:
    """Return the field of that name; KeyError when there is none."""
    return _BY_NAME[name]


def fields_of(part: str) -> tuple[InputField, ...]:
    """Return the fields that stand in one part of the request, in order."""
    return tuple(each for each in FIELDS if each.part == part)


def usual_range(name: str) -> Range | None:
    """Return what adults in training data may have of a field; None where nothing limits it."""
    return field(name).usual


def value_of(case: TriageCase, name: str) -> Any:
    """Return what ``case`` holds of a field; None, or an empty text or list, is "not known".

    Raises
    ------
    KeyError
        When there is no such field, or a case does not keep it: ids, and the parts of one symptom.
    """
    attribute = field(name).attribute
    if attribute is None:
        raise KeyError(name)
    return attrgetter(attribute)(case)


def digest() -> str:
    """Return the SHA-256 of the fields, as 64 hexadecimal digits."""
    canonical = json.dumps(
        [each.as_dict() for each in FIELDS], sort_keys=True, separators=(",", ":")
    )
    return hashlib.sha256(canonical.encode()).hexdigest()


def as_dict() -> dict[str, Any]:
    """Return the schema as plain data, as it stands in the metadata of a version."""
    return {
        "name": SCHEMA,
        "version": SCHEMA_VERSION,
        "digest": digest(),
        "fields": [each.as_dict() for each in FIELDS],
    }


def as_markdown() -> str:
    """Return the schema as a table for people."""
    lines = [
        "| field | what | kind | unit | accepted | usual (adults) | presence | model |",
        "|---|---|---|---|---|---|---|---|",
        *(_markdown_row(each) for each in FIELDS),
    ]
    return "\n".join(lines) + "\n"


def _markdown_row(each: InputField) -> str:
    cells = (
        f"`{each.path}`",
        each.label,
        each.kind.value,
        each.unit,
        _accepted(each),
        _interval(each.usual),
        each.presence.value,
        "yes" if each.modelled else "never",
    )
    return "| " + " | ".join(cells) + " |"


def _accepted(each: InputField) -> str:
    if each.categories:
        return ", ".join(f"`{word}`" for word in each.categories)
    if each.most is not None:
        entries = f"up to {each.most:,}"
        return entries if each.longest is None else f"{entries} of {each.longest:,} characters"
    if each.longest is not None:
        return f"up to {each.longest:,} characters"
    return _interval(each.range) if each.range else "true, false"


def _interval(limits: Range | None) -> str:
    return f"{limits.low:,.9g} to {limits.high:,.9g}" if limits else ""


def _ends(limits: Range | None) -> list[float] | None:
    return [limits.low, limits.high] if limits else None


def _identifier(name: str, label: str, *, kind: Kind, longest: int) -> InputField:
    return InputField(name, label, kind, longest=longest, modelled=False)


def _category(name: str, label: str, words: Iterable[str], *, modelled: bool = True) -> InputField:
    return InputField(
        name,
        label,
        Kind.CATEGORY,
        attribute=name,
        categories=tuple(str(word) for word in words),
        modelled=modelled,
    )


def _vital(name: str, label: str, *, usual: tuple[float, float] | None = None) -> InputField:
    accepted = VITAL_RANGES[name]
    return InputField(
        name,
        label,
        Kind.WHOLE if accepted.whole else Kind.NUMBER,
        part=VITALS,
        attribute=f"vitals.{name}",
        range=accepted,
        usual=Range(*usual, accepted.unit) if usual else None,
    )


def _entries(name: str, label: str) -> InputField:
    return InputField(
        name,
        label,
        Kind.LIST,
        attribute=name,
        longest=MAX_ENTRY_CHARACTERS,
        most=MAX_LIST_ENTRIES,
    )


# Beyond the usual ranges, those of adults, no training set has rows to learn from. The caller's own
# urgency and score are never model features: a model would learn to repeat them.
# Sites triage differently, so a model may know them; who reported says more of the place than of
# the patient.
FIELDS: tuple[InputField, ...] = (
    _identifier("patient_id", "patient", kind=Kind.TEXT, longest=MAX_ID_CHARACTERS),
    _identifier("encounter_id", "visit", kind=Kind.TEXT, longest=MAX_ID_CHARACTERS),
    _identifier(
        "triage_log_id", "caller's own reference", kind=Kind.CODE, longest=MAX_CODE_CHARACTERS
    ),
    InputField("site", "site", Kind.CODE, attribute="site", longest=MAX_CODE_CHARACTERS),
    InputField(
        "patient_age",
        "age in years",
        Kind.NUMBER,
        attribute="age_years",
        presence=Presence.ONE_AGE,
        range=AGE_YEARS_RANGE,
    ),
    InputField(
        "patient_age_days",
        "age in days",
        Kind.WHOLE,
        attribute="age_days",
        presence=Presence.ONE_AGE,
        range=AGE_DAYS_RANGE,
    ),
    _category("sex", "sex", Sex),
    _category("pregnancy", "pregnancy", Pregnancy),
    _category("urgency", "caller's urgency", LEVEL_WORDS, modelled=False),
    InputField(
        "severity_score",
        "caller's severity score",
        Kind.NUMBER,
        attribute="severity_score",
        range=SEVERITY_SCORE_RANGE,
        modelled=False,
    ),
    _category("arrival_mode", "way of arrival", ArrivalMode),
    InputField("injury", "injury", Kind.FLAG, attribute="injury"),
    _category("reported_by", "who reported", ReportedBy, modelled=False),
    InputField(
        "chief_complaint",
        "chief complaint",
        Kind.TEXT,
        part=WORDS,
        attribute="chief_complaint",
        presence=Presence.REQUIRED,
        longest=MAX_COMPLAINT_CHARACTERS,
    ),
    InputField(
        "description",
        "description",
        Kind.TEXT,
        part=WORDS,
        attribute="description",
        longest=MAX_DESCRIPTION_CHARACTERS,
        may_be_blank=True,
    ),
    InputField(
        "symptoms", "symptoms", Kind.LIST, part=WORDS, attribute="symptoms", most=MAX_SYMPTOMS
    ),
    InputField(
        "symptom_name",
        "name of a symptom",
        Kind.TEXT,
        part=SYMPTOM,
        presence=Presence.REQUIRED,
        longest=MAX_ENTRY_CHARACTERS,
    ),
    InputField("symptom_present", "whether a symptom is there", Kind.FLAG, part=SYMPTOM),
    InputField(
        "symptom_severity",
        "severity of a symptom",
        Kind.CATEGORY,
        part=SYMPTOM,
        categories=tuple(SymptomSeverity),
    ),
    InputField(
        "symptom_duration_hours",
        "duration of a symptom",
        Kind.NUMBER,
        part=SYMPTOM,
        range=DURATION_RANGE,
    ),
    _vital("heart_rate", "heart rate", usual=(30, 220)),
    _vital("respiratory_rate", "respiratory rate", usual=(6, 60)),
    _vital("spo2", "oxygen saturation", usual=(70, 100)),
    InputField(
        "spo2_scale",
        "oxygen saturation scale of NEWS2",
        Kind.WHOLE,
        part=VITALS,
        attribute="vitals.spo2_scale",
        range=SPO2_SCALES,
    ),
    InputField("on_oxygen", "on oxygen", Kind.FLAG, part=VITALS, attribute="vitals.on_oxygen"),
    _vital("systolic_bp", "systolic blood pressure", usual=(60, 260)),
    _vital("diastolic_bp", "diastolic blood pressure", usual=(25, 160)),
    _vital("temperature_c", "temperature", usual=(32, 42)),
    InputField(
        "consciousness",
        "consciousness (ACVPU)",
        Kind.CATEGORY,
        part=VITALS,
        attribute="vitals.consciousness",
        categories=tuple(Consciousness),
    ),
    _vital("gcs", "Glasgow Coma Scale"),
    _vital("pain_score", "pain score"),
    _vital("glucose_mmol_l", "blood glucose", usual=(3.0, 30)),
    _entries("medical_history", "medical history"),
    _entries("medications", "medications"),
    _entries("allergies", "allergies"),
)
_BY_NAME: Mapping[str, InputField] = {each.name: each for each in FIELDS}
