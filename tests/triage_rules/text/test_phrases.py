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


@pytest.mark.parametrize(
    ("phrase", "reads", "not_read"),
    [
        ("a b? c", ["a c", "a b c"], ["a b", "a d c"]),
        ("a b? .. c", ["a c", "a b c", "a d c", "a b d e f c"], ["a d e f g c", "b c"]),
        ("a? b", ["b", "a b"], ["a"]),
        ("a b?", ["a", "a b"], ["b"]),
        ("<limb>|neck hurts?", ["arm", "neck hurts", "leg hurts"], ["hurts"]),
        ("<two>", ["lower leg", "upper arm"], ["lower", "leg"]),
    ],
)
def test_a_phrase_is_read_in_all_its_ways_and_no_other(phrase, reads, not_read):
    made = PhraseBook(
        groups={"limb": ["arm", "leg"], "two": ["lower leg", "upper arm"]}, fillers=()
    )
    made.add("a .. x", entry_of("concept", "another"))
    made.add(phrase, entry_of("concept", phrase))

    for text in (*reads, *not_read):
        words = text.split()
        ends = {match.end for match in made.find(words) if match.start == 0}
        assert (len(words) in ends) is (text in reads)


def test_a_phrase_with_many_choices_takes_room_for_its_parts_only():
    groups = {"many": [f"w{number}" for number in range(50)]}
    made = PhraseBook(groups=groups, fillers=())
    made.add("<many> <many>? <many> .. <many>", entry_of("concept", "x"))

    assert made.find(["w1", "w2", "w3", "other", "w4"])


def test_what_is_kept_between_texts_is_bounded_and_changes_nothing():
    forgetful, text = book(most_steps=1), ["chest", "is", "my", "pain", "in", "chest", "arm"]

    assert forgetful.find(text) == book().find(text)


def test_a_kind_and_a_name_have_one_entry():
    assert entry_of("concept", "cough") is entry_of("concept", "cough")


@pytest.mark.parametrize("phrase", ["? pe", "chest|| pain", "chest |pain"])
def test_an_empty_choice_is_refused_with_its_phrase(phrase):
    empty = PhraseBook(groups={}, fillers=())

    with pytest.raises(ValueError, match="holds an empty choice"):
        empty.add(phrase, entry_of("concept", "test"))
