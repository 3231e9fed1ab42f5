"""From one case to one row of numbers, the same way in training and in serving."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin

from triage_rules.case import (
    ArrivalMode,
    Consciousness,
    Pregnancy,
    Sex,
    TriageCase,
    Vitals,
    case_from_request,
)
from triage_rules.scores.consciousness import consciousness_from_gcs
from triage_rules.scores.news2 import VERSION as NEWS2_VERSION
from triage_rules.scores.news2 import news2
from triage_rules.text.normalise import normalise

FEATURE_SCHEMA = "triage-features"
FEATURE_SCHEMA_VERSION = 1
NORMALISER_VERSION = 1
SCORES_VERSION = f"news2-{NEWS2_VERSION}"
ADULT_FROM_YEARS = 16
# A linear model would otherwise answer a typing error of 300 with a certainty of its own.
MAX_HINGE = 2.0
SEVERE_PAIN = 7
TEXT_PREFIX = "complaint: "

Matrix: TypeAlias = NDArray[np.float64]
Request: TypeAlias = Mapping[str, Any]

_WHOLE = Decimal(1)
_TENTH = Decimal("0.1")
_WORD = re.compile(r"[^\W_]+")
# Negators stay: "no" is half of "no pain".
STOP_WORDS = frozenset(
    """
    a all also am an and any are as at be been but by did do does for from had has have he her his
    i if in into is it its just me my now of on or our she since so some that the their then there
    they this to too was we were when which who with you your
    """.split()  # noqa: SIM905 - sixty quoted words would be harder to read
)


@dataclass(frozen=True, slots=True)
class Band:
    """The normal values of one measurement, both ends included."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NormalBands:
    """What is normal at one age. Units: /min, /min, mmHg."""

    heart_rate: Band
    respiratory_rate: Band
    systolic_bp: Band


TEMPERATURE_C = Band(36.1, 38.0)
SPO2_LOW = {1: 96.0, 2: 88.0}
_HIGH_SYSTOLIC_BP = 219.0
# The values that score zero in NEWS2 (Royal College of Physicians, 2017).
ADULT_BANDS = NormalBands(
    heart_rate=Band(51, 90),
    respiratory_rate=Band(12, 20),
    systolic_bp=Band(111, _HIGH_SYSTOLIC_BP),
)
# Upper end of the age in years, heart and respiratory rate: ESI handbook, 5th edition (2023).
_CHILD_RATES = (
    (1 / 12, Band(90, 190), Band(35, 60)),
    (1, Band(90, 180), Band(30, 55)),
    (3, Band(80, 140), Band(22, 40)),
    (5, Band(65, 120), Band(18, 35)),
    (12, Band(70, 120), Band(16, 30)),
    (ADULT_FROM_YEARS, Band(60, 100), Band(12, 20)),
)
# What one unit of a hinge feature stands for, so that all features are of the size of tf-idf.
_HINGES: Mapping[str, float] = {
    "heart_rate": 50.0,
    "respiratory_rate": 10.0,
    "systolic_bp": 50.0,
    "temperature_c": 2.0,
}
_SPO2_UNIT = 10.0
_AGE_EDGES_YEARS = (0.25, 1, 5, 16, 40, 55, 65, 75, 85)
_ALTERED = (
    Consciousness.CONFUSED,
    Consciousness.VOICE,
    Consciousness.PAIN,
    Consciousness.UNRESPONSIVE,
)


def _structured_names() -> tuple[str, ...]:
    hinges = [f"{name} {side} normal" for name in _HINGES for side in ("below", "above")]
    ages = [f"age from {edge:g} years" for edge in _AGE_EDGES_YEARS]
    return (
        "news2 total",
        "news2 single three",
        *hinges,
        "spo2 below normal",
        "pain_score",
        "severe pain",
        *(f"consciousness {state.value}" for state in _ALTERED),
        "on_oxygen",
        "arrival by ambulance",
        "injury",
        "age",
        *ages,
        "female",
        "male",
        "pregnant",
        "postpartum",
    )


STRUCTURED_NAMES = _structured_names()


