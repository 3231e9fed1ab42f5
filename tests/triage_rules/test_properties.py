"""What holds for every patient: rules only raise, and nothing but the patient counts."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.triage_rules.patients import NORMAL, table
from triage_rules import evaluate
from triage_rules.case import (
    VITAL_RANGES,
    Consciousness,
    Pregnancy,
    ReportedBy,
    Symptom,
    SymptomSeverity,
    TriageCase,
    Vitals,
)
from triage_rules.level import Level
from triage_rules.ruleset import ruleset_current
from triage_rules.scores.bands import HIGH_RISK, NICE_HIGH, NICE_MODERATE, PALS, read_band

FLAGS = ("RF01", "RF03", "RF04", "RF06", "RF07", "RF10", "RF12", "RF13", "RF20", "RF30", "RF31")
POSITIVE = sorted({words for flag in FLAGS for words in table(f"flags/{flag}")["emergency"]})
PLAIN = table("benign")["complaints"]


def number(name):
    limits = VITAL_RANGES[name]
    if limits.whole:
        return st.integers(int(limits.low), int(limits.high))
    return st.floats(limits.low, limits.high, allow_nan=False)


vitals = st.builds(
    Vitals,
    **{name: st.none() | number(name) for name in VITAL_RANGES},
    spo2_scale=st.sampled_from([1, 2]),
    on_oxygen=st.none() | st.booleans(),
    consciousness=st.none() | st.sampled_from(Consciousness),
)
words = st.sampled_from(POSITIVE + PLAIN) | st.text(max_size=80)
symptoms = st.builds(
    Symptom,
    name=words,
    present=st.booleans(),
    severity=st.none() | st.sampled_from(SymptomSeverity),
    duration_hours=st.none() | st.floats(0, 1000),
)
cases = st.builds(
    TriageCase,
    chief_complaint=words.filter(bool),
    description=words,
    age_years=st.floats(0, 125),
    symptoms=st.lists(symptoms, max_size=4).map(tuple),
    vitals=vitals,
    pregnancy=st.sampled_from(Pregnancy),
    urgency=st.none() | st.sampled_from(Level),
    severity_score=st.none() | st.floats(0, 100),
    injury=st.none() | st.booleans(),
    reported_by=st.none() | st.sampled_from(ReportedBy),
    medical_history=st.lists(words, max_size=3).map(tuple),
    medications=st.lists(words, max_size=3).map(tuple),
)


def assert_not_lower(before, after):
    assert after.level >= before.level
    assert after.floor >= before.floor


@given(cases)
def test_no_input_raises_and_the_level_keeps_the_floor(case):
    verdict = evaluate(case)

    assert verdict.level >= verdict.floor
    assert 0 <= verdict.severity_score <= 100


MEASURED = [*VITAL_RANGES, "on_oxygen", "consciousness"]
adults = st.floats(16, 125)
children = st.floats(0, 16, exclude_max=True)


@given(cases, st.sampled_from(MEASURED), adults)
def test_a_missing_value_never_lowers_what_a_normal_one_gave(case, name, age):
    """The other values are whatever they are, abnormal ones included."""
    case = replace(case, age_years=age)
    normal = with_vital(case, name, normal_for_an_adult(name, case.vitals))

    assert_not_lower(evaluate(normal), evaluate(with_vital(case, name, None)))


@given(cases, st.sampled_from(MEASURED), children, st.data())
def test_a_missing_value_never_lowers_what_a_normal_one_gave_a_child(case, name, age, data):
    """Normal for a child: inside the ESI-informed band of the age and not in a NICE moderate row.

    That is a heart and breathing rate not above the ESI-informed limit and below the NICE moderate
    one, SpO2 from 96 %, a systolic pressure from the PALS limit on, and a temperature from 36.0 to
    37.9 degrees; alert, GCS 15, on air, at most mild pain, a sugar from 4.0 to 7.8 mmol/L. The
    other values are whatever they are, abnormal ones included.
    """
    case = replace(case, age_years=age)
    normal = with_vital(case, name, data.draw(normal_for_a_child(name, age)))

    assert_not_lower(evaluate(normal), evaluate(with_vital(case, name, None)))


@given(
    st.sampled_from(PLAIN), st.lists(st.sampled_from(MEASURED), unique=True), children, st.data()
)
def test_no_set_of_normal_values_of_a_child_raises_more_than_nothing_measured(
    complaint, names, age, data
):
    """Normal as above; here each value beside other normal ones."""
    normal = {name: data.draw(normal_for_a_child(name, age)) for name in names}
    unmeasured = TriageCase(chief_complaint=complaint, age_years=age)

    assert_not_lower(evaluate(replace(unmeasured, vitals=Vitals(**normal))), evaluate(unmeasured))


def with_vital(case, name, value):
    return replace(case, vitals=replace(case.vitals, **{name: value}))


def normal_for_an_adult(name, beside):
    """On the second saturation scale 98 % under oxygen is too much; 90 % is on target."""
    is_on_target = name == "spo2" and beside.spo2_scale == 2
    return 90 if is_on_target else getattr(NORMAL, name)


def normal_for_a_child(name, age):
    return {
        "heart_rate": between("heart_rate", age, 60, 200),
        "respiratory_rate": between("respiratory_rate", age, 12, 60),
        "spo2": st.integers(96, 100),
        "systolic_bp": between("systolic_bp", age, 60, 130),
        "diastolic_bp": st.integers(40, 80),
        "temperature_c": st.floats(36.0, 37.9),
        "gcs": st.just(15),
        "pain_score": st.integers(0, 3),
        "glucose_mmol_l": st.floats(4.0, 7.8),
        "on_oxygen": st.just(False),
        "consciousness": st.just(Consciousness.ALERT),
    }[name]


def between(name, age, low, high):
    """Return the values of this range that lie beyond no band of the age."""
    limits = ruleset_current().limits
    inside = [
        value
        for value in range(low, high + 1)
        if not any(
            read_band(band, vitals=Vitals(**{name: value}), age=age, limits=limits).outside
            for band in (HIGH_RISK, PALS, NICE_HIGH, NICE_MODERATE)
        )
    ]
    return st.sampled_from(inside)


@given(cases, st.sampled_from(POSITIVE))
def test_one_more_finding_never_lowers(case, finding):
    more = replace(case, symptoms=(*case.symptoms, Symptom(name=finding)))

    assert_not_lower(evaluate(case), evaluate(more))


WORSE = [
    ("respiratory_rate", [16, 21, 25, 30, 50]),
    ("respiratory_rate", [16, 11, 8, 4]),
    ("spo2", [98, 95, 93, 91, 89, 70]),
    ("systolic_bp", [124, 110, 100, 90, 70]),
    ("systolic_bp", [124, 220]),
    ("heart_rate", [72, 100, 111, 131, 180]),
    ("heart_rate", [72, 50, 40, 20]),
    ("temperature_c", [36.8, 38.1, 39.1]),
    ("temperature_c", [36.8, 36.0, 35.0]),
    ("consciousness", ["A", "C", "V", "P", "U"]),
]


@given(cases, st.sampled_from(WORSE), adults, st.data())
def test_a_worse_vital_sign_never_lowers(case, direction, age, data):
    """Worse as the early warning score has it, so in an adult.

    A pressure that rises is worse by that score and better by the shock index, the ratio of heart
    rate and pressure: it is tried without a heart rate.
    """
    name, steps = direction
    at = data.draw(st.integers(0, len(steps) - 2))
    scale_1 = replace(case.vitals, spo2_scale=1, gcs=None)
    if (name, steps[-1]) == ("systolic_bp", 220):
        scale_1 = replace(scale_1, heart_rate=None)
    better, worse = (
        replace(case, age_years=age, vitals=replace(scale_1, **{name: _value(name, step)}))
        for step in steps[at : at + 2]
    )

    assert_not_lower(evaluate(better), evaluate(worse))


@given(cases, st.sampled_from(["heart_rate", "respiratory_rate", "spo2"]), children, st.data())
def test_no_vital_sign_of_a_child_lowers_what_a_normal_one_gave(case, name, age, data):
    case = replace(case, age_years=age, vitals=replace(case.vitals, spo2_scale=1))
    normal = with_vital(case, name, data.draw(normal_for_a_child(name, age)))

    assert_not_lower(evaluate(normal), evaluate(with_vital(case, name, data.draw(number(name)))))


def _value(name, step):
    return Consciousness(step) if name == "consciousness" else step


@given(cases, st.randoms(use_true_random=False))
def test_the_order_of_lists_changes_nothing(case, random):
    shuffled = replace(
        case,
        symptoms=tuple(random.sample(case.symptoms, len(case.symptoms))),
        medical_history=tuple(random.sample(case.medical_history, len(case.medical_history))),
        medications=tuple(random.sample(case.medications, len(case.medications))),
    )

    assert _judgement(evaluate(case)) == _judgement(evaluate(shuffled))


@pytest.mark.parametrize("says", [*POSITIVE, *PLAIN])
def test_letter_case_and_spaces_change_nothing(says):
    plain = TriageCase(chief_complaint=says, age_years=50)
    loud = replace(plain, chief_complaint="  " + says.upper().replace(" ", "   ") + " ")

    assert _judgement(evaluate(plain)) == _judgement(evaluate(loud))


def _judgement(verdict):
    flags = {(flag.id, flag.floor, flag.immediate) for flag in verdict.red_flags}
    return verdict.level, verdict.floor, flags, verdict.needs_human
