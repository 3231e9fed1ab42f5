"""The queues of the review page: what waits in which, and what takes it out."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from monitoring.labelling import ground_truth_record, ground_truth_review
from monitoring.labels import Label, LabelSource
from monitoring.models import MLPredictionLog
from monitoring.review import Queue, queue_cases
from tests.monitoring.conftest import prediction
from triage_rules.level import Level

QUEUE_URL = "/admin/monitoring/review/"
EVERY_REASON: dict[str, Any] = {
    "fallback_reason": "low_confidence",
    "model_level": Level.SOON,
    "rules_level": Level.URGENT,
    "prediction": Level.EMERGENCY,
}
LEVELS_SAID = [Level.URGENT, None]
# Those a case can wait in that was not drawn; nobody has labelled it, so there is no conflict.
OPEN_QUEUES = [
    Queue.UNREVIEWED, Queue.LOW_CONFIDENCE, Queue.DIFFERING, Queue.HIGH_ACUITY,
]  # fmt: skip


@pytest.fixture
def browser(reviewer: User) -> Client:
    """The reviewer's browser."""
    client = Client()
    client.force_login(reviewer)
    return client


def write(**values: Any) -> MLPredictionLog:
    """Write one row."""
    row = prediction(**values)
    row.save()
    return row


def waits_in(row: MLPredictionLog) -> set[Queue]:
    """Return the queues in which a case waits."""
    return {queue for queue in Queue if queue_cases(queue).filter(pk=row.pk).exists()}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("values", "queues"),
    [
        ({}, {Queue.UNREVIEWED}),
        ({"fallback_reason": "low_confidence"}, {Queue.UNREVIEWED, Queue.LOW_CONFIDENCE}),
        ({"fallback_reason": "timeout"}, {Queue.UNREVIEWED}),
        ({"model_level": Level.URGENT}, {Queue.UNREVIEWED, Queue.DIFFERING}),
        ({"model_level": Level.ROUTINE}, {Queue.UNREVIEWED, Queue.DIFFERING}),
        ({"model_level": Level.SOON}, {Queue.UNREVIEWED}),
        ({"prediction": Level.EMERGENCY}, {Queue.UNREVIEWED, Queue.HIGH_ACUITY}),
        (EVERY_REASON, set(OPEN_QUEUES)),
        (EVERY_REASON | {"audited": True}, {Queue.AUDIT}),
    ],
)
def test_a_case_waits_for_each_of_its_reasons_and_a_drawn_one_in_the_audit_alone(
    values: dict[str, Any], queues: set[Queue]
) -> None:
    assert waits_in(write(**values)) == queues


@pytest.mark.parametrize("level", LEVELS_SAID, ids=["a level", "cannot assess"])
def test_any_label_takes_a_case_out_of_every_queue(frontend: User, level: Level | None) -> None:
    row = write(**EVERY_REASON)

    label = Label(level=level, source=LabelSource.CLINICIAN)
    ground_truth_record(prediction_id=row.pk, author=frontend, label=label)

    assert waits_in(row) == set()


@pytest.mark.parametrize("level", LEVELS_SAID, ids=["a level", "cannot assess"])
@pytest.mark.parametrize("source", [source for source in LabelSource if source != "audit"])
def test_a_drawn_case_waits_for_its_blind_label_whatever_others_said(
    frontend: User, level: Level | None, source: LabelSource
) -> None:
    row = write(**EVERY_REASON, audited=True)

    label = Label(level=level, source=source, saw_prediction=True)
    ground_truth_record(prediction_id=row.pk, author=frontend, label=label)

    assert waits_in(row) == {Queue.AUDIT}


@pytest.mark.parametrize("level", LEVELS_SAID, ids=["a level", "cannot assess"])
def test_the_audit_label_takes_a_drawn_case_out_of_every_queue(
    frontend: User, level: Level | None
) -> None:
    row = write(**EVERY_REASON, audited=True)

    label = Label(level=level, source=LabelSource.AUDIT, saw_prediction=False)
    ground_truth_record(prediction_id=row.pk, author=frontend, label=label)

    assert waits_in(row) == set()


