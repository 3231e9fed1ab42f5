"""Lists of any length: paged from id to id, never counted, each read through an index."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ml.models import ModelVersion
from monitoring.models import GroundTruth, MLPredictionLog
from monitoring.review import Queue, first_of, queue_cases
from monitoring.selectors import first_id
from tests.monitoring.conftest import prediction

LIST_URL = "/admin/monitoring/mlpredictionlog/"
ON_POSTGRESQL = pytest.mark.skipif(
    "connection.vendor != 'postgresql'", reason="only PostgreSQL says which index it takes"
)


@pytest.fixture
def browser(admin_client: Client) -> Client:
    """The browser of somebody who may see everything."""
    return admin_client


def write(n: int, **values: Any) -> list[MLPredictionLog]:
    """Write rows, the oldest first."""
    return MLPredictionLog.objects.bulk_create(prediction(**values) for _ in range(n))


def shown(page: Any) -> list[Any]:
    """Return the ids on a page, in its order."""
    return [row.pk for row in page.context["cl"].result_list]


def test_older_and_newer_lead_through_every_row_once(browser: Client) -> None:
    ids = [row.pk for row in reversed(write(120))]

    first = browser.get(LIST_URL)
    second = browser.get(LIST_URL + first.context["cl"].older)
    third = browser.get(LIST_URL + second.context["cl"].older)
    back = browser.get(LIST_URL + third.context["cl"].newer)

    assert shown(first) + shown(second) + shown(third) == ids
    assert shown(back) == shown(second)
    assert first.context["cl"].newer is None
    assert third.context["cl"].older is None


def test_a_page_keeps_its_filters_and_a_filter_forgets_the_page(browser: Client) -> None:
    write(60, method="rules")
    write(60, method="ml")

    page = browser.get(f"{LIST_URL}?method=rules")
    older = browser.get(LIST_URL + page.context["cl"].older)

    assert older.context["cl"].result_count == 10
    links = [choice["query_string"] for choice in older.context["cl"].filter_specs[0].choices(
        older.context["cl"])]  # fmt: skip
    assert not any("before" in link for link in links)


def test_a_page_that_is_no_id_is_refused(browser: Client) -> None:
    assert browser.get(f"{LIST_URL}?before=1%20OR%201").status_code == 400


@pytest.mark.parametrize("path", ["", "?level=1&labelled=no", "?period=30d"])
def test_nothing_is_counted_and_no_row_costs_a_query(browser: Client, path: str) -> None:
    write(1)
    with CaptureQueriesContext(connection) as of_one:
        browser.get(LIST_URL + path)
    write(59)
    with CaptureQueriesContext(connection) as of_many:
        browser.get(LIST_URL + path)

    assert len(of_many) == len(of_one)
    assert not any("COUNT(" in query["sql"] for query in of_many)
    assert not any("DISTINCT" in query["sql"] or "OFFSET" in query["sql"] for query in of_many)


def test_no_drawn_row_costs_a_query(browser: Client) -> None:
    write(1, audited=True)
    with CaptureQueriesContext(connection) as of_one:
        browser.get(LIST_URL)
    write(40, audited=True)
    with CaptureQueriesContext(connection) as of_many:
        browser.get(LIST_URL)

    assert len(of_many) == len(of_one)


def test_a_row_is_shown_in_as_many_queries_however_many_labels_it_has(
    browser: Client, reviewer: User
) -> None:
    [row] = write(1)
    counts = []
    # The first page of a process asks for more than its own rows.
    browser.get(f"{LIST_URL}{row.pk}/change/")
    for _ in range(2):
        labels = [
            GroundTruth(prediction_log=row, author=reviewer, level=1, source="audit", state="x")
            for _ in range(5)
        ]
        GroundTruth.objects.bulk_create(labels)
        with CaptureQueriesContext(connection) as queries:
            browser.get(f"{LIST_URL}{row.pk}/change/")
        counts.append(len(queries))

    assert counts[0] == counts[1]
    assert not any("COUNT(" in query["sql"] for query in queries)


@pytest.mark.parametrize("path", ["/admin/", "/admin/monitoring/"])
def test_the_pages_around_the_lists_count_nothing(browser: Client, path: str) -> None:
    with CaptureQueriesContext(connection) as queries:
        assert browser.get(path).status_code == 200

    assert not any("COUNT(" in query["sql"] for query in queries)


def test_several_filters_look_back_thirty_days_unless_told_otherwise(browser: Client) -> None:
    old = first_id(timezone.now() - timedelta(days=40))
    prediction(id=old, method="rules").save()

    alone = browser.get(f"{LIST_URL}?level=1")
    both = browser.get(f"{LIST_URL}?level=1&method=rules")

    assert shown(alone) == [old]
    assert shown(both) == []
    assert "look back 30 days" in both.content.decode()


@ON_POSTGRESQL
@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("level=3", "log_by_level"), ("method=ml", "log_by_method"), ("arm=ml", "log_by_arm"),
        ("labelled=yes", "log_labelled"), ("labelled=no", "log_unlabelled"),
        ("labelled=conflict", "label_conflicts"), ("version=v1", "log_by_version"),
        ("", "monitoring_mlpredictionlog_pkey"), ("period=7d", "monitoring_mlpredictionlog_pkey"),
    ],
)  # fmt: skip
def test_each_filter_reads_its_own_index(browser: Client, query: str, index: str) -> None:
    ModelVersion(version="v1", digest="v1", created_at=timezone.now(), synthetic=True).save()
    write_some_of_each()
    with CaptureQueriesContext(connection) as queries:
        browser.get(f"{LIST_URL}?{query}")

    rows = next(one["sql"] for one in queries if 'FROM "monitoring_mlpred' in one["sql"])
    assert index in plan(rows)


@ON_POSTGRESQL
@pytest.mark.parametrize(
    ("queue", "index"),
    [
        (Queue.UNREVIEWED, "log_unlabelled"), (Queue.LOW_CONFIDENCE, "log_unsure"),
        (Queue.DIFFERING, "log_differing"), (Queue.HIGH_ACUITY, "log_acute"),
        (Queue.AUDIT, "log_drawn"), (Queue.CONFLICTS, "label_conflicts"),
    ],
)  # fmt: skip
def test_each_queue_reads_its_own_index(db: None, queue: Queue, index: str) -> None:
    write_some_of_each()
    with CaptureQueriesContext(connection) as queries:
        first_of(queue_cases(queue), 26)

    assert index in plan(queries[0]["sql"])


def write_some_of_each() -> None:
    """Write so many rows that the few of each kind are worth an index, and count them."""
    write(600)
    write(600, ground_truth=1, ground_truth_at=timezone.now())
    write(3, fallback_reason="low_confidence")
    write(3, model_level=2, model_version="v1")
    write(3, prediction=3, method="ml", ab_group="ml")
    write(100, prediction=3, ground_truth=1, ground_truth_at=timezone.now())
    write(3, audited=True)
    write(100, audited=True, ground_truth=1, ground_truth_at=timezone.now())
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE monitoring_mlpredictionlog")


def plan(query: str) -> str:
    """Return how PostgreSQL would read a large table; of a small one it reads everything."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_bitmapscan = off")
        cursor.execute(f"EXPLAIN {query}")
        return "\n".join(row[0] for row in cursor.fetchall())
