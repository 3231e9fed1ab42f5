import pytest

from triage_rules.text.phrases import PhraseBook, entry_of

PHRASES = ["chest pain", "chest .. pain", "pain in? chest", "<limb> numb", "chest"]


def book(**given):
    made = PhraseBook(groups={"limb": ["arm", "leg"]}, fillers=["my", "is"], **given)
    for phrase in PHRASES:
        made.add(phrase, entry_of("concept", phrase))
    return made


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("chest pain", {("chest", 1), ("chest pain", 2), ("chest .. pain", 2)}),
        ("chest is my pain", {("chest", 1), ("chest pain", 4), ("chest .. pain", 4)}),
        ("chest a b c pain", {("chest", 1), ("chest .. pain", 5)}),
        ("chest a b c d pain", {("chest", 1)}),
        ("chest a , b pain", {("chest", 1)}),
        ("my arm is numb", {("<limb> numb", 4)}),
        ("arm my my my my my numb", {("<limb> numb", 7)}),
        ("arm my my my my my my numb", set()),
        ("leg x numb", set()),
        ("", set()),
    ],
)
def test_each_phrase_is_found_in_its_longest_reading(text, found):
    matches = book().find(text.split())

    assert {(match.entry.name, match.end) for match in matches if match.start < 2} == found


def test_what_is_kept_between_texts_is_bounded_and_changes_nothing():
    forgetful, text = book(most_steps=1), ["chest", "is", "my", "pain", "in", "chest", "arm"]

    assert forgetful.find(text) == book().find(text)


def test_a_kind_and_a_name_have_one_entry():
    assert entry_of("concept", "cough") is entry_of("concept", "cough")
