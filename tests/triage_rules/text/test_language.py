"""A complaint in another language is not read as one without findings."""

import pytest

from tests.triage_rules.patients import NORMAL, adult
from triage_rules import Level, evaluate

FOREIGN = [
    "dolor de pecho desde ayer",
    "no puedo respirar bien",
    "me duele el pecho",
    "Schmerzen in der Brust seit gestern",
    "ich kann nicht atmen",
    "douleur thoracique depuis hier",
    "mon fils a de la fi\u00e8vre",
    "dor no peito desde ontem",
    "boli mnie w klatce piersiowej",
    "dolor pecho",
    "mal ventre",
    "Brust Schmerzen",
    "fi\u00e8vre toux",
    "febbre alta",
    "dor cabe\u00e7a",
    "sakit perut",
    "Bauchschmerzen stark",
]
ENGLISH = [
    "flurb",
    "flurb glorp",
    "dolor",
    "Kopfschmerzen",
    "saw throte",
    "ankel sprane",
    "ingrown toenail",
    "cold sore",
    "suture removal",
    "tetanus booster",
    "hay fever",
    "the flurb glorps",
    "CT film copy",
    "poor oral intake",
    "abnormal lab result",
    "F/C, C/S",
    "1 2 3 4",
    "?! ...",
]


@pytest.mark.parametrize("complaint", FOREIGN)
def test_a_complaint_in_another_language_is_urgent_and_needs_a_person(complaint):
    verdict = evaluate(adult(complaint, vitals=NORMAL))

    assert verdict.text_unparsed
    assert verdict.needs_human
    assert verdict.floor is Level.URGENT


@pytest.mark.parametrize("complaint", ENGLISH)
def test_a_complaint_that_is_english_or_too_short_to_tell_is_read(complaint):
    verdict = evaluate(adult(complaint, vitals=NORMAL))

    assert not verdict.text_unparsed
    assert verdict.level is Level.ROUTINE


def test_a_finding_in_another_language_with_a_known_word_is_that_finding():
    verdict = evaluate(adult("angina desde ayer", vitals=NORMAL, age_years=60))

    assert not verdict.text_unparsed
    assert verdict.level is Level.EMERGENCY
