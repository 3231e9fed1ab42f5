"""A year of a busy service in PostgreSQL: how long its pages and daily checks take.

``make bench ARGS=ten_million_rows``. ``BENCH_ROWS`` says how many predictions (10,000,000),
``BENCH_DATABASE_URL`` where (a database ``triage_bench`` on 127.0.0.1, made and dropped here), and
``BENCH_PLANS`` in which file the plans of all queries are kept. Ten million rows take about 15 GB.
"""

from __future__ import annotations

import os
import shutil
import statistics
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

DEFAULT_URL = "postgres://postgres@127.0.0.1:5432/triage_bench"
DEFAULT_ROWS = 10_000_000
BYTES_PER_ROW = 2_000
DAYS = 365
CALLS = 5
PAGE = 100
VERSIONS = 6
RARE_VERSION = "bench-v0"
PLAN = "EXPLAIN (ANALYZE, BUFFERS) "
TABLES = ("monitoring_", "ml_modelversion")


def is_asked_for(arguments: list[str]) -> bool:
    """Tell whether the rows are to be written: it takes minutes and gigabytes."""
    return "ten_million_rows" in arguments or "BENCH_ROWS" in os.environ


def point_to_database() -> None:
    """Make the settings use the database of this benchmark; to be called before they are read."""
    os.environ["DATABASE_URL"] = os.environ.get("BENCH_DATABASE_URL", DEFAULT_URL)


@dataclass
class Measured:
    """The times of one page or job, its plans, and what kept it from being measured."""

    name: str
    times_ms: list[float] = field(default_factory=list)
    queries: list[str] = field(default_factory=list)
    problem: str = ""

    def line(self) -> str:
        """Return one line of the table."""
        if self.problem:
            return f"{self.name:52}  not measured: {self.problem}"
        first, median = self.times_ms[0], statistics.median(self.times_ms[1:])
        return f"{self.name:52}{first:>10.0f}{median:>10.0f}{max(self.times_ms[1:]):>10.0f}"


def main() -> None:
    """Fill the database, measure everything in it, print one line each, and drop it."""
    rows = int(os.environ.get("BENCH_ROWS", DEFAULT_ROWS))
    _check_room(rows)
    with _database():
        started = time.perf_counter()
        end = _fill(rows)
        print(f"\n{rows:,} predictions written in {time.perf_counter() - started:,.0f} s")
        print(f"{'milliseconds':52}{'first':>10}{'median':>10}{'max':>10}")
        measured = []
        for name, call in _subjects(end):
            measured.append(_measure(name, call))
            print(measured[-1].line(), flush=True)
        if "BENCH_PLANS" in os.environ:
            _write_plans(Path(os.environ["BENCH_PLANS"]), measured)


# --- the database ---------------------------------------------------------------------------------


def _check_room(rows: int) -> None:
    free, needed = shutil.disk_usage("/").free, rows * BYTES_PER_ROW
    if free < 2 * needed:
        raise SystemExit(f"{rows:,} rows need about {needed / 1e9:.0f} GB, twice that free.")


@contextmanager
def _database() -> Iterator[None]:
    """Make the database, and drop it whatever happens."""
    import psycopg
    from django.core.management import call_command
    from django.db import connection

    url = os.environ["DATABASE_URL"]
    name = urlsplit(url).path.lstrip("/")
    server = url.removesuffix(name) + "postgres"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
    try:
        call_command("migrate", verbosity=0)
        yield
    finally:
        connection.close()
        with psycopg.connect(server, autocommit=True) as admin:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _fill(rows: int) -> datetime:
    """Write the rows without indexes, then the indexes; returns the time of the newest row."""
    from django.contrib.auth.models import User
    from django.db import connection
    from django.utils import timezone

    from monitoring.models import GroundTruth, MLPredictionLog

    end = timezone.now()
    User.objects.create_superuser("bench")
    _register_versions()
    tables = (MLPredictionLog, GroundTruth)
    with connection.schema_editor() as editor:
        for table in tables:
            for index in table._meta.indexes:
                editor.remove_index(table, index)
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")
        cursor.execute("SET maintenance_work_mem = '1GB'")
        step = timedelta(days=DAYS).total_seconds() * 1000 / rows
        start = end.timestamp() * 1000 - rows * step
        cursor.execute(_predictions_sql(), {"rows": rows, "start": start, "step": step})
        cursor.execute(_LABELS)
        cursor.execute(_CONFLICTS)
        cursor.execute(_ACCESSES)
    with connection.schema_editor() as editor:
        for table in tables:
            for index in table._meta.indexes:
                editor.add_index(table, index)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE)")
    return end


