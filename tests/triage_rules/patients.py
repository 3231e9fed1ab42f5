"""Named patients and the clinical tables of these tests."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from triage_rules.case import Consciousness, Symptom, TriageCase, Vitals

_TABLES = Path(__file__).parent / "tables"

NORMAL = Vitals(
    heart_rate=72,
    respiratory_rate=16,
    spo2=98,
    on_oxygen=False,
    systolic_bp=124,
    diastolic_bp=78,
    temperature_c=36.8,
    consciousness=Consciousness.ALERT,
    gcs=15,
    pain_score=1,
    glucose_mmol_l=5.6,
)


def table(name: str) -> dict[str, Any]:
    """Return one table of cases."""
    return tomllib.loads((_TABLES / f"{name}.toml").read_text(encoding="utf-8"))


def adult(complaint: str = "sore throat", /, **given: Any) -> TriageCase:
    """Return a patient of 30 years with nothing measured, save what is given."""
    return TriageCase(**{"chief_complaint": complaint, "age_years": 30, **given})


def case_of(row: dict[str, Any]) -> TriageCase:
    """Return the patient that a row of a table describes."""
    symptoms = tuple(Symptom(name=name) for name in row.get("symptoms", ()))
    return TriageCase(
        chief_complaint=row.get("says", "see measurements"),
        age_years=row.get("age", 30),
        vitals=Vitals(**row.get("vitals", {})),
        symptoms=symptoms,
        medications=tuple(row.get("medications", ())),
        medical_history=tuple(row.get("history", ())),
    )
