"""The score of a replay: each decider on the visits it gave a level for."""

from __future__ import annotations

import pytest

from api.client import ServiceError, TriageClient
from api.replay import ReplayedCase, report
from triage_rules.level import Level


def visit(truth: Level, decision: Level, *, model: Level | None = None) -> ReplayedCase:
    return ReplayedCase(
        truth=truth, decision=decision, rules=decision, model=model, nurse=truth, ab_group="ml"
    )


def test_it_counts_each_decider_on_its_own_visits() -> None:
    visits = [
        visit(Level.EMERGENCY, Level.URGENT, model=Level.EMERGENCY),
        visit(Level.SOON, Level.SOON),
        visit(Level.SOON, Level.URGENT),
        visit(Level.ROUTINE, Level.ROUTINE),
    ]

    figures = {line.split()[0]: line.split()[1:] for line in report(visits).splitlines()[1:5]}

    #                          n   accuracy   qwk    under    over   em. recall
    assert figures["decision"][:2] == ["4", "0.500"]
    assert figures["decision"][3:] == ["0.250", "0.250", "0.000"]
    assert figures["model"][:2] == ["1", "1.000"]
    assert figures["nurse"] == ["4", "1.000", "1.000", "0.000", "0.000", "1.000"]


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://x", "http://"])
def test_an_address_it_cannot_use_is_refused(url: str) -> None:
    with pytest.raises(ServiceError, match="--url must look like"):
        TriageClient(url=url, token="t")


def test_a_service_that_is_away_is_one_sentence() -> None:
    client = TriageClient(url="http://127.0.0.1:9", token="t")

    with pytest.raises(ServiceError, match="the service did not answer"):
        client.post("/api/v1/triage/", {})
