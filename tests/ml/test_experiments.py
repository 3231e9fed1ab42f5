"""The running experiment: opened at set-up, its terms fixed, one phase at a time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from ml.experiments import NO_PHASE, experiment_ensure_default, phase_current
from ml.models import Experiment, Phase
from triage_rules.level import Decider

pytestmark = pytest.mark.django_db


def test_set_up_opens_half_and_half() -> None:
    phase = phase_current()

    assert (phase.experiment, phase.number) == ("ml-vs-rules", 1)
    assert (phase.ramp, phase.ml_share) == (1_000_000, 500_000)
    assert (phase.default_decider, phase.kill_switch) == (Decider.ML, False)


def test_set_up_again_changes_nothing() -> None:
    Phase.objects.update(ml_share=100_000)

    experiment_ensure_default()

    assert Phase.objects.get().ml_share == 100_000


def test_a_phase_that_has_ended_no_longer_counts() -> None:
    Phase.objects.update(ended_at=timezone.now())
    experiment_ensure_default()

    assert phase_current() == NO_PHASE


@pytest.mark.parametrize("name", ["ml-vs-rules", "another"])
def test_two_phases_are_never_open_at_once(name: str) -> None:
    experiment, _ = Experiment.objects.get_or_create(name=name)

    with pytest.raises(IntegrityError), transaction.atomic():
        Phase.objects.create(
            experiment=experiment, number=2, ramp=1, ml_share=1, default_decider="ml"
        )


def test_migrating_another_app_first_does_not_need_the_phase(tmp_path: Path) -> None:
    environment = os.environ | {"DATABASE_URL": f"sqlite:///{tmp_path / 'db'}"}
    command = [sys.executable, "manage.py", "migrate", "auth", "--verbosity", "0"]

    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")


def test_a_share_above_a_million_is_refused() -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Phase.objects.update(ml_share=1_000_001)
