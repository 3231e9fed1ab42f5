"""From one case to one row of numbers, the same way in training and in serving."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator, TransformerMixin

from ml import schema
from ml.words import NORMALISER_VERSION, Vocabulary, terms_beside_complaint, terms_of
from triage_rules.case import ArrivalMode, Consciousness, Pregnancy, Sex, TriageCase, Vitals
from triage_rules.level import WordCount
from triage_rules.scores.consciousness import consciousness_from_gcs
from triage_rules.scores.news2 import VERSION as NEWS2_VERSION
from triage_rules.scores.news2 import news2
from triage_rules.text.finding import Assertion, Field, Finding
from triage_rules.text.reading import read_case, reading_version

FEATURE_SCHEMA = "triage-features"
FEATURE_SCHEMA_VERSION = 2
SCORES_VERSION = f"news2-{NEWS2_VERSION}"
ADULT_FROM_YEARS = 16
# A linear model would otherwise answer a typing error of 300 with a certainty of its own.
MAX_HINGE = 2.0
SEVERE_PAIN = 7
TEXT_PREFIX = "complaint: "
FINDING_PREFIX = "finding: "
SITE_PREFIX = "site: "
MIN_SITE_ROWS = 30
MIN_UNKNOWN_ROWS = 20
UNKNOWN_NAME = "nothing known is said"

Matrix: TypeAlias = NDArray[np.float64]

_WHOLE = Decimal(1)
_TENTH = Decimal("0.1")


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


# Consciousness is known where either the state or the coma score is.
_UNMEASURED = (
    "heart_rate",
    "respiratory_rate",
    "systolic_bp",
    "temperature_c",
    "spo2",
    "on_oxygen",
    "consciousness",
    "pain_score",
)
MISSING_NAMES = tuple(f"{name} not measured" for name in _UNMEASURED)
_CURRENT = frozenset({Assertion.PRESENT, Assertion.POSSIBLE})
# No training set has histories, medications or allergies: a model cannot have learnt from them.
_TODAY = frozenset({Field.COMPLAINT, Field.DESCRIPTION, Field.SYMPTOM})


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
        *MISSING_NAMES,
    )


STRUCTURED_NAMES = _structured_names()


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What a model may look at in one case, before it is laid out in columns.

    Attributes
    ----------
    structured
        One number for each of ``STRUCTURED_NAMES``.
    findings
        What is said of today, as "chest pain" or "fever (resolved)", each once.
    terms
        Words and pairs of words, as often as they were said.
    words
        The words of the chief complaint alone; no feature, they are only counted.
    site
        The code of the site; empty where it is not known.
    age
        In years.
    """

    structured: tuple[float, ...]
    findings: tuple[str, ...]
    terms: tuple[str, ...]
    words: tuple[str, ...]
    site: str
    age: float


# Asked whether it is like anything known, and then for its row: one case after the other.
@lru_cache(maxsize=16)
def observe(case: TriageCase) -> Observation:
    """Return what a model may look at in ``case``."""
    complaint = tuple(terms_of(case.chief_complaint))
    return Observation(
        structured=tuple(_structured(case)),
        findings=tuple(sorted({_named(finding) for finding in _said(case)})),
        terms=(*complaint, *terms_beside_complaint(case)),
        words=tuple(term for term in complaint if " " not in term),
        site=case.site,
        age=case.age,
    )


