import pytest

from tests.triage_rules.patients import NORMAL, adult, table
from triage_rules import Level, evaluate


@pytest.mark.parametrize("complaint", table("benign")["complaints"])
def test_an_everyday_complaint_stays_at_soon_or_below(complaint):
    verdict = evaluate(adult(complaint, vitals=NORMAL))

    assert verdict.level <= Level.SOON, verdict.reasons
    assert not verdict.red_flags
