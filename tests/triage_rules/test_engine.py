from dataclasses import replace

import pytest

from tests.triage_rules.patients import NORMAL, adult
from triage_rules import Level, evaluate, inquiry
from triage_rules.case import Consciousness, Pregnancy, Symptom, SymptomSeverity, Vitals
from triage_rules.ruleset import ruleset_current

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
        ({"age_years": 5, "vitals": Vitals(heart_rate=120)}, "soon"),
        ({"age_years": 5, "vitals": Vitals(heart_rate=119)}, "routine"),
        ({"age_years": 5, "vitals": Vitals(respiratory_rate=24)}, "soon"),
        ({"age_years": 5, "vitals": Vitals(respiratory_rate=23)}, "routine"),
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

    monkeypatch.setattr(inquiry, "read_case", breaks)
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


CHEST_PAIN = "chest pain radiating to left arm, slurred speech"


class SecretError(Exception):
    """Carries the patient's words, as any exception may."""


def fails(*_):
    raise SecretError(CHEST_PAIN)


def failing(rule):
    return replace(rule, ask=fails, needs=(), only_if=None)


def ruleset_with(*, rules=(), signs=()):
    today = ruleset_current()
    return replace(
        today,
        rules=tuple(failing(r) if r.id in rules else r for r in today.rules),
        signs=tuple(replace(s, ask=fails) if s.name in signs else s for s in today.signs),
    )


def everything_logged(caplog):
    return " ".join(str(vars(record)) for record in caplog.records)


def test_a_rule_that_fails_leaves_all_other_flags_and_asks_for_a_person(caplog):
    verdict = evaluate(adult(CHEST_PAIN), ruleset=ruleset_with(rules=["RF07"]))

    assert [flag.id for flag in verdict.red_flags] == ["RF10"]
    assert "RF07" in verdict.unassessed
    assert verdict.needs_human
    assert "Rule RF07 could not be judged: a person must look." in verdict.reasons
    assert {record.rule_id for record in caplog.records} == {"RF07"}
    assert "chest" not in everything_logged(caplog)


def test_a_rule_that_fails_sets_the_floor_at_urgent():
    verdict = evaluate(adult(vitals=NORMAL), ruleset=ruleset_with(rules=["RF07"]))

    assert verdict.floor is Level.URGENT
    assert not verdict.text_unparsed


def test_a_flag_with_a_line_that_failed_fires_by_its_other_lines_and_stays_unassessed():
    today = ruleset_current()
    first = next(rule for rule in today.rules if rule.id == "RF02")
    rules = tuple(replace(r, ask=fails) if r is first else r for r in today.rules)

    verdict = evaluate(adult("drowsy"), ruleset=replace(today, rules=rules))

    assert [flag.id for flag in verdict.red_flags] == ["RF02"]
    assert "RF02" in verdict.unassessed


@pytest.mark.parametrize("wrong", [{"needs": ("no_such_vital",)}, {"ask": lambda _: True}])
def test_a_rule_that_is_written_wrongly_is_a_rule_that_fails(wrong):
    today = ruleset_current()
    rules = tuple(replace(r, **wrong) if r.id == "RF07" else r for r in today.rules)

    verdict = evaluate(adult(CHEST_PAIN), ruleset=replace(today, rules=rules))

    assert [flag.id for flag in verdict.red_flags] == ["RF10"]
    assert "RF07" in verdict.unassessed


def test_every_rule_may_fail_at_once():
    every = {rule.id for rule in ruleset_current().rules}
    infant = adult("worried about a seizure", age_days=20)

    verdict = evaluate(infant, ruleset=ruleset_with(rules=every))

    assert verdict.level is Level.URGENT
    assert set(verdict.unassessed) == every


def test_a_sign_that_fails_is_soon_and_asks_for_a_person(caplog):
    failing = ruleset_with(signs=["Wheeze or a worsening cough"])
    verdict = evaluate(adult(vitals=NORMAL), ruleset=failing)

    assert (verdict.level, verdict.floor) == (Level.SOON, Level.ROUTINE)
    assert verdict.needs_human
    assert verdict.reasons == (
        '"Wheeze or a worsening cough" could not be judged: a person must look.',
    )
    assert "chest" not in everything_logged(caplog)


def test_a_sign_that_fails_leaves_the_flags_and_the_other_signs():
    failing = ruleset_with(signs=["Wheeze or a worsening cough"])
    verdict = evaluate(adult(CHEST_PAIN, vitals=Vitals(pain_score=6)), ruleset=failing)

    assert [flag.id for flag in verdict.red_flags] == ["RF07", "RF10"]
    assert "Moderate pain or more: pain 6/10." in verdict.reasons


def test_a_reader_that_fails_logs_the_kind_of_error_and_no_words(monkeypatch, caplog):
    monkeypatch.setattr(inquiry, "read_case", fails)
    verdict = evaluate(adult(CHEST_PAIN, vitals=Vitals(spo2=85)))

    assert [flag.id for flag in verdict.red_flags] == ["RF04", "RF05"]
    assert [record.error for record in caplog.records] == ["SecretError"]
    assert "chest" not in everything_logged(caplog)