def test_a_reviewer_who_settles_a_drawn_case_ends_its_wait(reviewer: User) -> None:
    row = write(**EVERY_REASON, audited=True)

    label = Label(level=Level.SOON, source=LabelSource.CLINICIAN, saw_prediction=True)
    ground_truth_review(prediction_id=row.pk, reviewer=reviewer, label=label)

    assert waits_in(row) == set()


def test_a_drawn_case_is_in_conflict_only_once_it_was_judged_blind(
    frontend: User, reviewer: User
) -> None:
    row = write(**EVERY_REASON, audited=True)
    for author, level in ((frontend, Level.SOON), (reviewer, Level.URGENT)):
        label = Label(level=level, source=LabelSource.OUTCOME)
        ground_truth_record(prediction_id=row.pk, author=author, label=label)
    assert waits_in(row) == {Queue.AUDIT}

    blind = Label(level=Level.SOON, source=LabelSource.AUDIT, saw_prediction=False)
    ground_truth_record(prediction_id=row.pk, author=reviewer, label=blind)

    assert waits_in(row) == {Queue.CONFLICTS}


def test_a_case_on_which_people_differ_waits_until_a_reviewer_settles_it(
    frontend: User, reviewer: User
) -> None:
    row = write(**EVERY_REASON)
    labels = [Label(level=level, source=LabelSource.OUTCOME) for level in (Level.SOON, Level(2))]
    for author, label in zip((frontend, reviewer), labels, strict=True):
        ground_truth_record(prediction_id=row.pk, author=author, label=label)
    assert waits_in(row) == {Queue.CONFLICTS}

    ground_truth_review(prediction_id=row.pk, reviewer=reviewer, label=labels[0])

    assert waits_in(row) == set()


def test_a_queue_is_shown_newest_first_and_goes_on_from_id_to_id(browser: Client) -> None:
    ids = [row.pk for row in reversed([write() for _ in range(30)])]

    first = browser.get(f"{QUEUE_URL}?queue=unreviewed")
    second = browser.get(first.context["older"])

    shown = [one.row.pk for page in (first, second) for one in page.context["waiting"]]
    assert shown == ids
    assert second.context["older"] is None


def test_a_queue_says_when_what_and_why_and_nothing_of_the_patient(
    browser: Client, api: Any, chest_pain: dict[str, Any]
) -> None:
    api.send(chest_pain)

    page = browser.get(f"{QUEUE_URL}?queue=high-acuity").content.decode()

    assert "emergency" in page
    assert "answered emergency" in page
    for word in ("chest", "sweating", "hypertension", "male", "p-123"):
        assert word not in page.split("<ol")[1]


def test_the_audit_shows_no_level(browser: Client) -> None:
    write(**EVERY_REASON, audited=True)

    page = browser.get(f"{QUEUE_URL}?queue=audit").content.decode()

    cases = page[page.index("review-cases") : page.index("</ol>")]
    assert "drawn at random" in cases
    assert not any(level.label in cases for level in Level)


def test_the_conflicts_say_what_people_said(browser: Client, frontend: User) -> None:
    row = write()
    for source, level in ((LabelSource.OUTCOME, Level.SOON), (LabelSource.AUDIT, Level.URGENT)):
        label = Label(level=level, source=source)
        ground_truth_record(prediction_id=row.pk, author=frontend, label=label)

    page = browser.get(f"{QUEUE_URL}?queue=conflicts").content.decode()

    assert "labels: soon, urgent" in page


@pytest.mark.django_db
def test_who_may_not_label_sees_no_queue_and_no_case(client: Client) -> None:
    row = write()
    clerk = User.objects.create_user("clerk", is_staff=True)
    client.force_login(clerk)

    for path in ("", "next/", f"{row.pk}/"):
        assert client.get(QUEUE_URL + path).status_code == 403


@pytest.mark.django_db
def test_who_is_not_logged_in_is_asked_to(client: Client) -> None:
    assert client.get(QUEUE_URL)["Location"].startswith("/admin/login/")


@pytest.mark.parametrize("query", ["queue=all", "queue=audit&before=yesterday"])
def test_no_such_queue_or_page_is_refused(browser: Client, query: str) -> None:
    assert browser.get(f"{QUEUE_URL}?{query}").status_code == 400
