"""Brain and nerves: RF02, RF10, RF11 and RF13."""

from __future__ import annotations

from datetime import date

from triage_rules.case import Consciousness
from triage_rules.patient import NOTHING, Evidence, Patient, words_of
from triage_rules.rule import Flag, both
from triage_rules.text.finding import Field, Finding

SINCE = date(2025, 1, 1)

REDUCED_CONSCIOUSNESS = Flag(
    id="RF02",
    name="Reduced consciousness",
    source="ESI-informed steps A and B; CTAS",
    since=SINCE,
    certain=True,
)
STROKE = Flag(
    id="RF10",
    name="Stroke",
    source="ESI-informed step B; CTAS; BE-FAST",
    since=SINCE,
)
THUNDERCLAP = Flag(
    id="RF11",
    name="Thunderclap headache",
    source="CTAS 2; NICE NG228",
    since=SINCE,
)
SEIZURE = Flag(
    id="RF13",
    name="Seizure",
    source="ESI-informed step A; SATS; MTS",
    since=SINCE,
)

DEPRESSED = (Consciousness.PAIN, Consciousness.UNRESPONSIVE)
ALTERED = (Consciousness.VOICE, Consciousness.CONFUSED)
STROKE_SIGNS = (
    "stroke_word",
    "face_droop",
    "limb_weakness",
    "one_side_numb",
    "speech_trouble",
    "sudden_vision_loss",
)
LIMB_SIGNS = ("leg_weak", "limb_unused", "walking_lost")
SUDDEN_SIGNS = ("vision_loss", "gait_trouble", "limbs_weak", "limb_numb")


def came_suddenly(patient: Patient) -> Evidence:
    """Return the words for a sudden onset; a mere time of the day ("today") is none."""
    times = patient.says("recent_onset")
    return tuple(words for words in patient.says("sudden") if words not in times)


@REDUCED_CONSCIOUSNESS.emergency(immediate=True)
def unresponsive(patient: Patient) -> Evidence:
    """Cannot be woken or responds to pain only, by words."""
    return patient.says("unresponsive")


@REDUCED_CONSCIOUSNESS.emergency(needs=("consciousness|gcs",), immediate=True)
def responds_to_pain_at_best(patient: Patient) -> Evidence:
    """Responds to pain or not at all, or a coma score of 8 or less."""
    return (*_letter_among(patient, DEPRESSED), *patient.at_most("gcs", "coma"))


@REDUCED_CONSCIOUSNESS.emergency(needs=("consciousness|gcs",))
def newly_altered(patient: Patient) -> Evidence:
    """Newly confused or responds to voice only, or a coma score below the full 15."""
    return (*_letter_among(patient, ALTERED), *patient.at_most("gcs", "reduced_gcs"))


@REDUCED_CONSCIOUSNESS.emergency()
def drowsy_or_confused(patient: Patient) -> Evidence:
    """Drowsy, responds to voice only, or confused, by words, and not as always."""
    return patient.says("drowsy", "confused")


@REDUCED_CONSCIOUSNESS.urgent()
def confused_as_always(patient: Patient) -> Evidence:
    """Confused as always, by words."""
    return patient.says("usual_confusion")


@STROKE.emergency()
def stroke_signs(patient: Patient) -> Evidence:
    """A sign of stroke that is not of long standing, even if it has resolved."""
    return words_of(sign for sign in _stroke_signs(patient) if not _is_past(sign, patient))


@STROKE.emergency()
def half_of_the_body(patient: Patient) -> Evidence:
    """Weakness or numbness as the complaint, and arm and leg or a side told apart from it."""
    what = (one for one in patient.said("weak_or_numb") if one.field is Field.COMPLAINT)
    half = both(words_of(what), patient.says("half_body"))
    if not half or patient.case.injury:
        return NOTHING
    return NOTHING if patient.says("limb_hurt", "injury_word", "longstanding") else half


@STROKE.urgent()
def stroke_signs_days_ago(patient: Patient) -> Evidence:
    """A sign of stroke that is said to have been more than a day ago."""
    return words_of(sign for sign in _stroke_signs(patient) if _is_past(sign, patient))


@THUNDERCLAP.emergency()
def worst_at_once(patient: Patient) -> Evidence:
    """A headache like a thunderclap: the worst ever, or at its peak within minutes."""
    worst = NOTHING if _is_usual(patient) else patient.says("worst_ever")
    return patient.says("thunderclap_headache") or both(_complaint_of_headache(patient), worst)


@THUNDERCLAP.emergency()
def sudden_and_severe(patient: Patient) -> Evidence:
    """A sudden headache that is severe, or comes with a stiff neck, a faint, vomiting or effort."""
    headache = _sudden_headache(patient)
    if not headache:
        return NOTHING
    return both(headache, (*_severity(patient), *_companions(patient)))


