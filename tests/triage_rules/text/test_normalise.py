import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triage_rules.text.normalise import MATCHER_VERSION, normalise, reads_as_latin

WRITTEN_AND_READ = [
    ("C/O CP, no SOB", "complains of chest pain, no shortness of breath"),
    ("N/V x3", "nausea vomiting x 3"),
    ("LOC w/ HA", "loss of consciousness with headache"),
    ("w/o abd pain", "without abdominal pain"),
    ("h/o MI s/p CABG", "history of mi status post cabg"),
    ("BIBA, +ve FAST, -ve CT", "brought in by ambulance, positive fast, negative ct"),
    ("?MI", "possible mi"),
    ("can\u2019t breathe", "can not breathe"),
    ("CAN'T   BREATHE!!!", "can not breathe!"),
    ("h\u00e9morragie", "hemorragie"),
    ("soooo bad", "so bad"),
    ("AAA repair", "aaa repair"),
    ("pain 10/10, temp 38.5", "pain 10/10, temperature 38.5"),
    ("mother's pills", "mother pills"),
    ("o'clock", "oclock"),
    ("rt. arm - denies", "right arm - denies"),
    ("one\ntwo", "one. two"),
    ("\uff43\uff48\uff45\uff53\uff54", "chest"),
    ("non-blanching", "non blanching"),
    ("diarrhea", "diarrhoea"),
    ("N/V.", "nausea vomiting."),
    ("", ""),
]


@pytest.mark.parametrize(("written", "read"), WRITTEN_AND_READ)
def test_the_normal_form(written, read):
    assert normalise(written) == read


@pytest.mark.parametrize(
    ("written", "first", "matcher"),
    [
        ("can 't breathe", "can ' t breathe", "can not breathe"),
        ("carnt walk", "carnt walk", "can not walk"),
        ("cough 3/7", "cough 3/7", "cough 3 days"),
        ("fever 2/52, 6/12 old", "fever 2/52, 6/12 old", "fever 2 weeks, 6 months old"),
        ("chest\u200bpain", "chestpain", "chest pain"),
        ("chest\u00a0pain", "chest pain", "chest pain"),
        ("24/7, 8/10, 80/50", "24/7, 8/10, 80/50", "24/7, 8/10, 80/50"),
        ("siezure", "seizure", "seizure"),
    ],
)
def test_what_the_rules_read_leaves_the_first_version_as_it_was(written, first, matcher):
    assert normalise(written) == normalise(written, version=1) == first
    assert normalise(written, version=MATCHER_VERSION) == matcher


@settings(max_examples=100, deadline=None)
@given(st.text())
def test_any_text_has_a_normal_form(text):
    assert isinstance(normalise(text), str)


def test_an_unknown_version_names_what_is_known():
    with pytest.raises(ValueError, match="expected 2 or older"):
        normalise("cough", version=99)


@pytest.mark.parametrize(
    ("text", "latin"),
    [
        ("cough", True),
        ("fi\u00e8vre", True),
        ("\u0431\u043e\u043b\u044c", False),
        ("12 !?", True),
        ("\uff43\uff43", True),
    ],
)
def test_the_script_is_told_from_the_letters(text, latin):
    assert reads_as_latin(text) is latin
