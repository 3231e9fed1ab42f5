"""The words of a complaint as weighted columns: tf-idf of words and of neighbouring pairs."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from triage_rules.case import TriageCase
from triage_rules.text.normalise import normalise

NORMALISER_VERSION = 1

_WORD = re.compile(r"[^\W_]+")
# Negators stay: "no" is half of "no pain".
STOP_WORDS = frozenset(
    """
    a all also am an and any are as at be been but by did do does for from had has have he her his
    i if in into is it its just me my now of on or our she since so some that the their then there
    they this to too was we were when which who with you your
    """.split()  # noqa: SIM905 - sixty quoted words would be harder to read
)


@dataclass(frozen=True, slots=True, eq=False)
class Vocabulary:
    """The terms met in training, and how much each weighs.

    Attributes
    ----------
    columns
        Column of each term, counted from nought.
    idf
        Smoothed inverse document frequency of each term, by column.
    """

    columns: dict[str, int]
    idf: tuple[float, ...]

    @classmethod
    def of(
        cls,
        texts: Sequence[Sequence[str]],
        *,
        patients: Sequence[str],
        min_document_frequency: int,
        max_terms: int,
    ) -> Vocabulary:
        """Keep the commonest terms of ``texts``, each text a list of terms of one patient.

        A term must be said of enough different patients: one patient's name or street, written at
        every visit, must not become a column.
        """
        frequencies = Counter(term for terms in texts for term in set(terms))
        said_of: defaultdict[str, set[str]] = defaultdict(set)
        for patient, terms in zip(patients, texts, strict=True):
            for term in terms:
                said_of[term].add(patient)
        frequent = [term for term, who in said_of.items() if len(who) >= min_document_frequency]
        frequent.sort(key=lambda term: (-frequencies[term], term))
        kept = sorted(frequent[:max_terms])
        return cls(
            columns={term: column for column, term in enumerate(kept)},
            idf=tuple(math.log((1 + len(texts)) / (1 + frequencies[t])) + 1 for t in kept),
        )

    def weights(self, terms: Sequence[str]) -> dict[int, float]:
        """Return the tf-idf weight of each known term by column, scaled to a length of 1."""
        known = (self.columns.get(term) for term in terms)
        counts = Counter(column for column in known if column is not None)
        # Sorted, so that the sum has the same last bit whatever order the words came in.
        raw = {c: (1 + math.log(counts[c])) * self.idf[c] for c in sorted(counts)}
        length = math.sqrt(sum(weight * weight for weight in raw.values()))
        return {column: weight / length for column, weight in raw.items()}


def terms_beside_complaint(case: TriageCase) -> Iterator[str]:
    """Yield the terms of everything else that is said to be there."""
    yield from terms_of(case.description)
    for symptom in case.symptoms:
        if symptom.present:
            yield from terms_of(symptom.name)


def terms_of(text: str) -> Iterator[str]:
    """Yield the words of ``text`` and its pairs of neighbouring words, without stop words."""
    normal = normalise(text, version=NORMALISER_VERSION) if text else ""
    words = [word for word in _WORD.findall(normal) if word not in STOP_WORDS]
    yield from words
    yield from (f"{first} {second}" for first, second in pairwise(words))
