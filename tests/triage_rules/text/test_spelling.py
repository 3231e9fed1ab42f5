import pytest

from triage_rules.text.phrases import phrase_book, read_toml
from triage_rules.text.spelling import corrected


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("siezures", "seizures"),
        ("brethless", "breathless"),
        ("unconsious", "unconscious"),
        ("anaphilaxsis", "anaphylaxis"),
        ("swolen", "swollen"),
        ("sucidal", "suicidal"),
    ],
)
def test_a_misspelt_word_is_repaired(written, meant):
    assert corrected(written) == meant


@pytest.mark.parametrize(
    "word", ["breeding", "conscience", "poison", "mother", "cat", "39.5", "x" * 40]
)
def test_a_right_word_is_left_alone(word):
    assert corrected(word) == word


def test_two_wrong_letters_in_a_short_word_are_not_repaired():
    assert corrected("strxxe") == "strxxe"


def test_no_look_alike_is_a_word_to_repair_to():
    lists = read_toml("spelling.toml")

    assert all(corrected(word) == word for word in lists["look_alikes"])
    assert all(len(word) >= 6 and word in phrase_book().vocabulary for word in lists["repaired"])
