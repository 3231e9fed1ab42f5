"""Made-up, labelled patients for the default model, the golden rows and the tests.

No row is a copy of a patient's: every value is drawn from the aggregate counts in
``simulator.toml``, where their sources stand. A model trained on them is labelled synthetic
wherever it shows.
"""

from __future__ import annotations

import random
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from ml.features import normal_bands
from ml.labelled import LabelledCase
from triage_rules.case import Consciousness
from triage_rules.level import Level

Tables = Mapping[str, Any]
Counts = Sequence[float]

SCALE = "simulated"
_ABOVE_NORMAL = 1.3
_BELOW_NORMAL = 0.75
_VITALS = ("heart_rate", "respiratory_rate", "systolic_bp", "temperature_c", "spo2")
_RELATIVE = ("heart_rate", "respiratory_rate")
_DIASTOLIC_SHARE = (0.55, 0.65)
# Below it, suppression would decide more than the visits do.
_ENOUGH_VISITS = 100
_BREATHING = ("breathlessness", "wheeze or asthma")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Person:
    """Who is being made up, as far as the other draws depend on it."""

    level: Level
    is_child: bool
    age: float
    sex: str
    complaint: Tables


def simulate(n: int, *, seed: int) -> list[LabelledCase]:
    """Make up ``n`` labelled patients.

    Parameters
    ----------
    n
        How many.
    seed
        The same seed gives the same patients.

    Returns
    -------
    list of LabelledCase
        Requests in the shape of the API: children and adults, with values missing, both
        saturation scales, negated findings, descriptions and symptom lists now and then.
    """
    # Not for secrets: the draws must be repeatable.
    rng = random.Random(seed)  # noqa: S311
    return [_patient(rng, row_id=f"sim-{seed}-{number}") for number in range(n)]


@cache
def _tables() -> Tables:
    return tomllib.loads(files("ml").joinpath("simulator.toml").read_text(encoding="utf-8"))


def _patient(rng: random.Random, *, row_id: str) -> LabelledCase:
    person = _person(rng)
    request = {
        "patient_id": row_id,
        **_age(person.age),
        "sex": person.sex,
        "pregnancy": _pregnancy(person, rng),
        "arrival_mode": _arrival(person, rng),
        "injury": _injury(person, rng),
        "symptoms_data": _symptoms_data(person, rng),
        "vitals": _vitals(person, rng),
    }
    return LabelledCase(request=request, level=person.level, row_id=row_id, scale=SCALE)


def _person(rng: random.Random) -> _Person:
    is_child = _happens("child_share", rng)
    group = "child" if is_child else "adult"
    level = rng.choices(list(Level), _tables()["mix"][group])[0]
    return _Person(
        level=level,
        is_child=is_child,
        age=_from_bands(_tables()[group]["age_years"], level, rng),
        sex=_sex(rng),
        complaint=_complaint(level, is_child=is_child, rng=rng),
    )


def _age(age: float) -> dict[str, Any]:
    """Return the age as the API takes it: in days too, under two years."""
    if age < 2:
        days = round(age * 365.25)
        return {"patient_age": round(days / 365.25, 2), "patient_age_days": days}
    return {"patient_age": int(age), "patient_age_days": None}


def _sex(rng: random.Random) -> str:
    if _happens("other_or_unknown_sex", rng):
        return rng.choice(["other", "unknown"])
    return "female" if _happens("female", rng) else "male"


def _complaint(level: Level, *, is_child: bool, rng: random.Random) -> Tables:
    complaints: list[Tables] = _tables()["complaint"]
    return rng.choices(complaints, _complaint_weights(level, is_child=is_child))[0]


