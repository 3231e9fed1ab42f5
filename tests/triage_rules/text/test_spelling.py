import pytest

from triage_rules.text.phrases import concept_words, phrase_book, read_toml
from triage_rules.text.spelling import corrected

MISSPELT = {
    "anaphalactic": "anaphylactic",
    "anaphylaxsis": "anaphylaxis",
    "bleading": "bleeding",
    "brethless": "breathless",
    "brething": "breathing",
    "cheast": "chest",
    "convulshun": "convulsion",
    "diarhoea": "diarrhoea",
    "hemorage": "haemorrhage",
    "meningitus": "meningitis",
    "miscariage": "miscarriage",
    "overdoze": "overdose",
    "pnumonia": "pneumonia",
    "siezures": "seizures",
    "slurd": "slurred",
    "speach": "speech",
    "stomache": "stomach",
    "sucidal": "suicidal",
    "swolen": "swollen",
    "temprature": "temperature",
    "unconcious": "unconscious",
    "unconsious": "unconscious",
}
RIGHT = [
    "39.5", "alteration", "breeding", "cat", "cancel", "conscience", "conscious", "direction",
    "education", "expression", "floating", "hypertension", "hypotension", "interesting", "mother",
    "painted", "poison", "responsive", "stubbed", "switching", "tripping", "x" * 40,
]  # fmt: skip


@pytest.mark.parametrize(("written", "meant"), MISSPELT.items())
def test_a_misspelt_word_is_repaired_unless_a_phrase_has_it_so(written, meant):
    assert corrected(written) == meant or written in phrase_book().vocabulary


@pytest.mark.parametrize("word", RIGHT)
def test_a_right_word_is_left_alone(word):
    assert corrected(word) == word


def test_two_wrong_letters_in_a_short_word_are_not_repaired():
    assert corrected("strxxe") == "strxxe"


@pytest.mark.parametrize("word", ["ypotension", "yperventilating"])
def test_a_lost_beginning_is_not_guessed(word):
    assert corrected(word) == word


def test_a_long_word_of_a_new_phrase_is_repaired_without_being_named():
    named = read_toml("spelling.toml")["repaired"]
    unnamed = {word for word in concept_words() if len(word) >= 10 and word.isalpha()} - {*named}

    repaired = {word for word in unnamed if corrected(word[:4] + word[5:]) == word}
    assert len(repaired) > 0.8 * len(unnamed)


def test_the_lists_agree_with_what_the_phrases_know():
    lists, known = read_toml("spelling.toml"), phrase_book().vocabulary

    assert all(corrected(word) == word for word in lists["look_alikes"])
    assert all(len(word) >= 6 and word in known for word in lists["repaired"])
    assert all(meant in known for meant in lists["variants"].values())
