"""A case as rules ask about it: what is said, what is known, what was measured."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache, cached_property
from operator import ge, gt, le, lt

from triage_rules.case import MEASURED, Consciousness, Pregnancy, TriageCase, Vitals
from triage_rules.scores.bands import HIGH_RISK, Band, Row, is_beyond
from triage_rules.scores.consciousness import consciousness_of
from triage_rules.scores.news2 import News2, news2
from triage_rules.scores.shock_index import shock_index
from triage_rules.text.finding import Assertion, Field, Finding
from triage_rules.text.phrases import lasting_concepts
from triage_rules.text.reading import Reading
from triage_rules.thresholds import Limits, days_of

Evidence = tuple[str, ...]
NOTHING: Evidence = ()

_CURRENT = frozenset({Assertion.PRESENT, Assertion.POSSIBLE})
_SPOKEN = frozenset({Field.COMPLAINT, Field.DESCRIPTION, Field.SYMPTOM})
_KNOWN = _CURRENT | {Assertion.HISTORICAL, Assertion.RESOLVED}
_LABELS = {
    "heart_rate": ("heart rate", "/min"),
    "respiratory_rate": ("breathing rate", "/min"),
    "spo2": ("SpO2", "%"),
    "systolic_bp": ("systolic pressure", "mmHg"),
    "diastolic_bp": ("diastolic pressure", "mmHg"),
    "temperature_c": ("temperature", "°C"),
    "gcs": ("GCS", ""),
    "pain_score": ("pain", "/10"),
    "glucose_mmol_l": ("glucose", "mmol/L"),
    "ketones_mmol_l": ("ketones", "mmol/L"),
    "fall_m": ("fall from", "m"),
    "burn_percent": ("burn of", "%"),
    "weeks_pregnant": ("pregnant, week", ""),
}


@dataclass(frozen=True)
class Patient:
    """One case, its text read, and the limits of the day."""

    case: TriageCase
    reading: Reading
    limits: Limits

    # Who it is.

    @cached_property
    def age(self) -> float:
        """Age in years."""
        return self.case.age

    @property
    def age_in_days(self) -> float:
        """Age in days; of an age that was given in years, the youngest it can mean."""
        return days_of(self.age)

    @property
    def lacks_days(self) -> bool:
        """Whether the age in days is wanted and not known: under two years."""
        return self.case.age_days is None and self.age < self.limit("age_in_days_under")

    @property
    def is_adult(self) -> bool:
        """Whether the adult limits apply: 16 years and over."""
        return self.age >= 16

    @cached_property
    def is_pregnant(self) -> bool:
        """Whether a pregnancy is recorded or said."""
        return self.case.pregnancy is Pregnancy.PREGNANT or bool(self.says("pregnant_word"))

    # What is said.

    def says(self, *concepts: str) -> Evidence:
        """Return the words that say, of now, any of these concepts; nothing if none does."""
        if self._present.keys().isdisjoint(concepts):
            return NOTHING
        return _words(self._present, concepts)

    def says_newly(self, *concepts: str) -> Evidence:
        """Return the same words, less those that say that it is of long standing."""
        return words_of(found for found in self.said(*concepts) if not found.longstanding)

    def said(self, *concepts: str) -> tuple[Finding, ...]:
        """Return the findings of now among these concepts."""
        return tuple(found for name in concepts for found in self._present.get(name, ()))

    def knows(self, *concepts: str) -> Evidence:
        """Return the words that say any of these of now, of the past, or in the lists."""
        return _words(self._known, concepts)

    @cached_property
    def concepts(self) -> frozenset[str]:
        """Everything that is said of now, or known."""
        return frozenset((*self._present, *self._known))

    @cached_property
    def has_fears(self) -> bool:
        """Whether the complaint is a worry about a finding."""
        return any(self._is_feared(found) for found in self.reading.findings)

    def with_fears_taken_as_present(self) -> Patient:
        """Return the patient as if what the complaint fears were so."""
        findings = tuple(
            replace(found, assertion=Assertion.POSSIBLE) if self._is_feared(found) else found
            for found in self.reading.findings
        )
        return replace(self, reading=replace(self.reading, findings=findings))

    # What was measured.

    @property
    def vitals(self) -> Vitals:
        """What was measured at the door."""
        return self.case.vitals

    @property
    def consciousness(self) -> Consciousness | None:
        """ACVPU as recorded, else from the coma score."""
        return consciousness_of(self.vitals)

    @cached_property
    def news2(self) -> News2:
        """The early warning score of what was measured."""
        return news2(self.vitals, age=self.age, pregnant=self.is_pregnant)

    @cached_property
    def shock_index(self) -> float | None:
        """The worst that the known values give: the fastest heart by the lowest pressure."""
        heart = max(self.values("heart_rate"), default=None)
        pressure = min(self.values("systolic_bp"), default=None)
        return shock_index(replace(self.vitals, heart_rate=heart, systolic_bp=pressure)).value

    def news2_from(self, limit: str) -> Evidence:
        """Return the early warning score where it is at or above a limit."""
        total = self.news2.total
        if total is None or total < self.limit(limit):
            return NOTHING
        return (f"NEWS2 {total}",)

    @cached_property
    def abnormal_vitals(self) -> Evidence:
        """The measurements that are abnormal for the age, as words.

        In adults those with 2 points of NEWS2 or more; at any age those of high risk.
        """
        least = self.limit("abnormal_news2_points")
        scored = [name for name, points in self.news2.subscores if points >= least]
        words = (measured(name, self._value(name)) for name in scored if name in _LABELS)
        return tuple(dict.fromkeys((*_flat(words), *self.outside(HIGH_RISK))))

    def values(self, name: str) -> tuple[float, ...]:
        """Return every value known of a measurement: measured, or written in the text."""
        value = getattr(self.vitals, name, None)
        written = self.reading.numbers.get(name, ())
        return written if value is None else (value, *written)

    def knows_measurements(self, needs: tuple[str, ...]) -> bool:
        """Whether all of these are known; of "a|b" either is enough."""
        known = self._known_needs.get(needs)
        if known is None:
            known = all(not self._measured.isdisjoint(_alternatives(need)) for need in needs)
            self._known_needs[needs] = known
        return known

    def limit(self, name: str) -> float:
        """Return a number of the rules that is the same at every age."""
        return self.limits.number(name)

    def at_least(self, name: str, limit: str) -> Evidence:
        """Return the measurement where it is at or above a limit."""
        return self._where(_row(name, ge, limit))

    def above(self, name: str, limit: str) -> Evidence:
        """Return the measurement where it is above a limit."""
        return self._where(_row(name, gt, limit))

    def at_most(self, name: str, limit: str) -> Evidence:
        """Return the measurement where it is at or below a limit."""
        return self._where(_row(name, le, limit))

    def below(self, name: str, limit: str) -> Evidence:
        """Return the measurement where it is below a limit."""
        return self._where(_row(name, lt, limit))

    def outside(self, band: Band) -> Evidence:
        """Return the measurements that lie outside a band for the age."""
        return tuple(_flat(self._where(row) for row in band))

    # What many rules ask.

    @cached_property
    def fever(self) -> Evidence:
        """A temperature from the fever limit on, or words for a fever."""
        return (*self.at_least("temperature_c", "fever"), *self.says("fever"))

    @cached_property
    def altered_mind(self) -> Evidence:
        """Less than alert as recorded, or words for it."""
        altered = self.consciousness not in (None, Consciousness.ALERT)
        letter = (f"consciousness {self.consciousness}",) if altered else NOTHING
        return (*letter, *self.says("confused", "drowsy", "unresponsive"))

    def _where(self, row: Row) -> Evidence:
        if row.vital not in self._measured:
            return NOTHING
        beyond = (value for value in self.values(row.vital) if self._is_beyond(row, value))
        return next((measured(row.vital, value) for value in beyond), NOTHING)

    def _is_beyond(self, row: Row, value: float) -> bool:
        return is_beyond(row, value, vitals=self.vitals, age=self.age, limits=self.limits)

    @cached_property
    def _known_needs(self) -> dict[tuple[str, ...], bool]:
        """Many lines need the same: each need is looked up once."""
        return {}

    @cached_property
    def _measured(self) -> frozenset[str]:
        """The names of all measurements that were taken or are written in the text."""
        return frozenset((*set(MEASURED).difference(self.vitals.missing), *self.reading.numbers))

    def _value(self, name: str) -> float:
        return float(getattr(self.vitals, name))

    @cached_property
    def _present(self) -> dict[str, list[Finding]]:
        return _by_concept(filter(_is_of_now, self.reading.findings))

    @cached_property
    def _known(self) -> dict[str, list[Finding]]:
        return _by_concept(found for found in self.reading.findings if found.assertion in _KNOWN)

    @staticmethod
    def _is_feared(found: Finding) -> bool:
        return found.assertion is Assertion.FEARED and found.field is Field.COMPLAINT


def measured(name: str, value: float) -> Evidence:
    """Return a measured value as evidence: its name in words, the value, the unit."""
    label, unit = _LABELS[name]
    space = "" if unit == "/10" else " "
    return (f"{label} {round(value, 1):g}{space}{unit}".strip(),)


def _words(findings: dict[str, list[Finding]], concepts: tuple[str, ...]) -> Evidence:
    return words_of(found for name in concepts for found in findings.get(name, ()))


def words_of(findings: Iterable[Finding]) -> Evidence:
    """Return the words of findings, each once, in their order."""
    return tuple(dict.fromkeys(finding.evidence for finding in findings))


def _flat(parts: Iterable[Evidence]) -> Iterator[str]:
    for part in parts:
        yield from part


def _by_concept(findings: Iterable[Finding]) -> dict[str, list[Finding]]:
    by_concept: defaultdict[str, list[Finding]] = defaultdict(list)
    for found in findings:
        by_concept[found.concept].append(found)
    return by_concept


def _is_of_now(found: Finding) -> bool:
    lasts = found.assertion is Assertion.RESOLVED and found.concept in lasting_concepts()
    return found.field in _SPOKEN and (found.assertion in _CURRENT or lasts)


@cache
def _row(vital: str, beyond: Callable[[float, float], bool], limit: str) -> Row:
    return Row(vital, beyond, limit)


@cache
def _alternatives(need: str) -> tuple[str, ...]:
    if unknown := set(need.split("|")).difference(_LABELS, MEASURED):
        raise KeyError(f"no measurement {sorted(unknown)}")
    return tuple(need.split("|"))