@cache
def _complaint_weights(level: Level, *, is_child: bool) -> tuple[float, ...]:
    """Return how often each complaint is met at ``level``, from one source or from both.

    The Korean counts are read only for complaints of which a level has at least 10 visits: in the
    others suppression leaves nothing.
    """
    complaints = _tables()["complaint"]
    if is_child:
        return tuple(_shares([_unsuppressed(c["usa_child"][level]) for c in complaints]))
    usa = _shares([_unsuppressed(c["usa_adult"][level]) for c in complaints])
    korea = _korean_shares(complaints, level=level, usa=usa)
    share = _tables()["assumed"]["korea_share"]
    return tuple(share * k + (1 - share) * u for k, u in zip(korea, usa, strict=True))


def _korean_shares(complaints: Sequence[Tables], *, level: Level, usa: Counts) -> list[float]:
    """Return the Korean shares, those of the USA standing in where Korea was suppressed."""
    reported = [any(complaint["korea_adult"]) for complaint in complaints]
    known = sum(u for u, is_reported in zip(usa, reported, strict=True) if is_reported)
    counts = [
        _unsuppressed(complaint["korea_adult"][level]) if is_reported else 0.0
        for complaint, is_reported in zip(complaints, reported, strict=True)
    ]
    scaled = _shares(counts)
    return [
        k * known if is_reported else u
        for k, u, is_reported in zip(scaled, usa, reported, strict=True)
    ]


def _pregnancy(person: _Person, rng: random.Random) -> str:
    if person.sex != "female" or not 16 <= person.age <= 45:
        return "unknown"
    if person.complaint["name"] == "pregnancy":
        return "pregnant"
    return "pregnant" if _happens("pregnant", rng) else rng.choice(["not_pregnant", "unknown"])


def _arrival(person: _Person, rng: random.Random) -> str:
    tables = _tables()["ambulance"]
    rows = [tables["usa_child"]] if person.is_child else [tables["korea"], tables["usa_adult"]]
    brought, came = map(_unsuppressed, rng.choice(rows)[person.level])
    return rng.choices(["ambulance", "walk_in"], [brought, came])[0]


def _injury(person: _Person, rng: random.Random) -> bool | None:
    return person.complaint["injury"] if _happens("injury_recorded", rng) else None


# --- words -----------------------------------------------------------------------------------


def _symptoms_data(person: _Person, rng: random.Random) -> dict[str, Any]:
    data: dict[str, Any] = {"chief_complaint": _chief_complaint(person, rng)}
    if _happens("description", rng):
        data["description"] = _description(person, rng)
    if _happens("symptom_list", rng):
        data["symptoms"] = _symptoms(person, rng)
    return data


def _chief_complaint(person: _Person, rng: random.Random) -> str:
    words = _tables()["words"]
    text = rng.choice(person.complaint["phrases"])
    if person.complaint["painful"] and _happens("side_named", rng):
        text = f"{rng.choice(words['sides'])} {text}"
    if _happens("duration_named", rng):
        text = f"{text} {rng.choice(words['durations'])}"
    if _happens("second_complaint", rng):
        text = f"{text}{rng.choice(words['joiners'])}{_other_finding(person, rng)}"
    return f"{text}, {_negated(rng)}" if _happens("negated_finding", rng) else text


def _description(person: _Person, rng: random.Random) -> str:
    words = _tables()["words"]
    return (
        f"{rng.choice(person.complaint['phrases'])} {rng.choice(words['durations'])}, "
        f"{_negated(rng)}"
    )


def _symptoms(person: _Person, rng: random.Random) -> list[dict[str, Any]]:
    return [
        {"name": _other_finding(person, rng), "present": True},
        {"name": rng.choice(_tables()["words"]["negated"]), "present": False},
    ]


def _other_finding(person: _Person, rng: random.Random) -> str:
    other = _complaint(person.level, is_child=person.is_child, rng=rng)
    return str(rng.choice(other["phrases"]))


def _negated(rng: random.Random) -> str:
    words = _tables()["words"]
    return f"{rng.choice(words['negators'])} {rng.choice(words['negated'])}"


# --- measurements ----------------------------------------------------------------------------


