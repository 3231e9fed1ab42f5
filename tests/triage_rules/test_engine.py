import pytest

from tests.triage_rules.patients import NORMAL, adult
from triage_rules import Level, engine, evaluate
from triage_rules.case import Consciousness, Pregnancy, Symptom, SymptomSeverity, Vitals

ABSENT_BUT_SEVERE = Symptom(name="itch", present=False, severity=SymptomSeverity.SEVERE)


def test_chest_pain_spreading_to_the_arm_is_an_emergency_with_its_reason():
    verdict = evaluate(adult("chest pain radiating to left arm"))

    assert verdict.level is Level.EMERGENCY
    assert verdict.reasons[0] == (
        "Chest pain, radiating to left arm: possible acute coronary syndrome (RF07)."
    )


def test_hard_flags_come_first_then_by_id():
    verdict = evaluate(adult("nosebleed, can't breathe, took all my tablets"))

    assert [flag.id for flag in verdict.red_flags] == ["RF04", "RF30", "RF20"]


@pytest.mark.parametrize(
    ("vitals", "floor"),
    [
        (Vitals(heart_rate=131), "urgent"),
        (Vitals(heart_rate=130), "routine"),
        (Vitals(heart_rate=130, respiratory_rate=21), "routine"),
        (Vitals(heart_rate=130, respiratory_rate=21, temperature_c=38.1), "urgent"),
        (Vitals(heart_rate=130, respiratory_rate=21, temperature_c=39.1), "urgent"),
        (
            Vitals(heart_rate=130, respiratory_rate=24, temperature_c=39.1, systolic_bp=110),
            "emergency",
        ),
    ],
)
def test_the_early_warning_score_sets_its_floor(vitals, floor):
    assert evaluate(adult(vitals=vitals)).floor.label == floor


@pytest.mark.parametrize(
    ("given", "level"),
    [
        ({"vitals": NORMAL}, "routine"),
        ({"vitals": Vitals(heart_rate=111, temperature_c=38.1)}, "soon"),
        ({"vitals": Vitals(heart_rate=111)}, "routine"),
        ({"vitals": Vitals(pain_score=4)}, "soon"),
        ({"vitals": Vitals(pain_score=3)}, "routine"),
        ({"description": "pain 5/10"}, "soon"),
        ({"description": "pain 3/10"}, "routine"),
        ({"vitals": Vitals(temperature_c=38.0)}, "soon"),
        ({"vitals": Vitals(temperature_c=37.9)}, "routine"),
        ({"symptoms": (Symptom(name="itch", severity=SymptomSeverity.SEVERE),)}, "soon"),
        ({"symptoms": (ABSENT_BUT_SEVERE,)}, "routine"),
        ({"description": "excruciating"}, "soon"),
        ({"description": "ankle swollen", "injury": True}, "soon"),
        ({"description": "ankle swollen", "injury": False}, "routine"),
        ({"description": "vomiting"}, "soon"),
        ({"description": "burning when I pee", "vitals": Vitals(temperature_c=38.2)}, "soon"),
        ({"description": "burning when I pee and flank pain"}, "soon"),
        ({"description": "burning when I pee"}, "routine"),
        ({"description": "cough getting worse"}, "soon"),
        ({"description": "wheezy"}, "soon"),
        ({"description": "redness spreading"}, "soon"),
        ({"pregnancy": Pregnancy.PREGNANT}, "soon"),
        ({"description": "20 weeks pregnant"}, "soon"),
        ({"age_years": 75}, "soon"),
        ({"age_years": 74.9}, "routine"),
        ({"age_years": 0.9}, "soon"),
        ({"age_years": 4, "vitals": Vitals(heart_rate=130)}, "soon"),
        ({"age_years": 4, "vitals": Vitals(heart_rate=129)}, "routine"),
        ({"age_years": 4, "vitals": Vitals(respiratory_rate=35)}, "soon"),
        ({"age_years": 4, "vitals": Vitals(spo2=95)}, "soon"),
        ({"age_years": 7, "vitals": Vitals(spo2=95)}, "routine"),
        ({"age_years": 0.3, "vitals": Vitals(temperature_c=39.0)}, "soon"),
        ({"description": "started today and getting worse"}, "soon"),
        ({"symptoms": (Symptom(name="ache worse", duration_hours=3),)}, "soon"),
        ({"symptoms": (Symptom(name="ache worse", duration_hours=90),)}, "routine"),
    ],
)  # fmt: skip
def test_what_makes_a_patient_soon(given, level):
    assert evaluate(adult("sore throat", **given)).level.label == level