class TriageFeatureExtractor(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Turn cases into rows of numbers: how far each vital sign is from normal, what is said, where.

    A vital sign enters as its distance below and above the normal band of the patient's age: zero
    inside the band, and zero when it was not measured. That it was not measured is a column of its
    own, which the classifier lets only raise (``ml.classifier``): replacing a normal value by a
    missing one can never lower an answer.

    Words enter as findings (the concepts that the rules read too, with what is said of them, but
    never a rule's verdict) and as tf-idf. The site is a column where training had enough of it.
    The caller's own ``urgency`` and ``severity_score`` are never features, nor are ids or who
    reported. Diastolic pressure and glucose are left to the rules.

    Parameters
    ----------
    min_document_frequency
        The least number of patients a term must be said of.
    max_terms
        The most terms kept, the commonest first.
    min_finding_frequency
        The least number of training rows a finding must occur in.

    Attributes
    ----------
    vocabulary_
        The terms, and how much each weighs.
    findings_, sites_
        The findings and sites that have a column, sorted.
    age_range_
        Youngest and oldest age fitted on, in years.
    unknown_rows_
        How many cases said nothing that has a column.
    """

    def __init__(
        self,
        *,
        min_document_frequency: int = 5,
        max_terms: int = 2_000,
        min_finding_frequency: int = 4,
    ) -> None:
        self.min_document_frequency = min_document_frequency
        self.max_terms = max_terms
        self.min_finding_frequency = min_finding_frequency

    def fit(
        self, observations: Sequence[Observation], y: object = None, *, patients: Sequence[str] = ()
    ) -> TriageFeatureExtractor:
        """Learn the terms and their weights, the findings, the sites and the ages.

        ``patients`` says of each observation whose it is, so that what one patient says at every
        visit is counted once; without it each observation is a patient of its own.
        """
        if not observations:
            raise ValueError("no cases to learn from; expected at least one")
        self.vocabulary_ = Vocabulary.of(
            [one.terms for one in observations],
            patients=patients or [str(row) for row in range(len(observations))],
            min_document_frequency=self.min_document_frequency,
            max_terms=self.max_terms,
        )
        said = Counter(finding for one in observations for finding in one.findings)
        self.findings_ = tuple(
            sorted(f for f, n in said.items() if n >= self.min_finding_frequency)
        )
        places = Counter(one.site for one in observations if one.site)
        self.sites_ = tuple(sorted(s for s, n in places.items() if n >= MIN_SITE_ROWS))
        ages = [one.age for one in observations]
        self.age_range_ = (min(ages), max(ages))
        self._lay_out()
        self.unknown_rows_ = sum(not self._knows(one) for one in observations)
        return self

    def transform(self, observations: Sequence[Observation]) -> csr_matrix:
        """Return one row per observation, in the order given, as a sparse matrix of float64."""
        cells = [sorted(self._cells(one)) for one in observations]
        return csr_matrix(
            (
                np.array([value for row in cells for _, value in row], dtype=np.float64),
                np.array([column for row in cells for column, _ in row], dtype=np.int32),
                np.cumsum([0, *(len(row) for row in cells)]),
            ),
            shape=(len(cells), self.width_),
        )

    def vector(self, case: TriageCase) -> Matrix:
        """Return the one row of ``case``, without a detour over request or table."""
        row = np.zeros((1, self.width_))
        for column, value in self._cells(observe(case)):
            row[0, column] = value
        return row

    def get_feature_names_out(self, input_features: object = None) -> NDArray[np.object_]:
        """Return the names of the columns."""
        return np.array(
            [
                *STRUCTURED_NAMES,
                UNKNOWN_NAME,
                *(f"{FINDING_PREFIX}{finding}" for finding in self.findings_),
                *(f"{SITE_PREFIX}{site}" for site in self.sites_),
                *(f"{TEXT_PREFIX}{term}" for term in self.vocabulary_.columns),
            ],
            dtype=object,
        )

    def understands(self, case: TriageCase) -> bool:
        """Whether training met something of what is said, or enough cases where it did not."""
        return self.unknown_rows_ >= MIN_UNKNOWN_ROWS or self._knows(observe(case))

    def words(self, case: TriageCase) -> WordCount:
        """Count the words of the chief complaint, and those that are no term of the vocabulary."""
        return self.count(observe(case))

    def count(self, one: Observation) -> WordCount:
        """Count the words of an observation's chief complaint, and those that are no term."""
        unknown = sum(word not in self.vocabulary_.columns for word in one.words)
        return WordCount(said=len(one.words), unknown=unknown)

    def schema(self) -> dict[str, Any]:
        """Return what the columns mean, as plain data for a version's metadata."""
        return {
            "name": FEATURE_SCHEMA,
            "version": FEATURE_SCHEMA_VERSION,
            "normaliser_version": NORMALISER_VERSION,
            "reading_version": reading_version(),
            "scores_version": SCORES_VERSION,
            "input": schema.as_dict(),
            "features": [str(name) for name in self.get_feature_names_out()],
        }

    def _knows(self, one: Observation) -> bool:
        return any(term in self.vocabulary_.columns for term in one.terms) or any(
            finding in self.finding_columns_ for finding in one.findings
        )

    def _lay_out(self) -> None:
        first = len(STRUCTURED_NAMES) + 1
        self.finding_columns_ = {f: first + n for n, f in enumerate(self.findings_)}
        first += len(self.findings_)
        self.site_columns_ = {s: first + n for n, s in enumerate(self.sites_)}
        self.first_term_ = first + len(self.sites_)
        self.width_ = self.first_term_ + len(self.vocabulary_.columns)

    def _cells(self, one: Observation) -> Iterator[tuple[int, float]]:
        """Yield the columns that are not zero."""
        yield from ((column, value) for column, value in enumerate(one.structured) if value)
        yield from (
            (self.finding_columns_[f], 1.0) for f in one.findings if f in self.finding_columns_
        )
        if one.site in self.site_columns_:
            yield self.site_columns_[one.site], 1.0
        for column, weight in self.vocabulary_.weights(one.terms).items():
            yield self.first_term_ + column, weight


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
        *_missing(vitals),
    ]


def _missing(vitals: Vitals) -> Iterator[float]:
    for name in _UNMEASURED:
        is_missing = getattr(vitals, name) is None
        if name == "consciousness":
            is_missing = is_missing and vitals.gcs is None
        yield float(is_missing)


def _said(case: TriageCase) -> Iterator[Finding]:
    """Yield what is said of today; what is denied is left out, as if nobody had asked."""
    for finding in read_case(case).findings:
        if finding.field in _TODAY and finding.assertion is not Assertion.NEGATED:
            yield finding


def _named(finding: Finding) -> str:
    concept = finding.concept.replace("_", " ")
    if finding.assertion in _CURRENT:
        return concept
    return f"{concept} ({finding.assertion.value})"


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
