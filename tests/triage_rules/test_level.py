import pytest

from triage_rules.level import Abstention, Level, Opinion


def test_a_label_is_read_back():
    assert all(Level.from_label(level.label) is level for level in Level)


def test_another_word_names_what_is_known():
    with pytest.raises(ValueError, match="routine"):
        Level.from_label("asap")


@pytest.mark.parametrize(("original", "level"), [(1, 3), (2, 3), (3, 2), (4, 1), (5, 0)])
def test_five_levels_become_four(original, level):
    assert Level.from_five_level(original) == level


@pytest.mark.parametrize("original", [0, 6])
def test_a_sixth_level_is_refused(original):
    with pytest.raises(ValueError, match="1 to 5"):
        Level.from_five_level(original)


def test_an_opinion_has_a_level_or_a_reason():
    with pytest.raises(ValueError, match="either"):
        Opinion()
    with pytest.raises(ValueError, match="four probabilities"):
        Opinion(level=Level.SOON)


def test_an_opinion_that_abstains_has_no_confidence():
    opinion = Opinion.abstain(Abstention.TIMEOUT)

    assert opinion.confidence is None
    assert not opinion.is_confident


def test_the_confidence_is_the_probability_of_the_own_level():
    opinion = Opinion(level=Level.SOON, probabilities=(0.1, 0.7, 0.1, 0.1), threshold=0.6)

    assert opinion.confidence == 0.7
    assert opinion.is_confident
