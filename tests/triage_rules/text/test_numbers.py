import pytest

from triage_rules.text.normalise import normalise
from triage_rules.text.numbers import glucose_mmol_l, pain_scores


@pytest.mark.parametrize(
    ("text", "scores"),
    [("pain 8/10", [8]), ("10/10", [10]), ("11/10", []), ("8/12", []), ("8", []), ("6.5/10", [6])],
)
def test_a_score_of_ten_is_read(text, scores):
    assert list(pain_scores(normalise(text).split())) == scores


@pytest.mark.parametrize(
    ("text", "sugars"),
    [
        ("sugar 2.4", [2.4]),
        ("sugar was only 2,4", [2.4]),
        ("glucose 54 mg/dl", [2.997]),
        ("glucose 45", [2.498]),
        ("glucose 30", [30]),
        ("glucose 32 mmol", [32]),
        ("sugar", []),
        ("sugar , 2.4", []),
        ("sugar checked 2 hours ago", []),
        ("sugar in my tea every single morning 3", []),
    ],
)
def test_a_sugar_is_read_near_its_word(text, sugars):
    assert list(glucose_mmol_l(text.split())) == pytest.approx(sugars, abs=0.001)
