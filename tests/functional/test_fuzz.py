"""Every operation, called with what its own schema allows and forbids, holds to that schema."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.functional.conftest import ROOT, Deployment

pytestmark = [
    pytest.mark.functional,
    pytest.mark.skipif(
        not os.environ.get("TEST_DATABASE_URL"), reason="is about the service as it is deployed"
    ),
]


def test_no_call_breaks_the_service_or_its_schema(own_deployment: Deployment) -> None:
    tokens = {
        "FRONTEND_TOKEN": own_deployment.token(),
        "REVIEWER_TOKEN": own_deployment.token("reviewer", "reviewer"),
        "LEAVER_TOKEN": own_deployment.token("leaver"),
    }
    limits = {"RATE_LIMIT": "1000000", "LOGIN_RATE_LIMIT": "10000"}
    cases = os.environ.get("CASES", "200")
    worker = ("celery", "-A", "config", "worker", "--concurrency", "1", "--loglevel", "WARNING")

    with (
        own_deployment.process(*worker, **limits),
        own_deployment.server(DJANGO_DEBUG="false", LOG_LEVEL="WARNING", **limits) as server,
    ):
        done = subprocess.run(
            ["deploy/fuzz.sh"],
            cwd=ROOT,
            env=own_deployment.environment | tokens | {"URL": server.url, "CASES": cases},
            capture_output=True,
            text=True,
            check=False,
        )

    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
