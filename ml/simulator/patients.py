"""Made-up patients, drawn from groups of real visits and worded as requests."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from ml.aggregates import CHOICES, VARIABLES, VITALS, committed
from ml.labelled import LabelledCase
from ml.simulator.groups import NOTHING, Choice, Group, Matrix, Tables, groups_of
from triage_rules.case import DAYS_PER_YEAR, VITAL_RANGES, Consciousness

T = TypeVar("T")

SCALE = "simulated"

# What follows has no source; it makes patients of kinds that neither file holds.
DESCRIPTION = 0.05
SYMPTOM_LIST = 0.05
NEGATED_FINDING = 0.05
DURATION_NAMED = 0.05
OTHER_OR_UNKNOWN_SEX = 0.02
PREGNANT = 0.04
CONFUSED_AMONG_VOICE = 0.5
OXYGEN_GIVEN = 0.3
SCALE_2 = 0.01
NOTHING_NAMED = "unwell"
DURATIONS = ("since this morning", "for 2 hours", "for 3 days", "for a week", "since yesterday")
NEGATORS = ("no", "denies", "without")
NEGATED = ("chest pain", "fever", "shortness of breath", "vomiting", "rash", "headache", "bleeding")

_FERTILE_YEARS = (16, 45)
_LOW_SPO2 = 92
_LEAST_PULSE_PRESSURE = 5
_DECIMALS = {"temperature_c": 1}
ADULT_FROM_YEARS = 16
_WHOLE_YEARS_FROM = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Person:
    """One draw from a group."""

    group: Group
    row_id: str
    drawn: Mapping[str, Any]
    phrases: tuple[str, ...]

    @property
    def age(self) -> float:
        """Years, with a fraction."""
        return float(self.drawn["age"])

    @property
    def complaint(self) -> str:
        """What was said on arrival."""
        return self.group.joiner.join(self.phrases) or NOTHING_NAMED


def simulate(n: int, *, seed: int, tables: Tables | None = None) -> list[LabelledCase]:
    """Make up ``n`` labelled patients.

    Parameters
    ----------
    n
        How many.
    seed
        The same seed and number give the same patients.
    tables
        As ``ml.simulator.counting`` makes them; None takes the committed file.

    Returns
    -------
    list of LabelledCase
        Requests in the shape of the API: children and adults, with values missing, both
        saturation scales, negated findings, descriptions and symptom lists now and then.
    """
    rng = np.random.default_rng(seed)
    groups, shares = groups_of(committed() if tables is None else tables)
    drawn = rng.choice(len(groups), size=n, p=shares)
    patients: dict[int, LabelledCase] = {}
    for place, group in enumerate(groups):
        rows = np.flatnonzero(drawn == place).tolist()
        ids = [f"sim-{seed}-{row}" for row in rows]
        patients.update(zip(rows, _patients(group, ids=ids, rng=rng), strict=True))
    return [patients[row] for row in range(n)]


# --- draws -----------------------------------------------------------------------------------


def _patients(group: Group, *, ids: Sequence[str], rng: Generator) -> Iterator[LabelledCase]:
    named = _named(group, len(ids), rng)
    noise = rng.standard_normal((len(ids), len(VARIABLES))) @ group.spread.T
    z = _strongest(group.shifts[named]) + noise
    columns = _columns(group, z, rng)
    for place, row_id in enumerate(ids):
        person = _Person(
            group=group,
            row_id=row_id,
            drawn={name: column[place] for name, column in columns.items()},
            phrases=tuple(group.phrases[phrase] for phrase in named[place] if phrase != NOTHING),
        )
        yield LabelledCase(
            request=_request(person, rng), level=group.level, row_id=row_id, scale=SCALE
        )


def _named(group: Group, n: int, rng: Generator) -> NDArray[np.intp]:
    """Return the phrases of each patient by their places, then ``NOTHING``; none comes twice."""
    lengths = rng.choice(len(group.lengths), size=n, p=group.lengths)
    longest = np.arange(len(group.lengths) - 1)
    # The highest keys are a weighted draw without replacement (Efraimidis and Spirakis, 2006).
    keys = np.log(group.weights) + rng.gumbel(size=(n, len(group.weights)))
    drawn = np.argsort(-keys, axis=1)[:, : len(longest)]
    return np.where(longest < lengths[:, np.newaxis], drawn, NOTHING)


def _strongest(shifts: Matrix) -> Matrix:
    """Return of each patient and variable the shift of the phrase that says most about it."""
    if not shifts.shape[1]:
        return np.zeros((shifts.shape[0], shifts.shape[2]))
    strongest = np.abs(shifts).argmax(axis=1, keepdims=True)
    return np.asarray(np.take_along_axis(shifts, strongest, axis=1)[:, 0])


def _columns(group: Group, z: Matrix, rng: Generator) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {}
    for name, deviates in zip(VARIABLES, z.T, strict=True):
        absent = rng.random(len(deviates))
        if name in CHOICES:
            columns[name] = _words(group.choices[name], deviates, absent)
        else:
            columns[name] = _values(name, group, deviates, absent)
    return columns


def _words(choice: Choice, z: Matrix, absent: Matrix) -> list[str | None]:
    places = np.searchsorted(choice.ends, z)
    return [
        None if share < choice.missing else choice.words[place]
        for place, share in zip(places, absent, strict=True)
    ]


def _values(name: str, group: Group, z: Matrix, absent: Matrix) -> list[float | None]:
    number = group.numbers.get(name)
    if number is None:
        return [None] * len(z)
    low, high = group.ages if name == "age" else _accepted(name)
    values = np.clip(number.at(z), low, high)
    if name != "age":
        values = np.round(values, _DECIMALS.get(name, 0))
    return [
        None if share < number.missing else value
        for value, share in zip(values.tolist(), absent, strict=True)
    ]


def _accepted(name: str) -> tuple[float, float]:
    limits = VITAL_RANGES[name]
    return limits.low, limits.high


# --- one patient -----------------------------------------------------------------------------


def _request(person: _Person, rng: Generator) -> dict[str, Any]:
    injury = person.drawn["injury"]
    return {
        "patient_id": person.row_id,
        **_age(person.age),
        "sex": _sex(person, rng),
        "pregnancy": _pregnancy(person, rng),
        "arrival_mode": person.drawn["arrival_mode"] or "unknown",
        "injury": None if injury is None else injury == "yes",
        "symptoms_data": _symptoms_data(person, rng),
        "vitals": _vitals(person, rng),
    }


def _age(age: float) -> dict[str, Any]:
    """Return the age as the API takes it: in days too, under two years."""
    if age < _WHOLE_YEARS_FROM:
        days = int(age * DAYS_PER_YEAR)
        return {"patient_age": round(days / DAYS_PER_YEAR, 2), "patient_age_days": days}
    return {"patient_age": math.floor(age), "patient_age_days": None}


def _sex(person: _Person, rng: Generator) -> str:
    if rng.random() < OTHER_OR_UNKNOWN_SEX:
        return _one_of(("other", "unknown"), rng)
    return person.drawn["sex"] or "unknown"


def _pregnancy(person: _Person, rng: Generator) -> str:
    youngest, oldest = _FERTILE_YEARS
    if person.drawn["sex"] != "female" or not youngest <= person.age <= oldest:
        return "unknown"
    if "pregnan" in person.complaint.lower() or rng.random() < PREGNANT:
        return "pregnant"
    return _one_of(("not_pregnant", "unknown"), rng)


def _vitals(person: _Person, rng: Generator) -> dict[str, Any]:
    vitals = {name: person.drawn[name] for name in VITALS}
    vitals["diastolic_bp"] = _diastolic(vitals["systolic_bp"], vitals["diastolic_bp"])
    vitals["on_oxygen"] = (vitals["spo2"] or 100) < _LOW_SPO2 and rng.random() < OXYGEN_GIVEN
    if person.age >= ADULT_FROM_YEARS and rng.random() < SCALE_2:
        vitals["spo2_scale"] = 2
    vitals["consciousness"] = _consciousness(person.drawn["consciousness"], rng)
    pain = person.drawn["pain_score"]
    vitals["pain_score"] = None if pain is None else int(pain)
    return vitals


def _diastolic(systolic: float | None, diastolic: float | None) -> float | None:
    """Return a diastolic pressure below the systolic one; None without room for it."""
    if systolic is None or diastolic is None:
        return diastolic
    below = min(diastolic, systolic - _LEAST_PULSE_PRESSURE)
    return below if below >= VITAL_RANGES["diastolic_bp"].low else None


def _consciousness(state: str | None, rng: Generator) -> str | None:
    # Neither source tells new confusion from "responds to voice".
    if state == Consciousness.VOICE.value and rng.random() < CONFUSED_AMONG_VOICE:
        return Consciousness.CONFUSED.value
    return state


def _symptoms_data(person: _Person, rng: Generator) -> dict[str, Any]:
    data: dict[str, Any] = {"chief_complaint": _chief_complaint(person, rng)}
    if rng.random() < DESCRIPTION:
        data["description"] = f"{_lasting(person, rng)}, {_negated(person, rng)}"
    if rng.random() < SYMPTOM_LIST:
        data["symptoms"] = [
            *({"name": phrase, "present": True} for phrase in person.phrases),
            {"name": _unnamed(person, rng), "present": False},
        ]
    return data


def _chief_complaint(person: _Person, rng: Generator) -> str:
    text = _lasting(person, rng) if rng.random() < DURATION_NAMED else person.complaint
    return f"{text}, {_negated(person, rng)}" if rng.random() < NEGATED_FINDING else text


def _lasting(person: _Person, rng: Generator) -> str:
    return f"{person.complaint} {_one_of(DURATIONS, rng)}"


def _negated(person: _Person, rng: Generator) -> str:
    return f"{_one_of(NEGATORS, rng)} {_unnamed(person, rng)}"


def _unnamed(person: _Person, rng: Generator) -> str:
    """Return a finding that the complaint does not name."""
    complaint = person.complaint.lower()
    return _one_of([finding for finding in NEGATED if finding not in complaint], rng)


def _one_of(items: Sequence[T], rng: Generator) -> T:
    return items[int(rng.random() * len(items))]
