"""One case on the review page: what is shown to whom, and what becomes of their label."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from monitoring.labelling import ground_truth_record
from monitoring.labels import Label, LabelSource
from monitoring.models import AccessEvent, GroundTruth, MLPredictionLog, TriageIntake
from tests.monitoring.conftest import prediction
from triage_rules.level import Level


@pytest.fixture
def browser(reviewer: User) -> Client:
    """The reviewer's browser."""
    client = Client()
    client.force_login(reviewer)
    return client


@pytest.fixture
def row(api: Any, chest_pain: dict[str, Any]) -> MLPredictionLog:
    """A case that was answered by the running rules, with what was sent."""
    answer = api.send(chest_pain).json()
    return MLPredictionLog.objects.get(pk=answer["prediction_id"])


@pytest.fixture
def drawn(db: None) -> MLPredictionLog:
    """A case that was drawn for the audit, of which every answer is "urgent"."""
    row = prediction(
        audited=True, prediction=Level.URGENT, rules_level=Level.URGENT, red_flags=["RF04"],
        model_level=Level.URGENT, model_version="v1", threshold=0.6,
        probabilities=[0.03, 0.07, 0.81, 0.09], plausible_levels=[2],
    )  # fmt: skip
    row.save()
    return row


def url(row: MLPredictionLog, *, queue: str = "unreviewed") -> str:
    """Return the address of a case in a queue."""
    return f"/admin/monitoring/review/{row.pk}/?queue={queue}"


def say(browser: Client, row: MLPredictionLog, *, queue: str = "unreviewed", **data: Any) -> Any:
    """Press one of the buttons of a case."""
    return browser.post(url(row, queue=queue), data)


# --- what is shown --------------------------------------------------------------------------------


def test_the_case_stands_beside_both_answers(browser: Client, row: MLPredictionLog) -> None:
    page = browser.get(url(row)).content.decode()

    for words in (
        "chest pain radiating to left arm", "since an hour, sweating", "nausea, moderate, for 1 h",
        "57 years", "104 /min", "14 above", "51 to 90", "hypertension", "apixaban", "alert",
    ):  # fmt: skip
        assert words in page
    assert "on: " in page
    assert row.red_flags[0] in page


def test_the_model_is_shown_with_what_moved_it(
    browser: Client, with_model: Any, api: Any, sore_throat: dict[str, Any]
) -> None:
    answer = api.send(sore_throat).json()
    row = MLPredictionLog.objects.get(pk=answer["prediction_id"])

    page = browser.get(url(row))

    assert [one.share for one in page.context["answers"].shares] == row.probabilities[::-1]
    assert page.context["answers"].contributions
    assert "What moved the model" in page.content.decode()


def test_another_version_is_not_asked_what_moved_the_model(
    browser: Client, with_model: Any, drawn: MLPredictionLog
) -> None:
    page = browser.get(url(drawn))

    assert page.context["answers"].contributions == ()
    assert "shown only while the version that spoke is the one that serves" in page.content.decode()


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        ("gone", "no longer kept"),
        ("damaged", "cannot be read any more"),
        ("other key", "a key that is not installed"),
    ],
)
def test_without_what_was_sent_the_record_is_shown_and_it_says_so(
    browser: Client, api: Any, chest_pain: dict[str, Any], settings: Any, spoil: str, sentence: str
) -> None:
    answer = api.send(chest_pain).json()
    row = MLPredictionLog.objects.get(pk=answer["prediction_id"])
    with connection.cursor() as cursor:
        if spoil == "gone":
            cursor.execute("DELETE FROM monitoring_triageintake")
        if spoil == "damaged":
            cursor.execute("UPDATE monitoring_triageintake SET token = %s", [b"x"])
    if spoil == "other key":
        settings.INTAKE_KEYS = ["b3RoZXItb3RoZXItb3RoZXItb3RoZXItb3RoZXItMTI="]

    page = browser.get(url(row)).content.decode()

    assert sentence in page
    assert "104 /min" in page
    assert row.red_flags[0] in page
    assert "chest pain" not in page


@pytest.mark.parametrize(
    ("age", "normal"), [(40, "51 to 90"), (16, "51 to 90"), (15, "60 to 100"), (4, "80 to 120")]
)
def test_what_is_normal_goes_by_age(browser: Client, db: None, age: float, normal: str) -> None:
    row = prediction(age_years=age, heart_rate=70)
    row.save()

    [heart] = [
        one
        for one in browser.get(url(row)).context["page"].measurements
        if one.name == "Heart rate"
    ]

    assert heart.normal == normal


# --- who saw it -----------------------------------------------------------------------------------