@THUNDERCLAP.emergency()
def severe_with_companion(patient: Patient) -> Evidence:
    """A severe headache with a stiff neck, with a faint, or that came with effort."""
    if _is_usual(patient):
        return NOTHING
    signs = patient.says("neck_stiffness", "syncope", "straining")
    return both(patient.says("severe_headache"), signs)


@THUNDERCLAP.urgent(asks_for=("pain_score",))
def sudden_of_unknown_severity(patient: Patient) -> Evidence:
    """A sudden headache of which nobody says how severe it is."""
    headache = _sudden_headache(patient)
    if not headache or patient.knows_measurements(("pain_score",)):
        return NOTHING
    return headache


@THUNDERCLAP.urgent()
def headache_with_companion(patient: Patient) -> Evidence:
    """A headache with a stiff neck, a faint or effort, of unknown onset and severity."""
    if _is_usual(patient):
        return NOTHING
    # With a fever a stiff neck speaks of meningitis, which RF12 hears.
    stiff = both(patient.says("headache"), patient.says("neck_stiffness"))
    stiff = NOTHING if not stiff or patient.fever else stiff
    signs = (*stiff, *patient.says("syncope", "straining"))
    return both(_complaint_of_headache(patient), signs)


@SEIZURE.emergency(immediate=True)
def seizing_or_just_seized(patient: Patient) -> Evidence:
    """Seizing, not recovered, or a seizure within a day or at no given time."""
    window = patient.limit("seizure_window_hours")
    seizures = (seizure for seizure in patient.said("seizure") if not seizure.longstanding)
    found = (*patient.said("seizure_now"), *seizures)
    return words_of(one for one in found if not one.is_older_than(window))


def _letter_among(patient: Patient, letters: tuple[Consciousness, ...]) -> Evidence:
    letter = patient.vitals.consciousness
    return (f"consciousness {letter}",) if letter in letters else NOTHING


def _stroke_signs(patient: Patient) -> tuple[Finding, ...]:
    sudden = came_suddenly(patient)
    signs = (*STROKE_SIGNS, *_limb_signs(patient), *(SUDDEN_SIGNS if sudden else ()))
    is_new = bool(sudden or patient.says("worsening"))
    return tuple(sign for sign in patient.said(*signs) if is_new or not sign.longstanding)


def _limb_signs(patient: Patient) -> tuple[str, ...]:
    """What else is a sign of stroke where neither pain nor an injury of a limb explains it."""
    if not patient.says(*LIMB_SIGNS) or patient.says("limb_hurt"):
        return ()
    if patient.case.injury or patient.says("injury_word", "fall_word"):
        return ("leg_weak",)
    return ("leg_weak", "limb_unused", *(("walking_lost",) if came_suddenly(patient) else ()))


def _is_past(sign: Finding, patient: Patient) -> bool:
    """Whether it was more than a day ago; a sign that has stayed since is of now."""
    if sign.concept != "stroke_word" and patient.says("still_there", "worsening"):
        return False
    return _is_old_spell(patient) or sign.is_older_than(patient.limit("stroke_window_hours"))


def _is_old_spell(patient: Patient) -> bool:
    """Whether it passed within the hour days ago, and nothing is said of today."""
    spells = " ".join(patient.says("old_spell"))
    return bool(spells) and all(time in spells for time in patient.says("recent_onset"))


def _sudden_headache(patient: Patient) -> Evidence:
    if _is_usual(patient) or patient.says("mild_headache"):
        return NOTHING
    apart = both(patient.says("severe_headache"), came_suddenly(patient))
    told_apart = both(_complaint_of_headache(patient), _sudden_by_description(patient))
    return patient.says("sudden_headache") or apart or told_apart


def _complaint_of_headache(patient: Patient) -> Evidence:
    headaches = patient.said("headache", "severe_headache")
    return words_of(one for one in headaches if one.field is Field.COMPLAINT)


def _sudden_by_description(patient: Patient) -> Evidence:
    """The words for a sudden onset in what is told of the complaint, not in the complaint."""
    told = words_of(one for one in patient.said("sudden") if one.field is not Field.COMPLAINT)
    return tuple(words for words in came_suddenly(patient) if words in told)


def _is_usual(patient: Patient) -> bool:
    return bool(patient.says("usual_headache"))


def _severity(patient: Patient) -> Evidence:
    words = patient.says("severe_headache", "severe_word")
    return (*words, *patient.at_least("pain_score", "severe_headache"))


def _companions(patient: Patient) -> Evidence:
    return patient.says("neck_stiffness", "syncope", "straining", "vomiting")
