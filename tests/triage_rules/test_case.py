import pytest

from triage_rules.case import (
    Consciousness,
    Pregnancy,
    ReportedBy,
    SymptomSeverity,
    TriageCase,
    Vitals,
    case_from_request,
)
from triage_rules.level import Level


def test_a_full_request_becomes_a_case():
    case = case_from_request(
        {
            "patient_age": 57,
            "urgency": "soon",
            "reported_by": "carer",
            "symptoms_data": {
                "chief_complaint": "cough",
                "symptoms": [
                    {"name": "itch", "severity": "mild"},
                    {"name": "rash", "present": False},
                ],
            },
            "vitals": {"consciousness": "A", "heart_rate": 80, "spo2": None},
            "medications": ["aspirin"],
        }
    )

    assert (case.age, case.urgency, case.reported_by) == (57, Level.SOON, ReportedBy.CARER)
    assert case.vitals == Vitals(consciousness=Consciousness.ALERT, heart_rate=80)
    assert [symptom.present for symptom in case.symptoms] == [True, False]
    assert case.symptoms[0].severity is SymptomSeverity.MILD
    assert case.medications == ("aspirin",)


def test_what_is_not_sent_is_not_known():
    case = case_from_request({"patient_age_days": 10, "symptoms_data": {"chief_complaint": "cry"}})

    assert case.age == pytest.approx(10 / 365.25)
    assert case.pregnancy is Pregnancy.UNKNOWN
    assert "spo2" in case.vitals.missing


def test_a_case_without_an_age_is_refused_when_asked():
    with pytest.raises(ValueError, match="age"):
        _ = TriageCase(chief_complaint="cough").age