def _register_versions() -> None:
    from django.utils import timezone

    from ml.models import ModelVersion

    for name in (RARE_VERSION, *(f"bench-v{number}" for number in range(1, VERSIONS + 1))):
        version = ModelVersion(
            version=name,
            digest="bench",
            created_at=timezone.now(),
            registered_by="bench",
            dataset="synthetic",
            synthetic=True,
            scikit_learn="bench",
        )
        version.save(force_insert=True)


def _predictions_sql() -> str:
    from django.db.models import JSONField

    from monitoring.models import MLPredictionLog

    columns = dict(_COLUMNS)
    for one in MLPredictionLog._meta.concrete_fields:
        if one.column not in columns:
            blank = "'[]'" if isinstance(one, JSONField) else "''"
            columns[one.column] = "NULL" if one.null else blank
    return (
        f"INSERT INTO monitoring_mlpredictionlog ({', '.join(columns)})\n"
        f"SELECT {', '.join(columns.values())}\n{_RANDOM}"
    )


# Each row's chances are taken from its number, so that every run writes the same rows.
_CHANCES = 12
_RANDOM = f"""
FROM generate_series(1, %(rows)s) AS i
CROSS JOIN LATERAL (SELECT (%(start)s + i * %(step)s)::bigint AS ms) AS t
CROSS JOIN LATERAL (SELECT {
    ", ".join(
        f"(hashint8extended(i, {n}) & 2147483647) / 2147483647.0 AS u{n}" for n in range(_CHANCES)
    )
}) AS u
CROSS JOIN LATERAL (SELECT
    CASE WHEN u0 < 0.15 THEN 0 WHEN u0 < 0.55 THEN 1 WHEN u0 < 0.88 THEN 2 ELSE 3 END AS answer,
    CASE WHEN u1 < 0.45 THEN 'ml' WHEN u1 < 0.9 THEN 'rules' ELSE '' END AS arm,
    u2 < 0.06 AS is_unsure, u3 < 0.2 AS is_labelled
) AS a
CROSS JOIN LATERAL (SELECT
    CASE WHEN u4 < 0.7 THEN answer WHEN u4 < 0.9 THEN greatest(answer - 1, 0)
         ELSE least(answer + 1, 3) END AS rules,
    CASE WHEN u5 < 0.75 THEN answer WHEN u5 < 0.87 THEN greatest(answer - 1, 0)
         ELSE least(answer + 1, 3) END AS model,
    CASE WHEN u6 < 0.8 THEN answer WHEN u6 < 0.88 THEN greatest(answer - 1, 0)
         ELSE least(answer + 1, 3) END AS truth
) AS b
"""
_COLUMNS = {
    "id": "(lpad(to_hex(ms), 12, '0') || '7' || substr(md5(i::text), 1, 3) || '8' "
    "|| substr(md5(i::text), 4, 15))::uuid",
    "created_at": "to_timestamp(ms / 1000.0)",
    "request_id": "md5(i::text)::uuid",
    "client": "'frontend'",
    "actor": "'nurse-' || (u7 * 200)::int",
    "site": "'site-' || (u8 * 6)::int",
    "subject": "md5((i %% 3000000)::text)",
    "experiment": "'ml-vs-rules'",
    "phase": "1",
    "bucket": "(u1 * 10000)::int",
    "ab_group": "arm",
    "decider": "CASE WHEN arm = 'rules' THEN 'rules' ELSE 'ml' END",
    "method": "CASE WHEN arm = 'rules' OR is_unsure THEN 'rules' WHEN u9 < 0.1 THEN 'red_flag' "
    "WHEN u9 < 0.15 THEN 'rule_floor' ELSE 'ml' END",
    "prediction": "answer",
    "confidence": "0.5 + u5 / 2",
    "probabilities": "'[0.05, 0.15, 0.7, 0.1]'",
    "plausible_levels": "'[2]'",
    "threshold": "0.6",
    "fallback_reason": "CASE WHEN is_unsure AND arm <> 'rules' THEN 'low_confidence' ELSE '' END",
    "needs_human": "u9 < 0.05",
    "immediate": "answer = 3 AND u9 < 0.2",
    "model_level": "model",
    "model_confidence": "0.5 + u5 / 2",
    "model_version": f"'bench-v' || least({VERSIONS}, 1 + i * {VERSIONS} / %(rows)s)",
    "model_digest": "'digest'",
    "rules_level": "rules",
    "rules_floor": "least(rules, answer)",
    "rules_version": "'bench-rules'",
    "rules_severity_score": "(u10 * 100)::int",
    "red_flags": "CASE WHEN answer = 3 THEN '[\"RF04\"]'::jsonb ELSE '[]'::jsonb END",
    "hard_flag": "answer = 3",
    "rules_needs_human": "false",
    "news2": "(u10 * 12)::int",
    "age_years": "(u11 * 95)::int",
    "sex": "CASE WHEN u7 < 0.5 THEN 'female' ELSE 'male' END",
    "arrival_mode": "CASE WHEN u8 < 0.7 THEN 'walk_in' ELSE 'ambulance' END",
    "injury": "u9 < 0.25",
    "heart_rate": "50 + (u10 * 90)::int",
    "respiratory_rate": "12 + (u11 * 18)::int",
    "spo2": "88 + (u7 * 12)::int",
    "spo2_scale": "1",
    "on_oxygen": "u8 < 0.05",
    "systolic_bp": "90 + (u9 * 90)::int",
    "diastolic_bp": "50 + (u10 * 50)::int",
    "temperature_c": "36 + round((u11 * 3)::numeric, 1)",
    "consciousness": "'A'",
    "pain_score": "(u7 * 10)::int",
    "missing": "'[\"gcs\"]'",
    "words": "3 + (u8 * 30)::int",
    "unknown_words": "(u9 * u9 * 5)::int",
    "audited": "u10 < 0.02",
    "latency_ms": "3 + 60 * u11 * u11 * u11",
    "durability": "'db'",
    "ground_truth": "CASE WHEN is_labelled THEN truth END",
    "ground_truth_at": "CASE WHEN is_labelled THEN to_timestamp(ms / 1000.0 + u7 * 80000) END",
}
_LABELS = """
INSERT INTO monitoring_groundtruth
    (id, prediction_log_id, created_at, author_id, level, scale, source, saw_prediction, state,
     note_encrypted)
SELECT id, id, ground_truth_at, (SELECT min(id) FROM auth_user), ground_truth, '', 'outcome',
       audited IS FALSE, 'accepted', ''
FROM monitoring_mlpredictionlog WHERE ground_truth IS NOT NULL
"""
# One label in five hundred is disputed.
_CONFLICTS = """
INSERT INTO monitoring_groundtruth
    (id, prediction_log_id, created_at, author_id, level, scale, source, saw_prediction, state,
     note_encrypted)
SELECT gen_random_uuid(), id, created_at + interval '6 hours', (SELECT min(id) FROM auth_user),
       level, '', 'outcome', true, 'conflict', ''
FROM monitoring_mlpredictionlog CROSS JOIN (VALUES (1), (2)) AS said (level)
WHERE ground_truth IS NULL AND hashtext(id::text) % 2500 = 0
"""
_ACCESSES = """
INSERT INTO monitoring_accessevent (id, created_at, actor, action, door, cases, prediction_log_id)
SELECT id, created_at, 'reviewer', CASE WHEN hashtext(id::text) % 1000 = 0 THEN 'erase'
       ELSE 'view' END, 'admin', 1, id
FROM monitoring_mlpredictionlog WHERE hashtext(id::text) % 10 = 0
"""


