"""Two people label at the same moment; neither word is lost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.contrib.auth.models import User
from django.db import connection

from monitoring.labels import Label, LabelSource
from monitoring.models import GroundTruth
from monitoring.services import ground_truth_record
from tests.monitoring.conftest import prediction
from triage_rules.level import Level


@pytest.mark.django_db(transaction=True)
def test_labels_at_the_same_moment_are_all_kept_and_disagreement_is_seen() -> None:
    row = prediction()
    row.save()
    people = [User.objects.create_user(f"doctor-{n}") for n in range(4)]
    together = Barrier(len(people))

    def label(number: int) -> None:
        together.wait()
        level = Level.URGENT if number % 2 else Level.SOON
        said = Label(level=level, source=LabelSource.CLINICIAN)
        ground_truth_record(prediction_id=row.pk, author=people[number], label=said)
        connection.close()

    with ThreadPoolExecutor(len(people)) as pool:
        list(pool.map(label, range(len(people))))

    row.refresh_from_db()
    assert GroundTruth.objects.count() == len(people)
    assert set(GroundTruth.objects.values_list("state", flat=True)) == {"conflict"}
    assert row.ground_truth is None