class TriageFeatureExtractor(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Turn requests into rows: tf-idf of the words, and how far each vital sign is from normal.

    A vital sign enters as its distance below and above the normal band of the patient's age: zero
    inside the band, and zero when it was not measured. So a missing measurement gives exactly the
    same vector as any normal value, and replacing a normal value by a missing one can never lower
    an answer. For the same reason there are no "was it measured" flags.

    The caller's own ``urgency`` and ``severity_score`` are never features, nor are ids, the site
    or who reported. Diastolic pressure and glucose are left to the rules.

    Parameters
    ----------
    min_document_frequency
        The least number of training rows a term must occur in.
    max_terms
        The most terms kept, the commonest first.

    Attributes
    ----------
    vocabulary_
        Column of each term, counted from the first text column.
    idf_
        Inverse document frequency of each term.
    age_range_
        Youngest and oldest age fitted on, in years.
    """

    def __init__(self, *, min_document_frequency: int = 5, max_terms: int = 2_000) -> None:
        self.min_document_frequency = min_document_frequency
        self.max_terms = max_terms

    def fit(self, requests: Sequence[Request], y: object = None) -> TriageFeatureExtractor:
        """Learn the vocabulary, its weights and the ages of ``requests``."""
        cases = [case_from_request(request) for request in requests]
        if not cases:
            raise ValueError("no requests to learn from; expected at least one")
        frequencies = Counter(term for case in cases for term in set(_case_terms(case)))
        terms = self._select(frequencies)
        self.vocabulary_ = {term: column for column, term in enumerate(terms)}
        self.idf_ = _smooth_idf([frequencies[term] for term in terms], rows=len(cases))
        ages = [case.age for case in cases]
        self.age_range_ = (min(ages), max(ages))
        return self

    def transform(self, requests: Sequence[Request]) -> Matrix:
        """Return one row per request, in the order given."""
        rows = [self.vector(case_from_request(request)) for request in requests]
        return np.concatenate(rows) if rows else np.empty((0, len(self.get_feature_names_out())))

    def vector(self, case: TriageCase) -> Matrix:
        """Return the one row of ``case``, without a detour over request or table."""
        structured = len(STRUCTURED_NAMES)
        row = np.zeros((1, structured + len(self.vocabulary_)))
        row[0, :structured] = _structured(case)
        for column, weight in self._text_weights(case).items():
            row[0, structured + column] = weight
        return row

    def get_feature_names_out(self, input_features: object = None) -> NDArray[np.object_]:
        """Return the names of the columns."""
        terms = (f"{TEXT_PREFIX}{term}" for term in self.vocabulary_)
        return np.array([*STRUCTURED_NAMES, *terms], dtype=object)

    def knows_a_word_of(self, complaint: str) -> bool:
        """Whether any word or pair of words of ``complaint`` was met in training."""
        return any(term in self.vocabulary_ for term in _terms(complaint))

    def schema(self) -> dict[str, Any]:
        """Return what the columns mean, as plain data for a version's metadata."""
        return {
            "name": FEATURE_SCHEMA,
            "version": FEATURE_SCHEMA_VERSION,
            "normaliser_version": NORMALISER_VERSION,
            "scores_version": SCORES_VERSION,
            "features": [str(name) for name in self.get_feature_names_out()],
        }

    def _select(self, frequencies: Counter[str]) -> list[str]:
        frequent = [t for t, n in frequencies.items() if n >= self.min_document_frequency]
        frequent.sort(key=lambda term: (-frequencies[term], term))
        return sorted(frequent[: self.max_terms])

    def _text_weights(self, case: TriageCase) -> dict[int, float]:
        counts = Counter(
            column
            for term in _case_terms(case)
            if (column := self.vocabulary_.get(term)) is not None
        )
        # Sorted, so that the sum has the same last bit whatever order the words came in.
        weights = {c: (1 + math.log(counts[c])) * float(self.idf_[c]) for c in sorted(counts)}
        length = math.sqrt(sum(weight * weight for weight in weights.values()))
        return {column: weight / length for column, weight in weights.items()}


def normal_bands(age: float) -> NormalBands:
    """Return the normal heart rate, respiratory rate and systolic pressure at ``age`` years.

    From 16 years on the zero-score ranges of NEWS2; below it the rates of the ESI handbook (5th
    edition) and, for the pressure, the lower limits of hypotension of PALS (2015).
    """
    if age >= ADULT_FROM_YEARS:
        return ADULT_BANDS
    _, heart_rate, respiratory_rate = next(row for row in _CHILD_RATES if age < row[0])
    pressure = Band(_child_hypotension(age), _HIGH_SYSTOLIC_BP)
    return NormalBands(
        heart_rate=heart_rate, respiratory_rate=respiratory_rate, systolic_bp=pressure
    )


def consciousness(vitals: Vitals) -> Consciousness:
    """Return the worse of the recorded state and the one the Glasgow Coma Scale stands for.

    Nothing recorded counts as alert: a feature must not tell "not measured" from "normal".
    """
    recorded = vitals.consciousness or Consciousness.ALERT
    derived = Consciousness.ALERT if vitals.gcs is None else consciousness_from_gcs(vitals.gcs)
    return max(recorded, derived, key=list(Consciousness).index)


def _child_hypotension(age: float) -> float:
    if age < 1:
        return 60.0 if age < 1 / 12 else 70.0
    return min(90.0, 70.0 + 2 * math.floor(age))


def _structured(case: TriageCase) -> list[float]:
    vitals, age, state = case.vitals, case.age, consciousness(case.vitals)
    pain = vitals.pain_score or 0
    return [
        *_news2_features(case, state=state),
        *_hinges(vitals, bands=normal_bands(age)),
        _below(_whole(vitals.spo2), SPO2_LOW[vitals.spo2_scale], unit=_SPO2_UNIT),
        pain / 10,
        float(pain >= SEVERE_PAIN),
        *(float(state is altered) for altered in _ALTERED),
        float(vitals.on_oxygen is True),
        float(case.arrival_mode is ArrivalMode.AMBULANCE),
        float(case.injury is True),
        age / 100,
        *(float(age >= edge) for edge in _AGE_EDGES_YEARS),
        float(case.sex is Sex.FEMALE),
        float(case.sex is Sex.MALE),
        float(case.pregnancy is Pregnancy.PREGNANT),
        float(case.pregnancy is Pregnancy.POSTPARTUM),
    ]


def _news2_features(case: TriageCase, *, state: Consciousness) -> Iterator[float]:
    """Yield the total and whether one parameter scores 3; what is missing scores nothing."""
    pregnant = case.pregnancy is Pregnancy.PREGNANT
    score = news2(
        replace(case.vitals, consciousness=state, gcs=None), age=case.age, pregnant=pregnant
    )
    yield (score.total or 0) / 10
    yield float(score.has_single_three)


def _hinges(vitals: Vitals, *, bands: NormalBands) -> Iterator[float]:
    measured = (
        (_whole(vitals.heart_rate), bands.heart_rate),
        (_whole(vitals.respiratory_rate), bands.respiratory_rate),
        (_whole(vitals.systolic_bp), bands.systolic_bp),
        (_tenth(vitals.temperature_c), TEMPERATURE_C),
    )
    for (value, band), unit in zip(measured, _HINGES.values(), strict=True):
        yield _below(value, band.low, unit=unit)
        yield _above(value, band.high, unit=unit)


def _below(value: float | None, low: float, *, unit: float) -> float:
    return 0.0 if value is None else min(max(low - value, 0.0) / unit, MAX_HINGE)


def _above(value: float | None, high: float, *, unit: float) -> float:
    return 0.0 if value is None else min(max(value - high, 0.0) / unit, MAX_HINGE)


def _whole(value: float | None) -> float | None:
    return None if value is None else _rounded(value, step=_WHOLE)


def _tenth(value: float | None) -> float | None:
    return None if value is None else _rounded(value, step=_TENTH)


def _rounded(value: float, *, step: Decimal) -> float:
    """Round half up as NEWS2 does, so that both agree on what is normal."""
    return float(Decimal(str(value)).quantize(step, rounding=ROUND_HALF_UP))


def _case_terms(case: TriageCase) -> Iterator[str]:
    yield from _terms(case.chief_complaint)
    yield from _terms(case.description)
    for symptom in case.symptoms:
        if symptom.present:
            yield from _terms(symptom.name)


def _terms(text: str) -> Iterator[str]:
    """Yield the words of ``text`` and its pairs of neighbouring words."""
    words = _words(normalise(text, version=NORMALISER_VERSION)) if text else []
    yield from words
    yield from (f"{first} {second}" for first, second in pairwise(words))


def _words(text: str) -> list[str]:
    return [word for word in _WORD.findall(text) if word not in STOP_WORDS]


def _smooth_idf(frequencies: Iterable[int], *, rows: int) -> Matrix:
    return np.array([math.log((1 + rows) / (1 + n)) + 1 for n in frequencies], dtype=np.float64)