# --- what is measured -----------------------------------------------------------------------------


def _subjects(end: datetime) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield the name of each page and job, and a call that does it once."""
    yield from _jobs(end)
    yield from _pages()


def _jobs(end: datetime) -> Iterator[tuple[str, Callable[[], object]]]:
    from django.conf import settings

    day = end.astimezone(settings.SITE_TIME_ZONE).date() - timedelta(days=3)
    yield "accuracy check of one day", lambda: _accuracy(day, end)
    yield "drift check of one day", lambda: _drift(day)
    yield "figures of the record for /metrics", lambda: _metrics(end)
    yield "summary of 28 days", lambda: _summary(end)


def _accuracy(day: Any, end: datetime) -> object:
    from monitoring.accuracy import accuracy_check

    return accuracy_check(day, now=end)


def _drift(day: Any) -> object:
    from monitoring.drift import drift_check

    return drift_check(day)


def _metrics(end: datetime) -> object:
    from monitoring.metrics import record_metrics

    return list(record_metrics(now=end))


def _summary(end: datetime) -> object:
    from monitoring.summary import summary

    return summary(now=end)


def _pages() -> Iterator[tuple[str, Callable[[], object]]]:
    from django.contrib.auth.models import User
    from django.test import Client

    client = Client(headers={"host": "localhost"})
    client.force_login(User.objects.get(username="bench"))
    for name, path in _paths():
        yield name, lambda path=path: _get(client, path)


def _get(client: Any, path: str) -> None:
    response = client.get(path)
    if response.status_code != 200:
        raise RuntimeError(f"{path} answered {response.status_code}")


def _paths() -> Iterator[tuple[str, str]]:
    from monitoring.review import Queue

    log, access = "/admin/monitoring/mlpredictionlog/", "/admin/monitoring/accessevent/"
    yield "list: first page", log
    yield f"list: page {PAGE} by cursor", f"{log}?before={_id_at(50 * (PAGE - 1))}"
    yield "list: page of a year ago by cursor", f"{log}?before={_id_at(100, newest=False)}"
    queries = [
        *(f"period={one}" for one in ("today", "7d", "30d")),
        *(f"level={one}" for one in range(4)),
        *(f"method={one}" for one in ("ml", "rules", "red_flag", "rule_floor")),
        *(f"arm={one}" for one in ("ml", "rules", "none")),
        *(f"labelled={one}" for one in ("yes", "no", "conflict")),
        "version=bench-v1",
        f"version={RARE_VERSION}",
        "level=3&method=rules",
        f"level=3&version={RARE_VERSION}",
        "level=3&method=rule_floor&arm=none&labelled=yes&period=30d",
        "level=0&labelled=conflict",
    ]
    for query in queries:
        yield f"list: {query}", f"{log}?{query}"
    yield "one row", f"{log}{_id_at(5000)}/change/"
    for queue in Queue:
        yield f"review: {queue}", f"/admin/monitoring/review/?queue={queue}"
    older = _id_at(50 * (PAGE - 1))
    yield "review: page by cursor", f"/admin/monitoring/review/?queue=unreviewed&before={older}"
    yield "accesses: first page", access
    yield "accesses: erasures", f"{access}?action=erase"


def _id_at(offset: int, *, newest: bool = True) -> uuid.UUID:
    from monitoring.models import MLPredictionLog

    ids = MLPredictionLog.objects.order_by("-id" if newest else "id").values_list("id", flat=True)
    return ids[min(offset, ids.count() - 1)]


def _measure(name: str, call: Callable[[], object]) -> Measured:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    measured = Measured(name)
    try:
        for _ in range(1 + CALLS):
            with CaptureQueriesContext(connection) as captured:
                started = time.perf_counter()
                call()
                measured.times_ms.append((time.perf_counter() - started) * 1000)
            measured.queries = [one["sql"] for one in captured.captured_queries]
    except Exception as error:  # noqa: BLE001 - one page that fails leaves the others to measure
        measured.problem = type(error).__name__
    return measured


def _write_plans(path: Path, measured: list[Measured]) -> None:
    from django.db import connection

    with path.open("w") as file, connection.cursor() as cursor:
        for one in measured:
            file.write(f"{'=' * 100}\n{one.line()}\n")
            for query in one.queries:
                if query.startswith("SELECT") and any(table in query for table in TABLES):
                    cursor.execute(PLAN + query)
                    plan = "\n".join(row[0] for row in cursor.fetchall())
                    file.write(f"\n{query[:600]}\n\n{plan}\n")
