import pytest

from tests.triage_rules.patients import adult, table
from triage_rules import evaluate

EVERYDAY = table("everyday")
FIRES = [(flag, says) for flag, sentences in EVERYDAY["fires"].items() for says in sentences]


@pytest.mark.parametrize(("flag", "says"), FIRES)
def test_everyday_words_fire_their_flag(flag, says):
    assert flag in {fired.id for fired in evaluate(adult(says)).red_flags}


@pytest.mark.parametrize("says", EVERYDAY["harmless"]["complaints"])
def test_harmless_words_fire_nothing(says):
    assert not evaluate(adult(says)).red_flags