@pytest.mark.parametrize(
    ("given", "level", "floor"),
    [
        ({"urgency": Level.ROUTINE}, "routine", "routine"),
        ({"urgency": Level.SOON}, "soon", "routine"),
        ({"urgency": Level.URGENT}, "soon", "routine"),
        ({"urgency": Level.EMERGENCY}, "urgent", "urgent"),
        ({"severity_score": 75}, "soon", "routine"),
        ({"severity_score": 74}, "routine", "routine"),
        ({"severity_score": 100, "urgency": Level.SOON}, "soon", "routine"),
    ],
)
def test_the_callers_own_view_raises_by_a_step_at_most(given, level, floor):
    verdict = evaluate(adult("sore throat", **given))

    assert (verdict.level.label, verdict.floor.label) == (level, floor)


def test_the_callers_own_view_never_lowers():
    verdict = evaluate(adult("can't breathe", urgency=Level.ROUTINE, severity_score=0))

    assert verdict.level is Level.EMERGENCY


def test_an_unknown_complaint_without_measurements_needs_a_person():
    verdict = evaluate(adult("flurb"))

    assert verdict.level is Level.SOON
    assert verdict.needs_human


def test_an_unknown_complaint_with_normal_measurements_is_routine():
    verdict = evaluate(adult("flurb", vitals=NORMAL))

    assert verdict.level is Level.ROUTINE
    assert not verdict.needs_human


@pytest.mark.parametrize(
    "given",
    [
        {"description": "\u0431\u043e\u043b\u0438\u0442 \u0433\u0440\u0443\u0434\u044c"},
        {"description": "x" * 4001},
        {"symptoms": (Symptom(name="itch"),) * 51},
        {"symptoms": (Symptom(name="\u0431\u043e\u043b\u044c"),)},
    ],
)
def test_a_text_that_cannot_be_read_is_urgent_and_needs_a_person(given):
    verdict = evaluate(adult("sore throat", **given))

    assert verdict.text_unparsed
    assert verdict.needs_human
    assert verdict.floor is Level.URGENT


def test_a_matcher_that_breaks_makes_the_text_unparsed(monkeypatch):
    def breaks(case):
        raise RecursionError

    monkeypatch.setattr(engine, "read_case", breaks)
    verdict = evaluate(adult("sore throat", vitals=Vitals(spo2=85)))

    assert verdict.text_unparsed
    assert verdict.level is Level.EMERGENCY


def test_a_denied_symptom_that_the_text_affirms_is_a_conflict_and_keeps_the_flag():
    case = adult("slurred speech", symptoms=(Symptom(name="slurred_speech", present=False),))

    verdict = evaluate(case)

    assert verdict.level is Level.EMERGENCY
    assert verdict.conflicts == (
        '"slurred speech" is marked as absent, but the text says "slurred speech".',
    )


def test_a_denied_symptom_that_the_text_denies_too_is_no_conflict():
    case = adult("no slurred speech", symptoms=(Symptom(name="slurred speech", present=False),))

    assert evaluate(case).conflicts == ()


def test_thoughts_of_suicide_need_a_person_at_once_though_only_urgent():
    verdict = evaluate(adult("suicidal thoughts"))

    assert verdict.level is Level.URGENT
    assert verdict.needs_human


def test_a_flag_that_fired_by_words_is_not_unassessed():
    verdict = evaluate(adult("drowsy"))

    assert "RF02" not in verdict.unassessed
    assert "RF05" in verdict.unassessed


def test_everything_measured_leaves_nothing_unassessed():
    assert evaluate(adult(vitals=NORMAL)).unassessed == ()


def test_fever_headache_and_an_altered_letter_count_as_an_altered_mind():
    vitals = Vitals(temperature_c=39, consciousness=Consciousness.VOICE)

    assert "RF12" in {flag.id for flag in evaluate(adult("stiff neck", vitals=vitals)).red_flags}


def test_a_sugar_of_3_5_with_an_altered_letter_is_low():
    vitals = Vitals(glucose_mmol_l=3.5, consciousness=Consciousness.CONFUSED)

    assert "RF29" in {flag.id for flag in evaluate(adult(vitals=vitals)).red_flags}