def test_every_view_is_on_record_first(browser: Client, row: MLPredictionLog) -> None:
    browser.get(url(row))
    browser.get(url(row))

    events = AccessEvent.objects.filter(prediction_log=row, actor="reviewer")
    assert [(one.action, one.door) for one in events] == [("view", "admin")] * 2


def test_what_cannot_be_put_on_record_is_not_shown(browser: Client, row: MLPredictionLog) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE monitoring_accessevent RENAME TO elsewhere")

    page = browser.get(url(row))

    assert page.status_code == 503
    assert "chest pain" not in page.content.decode()
    assert "could not be put on record" in page.content.decode()


# --- labels ---------------------------------------------------------------------------------------


def test_one_press_agrees_and_leads_to_the_next_older_case(
    browser: Client, row: MLPredictionLog
) -> None:
    newer = prediction()
    newer.save()

    page = say(browser, newer, choice="agree")

    label = GroundTruth.objects.get()
    assert page["Location"] == url(row)
    assert (label.level, label.source, label.state) == (newer.prediction, "clinician", "settled")
    assert label.saw_prediction is True


def test_another_level_is_recorded_with_its_reason_encrypted(
    browser: Client, row: MLPredictionLog
) -> None:
    page = say(browser, row, choice="level", level="1", note="known angina")

    row.refresh_from_db()
    assert page["Location"].endswith("/review/?queue=unreviewed")
    assert row.ground_truth == Level.SOON
    assert b"angina" not in bytes(GroundTruth.objects.get().note_encrypted)
    assert "known angina" in browser.get(url(row)).content.decode()


def test_who_cannot_assess_it_says_so(browser: Client, row: MLPredictionLog) -> None:
    say(browser, row, choice="cannot", note="no vital signs")

    row.refresh_from_db()
    assert row.ground_truth is None
    assert GroundTruth.objects.get().level is None


@pytest.mark.parametrize("data", [{"choice": "level"}, {"choice": "level", "level": "9"}, {}])
def test_what_is_no_answer_is_asked_for_again(
    browser: Client, row: MLPredictionLog, data: dict[str, str]
) -> None:
    page = say(browser, row, note="kept as typed", **data)

    assert page.status_code == 200
    assert 'role="alert"' in page.content.decode()
    assert "kept as typed" in page.content.decode()
    assert not GroundTruth.objects.exists()


def test_a_second_press_is_no_second_label(browser: Client, row: MLPredictionLog) -> None:
    for _ in range(2):
        page = say(browser, row, choice="level", level="2", newest_seen="")

    assert page.status_code == 302
    assert GroundTruth.objects.count() == 1


def test_a_second_press_with_another_reason_loses_none(
    browser: Client, row: MLPredictionLog
) -> None:
    say(browser, row, choice="level", level="2", note="first", newest_seen="")
    page = say(browser, row, choice="level", level="2", note="second", newest_seen="")

    assert page.status_code == 409
    assert 'value="second"' in page.content.decode()


def test_a_label_that_came_meanwhile_is_told_of_and_nothing_is_lost(
    browser: Client, row: MLPredictionLog, frontend: User
) -> None:
    meanwhile = Label(level=Level.URGENT, source=LabelSource.OUTCOME)
    ground_truth_record(prediction_id=row.pk, author=frontend, label=meanwhile)

    page = say(browser, row, choice="level", level="1", note="my reason", newest_seen="")

    assert page.status_code == 409
    assert "This case was given a label while you had it open" in page.content.decode()
    assert "my reason" in page.content.decode()
    assert 'value="1" data-key="3" checked' in page.content.decode()
    assert GroundTruth.objects.count() == 1

    say(browser, row, choice="level", level="1", newest_seen=page.context["newest_seen"])

    row.refresh_from_db()
    assert row.ground_truth == Level.SOON


def test_a_label_in_the_conflicts_settles_the_case(
    browser: Client, row: MLPredictionLog, frontend: User, reviewer: User
) -> None:
    for author, level in ((frontend, Level.SOON), (reviewer, Level.URGENT)):
        label = Label(level=level, source=LabelSource.OUTCOME)
        ground_truth_record(prediction_id=row.pk, author=author, label=label)
    seen = browser.get(url(row, queue="conflicts")).context["newest_seen"]

    say(browser, row, queue="conflicts", choice="level", level="2", newest_seen=seen)

    states = sorted(GroundTruth.objects.values_list("state", flat=True))
    assert states == ["settled", "superseded", "superseded"]


def test_skipping_leads_to_the_next_older_case_and_at_the_end_back(
    browser: Client, row: MLPredictionLog
) -> None:
    newer = prediction()
    newer.save()

    first = browser.get(browser.get(url(newer)).context["skip"])
    last = browser.get(browser.get(url(row)).context["skip"], follow=True)

    assert first["Location"] == url(row)
    assert "That was the last case of this queue." in last.content.decode()


