"""One patient as the service sees them: what was said, what was measured, what is not known.

Units are in the names. ``None`` always means "not known", never "normal".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any

from triage_rules.level import Level

DAYS_PER_YEAR = 365.25


class Sex(StrEnum):
    FEMALE = "female"
    MALE = "male"
    OTHER = "other"
    UNKNOWN = "unknown"


class Pregnancy(StrEnum):
    PREGNANT = "pregnant"
    POSTPARTUM = "postpartum"
    NOT_PREGNANT = "not_pregnant"
    UNKNOWN = "unknown"


class ArrivalMode(StrEnum):
    WALK_IN = "walk_in"
    AMBULANCE = "ambulance"
    OTHER = "other"
    UNKNOWN = "unknown"


class ReportedBy(StrEnum):
    PATIENT = "patient"
    CARER = "carer"
    CLINICIAN = "clinician"


class Consciousness(StrEnum):
    """ACVPU: alert, new confusion, responds to voice, to pain, unresponsive."""

    ALERT = "A"
    CONFUSED = "C"
    VOICE = "V"
    PAIN = "P"
    UNRESPONSIVE = "U"


class SymptomSeverity(StrEnum):
    MILD = "mild"
    MODERATE = "moderate"
    SEVERE = "severe"


@dataclass(frozen=True, slots=True)
class Range:
    """The hard limits of a measured value, both accepted, and whether it must be whole."""

    low: float
    high: float
    unit: str
    whole: bool = False


# What a monitor can show at all, wide enough for the sickest patient: a value outside is a slip.
VITAL_RANGES: Mapping[str, Range] = {
    "heart_rate": Range(0, 350, "/min"),
    "respiratory_rate": Range(0, 120, "/min"),
    "spo2": Range(20, 100, "%"),
    "systolic_bp": Range(20, 375, "mmHg"),
    "diastolic_bp": Range(5, 300, "mmHg"),
    "temperature_c": Range(20.0, 46.0, "°C"),
    "gcs": Range(3, 15, "points", whole=True),
    "pain_score": Range(0, 10, "points", whole=True),
    "glucose_mmol_l": Range(0.3, 80.0, "mmol/L"),
}
AGE_YEARS_RANGE = Range(0, 125, "years")
AGE_DAYS_RANGE = Range(0, 45_656, "days", whole=True)
SEVERITY_SCORE_RANGE = Range(0, 100, "points")
MAX_COMPLAINT_CHARACTERS = 2_000
MAX_DESCRIPTION_CHARACTERS = 4_000
MAX_SYMPTOMS = 50
MAX_LIST_ENTRIES = 50
MAX_ENTRY_CHARACTERS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """What was measured at the door."""

    heart_rate: float | None = None
    respiratory_rate: float | None = None
    spo2: float | None = None
    spo2_scale: int = 1
    on_oxygen: bool | None = None
    systolic_bp: float | None = None
    diastolic_bp: float | None = None
    temperature_c: float | None = None
    consciousness: Consciousness | None = None
    gcs: int | None = None
    pain_score: int | None = None
    glucose_mmol_l: float | None = None

    @property
    def missing(self) -> tuple[str, ...]:
        """The names of the measurements that are not known, in the order of the fields."""
        return tuple(f.name for f in fields(self) if getattr(self, f.name) is None)


MEASURED = tuple(field.name for field in fields(Vitals) if field.name != "spo2_scale")


@dataclass(frozen=True, slots=True, kw_only=True)
class Symptom:
    """One structured finding: asked for, and there or not."""

    name: str
    present: bool = True
    severity: SymptomSeverity | None = None
    duration_hours: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TriageCase:
    """Everything both deciders may look at.

    ``urgency`` and ``severity_score`` are the caller's own view; they are never model features,
    which would teach it to repeat them. ``site`` is where the patient is; no rule looks at it.
    """

    chief_complaint: str
    age_years: float | None = None
    age_days: int | None = None
    description: str = ""
    symptoms: tuple[Symptom, ...] = ()
    vitals: Vitals = field(default_factory=Vitals)
    sex: Sex = Sex.UNKNOWN
    pregnancy: Pregnancy = Pregnancy.UNKNOWN
    urgency: Level | None = None
    severity_score: float | None = None
    arrival_mode: ArrivalMode = ArrivalMode.UNKNOWN
    injury: bool | None = None
    reported_by: ReportedBy | None = None
    medical_history: tuple[str, ...] = ()
    medications: tuple[str, ...] = ()
    allergies: tuple[str, ...] = ()
    site: str = ""

    @property
    def age(self) -> float:
        """Age in years, from the days where they were given."""
        if self.age_days is not None:
            return self.age_days / DAYS_PER_YEAR
        if self.age_years is not None:
            return self.age_years
        raise ValueError("a case needs age_years or age_days")


def case_from_request(request: Mapping[str, Any]) -> TriageCase:
    """Build a case from a request body of the triage API (design: section 4).

    Parameters
    ----------
    request
        A validated body. Absent and null fields mean "not known"; ids are passed over.

    Returns
    -------
    TriageCase

    Raises
    ------
    KeyError, ValueError
        When the complaint is absent or a word is not of its enumeration: the caller did not
        validate.
    """
    symptoms_data = request["symptoms_data"]
    urgency = request.get("urgency")
    return TriageCase(
        chief_complaint=symptoms_data["chief_complaint"],
        description=symptoms_data.get("description") or "",
        symptoms=tuple(_symptom(item) for item in symptoms_data.get("symptoms") or ()),
        age_years=request.get("patient_age"),
        age_days=request.get("patient_age_days"),
        vitals=_vitals(request.get("vitals") or {}),
        sex=Sex(request.get("sex") or Sex.UNKNOWN),
        pregnancy=Pregnancy(request.get("pregnancy") or Pregnancy.UNKNOWN),
        urgency=None if urgency is None else Level.from_label(urgency),
        severity_score=request.get("severity_score"),
        arrival_mode=ArrivalMode(request.get("arrival_mode") or ArrivalMode.UNKNOWN),
        injury=request.get("injury"),
        reported_by=ReportedBy(request["reported_by"]) if request.get("reported_by") else None,
        medical_history=_entries(request.get("medical_history")),
        medications=_entries(request.get("medications")),
        allergies=_entries(request.get("allergies")),
        site=request.get("site") or "",
    )


def _entries(values: Sequence[str] | None) -> tuple[str, ...]:
    return tuple(values or ())


def _symptom(item: Mapping[str, Any]) -> Symptom:
    severity = item.get("severity")
    present = item.get("present")
    return Symptom(
        name=item["name"],
        present=True if present is None else present,
        severity=None if severity is None else SymptomSeverity(severity),
        duration_hours=item.get("duration_hours"),
    )


def _vitals(values: Mapping[str, Any]) -> Vitals:
    known = {name: value for name, value in values.items() if value is not None}
    if "consciousness" in known:
        known["consciousness"] = Consciousness(known["consciousness"])
    return Vitals(**known)
