"""Named patients and the clinical tables of these tests."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from triage_rules.case import Consciousness, TriageCase, Vitals, case_from_request

_TABLES = Path(__file__).parent / "tables"
_AS_SENT = (
    "allergies", "injury", "medications", "pregnancy", "reported_by", "severity_score", "sex",
    "urgency", "vitals",
)  # fmt: skip

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


def tables_in(folder: str) -> list[str]:
    """Return the names of the tables of a folder, in order."""
    return sorted(path.stem for path in (_TABLES / folder).glob("*.toml"))


def adult(complaint: str = "sore throat", /, **given: Any) -> TriageCase:
    """Return a patient of 30 years with nothing measured, save what is given."""
    return TriageCase(**{"chief_complaint": complaint, "age_years": 30, **given})


def case_of(row: dict[str, Any]) -> TriageCase:
    """Return the patient that a row of a table describes; the rest of its keys are not read."""
    symptoms = [{"name": s} if isinstance(s, str) else s for s in row.get("symptoms", ())]
    age = {} if "age_days" in row else {"patient_age": row.get("age", 30)}
    return case_from_request(
        {
            "symptoms_data": {
                "chief_complaint": row.get("says", "see measurements"),
                "description": row.get("description", ""),
                "symptoms": symptoms,
            },
            **age,
            "patient_age_days": row.get("age_days"),
            "medical_history": row.get("history", ()),
            **{name: row[name] for name in _AS_SENT if name in row},
        }
    )