# --- the blind audit ------------------------------------------------------------------------------


def test_the_audit_shows_the_case_and_neither_answer(
    browser: Client, drawn: MLPredictionLog
) -> None:
    page = browser.get(url(drawn, queue="audit")).content.decode()

    assert page.count("urgent") == 1  # the choice itself
    assert not any(words in page for words in ("RF04", "0.81", ">v1", "Agree", "What was answered"))
    assert AccessEvent.objects.get().door == "audit"


def test_a_blind_label_is_an_audit_and_says_that_the_answer_was_not_seen(
    browser: Client, drawn: MLPredictionLog
) -> None:
    browser.get(url(drawn, queue="audit"))
    browser.get(url(drawn, queue="audit"))

    say(browser, drawn, queue="audit", choice="level", level="3")

    label = GroundTruth.objects.get()
    assert (label.source, label.saw_prediction, label.state) == ("audit", False, "accepted")


@pytest.mark.parametrize(
    "door", ["/admin/monitoring/mlpredictionlog/{}/change/",
             "/admin/monitoring/mlpredictionlog/{}/label/",
             "/admin/monitoring/review/{}/?queue=high-acuity"],
)  # fmt: skip
def test_who_opened_a_drawn_case_by_another_door_is_no_longer_blind(
    browser: Client, drawn: MLPredictionLog, door: str
) -> None:
    browser.get(door.format(drawn.pk))

    say(browser, drawn, queue="audit", choice="level", level="3")

    assert GroundTruth.objects.get().saw_prediction is True


def test_what_a_colleague_saw_does_not_count_against_me(
    browser: Client, drawn: MLPredictionLog, admin_client: Client
) -> None:
    admin_client.get(url(drawn))

    say(browser, drawn, queue="audit", choice="level", level="3")

    assert GroundTruth.objects.get().saw_prediction is False


def test_who_asked_the_service_has_seen_its_answer(browser: Client, db: None) -> None:
    asked = prediction(audited=True, actor="reviewer")
    asked.save()

    say(browser, asked, queue="audit", choice="level", level="3")

    assert GroundTruth.objects.get().saw_prediction is True


def test_once_the_label_is_in_the_answers_are_shown(
    browser: Client, drawn: MLPredictionLog
) -> None:
    say(browser, drawn, queue="audit", choice="level", level="3")

    page = browser.get(url(drawn, queue="audit")).content.decode()

    assert "What was answered" in page
    assert "audit, blind" in page.lower()


def test_a_label_that_is_no_audit_uncovers_nothing(
    browser: Client, drawn: MLPredictionLog, frontend: User
) -> None:
    echo = Label(level=Level.URGENT, source=LabelSource.CLINICIAN, saw_prediction=True)
    ground_truth_record(prediction_id=drawn.pk, author=frontend, label=echo)

    page = browser.get(url(drawn, queue="audit"))
    say(browser, drawn, queue="audit", choice="level", level="3",
        newest_seen=page.context["newest_seen"])  # fmt: skip

    assert page.content.decode().count("urgent") == 1  # the choice itself
    assert GroundTruth.objects.get(source="audit").saw_prediction is False


def test_who_is_overtaken_in_the_audit_stays_blind(
    browser: Client, drawn: MLPredictionLog, frontend: User
) -> None:
    browser.get(url(drawn, queue="audit"))
    meanwhile = Label(level=Level.URGENT, source=LabelSource.AUDIT)
    ground_truth_record(prediction_id=drawn.pk, author=frontend, label=meanwhile)

    page = say(browser, drawn, queue="audit", choice="level", level="3")
    assert page.status_code == 409
    assert "What was answered" not in page.content.decode()
    seen = page.context["newest_seen"]
    say(browser, drawn, queue="audit", choice="level", level="3", newest_seen=seen)

    mine = GroundTruth.objects.get(author__username="reviewer")
    assert (mine.saw_prediction, mine.state) == (False, "conflict")


def test_agreeing_blind_is_not_an_answer(browser: Client, drawn: MLPredictionLog) -> None:
    page = say(browser, drawn, queue="audit", choice="agree")

    assert page.status_code == 200
    assert not GroundTruth.objects.exists()


def test_a_case_that_was_not_drawn_is_not_made_blind_by_its_address(
    browser: Client, row: MLPredictionLog
) -> None:
    say(browser, row, queue="audit", choice="agree")

    label = GroundTruth.objects.get()
    assert (label.source, label.saw_prediction) == ("clinician", True)


def test_the_intake_is_read_only_once_it_is_on_record(
    browser: Client, row: MLPredictionLog
) -> None:
    assert TriageIntake.objects.filter(pk=row.pk).exists()
    page = browser.get(url(row))

    assert "no-store" in page["Cache-Control"]