def _vitals(person: _Person, rng: random.Random) -> dict[str, Any]:
    vitals: dict[str, Any] = {name: _vital(name, person, rng) for name in _VITALS}
    vitals["diastolic_bp"] = _diastolic(vitals["systolic_bp"], rng)
    vitals["on_oxygen"] = (vitals["spo2"] or 100) < 92 and _happens("oxygen_given", rng)
    if not person.is_child and _happens("scale_2", rng):
        vitals["spo2_scale"] = 2
    vitals["consciousness"] = _consciousness(person.level, rng)
    vitals["pain_score"] = _pain(person, rng)
    return vitals


def _vital(name: str, person: _Person, rng: random.Random) -> float | None:
    if rng.random() < _tables()["missing"][name]:
        return None
    if not person.is_child:
        return _rounded(name, _from_bands(_vital_table(name, person), person.level, rng))
    if name in _RELATIVE:
        return _rounded(name, _relative_to_normal(name, person, rng))
    if name == "systolic_bp":
        low = normal_bands(person.age).systolic_bp.low
        return _rounded(name, rng.uniform(low + 10, low + 45))
    return _rounded(name, _from_bands(_vital_table(name, person), person.level, rng))


def _vital_table(name: str, person: _Person) -> Tables:
    """Return the counts of ``name``, those of the complaint where it changes them."""
    group = "child" if person.is_child else "adult"
    general = _tables()[group][name]
    special = {}
    if person.complaint["name"] == "fever":
        special = _tables()[f"{group}_fever"]
    elif person.complaint["name"] in _BREATHING and not person.is_child:
        special = _tables()["adult_breathing"]
    table: Tables = special.get(name, general)
    return table if sum(table[person.level.label]) >= _ENOUGH_VISITS else general


def _relative_to_normal(name: str, person: _Person, rng: random.Random) -> float:
    band = getattr(normal_bands(person.age), name)
    counts = _tables()["child"][name][person.level.label]
    side = rng.choices(["below", "within", "above"], counts)[0]
    if side == "within":
        return rng.uniform(band.low, band.high)
    if side == "below":
        return rng.uniform(band.low * _BELOW_NORMAL, band.low - 1)
    return rng.uniform(band.high + 1, band.high * _ABOVE_NORMAL)


def _diastolic(systolic: float | None, rng: random.Random) -> float | None:
    return None if systolic is None else float(round(systolic * rng.uniform(*_DIASTOLIC_SHARE)))


def _consciousness(level: Level, rng: random.Random) -> str | None:
    states = ("A", "V", "P", "U")
    state = rng.choices(states, _tables()["consciousness"][level.label])[0]
    if state == "V" and _happens("confused_among_voice", rng):
        return Consciousness.CONFUSED.value
    if state == "A" and not _happens("consciousness_recorded", rng):
        return None
    return state


def _pain(person: _Person, rng: random.Random) -> int | None:
    if rng.random() < _tables()["missing"]["pain_score"]:
        return None
    table = _tables()["pain"]["painful" if person.complaint["painful"] else "other"]
    is_korea = not person.is_child and _happens("korea_share", rng)
    return int(_from_bands(table["korea" if is_korea else "usa"], person.level, rng) + 0.5)


def _from_bands(table: Tables, level: Level, rng: random.Random) -> float:
    counts = [_unsuppressed(count) for count in table[level.label]]
    low, high = rng.choices(table["bands"], counts)[0]
    return rng.uniform(low, high)


def _rounded(name: str, value: float) -> float:
    return round(value, 1) if name == "temperature_c" else float(round(value))


def _happens(name: str, rng: random.Random) -> bool:
    return rng.random() < float(_tables()["assumed"][name])


def _unsuppressed(count: float) -> float:
    return float(count) or float(_tables()["assumed"]["suppressed_as"])


def _shares(counts: Counts) -> list[float]:
    total = sum(counts)
    return [count / total for count in counts]
