"""Real visits through the running service: every one on record, labelled and scored."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import settings

from ml.datasets import default_path
from tests.functional.conftest import Deployment, Server

pytestmark = pytest.mark.functional
KTAS = default_path("ktas", folder=settings.TRIAGE_DATA_DIR)


@pytest.mark.data
@pytest.mark.skipif(not KTAS.exists(), reason="the KTAS rows are not in TRIAGE_DATA_DIR")
def test_twenty_real_visits_leave_twenty_labelled_rows(
    server: Server, deployment: Deployment
) -> None:
    token = deployment.token("replay")
    arguments = ("ktas", "--path", str(KTAS.resolve()), "--limit", "20")

    printed = deployment.manage("replay_dataset", *arguments, "--url", server.url, "--token", token)

    rows = deployment.python(
        "from monitoring.models import GroundTruth, MLPredictionLog as Log\n"
        "rows = Log.objects.filter(client='replay')\n"
        "print(rows.count(), rows.filter(ground_truth__isnull=False).count(),"
        " GroundTruth.objects.filter(scale='ktas').count())"
    )
    assert rows == "20 20 20"
    assert all(name in printed for name in ("model", "rules", "decision", "nurse", "qwk"))


def test_a_wrong_token_is_said_in_one_sentence(
    server: Server, deployment: Deployment, tmp_path: Path
) -> None:
    file = tmp_path / "ktas.csv"
    file.write_text("row_id\nktas-1\n")

    arguments = ("replay_dataset", "ktas", "--path", str(file), "--token", "wrong")
    said = deployment.manage(*arguments, check=False)

    assert said.startswith("CommandError: ")
    assert len(said.strip().splitlines()) == 1
